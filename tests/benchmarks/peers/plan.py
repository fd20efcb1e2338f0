"""What is done, and how much of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

REST: Final = (0.01, 0.5)
"""Seconds at least and at most before each push to an idle worker."""

LIMIT: Final = 20.0
"""Seconds that each part may take, but for one that fills a queue."""
LONG_LIMIT: Final = 120.0
ENOUGH: Final = 2.0
"""Seconds from the first start of a drain after which what has run by then is counted."""

WARM: Final = 20
"""Pushes that nobody measures: they open connections."""


class Side(StrEnum):
    """What a process does."""

    PUSH = "push"
    BULK = "bulk"
    WORK = "work"
    LATENCY = "latency"
    THREAD = "thread"
    THREADS = "threads"
    FILL = "fill"


THREADS: Final = 8
"""Threads that push at the same time."""
UVLOOP: Final = "PEER_ON_UVLOOP"
"""Set in the environment of a process whose event loop is uvloop's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many jobs a measurement has."""

    one_by_one: int = 1_500
    bulk: int = 2_000
    drained: int = 2_000
    sampled: int = 8
    started: int = 2
    filled: int = 1_000_000

    def times(self, factor: float) -> "Size":
        """Return another size, for a try; at least two of each."""
        return Size(**{name: max(2, round(getattr(self, name) * factor)) for name in self.__dataclass_fields__})
