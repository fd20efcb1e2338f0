"""Bugs of what is kept."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from jobsvalkey.contract import (
    DO_NOT_RETAIN,
    FINISHED,
    RETAIN,
    JobID,
    JobStatus,
    Retention,
    StoredJob,
)
from jobsvalkey_memory.store import place
from tests.mutants.mutant import Search, Twin, mutant


@mutant("test_retention_the_default_keeps_failed_jobs_only")
class RetentionIgnored(Twin):
    """All jobs that have ended are kept for ever."""

    def _retention(self, status: JobStatus) -> Retention:
        return RETAIN


@mutant("test_retention_the_default_keeps_failed_jobs_only", weakness=12)
class NothingRetained(Twin):
    """No job that has ended is kept, whatever the policy says."""

    def _retention(self, status: JobStatus) -> Retention:
        return DO_NOT_RETAIN


@mutant("test_retention_retain_last", found_by=[Search.MACHINE])
class OldestRetained(Twin):
    """`retain_last` keeps the jobs that ended first."""

    def _is_present(self, job: StoredJob, now: datetime) -> bool:
        most = self._retention(job.status).max_count if job.status in FINISHED else None
        if not most or job.job_id in self.state.kept:
            return super()._is_present(job, now)
        line = self.state.lines[job.status]
        return len(line) - line.after(place(job)) <= most


@mutant("test_retention_the_age_to_the_smallest_step_of_time")
class RetainedForASecondMore(Twin):
    """`retain_for` counts in whole seconds: a job is there up to a second too long."""

    def _is_present(self, job: StoredJob, now: datetime) -> bool:
        return super()._is_present(job, now.replace(microsecond=0))


@mutant("test_retention_the_age_counts_from_the_end")
class AgeFromStoring(Twin):
    """`retain_for` counts from when a job was stored: one that waited long is gone as it ends."""

    def _is_present(self, job: StoredJob, now: datetime) -> bool:
        age = self._retention(job.status).max_age if job.status in FINISHED else None
        too_old = age is not None and now - job.stored_at >= age
        return super()._is_present(job, now) and not too_old


@mutant("test_retention_retain_for")
class SeenUntilTrimmed(Twin):
    """A job beyond its retention is found until it happens to be trimmed."""

    def _find_job(self, job_id: JobID, now: datetime, *statuses: JobStatus) -> StoredJob | None:
        job = self.state.jobs.get(job_id)
        return job if job and job.status in (statuses or JobStatus) else None


@mutant("test_retention_what_was_kept_is_kept_once")
class KeptForEver(Twin):
    """A failed job that was to be kept is kept again when it is rerun and fails again, whatever the policy says."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.ever_kept: set[JobID] = set()

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        if keep:
            self.ever_kept.add(job.job_id)
        super()._end_job(job, status, now, keep=keep or (status is JobStatus.FAILED and job.job_id in self.ever_kept))


@mutant("test_retention_retain_for")
class ListedBeyondRetention(Twin):
    """Jobs beyond their retention are not found, but still listed."""

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        for job in list(self.state.listed(status, latest_first=status in FINISHED))[:limit]:
            yield job


@mutant("test_retention_as_many_as_the_harness_says")
class OneMoreThanTheCount(Twin):
    """One more job is kept than the policy says, and nothing says so."""

    def _retention(self, status: JobStatus) -> Retention:
        exact = super()._retention(status)
        return replace(exact, max_count=exact.max_count + 1) if exact.max_count else exact
