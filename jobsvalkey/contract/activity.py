"""The capability `ACTIVITY`: counts of what workers did, minute by minute."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Counts of what all workers of a queue did in one minute."""

    minute: datetime
    """The beginning of the minute, in UTC."""
    started: int
    """Jobs that were claimed."""
    completed: int
    failed: int
    retried: int
    """Runs after which a job is tried again, or sleeps."""
    cancelled: int
    """Jobs that workers ended as cancelled: aborted ones, expired ones, and those whose parent did not complete."""
    waited: timedelta
    """The sum of the waits of the jobs that were started, each since it was due and stored."""


@runtime_checkable
class ActivityDriver(Protocol):
    """Counts what workers do, from when a worker is opened by a driver whose configuration has `activity`."""

    async def activity(self, since: datetime | None = None) -> list[Activity]:
        """Return the minutes of the last 24 hours in which something was done, from the one of `since` on, in order."""
        ...
