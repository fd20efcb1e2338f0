"""Looks into the queue. They change nothing."""

from collections.abc import AsyncIterator
from datetime import datetime
from itertools import islice

from jobsvalkey.contract import (
    FINISHED,
    Inconsistency,
    InconsistencyKind,
    JobID,
    JobPage,
    JobStatus,
    Load,
    StoredJob,
    StoredWorker,
    aware,
)
from jobsvalkey_memory.line import Place
from jobsvalkey_memory.steps import ClockT_co, Steps
from jobsvalkey_memory.store import place

LAST_ID = JobID.from_int(2**128 - 1)


class InspectionRows(Steps[ClockT_co]):
    """Single jobs, counts, lists, and damage."""

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
        counts[JobStatus.PENDING] = sum(map(len, self.state.pending))
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

    async def page(self, status: JobStatus, cursor: str | None = None, *, limit: int = 50) -> JobPage:
        """Return the jobs after the place that the cursor names, whether or not a job is still there."""
        now, latest_first = self.now(), status in FINISHED
        last = None if cursor is None else _place_of(cursor)

        def is_behind(job: StoredJob) -> bool:
            return last is None or (place(job) < last if latest_first else place(job) > last)

        listed = filter(is_behind, self.state.listed(status, latest_first=latest_first))
        jobs = list(islice((job for job in listed if self._is_present(job, now)), max(limit, 0) + 1))
        has_more = len(jobs) > limit > 0
        jobs = jobs[: max(limit, 0)]
        cursors = [f"{time.isoformat()} {job_id}" for time, job_id in map(place, jobs)]
        return JobPage(jobs, cursors, cursors[-1] if has_more else None)

    async def load(self) -> Load:
        """Count what there is to do."""
        now, pending = self.now(), self.state.pending
        delayed = sum(line.after((now, LAST_ID)) for line in pending)
        due = sum(map(len, pending)) - delayed
        return Load(
            due=due,
            delayed=delayed,
            waiting=len(self.state.lines[JobStatus.WAITING]),
            processing=len(self.state.lines[JobStatus.PROCESSING]),
            oldest_due=now - min(place[0] for line in pending for place in islice(line, 1)) if due else None,
            workers=sum(holder.expires > now for holder in self.state.workers.values()),
            is_paused=self.state.is_paused,
        )

    async def workers(self) -> list[StoredWorker]:
        """Return those that live, and those that hold claims."""
        now = self.now()
        return [
            StoredWorker(worker, holder.about, holder.expires, len(holder.claims))
            for worker, holder in sorted(self.state.workers.items())
            if holder.expires > now or holder.claims
        ]

    async def validate(self) -> list[Inconsistency]:
        """Find lost requests, and foreign things in their place. No other damage is possible here."""
        now = self.now()
        jobs = [job for job in self.state.jobs.values() if self._is_present(job, now)]
        broken = self.state.broken & {job.job_id for job in jobs}
        lost = {job.job_id for job in jobs if job.request is None and job.status is not JobStatus.FAILED} - broken
        kinds = {InconsistencyKind.WRONG_TYPE: broken, InconsistencyKind.MISSING_PAYLOAD: lost}
        return [Inconsistency(kind, job_id) for kind, ids in kinds.items() for job_id in ids]


def _place_of(cursor: str) -> Place:
    time, _, job_id = cursor.partition(" ")
    try:
        return aware(datetime.fromisoformat(time), "cursor"), JobID(job_id)
    except ValueError:
        raise ValueError(f"{cursor!r} is no cursor of a page: take it from the page before") from None
