"""Bugs of pushing."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from jobsvalkey.contract import (
    Capability,
    JobStatus,
    NewJob,
    Operation,
    Pushed,
    StoredJob,
    StoreOutcome,
)
from tests.mutants.mutant import Twin, mutant
from tests.support.broken_twins import LostPush

PENDING = JobStatus.PENDING


mutant("test_push_a_thousand_jobs_are_one_push", chapter=__name__)(LostPush)


@mutant("test_push_a_request_is_opaque_bytes")
class PayloadCut(Twin):
    """A payload is cut off after 64 KiB."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        return super()._push(replace(item, request=item.request[:65_536]), now)


@mutant("test_push_a_request_is_opaque_bytes")
class PayloadAsText(Twin):
    """A payload is treated as text: bytes that are not UTF-8 are replaced."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
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
    """A duplicate is reported, but its request is stored all the same."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
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


@mutant("test_push_duplicates_leave_the_other_items_alone")
class AnswersOutOfOrder(Twin):
    """The answers of a push are right, but not in the order of its jobs."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        return sorted(await super().push(items, operation=operation), key=lambda pushed: pushed.outcome)


@mutant("test_push_a_field_that_is_not_supported_is_refused")
class FieldsDropped(Twin):
    """What the driver does not support is silently dropped: the job runs without it."""

    capabilities = Twin.capabilities - {Capability.LANES}

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        plain = [NewJob(item.job_id, item.request, item.due, item.remember) for item in items]
        return await super().push(plain, operation=operation)


@mutant("test_push_a_field_that_is_not_supported_is_refused")
class RefusesOneByOne(Twin):
    """If a job of a push has an unsupported field, the other jobs are stored."""

    capabilities = Twin.capabilities - {Capability.LANES}

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        if operation is not None:
            return await super().push(items, operation=operation)
        return [pushed for item in items for pushed in await super(RefusesOneByOne, self).push([item])]


@mutant("test_push_an_id_of_the_user_is_remembered")
class IdsForgotten(Twin):
    """An id that a user gave is forgotten with its job: the job can be pushed again."""

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        super()._vanish(job, now)
        self.state.remembered.pop(job.job_id, None)


@mutant("test_push_an_id_of_the_user_is_remembered")
class IdsRememberedForEver(Twin):
    """An id that a user gave is never forgotten, whatever the idempotency window."""

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        super()._vanish(job, now)
        if job.job_id in self.state.remembered:
            self.state.remembered[job.job_id] = now + timedelta(days=1000)


@mutant("test_push_the_window_begins_when_the_job_is_gone")
class WindowFromThePush(Twin):
    """The idempotency window counts from the push: it is over before a long job is."""

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        super()._vanish(job, now)
        if job.job_id in self.state.remembered:
            self.state.remembered[job.job_id] = job.stored_at + self.configuration.idempotency_window


@mutant("test_push_an_id_of_the_library_leaves_nothing_behind")
class AllIdsRemembered(Twin):
    """Every id is remembered, including the library's: the store grows with each job that ever ran."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        return super()._push(replace(item, remember=True), now)


@mutant("test_push_a_due_time_that_says_nothing_is_refused")
class NegativeDelayAccepted(Twin):
    """A negative delay counts as none."""

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
