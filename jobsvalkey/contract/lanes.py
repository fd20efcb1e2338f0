"""Priorities and lanes: what they may be, and what a lane may use at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple, Protocol, runtime_checkable

import msgspec

from jobsvalkey.contract.claims import Operation
from jobsvalkey.contract.errors import ConfigurationError
from jobsvalkey.contract.option_types import check_option

HIGHEST_PRIORITY = 100
LONGEST_LANE = 256
HIGHEST_RATE = 10_000
LONGEST_RATE = timedelta(days=1)
MOST_LIMITS = 100
"""How many patterns of a queue may have a limit."""


class LaneLimit(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Says how much each of some lanes may use.

    Raises:
        TypeError: a value is of another type.
        ValueError: neither is given, `concurrency` is below 1, or `rate` is out of range.
    """

    concurrency: int | None = None
    """How many jobs of a lane run at a time, over all workers, at most."""
    rate: tuple[int, timedelta] | None = None
    """How many jobs of a lane begin within a time, at most: a number up to 10,000, and a time up to a day."""

    def __post_init__(self) -> None:
        check_option("concurrency", self.concurrency, int | None)
        check_option("rate", self.rate, tuple | None)
        if self.concurrency is None and self.rate is None:
            raise ValueError("a limit has a concurrency or a rate: to take one away, set None in its place")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"the concurrency of a lane is at least 1, not {self.concurrency}")
        if self.rate is not None:
            _check_rate(self.rate)


def _check_rate(rate: tuple[Any, ...]) -> None:
    if len(rate) != 2:
        raise ValueError(f"a rate is a number of jobs and a time, such as (100, timedelta(minutes=1)), not {rate!r}")
    number, per = rate
    check_option("the number of a rate", number, int)
    check_option("the time of a rate", per, timedelta)
    if not 1 <= number <= HIGHEST_RATE:
        raise ValueError(f"a rate is of 1 to {HIGHEST_RATE:,} jobs, not {number:,}")
    if not timedelta(0) < per <= LONGEST_RATE:
        raise ValueError(f"a rate is for a time above zero, up to a day, not {per}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLane:
    """A lane that has pending jobs, or that has a limit and running ones."""

    name: str
    pending: int
    """Its pending jobs, of all priorities, due or not."""
    running: int | None
    """Its jobs that run; `None` if it has no limit, since then nobody counts them."""
    limit: LaneLimit | None


class LanePage(NamedTuple):
    """Some of the lanes of a queue, in an order that stays."""

    lanes: Sequence[StoredLane]
    cursor: str | None
    """Pass it to get the next page; `None` on the last page. A page without lanes may have one, too."""


@runtime_checkable
class LaneDriver(Protocol):
    """Jobs have priorities and lanes, which take turns. What a lane may use at a time can be limited."""

    async def set_lane_limit(
        self, pattern: str, limit: LaneLimit | None, *, operation: Operation | None = None
    ) -> None:
        """Set the limit of every lane that `pattern` matches.

        A pattern is the name of a lane or, with a `*` at its end, the beginning of names.

        The longest matching pattern applies. `None` removes the limit of this pattern. No later claim goes beyond the
        limit. Jobs that already run beyond it are left alone.

        Raises:
            ValueError: `pattern` is not a pattern.
            ConfigurationError: `MOST_LIMITS` other patterns have a limit.
        """
        ...

    async def lane_limits(self) -> dict[str, LaneLimit]:
        """Return all limits by their patterns, in the order of the patterns."""
        ...

    async def lanes(self, cursor: str | None = None, *, limit: int = 50) -> LanePage:
        """Return up to `limit` lanes, from the first one or after `cursor`."""
        ...


def check_priority(priority: int) -> int:
    """Return `priority`, if it is a whole number from -100 to 100.

    Raises:
        TypeError: it is not a whole number.
        ValueError: it is out of range.
    """
    check_option("priority", priority, int)
    if not -HIGHEST_PRIORITY <= priority <= HIGHEST_PRIORITY:
        raise ValueError(f"a priority is from -{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}, not {priority}")
    return priority


def check_lane(lane: str) -> str:
    """Return `lane`, if it can name a lane: 1 to 256 bytes in UTF-8, without `*`.

    Raises:
        TypeError: it is not text.
        ValueError: it is empty, longer, has a `*`, or cannot be stored as text.
    """
    check_option("lane", lane, str)
    try:
        size = len(lane.encode())
    except UnicodeEncodeError as error:
        raise ValueError(f"the name of a lane is no text that can be stored: {error}") from None
    if not 0 < size <= LONGEST_LANE or "*" in lane:
        raise ValueError(
            f"the name of a lane has 1 to {LONGEST_LANE} bytes in UTF-8 and no '*', and {lane[:40]!r} is none: "
            "use a digest of what is longer"
        )
    return lane


def check_lane_pattern(pattern: str) -> str:
    """Return `pattern`, if it is the name of a lane, or the beginning of names and `*`.

    Raises:
        TypeError: it is not text.
        ValueError: it is neither.
    """
    check_option("pattern", pattern, str)
    if pattern != "*":
        check_lane(pattern.removesuffix("*") or pattern)
    return pattern


def limit_of(lane: str, limits: Mapping[str, LaneLimit]) -> LaneLimit | None:
    """Return the limit of a lane: that of its name or, without one, of the longest beginning that has a limit."""
    if lane in limits:
        return limits[lane]
    patterns = (f"{lane[:length]}*" for length in range(len(lane), -1, -1))
    return next((limits[pattern] for pattern in patterns if pattern in limits), None)


def too_many_limits() -> ConfigurationError:
    """Return the error for a pattern that is one too many."""
    return ConfigurationError(
        f"{MOST_LIMITS} patterns have a limit, and no more can have one: set one for many lanes, as in 'customer:*'"
    )
