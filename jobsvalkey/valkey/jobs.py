"""Steps of single jobs: cancel, abort, pause and resume, rerun and remove."""

from jobsvalkey.contract import AbortOutcome, JobID, Operation
from jobsvalkey.valkey.base import ValkeyBase
from jobsvalkey.valkey.scripting import ABORT, CANCEL, CHANGE, PAUSE, RESUME
from jobsvalkey.valkey.words import Abort, Cancel, Change, Pause, Resume


class ValkeyJobs(ValkeyBase):
    """The capabilities `CANCEL`, `ABORT` and `RESUME`, and of `CLEANUP` what is done to one job."""

    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Cancel a pending or paused job; `False` if it is neither, and nothing changes."""
        return await self._write(CANCEL, Cancel(id=str(job_id)), operation) == b"1"

    async def abort(self, job_id: JobID, *, operation: Operation | None = None) -> AbortOutcome:
        """Cancel a job that has not run, or ask for the end of the one that runs.

        The driver of the worker is told at once, if it waits or claims; else it hears of it at the next renewal. A
        Swift worker hears nothing, so that its job is left as it is.
        """
        answer: bytes = await self._write(ABORT, Abort(id=str(job_id)), operation)
        return AbortOutcome(answer.decode())

    async def pause(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Set a pending job aside with its due time; `False` if it is not pending."""
        return await self._write(PAUSE, Pause(id=str(job_id)), operation) == b"1"

    async def resume(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Put a paused job back, at the due time it had; `False` if it is not paused."""
        return await self._write(RESUME, Resume(id=str(job_id)), operation) == b"1"

    async def rerun(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Put a finished job back into the queue, due now; `False` if it has not ended or is a tombstone.

        Its error is cleared, `recoveries` is 0, and `reset_attempt` is set.
        """
        return await self._write(CHANGE, Change(action="rerun", id=str(job_id)), operation) == b"1"

    async def remove(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Remove a job in any state but processing; `False` if it is processing or not there."""
        return await self._write(CHANGE, Change(action="remove", id=str(job_id)), operation) == b"1"
