"""What is done, and how much of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

REST: Final = (0.01, 0.5)
"""Seconds at least and at most before each push to an idle worker."""

LIMIT: Final = 60.0
"""Seconds that each part may take."""

WARM: Final = 20
"""Pushes that nobody measures: they open connections."""


class Side(StrEnum):
    """What a process does."""

    PUSH = "push"
    BULK = "bulk"
    WORK = "work"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many jobs a measurement has."""

    one_by_one: int = 1_900
    bulk: int = 4_000
    drained: int = 6_000
    sampled: int = 20

    def times(self, factor: float) -> "Size":
        """Return another size, for a try; at least two of each."""
        return Size(**{name: max(2, round(getattr(self, name) * factor)) for name in self.__dataclass_fields__})
