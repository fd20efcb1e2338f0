"""The methods of a queue about what lanes may use."""

from collections.abc import AsyncIterator
from typing import Final, Generic, TypeVar

from jobsvalkey.contract import Capability, LaneLimit, QueueDriver, StoredLane
from jobsvalkey.runtime.capabilities import LaneQueueDriver, require

D_co = TypeVar("D_co", bound=QueueDriver, covariant=True)

_AT_ONCE: Final = 100


class JobLanes(Generic[D_co]):
    """A queue whose jobs have lanes."""

    _driver: D_co
    _capabilities: frozenset[Capability]

    async def set_lane_limit(self: "JobLanes[LaneQueueDriver]", pattern: str, limit: LaneLimit | None) -> None:
        """Limit what each of some lanes may use, for all workers, from the next claim on.

        Args:
            pattern: the name of a lane, or the beginning of names and `*`. The longest pattern that fits a lane counts.
            limit: what each of these lanes may use; `None` removes the limit of this pattern.

        Raises:
            ValueError: `pattern` is not a pattern.
            ConfigurationError: 100 other patterns have a limit.
            StoreUnavailable: the store did not answer in time.
        """
        require(self._driver, self._capabilities, Capability.LANES)
        await self._driver.set_lane_limit(pattern, limit)

    async def lane_limits(self: "JobLanes[LaneQueueDriver]") -> dict[str, LaneLimit]:
        """Return the limits by their patterns, in the order of the patterns."""
        require(self._driver, self._capabilities, Capability.LANES)
        return await self._driver.lane_limits()

    async def lanes(self: "JobLanes[LaneQueueDriver]") -> AsyncIterator[StoredLane]:
        """Iterate over the lanes that have pending jobs, or a limit and running jobs.

        Lanes that come or go meanwhile may be missed; the others are seen once.
        """
        require(self._driver, self._capabilities, Capability.LANES)
        cursor: str | None = None
        while True:
            page = await self._driver.lanes(cursor, limit=_AT_ONCE)
            for lane in page.lanes:
                yield lane
            cursor = page.cursor
            if cursor is None:
                return
