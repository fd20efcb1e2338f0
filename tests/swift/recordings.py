"""What the Swift library writes, command by command, as it was recorded from the real one.

`commands.json` holds, for two versions of the library and for each situation, the commands that reached the server.
`Q` stands for the queue's key, `<id1>` and `<lock2>` for UUIDs and values of locks, `<unix+1.5>` for Unix time 1.5 s
after the first command, `<ref+1.5>` for the same in seconds since 2001, `<now>` for the present, `<score>` for what the
function has read. A name that begins with `lua ` was called by the function in the line before, and `…` is any number
of polls that change nothing. What is not recorded is the text of the functions: their effects are the `lua` lines.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

Command: TypeAlias = tuple[str, ...]

POLL, LUA, CALL, VERSION = "…", "lua ", "FCALL", "swiftjobs_version"
_READS = {"GET", "HGET", "LRANGE", "WATCH", "ZCOUNT", "ZSCORE"}

VERSIONS: Final = ("main", "1.0.0")


@dataclass(frozen=True, slots=True)
class Step:
    """Commands that the server runs as one: one of them, or those of a function or a transaction."""

    commands: tuple[Command, ...]
    function: str = ""

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return any(command[0] not in _READS for command in self.commands)

    def __str__(self) -> str:
        return self.function or "; ".join(" ".join(command) for command in self.commands)


@cache
def _recorded() -> dict[str, dict[str, list[list[str]]]]:
    return json.loads(Path(__file__).with_name("commands.json").read_text("utf-8"))


def situations(version: str) -> list[str]:
    """What was recorded of a version."""
    return list(_recorded()[version])


def recording(version: str, situation: str) -> list[Step]:
    """The steps of a situation, without polls that change nothing, and without what has to do with functions."""
    return list(_steps(_recorded()[version][situation]))


def _steps(lines: list[list[str]]) -> Iterable[Step]:
    at = 0
    while at < len(lines):
        name, *words = lines[at]
        at += 1
        if name.startswith(POLL) or name == "FUNCTION" or VERSION in words:
            continue
        if name == CALL:
            commands: list[Command] = []
            while at < len(lines) and lines[at][0].startswith(LUA):
                commands.append((lines[at][0].removeprefix(LUA), *lines[at][1:]))
                at += 1
            yield Step(tuple(commands), words[0])
        elif name == "MULTI":
            end = lines.index(["EXEC"], at)
            yield Step(tuple(tuple(line) for line in lines[at:end]), "transaction")
            at = end + 1
        else:
            yield Step(((name, *words),))


def is_torn(steps: Sequence[Step], at: int) -> bool:
    """Whether Swift is in the midst of what should be one step: it has done some of its writes to the job, not all."""
    return 0 < at < len(steps) and all(_goes_on(step) for step in steps[at - 1 : at + 1])


def _goes_on(step: Step) -> bool:
    signs = step.commands[0][0] in ("HSET", "HMSET") and "workerID" in step.commands[0]
    return step.writes and not step.function and not signs and ".metadata.worker." not in str(step)
