"""A clock that a test moves by hand."""

import weakref
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from jobsvalkey.contract import aware

START = datetime(2025, 1, 1, 12, tzinfo=UTC)


class ManualClock:
    """Stands still, at noon of 1 January 2025 UTC or at `start`, until it is told to move.

    Raises:
        ValueError: `start` has no time zone.
    """

    def __init__(self, start: datetime = START) -> None:
        self._now = aware(start, "start").astimezone(UTC)
        self._listeners: list[weakref.WeakMethod[Callable[[], None]]] = []

    def now(self) -> datetime:
        """Return the present time of this clock, aware, in UTC."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Go forward; a negative time raises `ValueError`."""
        if by < timedelta(0):
            raise ValueError(f"advance goes forward, not by {by}: use set to go back")
        self.set(self._now + by)

    def set(self, to: datetime) -> None:
        """Go to an aware datetime, forward or back; a naive one raises `ValueError`."""
        self._now = aware(to, "to").astimezone(UTC)
        for listener in self._listeners:
            if (moved := listener()) is not None:
                moved()

    def subscribe(self, moved: Callable[[], None]) -> None:
        """Call the method `moved` after each move, for as long as its object lives."""
        self._listeners = [listener for listener in self._listeners if listener() is not None]
        self._listeners.append(weakref.WeakMethod(moved))
