"""Counts of what workers did, minute by minute."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from jobsvalkey.contract import Activity, StoredJob, aware
from jobsvalkey_memory.steps import ClockT_co, Steps

MINUTE = timedelta(minutes=1)
ACTIVITY_MEMORY = timedelta(hours=24)
COUNTED = ("started", "completed", "failed", "retried", "cancelled")


class ActivityRows(Steps[ClockT_co]):
    """Counts of what the exchanges of a minute did. Other steps tally as well, but do not count."""

    async def activity(self, since: datetime | None = None) -> list[Activity]:
        """Return the minutes of a day."""
        first = _minute(self.now()) - ACTIVITY_MEMORY + MINUTE
        if since is not None:
            first = max(first, _minute(aware(since, "since")))
        return [
            Activity(
                minute=minute,
                **{name: tally[name] for name in COUNTED},
                waited=timedelta(microseconds=tally["waited"]),
            )
            for minute, tally in sorted(self.state.activity.items())
            if minute >= first
        ]

    def _tally_start(self, job: StoredJob, now: datetime) -> None:
        waited = now - max(job.due or now, job.stored_at)
        self.state.tally["started"] += 1
        self.state.tally["waited"] += max(waited, timedelta(0)) // timedelta(microseconds=1)

    def _count_tally(self, now: datetime) -> None:
        """Add what the exchange has done to its minute."""
        if not self.state.counts_activity or not any(self.state.tally[name] for name in COUNTED):
            return
        minute = _minute(now)
        self.state.activity.setdefault(minute, Counter()).update(self.state.tally)
        for old in [each for each in self.state.activity if each <= minute - ACTIVITY_MEMORY]:
            del self.state.activity[old]


def _minute(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(second=0, microsecond=0)
