"""Rerun and removal: of one job, and in chunks by state and age."""

from datetime import datetime

from jobsvalkey.contract import FINISHED, JobCleanup, JobID, JobStatus, Operation, StoredJob
from jobsvalkey.valkey import wire
from jobsvalkey.valkey.inspection import ValkeyInspection
from jobsvalkey.valkey.line import Argument
from jobsvalkey.valkey.scripting import CLEANUP


class ValkeyCleaning(ValkeyInspection):
    """The single steps of the capability `CLEANUP`."""

    async def rerun(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Put a finished job back into the queue, due now; `False` where it has not ended or is a tombstone.

        Its error is cleared, `recoveries` is 0, and `reset_attempt` is set.
        """
        return await self._write(CLEANUP, ["ended", "rerun", "", "", 1, str(job_id)], operation) == b"1"

    async def remove(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Remove a job in any state but processing; `False` where it is processing or not there."""
        return await self._write(CLEANUP, ["idle", "remove", "", "", 1, str(job_id)], operation) == b"1"

    async def cleanup_step(
        self,
        status: JobStatus,
        cleanup: JobCleanup,
        *,
        max_jobs: int,
        only_orphans: bool = False,
        operation: Operation | None = None,
    ) -> int:
        """One chunk of a cleanup: up to `max_jobs` jobs of one state, the oldest first; how many it was.

        Jobs are looked for page by page; then one step does all that are still what they were when seen.
        """
        if cleanup.action == "nothing":
            return 0
        if cleanup.action == "rerun" and status in (JobStatus.PENDING, JobStatus.PAUSED):
            raise ValueError(f"{status} jobs cannot be rerun: they have not run")
        age: Argument = "" if cleanup.max_age is None else wire.microseconds(cleanup.max_age)
        condition: list[Argument] = [status, cleanup.action, age, "1" if only_orphans else "", max_jobs]
        found = await self._find(status, cleanup, max_jobs)
        return int(await self._write(CLEANUP, [*condition, *found], operation, condition))

    async def _find(self, status: JobStatus, cleanup: JobCleanup, max_jobs: int) -> list[str]:
        found: list[str] = []
        async for now, ids in self._pages(status, reverse=False):
            if status is JobStatus.PROCESSING:
                return ids  # few, and only the step itself knows which of them are orphans
            if cleanup.action == "remove" and cleanup.max_age is None:
                found += ids
            else:
                for job in await self._jobs(ids, complete=False):
                    if job is None or (cleanup.action == "rerun" and job.request is None):
                        continue
                    if cleanup.max_age is None or now - _since(job) >= cleanup.max_age:
                        found.append(str(job.job_id))
                    elif status in FINISHED:
                        return found  # they come by end: those that follow are younger still
            if len(found) >= max_jobs:
                break
        return found[:max_jobs]


def _since(job: StoredJob) -> datetime:
    return job.ended_at or job.stored_at
