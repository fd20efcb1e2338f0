"""Bugs of cancelling."""

from jobsvalkey.contract import JobID, JobStatus, Operation
from tests.mutants.mutant import Twin, mutant
from tests.support.broken_twins import CancelDeletesRunning

mutant("test_cancel_a_running_job_keeps_its_data", weakness=4, chapter=__name__)(CancelDeletesRunning)


@mutant("test_cancel_what_ran_is_left_as_it_is", weakness=4)
class CancelDeletesFinished(Twin):
    """Cancelling a job that has ended deletes what was retained of it."""

    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        job = self._find_job(job_id, self.now(), JobStatus.COMPLETED, JobStatus.FAILED)
        if job is not None:
            self._vanish(job, self.clock.now())
        return await super().cancel(job_id, operation=operation)


@mutant("test_cancel_a_cancelled_job_is_retained")
class CancelMissesPaused(Twin):
    """A paused job cannot be cancelled."""

    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        paused = self._find_job(job_id, self.now(), JobStatus.PAUSED)
        return paused is None and await super().cancel(job_id, operation=operation)
