"""Rerun and removal: of one job, and in chunks by state and age."""

from jobsvalkey.contract import JobCleanup, JobID, JobStatus, Operation
from jobsvalkey.valkey import wire
from jobsvalkey.valkey.base import ValkeyBase
from jobsvalkey.valkey.line import Argument
from jobsvalkey.valkey.scripting import CHANGE, CLEANUP


class ValkeyCleaning(ValkeyBase):
    """The single steps of the capability `CLEANUP`."""

    async def rerun(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Put a finished job back into the queue, due now; `False` where it has not ended or is a tombstone.

        Its error is cleared, `recoveries` is 0, and `reset_attempt` is set.
        """
        return await self._write(CHANGE, ["rerun", str(job_id)], operation) == b"1"

    async def remove(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Remove a job in any state but processing; `False` where it is processing or not there."""
        return await self._write(CHANGE, ["remove", str(job_id)], operation) == b"1"

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

        Where very many jobs are passed over, being too young or without a request, it takes several steps to find one.
        """
        if cleanup.action == "nothing" or max_jobs < 1:
            return 0
        if cleanup.action == "rerun" and status in (JobStatus.PENDING, JobStatus.PAUSED):
            raise ValueError(f"{status} jobs cannot be rerun: they have not run")
        age: Argument = "" if cleanup.max_age is None else wire.microseconds(cleanup.max_age)
        asked: list[Argument] = [status, cleanup.action, age, "1" if only_orphans else "", max_jobs]
        skipped = b"0:0"
        while True:
            answer: bytes = await self._write(CLEANUP, [*asked, skipped], operation, asked)
            done, _, skipped = answer.partition(b" ")
            if not skipped:
                return int(done)
