"""Bugs of pushing, of claiming, and of the order in which jobs are claimed."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from jobsvalkey.contract import (
    Exchanged,
    JobStatus,
    NewJob,
    Operation,
    Pushed,
    Report,
    Settlement,
    StoredJob,
    StoreOutcome,
    WorkerID,
)
from tests.mutants.mutant import Search, Twin, mutant
from tests.support.broken_twins import EarlyDelivery, LatestFirst, LostPush

PENDING = JobStatus.PENDING

mutant("test_push_a_thousand_jobs_are_one_push", chapter=__name__)(LostPush)
mutant("test_order_due_to_the_smallest_step_of_time", weakness=7, chapter=__name__)(EarlyDelivery)
mutant("test_order_earliest_due_first", chapter=__name__)(LatestFirst)


@mutant("test_push_a_request_is_opaque_bytes")
class PayloadCut(Twin):
    """A payload loses what is beyond 64 KiB."""

    def _push(self, item: NewJob, now: datetime) -> StoreOutcome:
        return super()._push(replace(item, request=item.request[:65_536]), now)


@mutant("test_push_a_request_is_opaque_bytes")
class PayloadAsText(Twin):
    """A payload is taken for text: bytes that are no UTF-8 are replaced."""

    def _push(self, item: NewJob, now: datetime) -> StoreOutcome:
        return super()._push(replace(item, request=item.request.decode("utf-8", "replace").encode()), now)


@mutant("test_push_a_large_payload_is_refused_with_its_push", weakness=1)
class BatchHalfDone(Twin):
    """A push goes job by job: what is refused in the middle leaves the first half in the store."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        if operation is not None:
            return await super().push(items, operation=operation)
        stored: list[Pushed] = []
        for item in items:
            stored += await super().push([item])
        return stored


@mutant("test_push_a_present_id_changes_nothing")
class DuplicateOverwrites(Twin):
    """A duplicate is reported, and its request stored all the same."""

    def _push(self, item: NewJob, now: datetime) -> StoreOutcome:
        there = self.state.jobs.get(item.job_id)
        if there is not None and there.status is PENDING:
            self.state.put(replace(there, request=item.request))
        return super()._push(item, now)


@mutant("test_push_duplicates_leave_the_other_items_alone")
class DuplicateSpoilsBatch(Twin):
    """One duplicate keeps the other jobs of its push from being stored."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        if operation is None and any(item.job_id in self.state.jobs for item in items):
            return [Pushed(StoreOutcome.DUPLICATE, item.job_id) for item in items]
        return await super().push(items, operation=operation)


@mutant("test_concurrency_many_pushes_at_once", found_by=[Search.HISTORIES])
class PushInTwoSteps(Twin):
    """A push looks first and stores later: two that look at once both store the job."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        absent = [item.job_id not in self.state.jobs for item in items]
        await asyncio.sleep(0)
        stored = await super().push(items, operation=operation)
        seen = zip(items, stored, absent, strict=True)
        return [Pushed(StoreOutcome.STORED, item.job_id) if was_absent else one for item, one, was_absent in seen]


@mutant("test_push_duplicates_leave_the_other_items_alone")
class AnswersOutOfOrder(Twin):
    """The answers of a push are right, but not in the order of its jobs."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        return sorted(await super().push(items, operation=operation), key=lambda pushed: pushed.outcome)


@mutant("test_push_a_field_that_is_not_supported_is_refused")
class FieldsDropped(Twin):
    """What the driver does not support is left out in silence: the job runs without it."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        plain = [NewJob(item.job_id, item.request, item.due, item.remember) for item in items]
        return await super().push(plain, operation=operation)


@mutant("test_push_a_field_that_is_not_supported_is_refused")
class RefusesOneByOne(Twin):
    """Of a push with a field that is not supported the other jobs are stored."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        if operation is not None:
            return await super().push(items, operation=operation)
        return [pushed for item in items for pushed in await super(RefusesOneByOne, self).push([item])]


@mutant("test_push_an_id_of_the_user_is_remembered")
class IdsForgotten(Twin):
    """An id of the user's is forgotten with its job: the job is pushed again."""

    def _drop(self, job: StoredJob, now: datetime) -> None:
        super()._drop(job, now)
        self.state.remembered.pop(job.job_id, None)


@mutant("test_push_an_id_of_the_user_is_remembered")
class IdsRememberedForEver(Twin):
    """An id of the user's is never forgotten, whatever the idempotency window."""

    def _drop(self, job: StoredJob, now: datetime) -> None:
        super()._drop(job, now)
        if job.job_id in self.state.remembered:
            self.state.remembered[job.job_id] = now + timedelta(days=1000)


@mutant("test_push_the_window_begins_when_the_job_is_gone")
class WindowFromThePush(Twin):
    """The idempotency window counts from the push: it is over before a long job is."""

    def _drop(self, job: StoredJob, now: datetime) -> None:
        super()._drop(job, now)
        if job.job_id in self.state.remembered:
            self.state.remembered[job.job_id] = job.stored_at + self.configuration.idempotency_window


@mutant("test_push_an_id_of_the_library_leaves_nothing_behind")
class AllIdsRemembered(Twin):
    """Every id is remembered, the library's too: the store grows by each job that ever ran."""

    def _push(self, item: NewJob, now: datetime) -> StoreOutcome:
        return super()._push(replace(item, remember=True), now)


@mutant("test_push_a_due_time_that_says_nothing_is_refused")
class NegativeDelayAccepted(Twin):
    """A negative delay is taken for none."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        negative = [isinstance(item.due, timedelta) and item.due < timedelta(0) for item in items]
        items = [replace(item, due=None) if is_so else item for item, is_so in zip(items, negative, strict=True)]
        return await super().push(items, operation=operation)


@mutant("test_push_queues_are_kept_apart")
class OneQueueForAll(Twin):
    """The queue key is ignored: all queues of a store are one."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.state = next(iter(self.store.queues.values()))


@mutant("test_claim_no_more_than_the_limit", found_by=[Search.MACHINE, Search.HISTORIES])
class LimitIgnored(Twin):
    """A claim takes all that is due, whatever its limit."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        return await super().exchange(worker, sequence, settlements, 1000 if limit else 0, reports=reports)


@mutant("test_claim_the_time_until_the_next_job")
class NextDueForgotten(Twin):
    """Delayed jobs are not counted in the time until the next job: a worker sleeps past them."""

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
        return answer if answer.until_next == 0 else replace(answer, until_next=None)


@mutant("test_claim_a_claim_brings_the_envelope")
class EnvelopeOfTheClaim(Twin):
    """A claim says that the job was stored when it was claimed."""

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
        return replace(answer, claims=[replace(claim, stored_at=self.clock.now()) for claim in answer.claims])


@mutant("test_claim_an_unknown_worker_claims_nothing")
class UnknownWorkerOpened(Twin):
    """A worker that was never opened, or was closed, may claim: it is opened on the way."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        if worker not in self.state.workers:
            await self.open_worker(worker, timedelta(minutes=1))
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)


@mutant("test_claim_reports_that_are_not_supported_are_refused")
class ReportsSwallowed(Twin):
    """What handlers report is taken, and lost."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        return await super().exchange(worker, sequence, settlements, limit)


@mutant("test_concurrency_no_job_is_claimed_twice", found_by=[Search.HISTORIES])
class ClaimInTwoSteps(Twin):
    """A claim looks first and takes later: two workers that look at once both get the job."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        now = self.clock.now()
        seen = [due_id[1] for due_id in self.state.lines[PENDING] if due_id[0] <= now][:limit]
        await asyncio.sleep(0)
        for job_id in seen:
            job = self.state.jobs.get(job_id)
            if job is not None and job.status is JobStatus.PROCESSING:
                self._pend(job)
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)

    def _drop(self, job: StoredJob, now: datetime) -> None:
        # The first of the two that ends the job takes it from the other.
        for holder in self.state.workers.values():
            holder.claims = {token: job_id for token, job_id in holder.claims.items() if job_id != job.job_id}
        super()._drop(job, now)


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
    """Of jobs that are due together the latest comes first."""

    def rank(self, job: StoredJob) -> Any:
        return job.due, -job.job_id.int


@mutant("test_order_earliest_due_first", found_by=[Search.HISTORIES])
class OrderOfPushing(ChoosesWrongly):
    """Jobs go in the order in which they were pushed, whenever they are due."""

    def rank(self, job: StoredJob) -> Any:
        return job.stored_at, job.job_id


@mutant("test_order_many_jobs_go_as_in_the_twin", found_by=[Search.MACHINE, Search.HISTORIES])
class LatestDueFirst(ChoosesWrongly):
    """Of all that is due, what has waited longest comes last: under load it never comes."""

    def rank(self, job: StoredJob) -> Any:
        return datetime.max.replace(tzinfo=UTC) - (job.due or job.stored_at)


@mutant("test_order_the_past_keeps_its_place")
class PastIsNow(Twin):
    """A due time in the past becomes now: such a job waits behind those that were there."""

    def _push(self, item: NewJob, now: datetime) -> StoreOutcome:
        past = isinstance(item.due, datetime) and item.due < now
        return super()._push(replace(item, due=None) if past else item, now)


@mutant("test_order_order_to_the_smallest_step_of_time")
class TimesInMilliseconds(Twin):
    """Due times are cut to milliseconds: within one, the ids decide."""

    def _push(self, item: NewJob, now: datetime) -> StoreOutcome:
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
