"""The scripts: one file an operation, linked with what it uses of the libraries, called by the digest of the text.

The header names the words that a script is called with; each becomes a local of the script's. They come in this order:
those that every script gets (`CONTEXT`), those that its libraries ask for (`-- args: WORD …`), its own (the same), and
then, for each of what there is any number of, the words of `-- each NAME: WORD …`. If there are several kinds of it,
each begins with the name of its kind: `-- each NAME: KIND WORD … | KIND WORD …`, and `-- words: KIND` becomes the
locals of that kind.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import takewhile
from typing import Final

from jobsvalkey.valkey.linking import Libraries

CONTEXT: Final = ("clock", "retention", "window")
"""The words that every script is called with first: the time, if a clock is injected, and the queue's settings."""

_ARGS = re.compile(r"^-- args: (.*)\n", re.M)
_EACH = re.compile(r"^-- each (\w+): (.*)\n", re.M)
_COMMANDS = re.compile(r"(?:redis\.p?call\(|batch\(|gather\(|pcall\((?:batch|gather), )'(\w+)'")
_WORDS = re.compile(r"^( *)-- words: (\w+)\n", re.M)


@dataclass(frozen=True)
class Script:
    """A script. It is put together when it is first used: a process needs a few of them, and soon."""

    name: str

    @cached_property
    def text(self) -> str:
        """The source, for a server that has not seen it."""
        return self._whole[0]

    @cached_property
    def digest(self) -> str:
        """The name by which a server that has seen it knows it."""
        # Nothing secret depends on it.
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    @property
    def parameters(self) -> tuple[str, ...]:
        """The words after `CONTEXT` and before those that there is any number of."""
        return self._whole[1]

    @property
    def each(self) -> Mapping[str, tuple[str, ...]]:
        """The words of what there is any number of, by its kind, or under an empty name if there is one kind only."""
        return self._whole[2]

    @property
    def sources(self) -> list[str]:
        """Its own source, after those of the libraries that it uses."""
        source = _SCRIPTS[self.name]
        return [*(_LIBRARIES.sources[library] for library in _LIBRARIES.used_by(source)), source]

    @property
    def commands(self) -> frozenset[str]:
        """The commands that it may call, in lower case."""
        return _commands_of(self.text)

    @cached_property
    def _whole(self) -> tuple[str, tuple[str, ...], Mapping[str, tuple[str, ...]]]:
        return _put_together(self.sources)


@cache  # each new connection asks
def _commands_of(text: str) -> frozenset[str]:
    return frozenset(command.lower() for command in _COMMANDS.findall(text))


def _read(folder: Traversable) -> dict[str, str]:
    found = {entry.name.removesuffix(".lua"): entry for entry in folder.iterdir() if entry.name.endswith(".lua")}
    return {name: entry.read_text("utf-8") for name, entry in found.items()}


# All at once, for an installation may be replaced while it runs: no script may be of another version than this code.
_SCRIPTS: Final = _read(files("jobsvalkey.valkey") / "scripts")
_LIBRARIES: Final = Libraries(_read(files("jobsvalkey.valkey") / "scripts" / "lib"))


def _each(script: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    found = _EACH.search(script)
    if found is None:
        return "", {}
    name, kinds = found.groups()
    if "|" not in kinds:
        return name, {"": tuple(kinds.split())}
    words = [kind.split() for kind in kinds.split("|")]
    return name, {kind: tuple(rest) for kind, *rest in words}


def _iterator(name: str, each: Mapping[str, tuple[str, ...]], first: int) -> str:
    """A Lua function for a `for`: the place of each, its kind if there are several, and the words that all have."""
    if not each:
        return ""
    kinds = list(each.values())
    shared = len(list(takewhile(lambda words: len(set(words)) == 1, zip(*kinds, strict=False))))
    table, width = "", str(shared)
    if "" not in each:
        widths = ", ".join(f"{kind} = {len(words) + 1}" for kind, words in each.items())
        table, width = f"local WIDTH = {{ {widths} }}\n", "WIDTH[ARGV[at]]"
        shared += 1
    return (
        f"{table}local function each_{name}(_, at)\n"
        f"  at = at and at + {width} or {first}\n"
        f"  if ARGV[at] then return at, {_words('at', range(shared))} end\n"
        "end\n"
    )


def _words(base: str, numbers: Iterable[int]) -> str:
    return ", ".join(f"ARGV[{base} + {number}]" for number in numbers)


def _put_together(sources: list[str]) -> tuple[str, tuple[str, ...], Mapping[str, tuple[str, ...]]]:
    """The text of a script, the words after `CONTEXT`, and those of what there is any number of."""
    source = sources[-1]
    parameters = [word for text in sources for asked in _ARGS.findall(text) for word in asked.split()]
    body = _LIBRARIES.link(source)
    name_of_each, each = _each(source)

    def words(match: re.Match[str]) -> str:
        indentation, kind = match.groups()
        return f"{indentation}local {', '.join(each[kind])} = {_words('at', range(1, len(each[kind]) + 1))}\n"

    body = _WORDS.sub(words, body)
    used = set(re.findall(r"\w+", re.sub("--.*", "", body)))
    bound = {word: f"ARGV[{number}]" for number, word in enumerate((*CONTEXT, *parameters), start=1)}
    bound = {word: value for word, value in bound.items() if word in used}
    head = "local ARGV = ARGV\n"
    if bound:
        head += f"local {', '.join(bound)} = {', '.join(bound.values())}\n"
    text = head + _iterator(name_of_each, each, len(CONTEXT) + len(parameters) + 1) + body
    return text, tuple(parameters), each


ABORT: Final = Script("abort")
ACTIVITY: Final = Script("activity")
ACQUIRE_LOCK: Final = Script("acquire_lock")
CANCEL: Final = Script("cancel")
CHANGE: Final = Script("change")
CLEANUP: Final = Script("cleanup")
CLOSE_BATCH: Final = Script("close_batch")
CLOSE_WORKER: Final = Script("close_worker")
COUNTS: Final = Script("counts")
EXAMINE: Final = Script("examine")
EXCHANGE: Final = Script("exchange")
GET_METADATA: Final = Script("get_metadata")
IS_QUEUE_PAUSED: Final = Script("is_queue_paused")
LANES: Final = Script("lanes")
LANE_LIMITS: Final = Script("lane_limits")
LOAD: Final = Script("load")
PAGE: Final = Script("page")
PAUSE: Final = Script("pause")
PAUSE_QUEUE: Final = Script("pause_queue")
PUSH: Final = Script("push")
PUSH_IF: Final = Script("push_if")
READ: Final = Script("read")
RECOVER: Final = Script("recover")
RELEASE_LOCK: Final = Script("release_lock")
RENEW: Final = Script("renew")
RESUME: Final = Script("resume")
RIGHTS: Final = Script("rights")
SET_LANE_LIMIT: Final = Script("set_lane_limit")
SET_METADATA: Final = Script("set_metadata")
SWEEP_LANES: Final = Script("sweep_lanes")
WORKERS: Final = Script("workers")
