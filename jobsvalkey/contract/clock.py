"""Clocks: the only place where the library asks the machine what time it is."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells what time it is."""

    def now(self) -> datetime:
        """Return the present time, aware."""
        ...


class SystemClock:
    """The clock of this machine, in UTC."""

    def now(self) -> datetime:
        """Return the present time, aware, in UTC."""
        return datetime.now(UTC)


def unix_milliseconds() -> int:
    """Milliseconds since 1970 by this machine's clock, for what is made ten thousand times a second."""
    return time.time_ns() // 1_000_000


def aware(value: datetime, what: str) -> datetime:
    """Return `value` if it says which time zone it is in.

    Raises:
        ValueError: it is naive; the message says what to write instead.
    """
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueError(f"{what} is a naive datetime ({value}): give it a time zone, as in datetime.now(UTC)")
    return value
