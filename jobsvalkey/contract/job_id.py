"""Identifiers of jobs: what one looks like, and how the library makes its own."""

import os
from array import array
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID, SafeUUID

from jobsvalkey.contract.clock import unix_milliseconds

_COUNTER_BITS = 42
_COUNTER_LIMIT = 1 << _COUNTER_BITS
_NOTHING: Iterator[int] = iter(())


class JobID(UUID):
    """The id of one job: a UUID that is written in upper case.

    It compares equal to the same `UUID` and to its text in either case. Its hash is the `UUID`'s, so use `JobID` or
    `UUID`, not text, as the keys of a mapping.

    Raises:
        ValueError: the text is not a UUID.
    """

    __slots__ = ("_text",)

    @classmethod
    def parse(cls, value: UUID | str | bytes) -> Self:
        """Return the id that `value`, a UUID or its text in either case, stands for.

        Raises:
            TypeError: it is of another type.
            ValueError: the text is not a UUID.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, UUID):
            return cls(int=value.int)
        text: Any = value.decode("ascii", "replace") if isinstance(value, bytes) else value
        if not isinstance(text, str):
            raise TypeError(f"a job id is a JobID, a UUID or its text, not {value!r}")
        try:
            return cls(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a job id: a job id is a UUID, such as {new_job_id()}") from None

    @classmethod
    def from_wire(cls, text: bytes) -> Self:
        """Return the id of a text that is known to be an upper-case UUID: the quick way for drivers."""
        new = object.__new__(cls)
        _set_text(new, text.decode("ascii"))
        return new

    @classmethod
    def from_int(cls, value: int) -> Self:
        """Return the id of a number that is known to be a UUID's, without checks, for many thousands of ids."""
        new = object.__new__(cls)
        _set_int(new, value)
        return new

    if not TYPE_CHECKING:  # which would allow any name

        def __getattr__(self, name: str) -> object:
            """Make what is asked for first of the number and the text: most ids are only ever one of them."""
            if name == "int":
                _set_int(self, int(self._text.replace("-", ""), 16))
            elif name == "_text":
                digits = f"{self.int:032X}"
                _set_text(self, f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}")
            elif name == "is_safe":
                _set_safety(self, SafeUUID.unknown)
            else:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            return getattr(self, name)

    def __str__(self) -> str:
        return self._text

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

    # A slot needs a declaration for the type checkers only.
    _text: str


# A UUID refuses to be changed; these are being made.
_set_int: Callable[[UUID, int], None] = UUID.__dict__["int"].__set__
_set_safety: Callable[[UUID, Any], None] = UUID.__dict__["is_safe"].__set__
_set_text: Callable[[JobID, str], None] = JobID.__dict__["_text"].__set__


class JobIDGenerator:
    """Makes version 7 UUIDs that never decrease, even if the clock steps back (RFC 9562, 6.2, method 1).

    48 bits of Unix milliseconds are followed by a counter of 42 bits, which starts at a random value in each
    new millisecond, and by 32 random bits. After a fork the child starts again with random bits of its own. The time
    comes from `milliseconds`, by default this machine's clock.

    It has no lock, since a signal handler may push while its own thread makes an id. What threads share is read and
    changed in single steps of the interpreter.
    """

    def __init__(self, milliseconds: Callable[[], int] = unix_milliseconds) -> None:
        self._now = milliseconds
        self._counters: dict[int, Iterator[int]] = {}
        """The counter of the last millisecond, and for a moment those of earlier ones."""
        self._random = array("Q")
        self._start = 0, ""
        """The first half of the last id, and its text: ids of one millisecond share it."""

    def __call__(self) -> JobID:
        """The next id."""
        now, counters = self._now(), self._counters
        while (number := next(counters.get(now := max((now, *counters)), _NOTHING), None)) is None:
            if now in counters:
                now += 1  # that one is used up
            # The highest bit is left free, so that a millisecond has room for 2^41 ids.
            counters.setdefault(now, iter(range(self._bits() >> (64 - _COUNTER_BITS + 1), _COUNTER_LIMIT)))
            for earlier in [each for each in tuple(counters) if each < now]:
                counters.pop(earlier, None)
        head = now << 16 | 0x7000 | number >> 30
        tail = (0x80000000 | number & 0x3FFFFFFF) << 32 | self._bits() >> 32
        last, written = self._start
        if head != last:
            written = f"{head >> 32:08X}-{head >> 16 & 0xFFFF:04X}-{head & 0xFFFF:04X}-"
            self._start = head, written
        new = JobID.from_int(head << 64 | tail)
        digits = f"{tail:016X}"
        _set_text(new, f"{written}{digits[:4]}-{digits[4:]}")  # it is written at once
        return new

    def _bits(self) -> int:
        """Return 64 random bits."""
        while True:
            try:
                return self._random.pop()
            except IndexError:
                self._random.frombytes(os.urandom(4096))

    def forked(self) -> None:
        """Start over in a child process, which must not go on with its parent's counter and random bits."""
        self._counters = {}
        self._random = array("Q")


new_job_id: JobIDGenerator = JobIDGenerator()
"""Makes an id for a job that was given none. There is one generator for the whole process, so that ids are in the order
of the pushes."""

os.register_at_fork(after_in_child=new_job_id.forked)
