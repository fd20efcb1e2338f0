"""The rows of limits for lanes."""

from itertools import islice

from jobsvalkey.contract import (
    MOST_LIMITS,
    LaneLimit,
    LanePage,
    Operation,
    StoredLane,
    check_lane_pattern,
)
from jobsvalkey.contract.lanes import too_many_limits
from jobsvalkey.contract.option_types import check_option
from jobsvalkey_memory.steps import ClockT_co, Steps, numbered


class LaneRows(Steps[ClockT_co]):
    """Limits of lanes, and lists of lanes."""

    @numbered
    async def set_lane_limit(
        self, pattern: str, limit: LaneLimit | None, *, operation: Operation | None = None
    ) -> None:
        """Note the limit, or forget it; it holds from the next claim on."""
        check_lane_pattern(pattern)
        check_option("limit", limit, LaneLimit | None)
        now, limits = self.now(), self.state.lanes.limits
        if limit is None:
            limits.pop(pattern, None)
        elif pattern not in limits and len(limits) == MOST_LIMITS:
            raise too_many_limits()
        else:
            limits[pattern] = limit
        self.state.lanes.look_again(pattern, now)
        self.state.hint()

    async def lane_limits(self) -> dict[str, LaneLimit]:
        """Return all limits."""
        self.now()
        return dict(sorted(self.state.lanes.limits.items()))

    async def lanes(self, cursor: str | None = None, *, limit: int = 50) -> LanePage:
        """Return the lanes after the one that the cursor names."""
        self.now()
        lanes, pending = self.state.lanes, dict[str, int]()
        for (_, lane), line in lanes.lines.items():
            pending[lane] = pending.get(lane, 0) + len(line)
        names = {lane for lane, count in pending.items() if lane and count}
        names |= {lane for lane in lanes.slots if lanes.limit(lane)}
        behind = (name for name in sorted(names) if cursor is None or name > cursor)
        found = list(islice(behind, max(limit, 0) + 1))
        page = [
            StoredLane(
                name=name,
                pending=pending.get(name, 0),
                running=len(lanes.slots.get(name, ())) if lanes.limit(name) else None,
                limit=lanes.limit(name),
            )
            for name in found[: max(limit, 0)]
        ]
        return LanePage(page, page[-1].name if len(found) > limit > 0 else None)
