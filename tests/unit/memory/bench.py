"""A twin on a manual clock, with one worker, and short words for what the tests do to it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from jobsvalkey.contract import (
    Claim,
    DriverConfiguration,
    Due,
    Exchanged,
    Fail,
    Finish,
    JobID,
    JobStatus,
    NewJob,
    RetentionPolicy,
    Settlement,
    SettleOutcome,
    new_job_id,
)
from jobsvalkey_memory import ManualClock, MemoryJobQueue, MemoryStore
from tests.support.pushes import STORED, outcomes
from tests.support.retention import KEEP_ALL

SECOND = timedelta(seconds=1)
HOLD = 30 * SECOND
WORKER = "worker-1"


class Bench:
    """`queue` is the driver; `worker-1` is open from the start of the first exchange on."""

    def __init__(self, policy: RetentionPolicy = KEEP_ALL, store: MemoryStore | None = None) -> None:
        self.clock = ManualClock()
        self.queue = MemoryJobQueue(DriverConfiguration(retention_policy=policy), self.clock, store)
        self._sequence = 0

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def sequence(self) -> int:
        self._sequence += 1
        return self._sequence

    async def push(self, due: Due = None, *, request: bytes = b"request", remember: bool = False) -> JobID:
        job_id = new_job_id()
        assert outcomes(await self.queue.push([NewJob(job_id, request, due, remember)])) == [STORED]
        return job_id

    async def exchange(
        self, settlements: Sequence[Settlement] = (), limit: int = 0, *, worker: str = WORKER
    ) -> Exchanged:
        if worker not in self.queue.state.workers:
            await self.queue.open_worker(worker, HOLD)
        return await self.queue.exchange(worker, self.sequence(), settlements, limit)

    async def claim(self, limit: int = 10, *, worker: str = WORKER) -> list[Claim]:
        return (await self.exchange(limit=limit, worker=worker)).claims

    async def settle(self, *settlements: Settlement, worker: str = WORKER) -> list[SettleOutcome]:
        return (await self.exchange(settlements, worker=worker)).outcomes

    async def finished(self) -> JobID:
        """A job that was pushed, claimed and finished just now."""
        job_id = await self.push()
        (claim,) = await self.claim()
        assert await self.settle(Finish(job_id, claim.token)) == [SettleOutcome.SETTLED]
        return job_id

    async def failed(self, *, keep: bool = False) -> JobID:
        """A job that was pushed, claimed and failed just now."""
        job_id = await self.push()
        (claim,) = await self.claim()
        assert await self.settle(Fail(job_id, claim.token, b"error", keep)) == [SettleOutcome.SETTLED]
        return job_id

    async def in_state(self, status: JobStatus) -> JobID:
        """A job that is in `status`, by the shortest way."""
        if status is JobStatus.COMPLETED:
            return await self.finished()
        if status is JobStatus.FAILED:
            return await self.failed()
        if status is JobStatus.WAITING:
            callback = new_job_id()
            assert outcomes(await self.queue.push([NewJob(callback, b"request", batch=callback)])) == [STORED]
            return callback
        job_id = await self.push()
        if status is JobStatus.PAUSED:
            assert await self.queue.pause(job_id)
        elif status is JobStatus.CANCELLED:
            assert await self.queue.cancel(job_id)
        elif status is JobStatus.PROCESSING:
            await self.claim()
        return job_id

    async def status(self, job_id: JobID) -> JobStatus | None:
        return await self.queue.status(job_id)

    async def listed(self, status: JobStatus) -> list[JobID]:
        return [job.job_id async for job in self.queue.jobs(status)]
