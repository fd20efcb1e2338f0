"""Steps of single jobs: cancel, abort, pause and resume, rerun and remove."""

from jobsvalkey.contract import AbortOutcome, JobID, Operation
from jobsvalkey.valkey.base import ValkeyBase
from jobsvalkey.valkey.scripting import ABORT, CANCEL, CHANGE, CLOSE_BATCH, PAUSE, RESUME
from jobsvalkey.valkey.words import Abort, Cancel, Change, CloseBatch, Pause, Resume


class ValkeyJobs(ValkeyBase):
    """The capabilities `CANCEL`, `ABORT`, `RESUME` and `FLOWS`, and of `CLEANUP` what is done to one job."""

    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Cancel a pending, paused or waiting job; `False` if it is none of these, and nothing changes."""
        return await self._write(CANCEL, Cancel(id=str(job_id)), operation) == b"1"

    async def abort(self, job_id: JobID, *, operation: Operation | None = None) -> AbortOutcome:
        """Cancel a job that has not run, or ask a running one to end.

        The driver of the worker is told at once, if it waits or claims; else it hears of it at the next renewal. A
        Swift worker hears nothing, so that its job is left as it is.
        """
        answer: bytes = await self._write(ABORT, Abort(id=str(job_id)), operation)
        return AbortOutcome(answer.decode())

    async def pause(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Set a pending job aside with its due time; `False` if it is not pending."""
        return await self._write(PAUSE, Pause(id=str(job_id)), operation) == b"1"

    async def resume(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Put a paused job back, or let a waiting one go, at the due time it had; `False` if it is neither."""
        return await self._write(RESUME, Resume(id=str(job_id)), operation) == b"1"

    async def close_batch(self, callback: JobID, *, operation: Operation | None = None) -> bool:
        """Take the batch's own hold from its callback; `False` if that does not hold it, and nothing changes."""
        return await self._write(CLOSE_BATCH, CloseBatch(id=str(callback)), operation) == b"1"

    async def rerun(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Put a finished job back into the queue, due now; `False` if it has not ended or is a tombstone.

        Its error is cleared, `recoveries` is 0, and `reset_attempt` is set.
        """
        return await self._write(CHANGE, Change(action="rerun", id=str(job_id)), operation) == b"1"

    async def remove(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Remove a job in any state but processing; `False` if it is processing or not there."""
        return await self._write(CHANGE, Change(action="remove", id=str(job_id)), operation) == b"1"
