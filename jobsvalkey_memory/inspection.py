"""The rows of looking into the queue. They change nothing."""

from collections.abc import AsyncIterator
from itertools import islice

from jobsvalkey.contract import FINISHED, Inconsistency, InconsistencyKind, JobID, JobStatus, StoredJob
from jobsvalkey_memory.steps import ClockT_co, Steps


class InspectionRows(Steps[ClockT_co]):
    """Single jobs, counts, lists, and what does not fit together."""

    async def get(self, job_id: JobID) -> StoredJob | None:
        """Return the job as it is stored."""
        return self._find_job(job_id, self.now())

    async def status(self, job_id: JobID) -> JobStatus | None:
        """Return the job's state."""
        job = self._find_job(job_id, self.now())
        return job.status if job else None

    async def counts(self) -> dict[JobStatus, int]:
        """Count the jobs in each state."""
        now = self.now()
        counts = {status: len(line) - len(self._beyond(status, now)) for status, line in self.state.lines.items()}
        for job in map(self.state.jobs.__getitem__, self.state.kept):
            counts[job.status] += self._is_present(job, now)
        return counts

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        """Iterate over the jobs in a state: each as it is when its turn comes, unless it has left by then."""
        now, listed = self.now(), self.state.listed(status, latest_first=status in FINISHED)
        present = (job.job_id for job in listed if self._is_present(job, now))
        for job_id in list(islice(present, limit and max(limit, 0))):
            if job := self._find_job(job_id, self.now(), status):
                yield job

    async def validate(self) -> list[Inconsistency]:
        """Find lost requests, and what lies in their place. No other damage can be done here."""
        self.now()
        broken, jobs = self.state.broken, self.state.jobs.values()
        lost = {job.job_id for job in jobs if job.request is None and job.status is not JobStatus.FAILED} - broken
        kinds = {InconsistencyKind.WRONG_TYPE: broken, InconsistencyKind.MISSING_PAYLOAD: lost}
        return [Inconsistency(kind, job_id) for kind, ids in kinds.items() for job_id in ids]
