"""The scripts: one file an operation, put together with the libraries that it uses, called by the digest of the text.

A line `-- uses: NAME …` of a script, or of a library, is replaced by the libraries of these names, with what they use,
but for those that stand before it. Inside of a block it is for that block alone: what a frequent case does not need
costs it nothing.

The header names the words that a script is called with; each becomes a local of the script's. They come in this order:
those that every script gets (`CONTEXT`), those that its libraries ask for (`-- args: WORD …`), its own (the same), and
then, for each of what there is any number of, the words of `-- each NAME: WORD …`. If there are several kinds of it,
each begins with the name of its kind: `-- each NAME: KIND WORD … | KIND WORD …`, and `-- words: KIND` becomes the
locals of that kind.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import takewhile
from typing import Final

CONTEXT: Final = ("clock", "retention", "window")
"""The words that every script is called with first: the time, if a clock is injected, and the queue's settings."""

_USES = re.compile(r"^( *)-- uses: (.*)\n", re.M)
_ARGS = re.compile(r"^-- args: (.*)\n", re.M)
_EACH = re.compile(r"^-- each (\w+): (.*)\n", re.M)
_COMMANDS = re.compile(r"(?:redis\.p?call\(|batch\(|gather\(|pcall\(batch, )'(\w+)'")
_WORDS = re.compile(r"^( *)-- words: (\w+)\n", re.M)


@dataclass(frozen=True, slots=True)
class Script:
    """The text of a script, and the digest by which a server that has seen it knows it."""

    name: str
    text: str
    digest: str
    parameters: tuple[str, ...]
    """The words after `CONTEXT` and before those that there is any number of."""
    each: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """The words of what there is any number of, by its kind, or under an empty name if there is one kind only."""

    @property
    def commands(self) -> frozenset[str]:
        """The commands that it may call, in lower case."""
        return _commands_of(self.text)


@cache  # each new connection asks
def _commands_of(text: str) -> frozenset[str]:
    return frozenset(command.lower() for command in _COMMANDS.findall(text))


@cache  # a library is a part of many scripts
def _source(path: str) -> str:
    return (files("jobsvalkey.valkey") / "scripts" / f"{path}.lua").read_text("utf-8")


def _with_libraries(text: str, present: set[str], parameters: list[str]) -> str:
    """The text with its libraries; notes in `present` which are there, and in `parameters` the words they ask for."""

    def put_in(match: re.Match[str]) -> str:
        indentation, names = match.groups()
        there = present if not indentation else set(present)
        return "".join(_library(name, there, parameters) for name in names.split() if name not in there)

    return _USES.sub(put_in, text)


def _library(name: str, present: set[str], parameters: list[str]) -> str:
    present.add(name)
    source = _source(f"lib/{name}")
    text = _with_libraries(source, present, parameters)
    for asked in _ARGS.findall(source):
        parameters += asked.split()
    return text


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


def _load(name: str) -> Script:
    source = _source(name)
    parameters: list[str] = []
    body = _with_libraries(source, set(), parameters)
    for asked in _ARGS.findall(source):
        parameters += asked.split()
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
    # The digest names a script; nothing secret depends on it.
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return Script(name, text, digest, tuple(parameters), each)


ABORT: Final = _load("abort")
ACQUIRE_LOCK: Final = _load("acquire_lock")
CANCEL: Final = _load("cancel")
CHANGE: Final = _load("change")
CLEANUP: Final = _load("cleanup")
CLOSE_WORKER: Final = _load("close_worker")
COUNTS: Final = _load("counts")
EXAMINE: Final = _load("examine")
EXCHANGE: Final = _load("exchange")
GET_METADATA: Final = _load("get_metadata")
IS_QUEUE_PAUSED: Final = _load("is_queue_paused")
PAGE: Final = _load("page")
PAUSE: Final = _load("pause")
PAUSE_QUEUE: Final = _load("pause_queue")
PUSH: Final = _load("push")
PUSH_IF: Final = _load("push_if")
READ: Final = _load("read")
RECOVER: Final = _load("recover")
RELEASE_LOCK: Final = _load("release_lock")
RENEW: Final = _load("renew")
RESUME: Final = _load("resume")
RIGHTS: Final = _load("rights")
SET_METADATA: Final = _load("set_metadata")
