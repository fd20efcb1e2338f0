"""Steps split in two, seen only by a constant observer."""

import asyncio
from collections.abc import Iterable

from jobsvalkey.contract import JobID, Operation, WorkerID
from tests.mutants.mutant import Twin, mutant


async def absent_for_a_moment(twin: Twin, job_ids: Iterable[JobID]) -> None:
    """Take jobs from their list; others may look before they are back."""
    jobs = [(job, job_id in twin.state.kept) for job_id in job_ids if (job := twin.state.jobs.get(job_id))]
    for job, _ in jobs:
        twin.state.take(job.job_id)
    await asyncio.sleep(0)
    for job, keep in jobs:
        twin.state.put(job, keep=keep)


@mutant("test_half_a_job_is_always_on_one_list[recovery]")
class RecoveryJobByJob(Twin):
    """Recovery puts the jobs of a dead worker back one by one, each in a step of its own."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        recovered = 0
        while recovered < max_jobs and await super().recover(1, worker=worker):
            recovered += 1
            await asyncio.sleep(0)
        return recovered


@mutant("test_half_a_job_is_always_on_one_list[rerun]")
class RerunInHalves(Twin):
    """A job that is rerun is taken from one list in one step, and put onto the other in the next."""

    async def rerun(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        await absent_for_a_moment(self, [job_id])
        return await super().rerun(job_id, operation=operation)


@mutant("test_half_a_job_is_always_on_one_list[closing]")
class ClosingInHalves(Twin):
    """A worker's jobs are taken from it in one step when it is closed, and are pending with the next."""

    async def close_worker(self, worker: WorkerID) -> None:
        if holder := self.state.workers.get(worker):
            await absent_for_a_moment(self, holder.claims.values())
        await super().close_worker(worker)
