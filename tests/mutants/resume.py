"""Bugs of pausing and resuming."""

from msgspec.structs import replace

from jobsvalkey.contract import JobID, JobStatus, Operation
from tests.mutants.mutant import Search, Twin, mutant
from tests.support.broken_twins import ResumeForgetsDelay

mutant("test_resume_a_delay_is_not_forgotten", weakness=12, chapter=__name__)(ResumeForgetsDelay)


@mutant("test_resume_a_job_that_is_not_there", weakness=5)
class PauseOfNothingFails(Twin):
    """Pausing an absent job raises an error of the store's."""

    async def pause(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        _ = self.state.jobs[job_id]
        return await super().pause(job_id, operation=operation)


@mutant("test_resume_only_what_is_pending_is_paused")
class RunningJobPaused(Twin):
    """A job that runs can be paused: it is there twice when its worker releases it."""

    async def pause(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        if job := self._find_job(job_id, self.now(), JobStatus.PROCESSING):
            self.state.put(replace(job, status=JobStatus.PAUSED, worker=None, claimed_at=None))
            return True
        return await super().pause(job_id, operation=operation)


@mutant("test_resume_a_delay_is_not_forgotten", found_by=[Search.MACHINE, Search.HISTORIES])
class PauseForgetsDelay(Twin):
    """A paused job loses its due time: resumed, it is due at once."""

    async def pause(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        if job := self._find_job(job_id, self.now(), JobStatus.PENDING):
            self.state.put(replace(job, due=self.clock.now()))
        return await super().pause(job_id, operation=operation)
