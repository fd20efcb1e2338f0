"""The methods of the capability `LANES`: limits, and what lanes do."""

from datetime import timedelta

from jobsvalkey.contract import (
    LaneLimit,
    LanePage,
    Operation,
    StoredLane,
    check_lane_pattern,
)
from jobsvalkey.contract.lanes import too_many_limits
from jobsvalkey.contract.option_types import check_option
from jobsvalkey.valkey import wire
from jobsvalkey.valkey.base import ValkeyBase
from jobsvalkey.valkey.scripting import LANE_LIMITS, LANES, SET_LANE_LIMIT, SWEEP_LANES
from jobsvalkey.valkey.words import Lanes, SetLaneLimit


class ValkeyLimits(ValkeyBase):
    """The methods of the capability `LANES`."""

    async def set_lane_limit(
        self, pattern: str, limit: LaneLimit | None, *, operation: Operation | None = None
    ) -> None:
        """Set the limit of each lane that `pattern` is the name of, or begins the names of if it ends with `*`.

        It holds from the first of its steps on. Lanes that may have more jobs now are looked at in further steps, a
        thousand lines in each; should the call end before, every `recover` goes on with it.

        Raises:
            ValueError: `pattern` is not a pattern.
            ConfigurationError: `MOST_LIMITS` other patterns have a limit.
            StoreUnavailable: no answer within `operation_timeout`.
        """
        words = SetLaneLimit(check_lane_pattern(pattern), _text_of(limit))
        answer: bytes = await self._write(SET_LANE_LIMIT, words, operation)
        if answer == b"full":
            raise too_many_limits()
        session = self._session()
        while answer == b"more":
            has_more: int = await session.control.call(SWEEP_LANES, [], patience=session.patience)
            answer = b"more" if has_more else b"done"

    async def lane_limits(self) -> dict[str, LaneLimit]:
        """Return all limits by their patterns, in the order of the patterns."""
        reply: list[bytes] = await self._read(LANE_LIMITS, [])
        found = {pattern.decode(): limit for pattern, limit in zip(reply[::2], reply[1::2], strict=True) if pattern}
        return {pattern: _limit_of(limit) for pattern, limit in sorted(found.items())}

    async def lanes(self, cursor: str | None = None, *, limit: int = 50) -> LanePage:
        """Return up to `limit` lanes, from the first one or after `cursor`."""
        if limit < 1:
            return LanePage([], None)
        words = Lanes(has_cursor="" if cursor is None else "1", cursor=cursor or "", size=limit)
        reply: list[bytes | int] = await self._read(LANES, words)
        (last,) = reply[len(reply) // 4 * 4 :] or [None]
        rows = zip(*(reply[at : len(reply) // 4 * 4 : 4] for at in range(4)), strict=True)
        lanes = [_lane_of(*row) for row in rows]
        return LanePage(lanes, last.decode() if isinstance(last, bytes) else None)


def _text_of(limit: LaneLimit | None) -> str:
    check_option("limit", limit, LaneLimit | None)
    if limit is None:
        return ""
    number, per = ("-", "-") if limit.rate is None else (limit.rate[0], wire.microseconds(limit.rate[1]))
    return f"{'-' if limit.concurrency is None else limit.concurrency} {number} {per}"


def _limit_of(text: bytes) -> LaneLimit:
    most, number, per = (None if word == b"-" else int(word) for word in text.split())
    rate = None if number is None or per is None else (number, timedelta(microseconds=per))
    return LaneLimit(most, rate)


def _lane_of(name: bytes | int, pending: bytes | int, running: bytes | int, limit: bytes | int) -> StoredLane:
    return StoredLane(
        name=name.decode() if isinstance(name, bytes) else str(name),
        pending=int(pending),
        running=int(running) if limit else None,
        limit=_limit_of(limit) if isinstance(limit, bytes) and limit else None,
    )
