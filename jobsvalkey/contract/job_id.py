"""Identifiers of jobs: what one looks like, and how the library makes its own."""

import os
import secrets
import threading
from typing import Any, Self
from uuid import UUID

from jobsvalkey.contract.clock import Clock, SystemClock

_COUNTER_BITS = 42
_COUNTER_LIMIT = 1 << _COUNTER_BITS
_RANDOM_BITS = 32


class JobID(UUID):
    """The id of one job: a UUID that is written in upper case.

    It compares equal to the same `UUID` and to its text in either case. Its hash is the `UUID`'s, so use
    `JobID` or `UUID`, not text, as the key of a mapping that is looked up by ids.

    Raises:
        ValueError: the text is not a UUID.
    """

    __slots__ = ("_text",)

    @classmethod
    def parse(cls, value: UUID | str | bytes) -> Self:
        """The id that `value`, a UUID or its text in either case, stands for."""
        if isinstance(value, cls):
            return value
        if isinstance(value, UUID):
            return cls(int=value.int)
        text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
        try:
            return cls(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a job id: a job id is a UUID, such as {new_job_id()}") from None

    @classmethod
    def from_wire(cls, text: bytes) -> Self:
        """The id of a text that is known to be an upper-case UUID; the quick way for drivers."""
        decoded = text.decode("ascii")
        new = object.__new__(cls)
        object.__setattr__(new, "int", int(decoded.replace("-", ""), 16))
        object.__setattr__(new, "is_safe", _UNKNOWN_SAFETY)
        object.__setattr__(new, "_text", decoded)
        return new

    def __str__(self) -> str:
        try:
            return self._text
        except AttributeError:
            text: str = super().__str__().upper()
            object.__setattr__(self, "_text", text)
            return text

    def __repr__(self) -> str:
        return f"JobID('{self}')"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, UUID):
            return self.int == other.int
        if isinstance(other, str):
            return str(self) == other.upper()
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.int)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (str(self),))

    # Filled in by __str__; a slot needs a declaration for the type checkers only.
    _text: str


_UNKNOWN_SAFETY = UUID(int=0).is_safe


class JobIDGenerator:
    """Makes version 7 UUIDs that never decrease, also where the clock steps back (RFC 9562, 6.2, method 1).

    48 bits of Unix milliseconds are followed by a counter of 42 bits, which starts at a random value in each
    new millisecond, and by 32 random bits. After a fork the child starts anew with random bits of its own.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._milliseconds = 0
        self._counter = 0
        self._process = os.getpid()

    def __call__(self) -> JobID:
        """The next id."""
        now = int(self._clock.now().timestamp() * 1000)
        with self._lock:
            if now > self._milliseconds or self._process != os.getpid():
                self._process = os.getpid()
                self._milliseconds = max(now, self._milliseconds)
                # The upper half is left free, so that a millisecond has room for 2^41 ids.
                self._counter = secrets.randbits(_COUNTER_BITS - 1)
            else:
                self._counter += 1
                if self._counter >= _COUNTER_LIMIT:
                    self._milliseconds += 1
                    self._counter = secrets.randbits(_COUNTER_BITS - 1)
            milliseconds, counter = self._milliseconds, self._counter
        value = milliseconds << 80 | 0x7 << 76 | (counter >> 30) << 64
        value |= 0b10 << 62 | (counter & 0x3FFFFFFF) << 32 | secrets.randbits(_RANDOM_BITS)
        return JobID(int=value)

    def forked(self) -> None:
        """Start anew in a child process: a lock that another thread held at the fork stays held for ever."""
        self._lock = threading.Lock()


new_job_id: JobIDGenerator = JobIDGenerator()
"""Makes the id of a job that was given none; one for the whole process, so that push order is id order."""

os.register_at_fork(after_in_child=new_job_id.forked)
