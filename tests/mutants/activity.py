"""Bugs of counting what workers did."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from jobsvalkey.contract import Activity, Exchanged, JobID, Settlement, SettleOutcome, StoredJob, WorkerID
from jobsvalkey_memory.store import Worker
from tests.mutants.mutant import Search, Twin, mutant
from tests.mutants.scripts import script_mutant


@mutant("test_activity_is_what_exchanges_do", found_by=[Search.MACHINE])
class EachEndCounts(Twin):
    """A settlement of a lost claim counts as the end of a job."""

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        outcome = super()._settle(holder, settlement, now)
        self.state.tally["completed"] += outcome is SettleOutcome.CLAIM_LOST
        return outcome


@mutant("test_activity_of_jobs_that_are_cancelled", found_by=[Search.MACHINE])
class OtherStepsCount(Twin):
    """What other steps cancelled counts with the next exchange."""

    async def cancel(self, job_id: JobID, **options: Any) -> bool:
        is_done = await super().cancel(job_id, **options)
        self.state.activity.setdefault(_minute(self.now()), Counter())["cancelled"] += is_done
        return is_done


@mutant("test_activity_of_exchanges_that_do_nothing_is_none", found_by=[Search.MACHINE])
class RepeatsCount(Twin):
    """A repeat counts its claims once more."""

    async def exchange(self, worker: WorkerID, sequence: int, *rest: Any, **named: Any) -> Exchanged:
        is_repeat = worker in self.state.workers and self.state.workers[worker].sequence == sequence
        answer = await super().exchange(worker, sequence, *rest, **named)
        if is_repeat:
            self._count_tally(self.now())
        return answer


@mutant("test_activity_is_by_the_minute")
class ActivityForgetsSince(Twin):
    """`activity` lists all minutes, whatever `since` says."""

    async def activity(self, since: datetime | None = None) -> list[Activity]:
        await super().activity(since)
        return await super().activity()


@mutant("test_activity_is_kept_for_a_day", found_by=[Search.MACHINE])
class ActivityIsKeptForEver(Twin):
    """A minute is listed for more than a day."""

    def _count_tally(self, now: datetime) -> None:
        before = dict(self.state.activity)
        super()._count_tally(now)
        self.state.activity = before | self.state.activity

    async def activity(self, since: datetime | None = None) -> list[Activity]:
        now, clock = self.now(), self._clock
        try:
            self._clock = _Standing(now - timedelta(days=2))  # pyright: ignore[reportAttributeAccessIssue]
            return await super().activity(since)
        finally:
            self._clock = clock


@mutant("test_activity_has_the_waits", found_by=[Search.MACHINE])
class WaitsBeginAtThePush(Twin):
    """A job that was pushed for later counts as waiting before it is due."""

    def _tally_start(self, job: StoredJob, now: datetime) -> None:
        self.state.tally["started"] += 1
        self.state.tally["waited"] += (now - job.stored_at) // timedelta(microseconds=1)


@mutant("test_activity_is_counted_once_it_was_asked_for", found_by=[Search.MACHINE])
class ActivityWithoutBeingAsked(Twin):
    """Workers count, whether or not anybody asked for it."""

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        self.state.counts_activity = True
        await super().open_worker(worker, hold_for, about=about)


class _Standing:
    def __init__(self, time: datetime) -> None:
        self._time = time

    def now(self) -> datetime:
        return self._time


def _minute(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0)


script_mutant(
    "ScriptAddsToYesterday",
    "`activity.lua`: the numbers of a minute are added to those of the day before.",
    "test_activity_is_kept_for_a_day",
    " and held:match('^%d+') == whole(minute) then",
    " then",
    chapter=__name__,
)
script_mutant(
    "ScriptBeginsAnew",
    "`activity.lua`: each exchange starts the minute over.",
    "test_activity_is_what_exchanges_do",
    "numbers[n] = (numbers[n] or 0) + tonumber(number_held)",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptTellsAllMinutes",
    "`activity.lua`: minutes of more than a day ago are listed.",
    "test_activity_is_kept_for_a_day",
    "if number_of_minute and number_of_minute > minute - DAY then",
    "if number_of_minute then",
    chapter=__name__,
)
script_mutant(
    "ScriptForgetsOverdue",
    "`exchange.lua`: jobs that have expired are not counted.",
    "test_activity_of_jobs_that_expire",
    "overdue = end_overdue()",
    "end_overdue()",
    chapter=__name__,
)
script_mutant(
    "ScriptCountsTheAbortedAsRetried",
    "`exchange.lua`: a job that is cancelled in place of its retry is not counted.",
    "test_activity_of_jobs_that_are_cancelled",
    "cancel = 'cancel', abort = 'cancel' }",
    "cancel = 'cancel' }",
    chapter=__name__,
)
script_mutant(
    "ScriptWaitsSinceTheDueTime",
    "`exchange.lua`: a job that was due before it was stored has waited since then.",
    "test_activity_has_the_waits",
    "math.max(micro(claims[4 * n + 4]), stored_at[n] or 0)",
    "micro(claims[4 * n + 4])",
    chapter=__name__,
)
script_mutant(
    "ScriptCountsUnasked",
    "`renew.lua`: a queue counts from the first worker on.",
    "test_activity_is_counted_once_it_was_asked_for",
    "if open:sub(1, 1) == 'a' then begin_to_use('a') end",
    "if open ~= '' then begin_to_use('a') end",
    chapter=__name__,
)
