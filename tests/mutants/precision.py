"""Bugs of small steps of time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from jobsvalkey.contract import (
    Exchanged,
    JobCleanup,
    JobID,
    JobStatus,
    Operation,
    Release,
    Report,
    Retry,
    Settlement,
    SettleOutcome,
    StoredJob,
    WorkerID,
)
from jobsvalkey_memory.store import Value, Worker
from tests.mutants.mutant import Twin, mutant

STEP = timedelta(microseconds=1)
MILLISECOND = timedelta(milliseconds=1)


def coarse(time: datetime | None) -> datetime | None:
    """A time in whole milliseconds."""
    return time and time.replace(microsecond=time.microsecond // 1000 * 1000)


class CutsDue(Twin):
    """Cuts the due times of what one of its steps makes pending."""

    is_cutting = False

    def _enter(self, job: StoredJob) -> None:
        super()._enter(replace(job, due=coarse(job.due)) if self.is_cutting else job)


@mutant("test_precision_a_due_time_survives[resume]")
class ResumeInMilliseconds(CutsDue):
    """A job that is resumed is due in whole milliseconds."""

    async def resume(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        self.is_cutting = True
        try:
            return await super().resume(job_id, operation=operation)
        finally:
            self.is_cutting = False


@mutant("test_precision_a_due_time_survives[release]")
class ReleaseInMilliseconds(CutsDue):
    """A job that is released is due in whole milliseconds."""

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        self.is_cutting = isinstance(settlement, Release)
        try:
            return super()._settle(holder, settlement, now)
        finally:
            self.is_cutting = False


@mutant("test_precision_a_due_time_survives[recovery]")
class RecoveryInMilliseconds(CutsDue):
    """A job that is recovered is due in whole milliseconds."""

    def _give_back(self, holder: Worker, token: bytes, now: datetime, *, died: bool = False) -> None:
        self.is_cutting = died
        try:
            super()._give_back(holder, token, now, died=died)
        finally:
            self.is_cutting = False


@mutant("test_precision_a_due_time_survives[close]")
class ClosingInMilliseconds(CutsDue):
    """What a closed worker gives back is due in whole milliseconds."""

    def _give_back(self, holder: Worker, token: bytes, now: datetime, *, died: bool = False) -> None:
        self.is_cutting = not died
        try:
            super()._give_back(holder, token, now, died=died)
        finally:
            self.is_cutting = False


@mutant("test_precision_a_job_is_due_at_its_instant[retry in]")
class RetryInMilliseconds(CutsDue):
    """A retry waits a whole number of milliseconds."""

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        self.is_cutting = isinstance(settlement, Retry)
        try:
            return super()._settle(holder, settlement, now)
        finally:
            self.is_cutting = False


@mutant("test_precision_what_is_rerun_is_due_now")
class RerunInMilliseconds(CutsDue):
    """A job that is rerun is due in whole milliseconds, and so before others."""

    def _rerun(self, job: StoredJob, now: datetime) -> None:
        self.is_cutting = True
        try:
            super()._rerun(job, now)
        finally:
            self.is_cutting = False


@mutant("test_precision_a_job_is_due_at_its_instant[push]")
class NextDueInMilliseconds(Twin):
    """The time until the next job is told in whole milliseconds."""

    def _until_next(self, now: datetime) -> float | None:
        until_next = super()._until_next(now)
        return until_next and round(until_next, 3)


@mutant("test_precision_what_is_shown")
class ShowsMilliseconds(Twin):
    """The time stored is shown in whole milliseconds."""

    async def get(self, job_id: JobID) -> StoredJob | None:
        job = await super().get(job_id)
        return job and replace(job, stored_at=coarse(job.stored_at))


@mutant("test_precision_the_end_of_a_lock_for_a_claim")
class LockHoldsAtItsEnd(Twin):
    """A lock still holds at the instant at which it ends."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        holder = self.state.workers.get(worker)
        if holder and holder.expires == self.now():
            holder.expires += STEP
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)


@mutant("test_precision_the_end_of_a_lock_for_recovery")
class RecoveryAfterTheEnd(Twin):
    """Recovery takes what is held under locks that ended before this instant, but not at it."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        now = self.now()
        ending = [each for each in self.state.workers.values() if each.expires == now]
        for each in ending:
            each.expires += STEP
        try:
            return await super().recover(max_jobs, worker=worker)
        finally:
            for each in ending:
                each.expires -= STEP


@mutant("test_precision_the_end_of_the_askers_lock")
class StalledAskerAtItsEnd(Twin):
    """A worker whose lock ends just now still recovers what others held."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        holder = self.state.workers.get(worker or "")
        is_ending = holder is not None and holder.expires == self.now()
        return await super().recover(max_jobs, worker=None if is_ending else worker)


@mutant("test_precision_the_end_of_a_workers_memory")
class WorkerKnownForADayAndAStep(Twin):
    """A worker is still known at the instant at which a day has gone by since its lock ran out."""

    def _worker(self, worker: WorkerID, now: datetime) -> Worker:
        return super()._worker(worker, now - STEP)


@mutant("test_precision_the_end_of_a_producers_memory")
class ProducerKnownForAStepMore(Twin):
    """A producer is remembered for ten minutes and a moment."""

    def now(self) -> datetime:
        before = dict(self.state.producers)
        now = super().now()
        for producer, answer in before.items():
            if now - answer.used_at == timedelta(minutes=10):
                self.state.producers[producer] = answer
        return now


@mutant("test_precision_the_end_of_a_window[finish]")
class WindowForAStepMore(Twin):
    """An id is remembered for its window and a moment."""

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        super()._vanish(job, now)
        if job.job_id in self.state.remembered:
            self.state.remembered[job.job_id] += STEP


@mutant("test_precision_the_end_of_retention[failed]")
class RetainedForAStepMore(Twin):
    """A job is there until its age is beyond that of the policy."""

    def _is_present(self, job: StoredJob, now: datetime) -> bool:
        retention = self._retention(job.status) if job.ended_at else None
        is_ending = job.ended_at and retention and retention.max_age == now - job.ended_at
        return bool(is_ending) or super()._is_present(job, now)


@mutant("test_precision_the_end_of_a_kept_job")
class KeptForAStepMore(Twin):
    """A job that is kept for a time is there at the instant at which that is over."""

    def _is_present(self, job: StoredJob, now: datetime) -> bool:
        return self.state.until.get(job.job_id) == now or super()._is_present(job, now)


@mutant("test_precision_the_end_of_a_metadata_lock")
class LockNamedAtItsEnd(Twin):
    """A lock still has its holder at the instant at which it ends."""

    def _value(self, key: str, now: datetime) -> Value | None:
        return super()._value(key, now - STEP)


@mutant("test_precision_the_age_of_a_cleanup[paused]")
class CleansWhatIsOlder(Twin):
    """A cleanup takes jobs that are older than its age, but not those that are exactly as old."""

    async def cleanup_step(self, status: JobStatus, cleanup: JobCleanup, **others: Any) -> int:
        older = JobCleanup(cleanup.action, cleanup.max_age and cleanup.max_age + STEP)
        return await super().cleanup_step(status, older, **others)
