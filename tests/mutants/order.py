"""Bugs of the order in which jobs are claimed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from jobsvalkey.contract import (
    Exchanged,
    NewJob,
    Pushed,
    Report,
    Settlement,
    StoredJob,
    WorkerID,
)
from tests.mutants.mutant import Search, Twin, mutant
from tests.mutants.push import PENDING
from tests.support.broken_twins import EarlyDelivery, LatestFirst

mutant("test_order_due_to_the_smallest_step_of_time", weakness=7, chapter=__name__)(EarlyDelivery)


mutant("test_order_earliest_due_first", chapter=__name__)(LatestFirst)


class ChoosesWrongly(Twin):
    """A claim chooses among what is due as it likes, and shows in the right order what it chose."""

    def rank(self, job: StoredJob) -> Any:
        """What is least in this is claimed first."""
        raise NotImplementedError

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        now, line = self.clock.now(), self.state.lines[PENDING]
        due = [place for place in line if place[0] <= now]
        passed_over = sorted(due, key=lambda place: self.rank(self.state.jobs[place[1]]))[limit:]
        for place in passed_over:
            line.remove(place)
        try:
            answer = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        finally:
            for place in passed_over:
                line.add(place)
        return replace(answer, until_next=self._until_next(now))


@mutant("test_order_equal_times_by_ascending_id", found_by=[Search.HISTORIES])
class LastInFirstOut(ChoosesWrongly):
    """Of jobs that are due at the same time, the last one comes first."""

    def rank(self, job: StoredJob) -> Any:
        return job.due, -job.job_id.int


@mutant("test_order_earliest_due_first", found_by=[Search.HISTORIES])
class OrderOfPushing(ChoosesWrongly):
    """Jobs go in the order in which they were pushed, whenever they are due."""

    def rank(self, job: StoredJob) -> Any:
        return job.stored_at, job.job_id


@mutant("test_order_many_jobs_go_as_in_the_twin", found_by=[Search.MACHINE, Search.HISTORIES])
class LatestDueFirst(ChoosesWrongly):
    """Of all due jobs, the one that has waited longest comes last: under load it never runs."""

    def rank(self, job: StoredJob) -> Any:
        return datetime.max.replace(tzinfo=UTC) - (job.due or job.stored_at)


@mutant("test_order_the_past_keeps_its_place")
class PastIsNow(Twin):
    """A due time in the past becomes now: such a job waits behind those that were there."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        past = isinstance(item.due, datetime) and item.due < now
        return super()._push(replace(item, due=None) if past else item, now)


@mutant("test_order_order_to_the_smallest_step_of_time")
class TimesInMilliseconds(Twin):
    """Due times are cut to milliseconds: within one, the ids decide."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        due = item.due
        if isinstance(due, datetime):
            due = due.replace(microsecond=due.microsecond // 1000 * 1000)
        return super()._push(replace(item, due=due), now)


@mutant("test_order_due_jobs_do_not_wait_behind_delayed_ones", weakness=12)
class DelayedJobsRotate(Twin):
    """An idle poll takes the first delayed job out, and puts it back at the end."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        answer = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        line = list(self.state.lines[PENDING])
        if limit and not answer.claims and len(line) > 1:
            self.state.put(replace(self.state.jobs[line[0][1]], due=line[-1][0] + timedelta(microseconds=1)))
        return answer
