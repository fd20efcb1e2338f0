"""Twins with one bug each, which the stateful machine and the histories have to find."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from jobsvalkey_conformance import DriverHarness
from msgspec.structs import replace

from jobsvalkey.contract import (
    Clock,
    DriverConfiguration,
    Exchanged,
    JobID,
    JobStatus,
    NewJob,
    Operation,
    Pushed,
    QueueDriver,
    Report,
    Retry,
    Settlement,
    SettleOutcome,
    StoreOutcome,
    SystemClock,
    WorkerID,
)
from jobsvalkey_memory import MemoryJobQueue, MemoryStore

Twin = MemoryJobQueue[Clock]


class UnfencedSettle(Twin):
    """Whoever settles a running job ends it, whether or not the claim is theirs."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        workers = self.state.workers
        for settlement in settlements:
            for holder in workers.values():
                held = [token for token, job_id in holder.claims.items() if job_id == settlement.job_id]
                if held and worker in workers and sequence > (workers[worker].sequence or 0):
                    del holder.claims[held[0]]
                    workers[worker].claims[settlement.token] = settlement.job_id
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)


class _Ahead:
    """A clock that can be put ahead of another one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.by = timedelta(0)

    def now(self) -> datetime:
        return self._clock.now() + self.by


class EarlyDelivery(Twin):
    """A worker's clock that is ahead runs jobs early."""

    def __init__(self, configuration: DriverConfiguration, clock: Clock, store: MemoryStore) -> None:
        self.ahead = _Ahead(clock)
        super().__init__(configuration, self.ahead, store)

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        self.ahead.by = timedelta(seconds=3)
        try:
            return await super().exchange(worker, sequence, settlements, limit, reports=reports)
        finally:
            self.ahead.by = timedelta(0)


class LostPush(Twin):
    """The last job of a batch is acknowledged, but not stored."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        if len(items) < 3:
            return await super().push(items, operation=operation)
        return [*await super().push(items[:-1], operation=operation), Pushed(StoreOutcome.STORED, items[-1].job_id)]


class ForgetfulExchange(Twin):
    """A repeat of an exchange shows no claims: those whose reply was lost are forgotten."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        holder = self.state.workers.get(worker)
        is_repeat = holder is not None and holder.sequence == sequence
        answer = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        return replace(answer, claims=[]) if is_repeat else answer


class UnnumberedPush(Twin):
    """A repeat of a push is done again."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        return await super().push(items)


class OrphansOfTheLiving(Twin):
    """Recovery takes the jobs of live workers too."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        now = self.clock.now()
        locks = {worker: holder.expires for worker, holder in self.state.workers.items()}
        for holder in self.state.workers.values():
            holder.expires = now
        recovered = await super().recover(max_jobs, worker=worker)
        for each, expires in locks.items():
            self.state.workers[each].expires = expires
        return recovered


class LatestFirst(Twin):
    """The claims of a step come in the wrong order."""

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
        return replace(answer, claims=answer.claims[::-1])


class RetryThenDelete(Twin):
    """A job that is put back is deleted afterwards, as if it had ended."""

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
        for settlement, outcome in zip(settlements, answer.outcomes, strict=True):
            if isinstance(settlement, Retry) and outcome is SettleOutcome.SETTLED:
                await self.remove(settlement.job_id)
        return answer


class CancelDeletesRunning(Twin):
    """Cancelling deletes the payload of a job that runs."""

    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        job = self.state.jobs.get(job_id)
        if job is not None and job.status is JobStatus.PROCESSING:
            self.store.damage(self.configuration.queue_key, job_id, None)
        return await super().cancel(job_id, operation=operation)


class ResumeForgetsDelay(Twin):
    """A job that is resumed is due at once."""

    async def resume(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        resumed = await super().resume(job_id, operation=operation)
        job = self.state.jobs.get(job_id)
        if resumed and job is not None and job.status is JobStatus.PENDING:
            self.state.put(replace(job, due=self.clock.now()))
        return resumed


BROKEN: tuple[type[Twin], ...] = (
    UnfencedSettle,
    EarlyDelivery,
    LostPush,
    ForgetfulExchange,
    UnnumberedPush,
    OrphansOfTheLiving,
    LatestFirst,
    RetryThenDelete,
    CancelDeletesRunning,
    ResumeForgetsDelay,
)


def harness_of(twin_type: type[Twin]) -> type[DriverHarness]:
    """A harness of a twin, nothing but its driver."""

    class Harness(DriverHarness):
        def __init__(self) -> None:
            self.store = MemoryStore()

        def make_driver(
            self, configuration: DriverConfiguration, clock: Clock | None
        ) -> AbstractAsyncContextManager[QueueDriver]:
            return twin_type(configuration, clock or SystemClock(), self.store)

    return Harness


class LatestFirstHarness(harness_of(LatestFirst)):
    """One that a program can import."""
