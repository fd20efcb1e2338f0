"""Bugs of cleaning up."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from jobsvalkey.contract import (
    FINISHED,
    Claim,
    CleanupParameters,
    JobCleanup,
    JobID,
    JobStatus,
    Operation,
    StoredJob,
)
from tests.mutants.mutant import Search, Twin, mutant


class RerunLeavesAsItWas(Twin):
    """A rerun leaves something of the job as it was."""

    left: ClassVar[str]

    def _rerun(self, job: StoredJob, now: datetime) -> None:
        super()._rerun(job, now)
        self.state.put(replace(self.state.jobs[job.job_id], **{self.left: getattr(job, self.left)}))


@mutant("test_cleanup_a_rerun_job_starts_afresh", weakness=20, found_by=[Search.MACHINE])
class RerunKeepsAttempt(RerunLeavesAsItWas):
    """A rerun keeps the attempt: a job that has used them up fails again at once."""

    left = "reset_attempt"


@mutant("test_cleanup_a_rerun_job_starts_afresh")
class RerunKeepsError(RerunLeavesAsItWas):
    """A rerun keeps the error of the job's last run."""

    left = "error"


@mutant("test_cleanup_a_rerun_forgets_recoveries")
class RerunKeepsRecoveries(RerunLeavesAsItWas):
    """A rerun keeps the recoveries: a job that was given up is given up again."""

    left = "recoveries"


@mutant("test_cleanup_a_rerun_forgets_recoveries")
class CleanupKeepsRecoveries(Twin):
    """A rerun by a cleanup, not that of one job, keeps the recoveries."""

    async def cleanup_step(self, status: JobStatus, cleanup: JobCleanup, **rest: Any) -> int:
        before = dict(self.state.jobs)
        cleaned = await super().cleanup_step(status, cleanup, **rest)
        for job_id, job in list(self.state.jobs.items()):
            if job is not before[job_id]:
                self.state.put(replace(job, recoveries=before[job_id].recoveries))
        return cleaned


@mutant("test_cleanup_a_running_job_is_not_removed")
class RunningJobRemoved(Twin):
    """A job can be removed while it runs."""

    async def remove(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        if self._find_job(job_id, self.now(), JobStatus.PROCESSING):
            await self.cleanup_step(JobStatus.PROCESSING, JobCleanup.remove(), max_jobs=1)
            return True
        return await super().remove(job_id, operation=operation)


class Choosy(Twin):
    """While it cleans up, only some jobs are there."""

    cleaning: JobCleanup | None = None

    async def cleanup_step(self, status: JobStatus, cleanup: JobCleanup, **rest: Any) -> int:
        self.cleaning = cleanup
        try:
            return await super().cleanup_step(status, JobCleanup(cleanup.action), **rest)
        finally:
            self.cleaning = None


@mutant("test_cleanup_the_age_of_what_has_ended_counts_from_its_end")
class CleanupByStoring(Choosy):
    """A cleanup takes the age of a job from when it was stored."""

    def _is_present(self, job: StoredJob, now: datetime) -> bool:
        age = self.cleaning.max_age if self.cleaning else None
        return super()._is_present(job, now) and not (age and now - job.stored_at < age)


@mutant("test_cleanup_the_age_of_what_waits_counts_from_when_it_was_stored")
class CleanupByDueTime(Choosy):
    """A cleanup takes the age of a job that waits from when it is due."""

    def _is_present(self, job: StoredJob, now: datetime) -> bool:
        age = self.cleaning.max_age if self.cleaning else None
        since = job.ended_at or job.claimed_at or job.due or job.stored_at
        return super()._is_present(job, now) and not (age and now - since < age)


@mutant("test_cleanup_a_step_is_bounded_and_takes_the_oldest")
class CleanupYoungestFirst(Twin):
    """A bounded cleanup takes the youngest jobs."""

    async def cleanup_step(self, status: JobStatus, cleanup: JobCleanup, *, max_jobs: int, **rest: Any) -> int:
        jobs = list(self.state.listed(status))
        if status not in FINISHED or cleanup.max_age or max_jobs >= len(jobs):
            return await super().cleanup_step(status, cleanup, max_jobs=max_jobs, **rest)
        change = self._vanish if cleanup.action == "remove" else self._rerun
        for job in jobs[-max_jobs:]:
            change(job, self.now())
        return max_jobs


@mutant("test_cleanup_what_is_too_young_is_not_touched")
class CleanupIgnoresAge(Twin):
    """A cleanup takes all jobs of a state, however old they are."""

    async def cleanup_step(self, status: JobStatus, cleanup: JobCleanup, **rest: Any) -> int:
        return await super().cleanup_step(status, JobCleanup(cleanup.action), **rest)


@mutant("test_cleanup_what_is_too_young_is_not_touched", weakness=8)
class CleanupPutsBack(Twin):
    """A cleanup takes jobs out to look at them, and puts back those that are too young, as if they ended now."""

    async def cleanup_step(self, status: JobStatus, cleanup: JobCleanup, **rest: Any) -> int:
        cleaned = await super().cleanup_step(status, cleanup, **rest)
        for job in list(self.state.listed(status)) if cleanup.max_age and status in FINISHED else ():
            # In the real world the moments between are longer than a clock's that stands still.
            self.state.put(replace(job, ended_at=self.clock.now().replace(microsecond=1)))
        return cleaned


@mutant("test_cleanup_a_step_is_bounded_and_takes_the_oldest")
class CleanupUnbounded(Twin):
    """A step of a cleanup takes all at once, however many it was asked for."""

    async def cleanup_step(self, status: JobStatus, cleanup: JobCleanup, *, max_jobs: int, **rest: Any) -> int:
        return await super().cleanup_step(status, cleanup, max_jobs=1_000_000, **rest)


@mutant("test_cleanup_cleaning_what_runs_revokes_the_claims", found_by=[Search.MACHINE])
class CleanupKeepsClaims(Twin):
    """A cleanup of running jobs leaves the claims: a late settle is done."""

    async def cleanup_step(self, status: JobStatus, cleanup: JobCleanup, **rest: Any) -> int:
        claims = {name: dict(holder.claims) for name, holder in self.state.workers.items()}
        cleaned = await super().cleanup_step(status, cleanup, **rest)
        for name, held in claims.items():
            self.state.workers[name].claims.update(held)
        return cleaned


@mutant("test_cleanup_one_job_is_passed_over")
class CleanupOfItself(Twin):
    """A cleanup takes the job that runs it, too."""

    async def cleanup_step(
        self, status: JobStatus, cleanup: JobCleanup, *, except_for: JobID | None = None, **rest: Any
    ) -> int:
        return await super().cleanup_step(status, cleanup, **rest)


@mutant("test_cleanup_what_came_later_is_passed_over", found_by=[Search.MACHINE])
class CleanupOfWhatCameLater(Twin):
    """A cleanup takes jobs that came into the state after the time as of which it cleans."""

    async def cleanup_step(
        self, status: JobStatus, cleanup: JobCleanup, *, as_of: datetime | None = None, **rest: Any
    ) -> int:
        return await super().cleanup_step(status, cleanup, **rest)


@mutant("test_cleanup_the_cleanup_job_takes_what_was_there")
class CleanupJobOfNoTime(Twin):
    """A cleanup job does not say when it was claimed."""

    def cleanup_steps(
        self, status: JobStatus, cleanup: JobCleanup, max_jobs: int, *, as_of: datetime | None = None, **rest: Any
    ) -> AsyncGenerator[int]:
        return super().cleanup_steps(status, cleanup, max_jobs, **rest)


@mutant("test_cleanup_takes_no_more_than_there_were")
class CleanupOfWhoeverComes(Twin):
    """A cleanup goes on as long as jobs come into the state that it cleans."""

    def cleanup_steps(self, status: JobStatus, cleanup: JobCleanup, max_jobs: int, **rest: Any) -> AsyncGenerator[int]:
        return super().cleanup_steps(status, cleanup, max_jobs * 1000, **rest)


@mutant("test_cleanup_the_cleanup_job_takes_what_was_there")
class CleanupUnderALostClaim(Twin):
    """A cleanup job goes on although its claim was taken away."""

    async def _clean(self, parameters: CleanupParameters, claim: Claim | None = None) -> dict[JobStatus, int]:
        stored = None if claim is None else await self.get(claim.job_id)
        return await super()._clean(parameters, claim if stored and stored.claimed_at else None)


@mutant("test_cleanup_only_orphans", found_by=[Search.MACHINE])
class OnlyOrphansIgnored(Twin):
    """A cleanup of orphans takes the jobs of live workers too."""

    async def cleanup_step(
        self, status: JobStatus, cleanup: JobCleanup, *, only_orphans: bool = False, **rest: Any
    ) -> int:
        return await super().cleanup_step(status, cleanup, **rest)


@mutant("test_cleanup_what_waits_goes_by_due_time")
class WaitingJobsByTheirStoring(Twin):
    """Of jobs that wait, a cleanup takes first what was stored first, though it may be due last."""

    async def cleanup_step(self, status: JobStatus, cleanup: JobCleanup, **rest: Any) -> int:
        listed = self.state.listed

        def by_storing(status: JobStatus) -> list[StoredJob]:
            return sorted(listed(status), key=lambda job: job.stored_at)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.state, "listed", by_storing)
            return await super().cleanup_step(status, cleanup, **rest)
