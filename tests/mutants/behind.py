"""Bugs that are seen behind the driver's back."""

from datetime import datetime

from jobsvalkey.contract import (
    JobStatus,
    StoredJob,
)
from tests.mutants.mutant import Twin, mutant


@mutant("test_behind_what_is_beyond_its_retention_is_trimmed")
class NeverTrimmed(Twin):
    """Jobs beyond their retention are hidden, and pile up: only a look behind the driver shows them."""

    is_ending = False

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        self.is_ending = True
        super()._end_job(job, status, now, keep=keep)
        self.is_ending = False

    def _beyond(self, status: JobStatus, now: datetime) -> list[StoredJob]:
        return [] if self.is_ending else super()._beyond(status, now)
