"""Bugs of looking into the queue."""

from collections.abc import AsyncIterator

from jobsvalkey.contract import (
    FINISHED,
    Inconsistency,
    InconsistencyKind,
    JobID,
    JobStatus,
    StoredJob,
)
from tests.mutants.mutant import Search, Twin, mutant


@mutant("test_inspection_a_job_in_every_state", found_by=[Search.MACHINE])
class WrongStatus(Twin):
    """A paused job says that it is pending."""

    async def status(self, job_id: JobID) -> JobStatus | None:
        status = await super().status(job_id)
        return JobStatus.PENDING if status is JobStatus.PAUSED else status


@mutant("test_inspection_a_job_in_every_state")
class WrongCounts(Twin):
    """Paused jobs are counted as pending ones."""

    async def counts(self) -> dict[JobStatus, int]:
        counts = await super().counts()
        return counts | {JobStatus.PENDING: counts[JobStatus.PENDING] + counts[JobStatus.PAUSED], JobStatus.PAUSED: 0}


@mutant("test_inspection_what_has_ended_is_listed_latest_first")
class OldestListedFirst(Twin):
    """Jobs that have ended are listed in the order of their ends."""

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        listed = [job async for job in super().jobs(status, limit=limit)]
        for job in listed[::-1] if status in FINISHED else listed:
            yield job


@mutant("test_inspection_what_waits_is_listed_by_due_time")
class ListLimitIgnored(Twin):
    """A listing goes on beyond its limit."""

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        async for job in super().jobs(status):
            yield job


@mutant("test_inspection_many_jobs_are_seen_once_each")
class ChunksOverlap(Twin):
    """A job is listed twice if one chunk of a listing ends at it and the next begins."""

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        number = 0
        async for job in super().jobs(status, limit=limit):
            number += 1
            yield job
            if number % 500 == 0:
                yield job


@mutant("test_inspection_a_busy_queue_is_valid")
class ValidateSeesGhosts(Twin):
    """`validate` takes a job that runs for one that is on no list."""

    async def validate(self) -> list[Inconsistency]:
        running = [job.job_id async for job in self.jobs(JobStatus.PROCESSING)]
        ghosts = [Inconsistency(InconsistencyKind.UNLISTED_PAYLOAD, job_id) for job_id in running]
        return await super().validate() + ghosts
