"""A file in which a process notes what it sees, at once: its death loses nothing."""

import os
import pickle
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

_LENGTH = struct.Struct("<I")
What: TypeAlias = Literal["asked", "answered", "unanswered", "refused", "started", "ran", "ready", "left"]


class Entry(NamedTuple):
    """One thing that a process saw."""

    at: int
    """In nanoseconds, by a clock that all processes of the machine share and that nobody sets."""
    what: What
    call: int
    """The number of the call that is asked or answered, in this process."""
    value: Any
    """The call, its answer, or the job."""


class Log:
    """Writes entries."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, what: What, call: int = 0, value: Any = None) -> None:
        """Note it, with the time."""
        entry = pickle.dumps(Entry(time.monotonic_ns(), what, call, value))
        os.write(self._file, _LENGTH.pack(len(entry)) + entry)


class LogReader:
    """Reads what was written since the last time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        self._place = 0

    def new(self) -> Iterator[Entry]:
        """The entries that have come; the last one of a process that was killed may have been cut short."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._place)
            read = file.read()
        self._place += len(read)
        self._rest += read
        while len(self._rest) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._rest)
            if len(self._rest) < _LENGTH.size + length:
                break
            yield pickle.loads(self._rest[_LENGTH.size : _LENGTH.size + length])  # noqa: S301 - our own processes wrote it
            self._rest = self._rest[_LENGTH.size + length :]
