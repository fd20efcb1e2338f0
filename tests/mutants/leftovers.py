"""Bugs of what one step leaves for a later one, which need several steps one after the other."""

from datetime import datetime

from msgspec.structs import replace

from jobsvalkey.contract import StoredJob
from tests.mutants.mutant import Twin, mutant


@mutant("test_sequences_of_one_job[rich-plain-cleanup]")
class RerunForgivesOneRecovery(Twin):
    """A job that has lost two workers, and is run anew, has but one of its recoveries taken back."""

    def _rerun(self, job: StoredJob, now: datetime) -> None:
        super()._rerun(job, now)
        if job.recoveries > 1:
            self.state.put(replace(self.state.jobs[job.job_id], recoveries=job.recoveries - 1))
