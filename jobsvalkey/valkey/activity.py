"""The capability `ACTIVITY`."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from jobsvalkey.contract import Activity, aware
from jobsvalkey.valkey.base import ValkeyBase
from jobsvalkey.valkey.scripting import ACTIVITY


class ValkeyActivity(ValkeyBase):
    """Shows what workers did, minute by minute."""

    async def activity(self, since: datetime | None = None) -> list[Activity]:
        """Return the minutes of the last 24 hours in which something was done, from the one of `since` on, in order.

        Nothing is counted unless a worker was opened with `ValkeyConfiguration(activity=True)`.
        """
        first = None if since is None else aware(since, "since") - timedelta(minutes=1)
        minutes = sorted(_minutes(await self._read(ACTIVITY, [])), key=lambda each: each.minute)
        return [each for each in minutes if first is None or each.minute > first]


def _minutes(lines: Sequence[bytes]) -> Iterator[Activity]:
    """The minutes that the lines tell; one that somebody has spoiled tells nothing."""
    for line in lines:
        words = line.split()
        if len(words) == 7 and all(map(bytes.isdigit, words)):
            minute, started, completed, failed, retried, cancelled, waited = map(int, words)
            yield Activity(
                minute=datetime.fromtimestamp(minute * 60, UTC),
                started=started,
                completed=completed,
                failed=failed,
                retried=retried,
                cancelled=cancelled,
                waited=timedelta(microseconds=waited),
            )
