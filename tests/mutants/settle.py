"""Bugs of settling claims."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from jobsvalkey.contract import (
    Exchanged,
    JobStatus,
    Release,
    Report,
    Retry,
    Settlement,
    SettleOutcome,
    StoredJob,
    WorkerID,
)
from jobsvalkey_memory.store import Worker
from tests.mutants.mutant import Search, Twin, mutant
from tests.support.broken_twins import UnfencedSettle

mutant("test_settle_a_late_settle_is_fenced", weakness=3, chapter=__name__)(UnfencedSettle)


@mutant("test_settle_a_worker_is_fenced_from_its_own_past", found_by=[Search.MACHINE])
class TokenIgnored(Twin):
    """A settlement is checked against worker and job, but not against the token."""

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        held = {job_id: token for token, job_id in holder.claims.items()}
        token = held.get(settlement.job_id, settlement.token)
        return super()._settle(holder, replace(settlement, token=token), now)


@mutant("test_settle_a_claim_is_settled_once")
class LostClaimHidden(Twin):
    """The settlement of a claim that was lost is reported as settled."""

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        outcome = super()._settle(holder, settlement, now)
        return SettleOutcome.SETTLED if outcome is SettleOutcome.CLAIM_LOST else outcome


@mutant("test_settle_until_its_recovery_a_claim_is_held", found_by=[Search.MACHINE])
class ClaimLostWithTheLock(Twin):
    """A claim is lost when the lock expires, although nobody has recovered its job."""

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        return SettleOutcome.CLAIM_LOST if holder.expires <= now else super()._settle(holder, settlement, now)


@mutant("test_settle_one_lost_claim_does_not_spoil_the_others")
class OneLostClaimSpoilsAll(Twin):
    """If one claim of an exchange is lost, none of its settlements is done."""

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
        is_new = holder is not None and sequence > (holder.sequence or 0)
        if holder is not None and is_new and any(each.token not in holder.claims for each in settlements):
            return Exchanged([SettleOutcome.CLAIM_LOST] * len(settlements), [], [])
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)


@mutant("test_settle_release_puts_a_job_back_as_it_was")
class ReleaseIsARetry(Twin):
    """A release puts the job back as a retry does: due now, recoveries forgotten."""

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        is_release = isinstance(settlement, Release)
        return super()._settle(holder, Retry(settlement.job_id, settlement.token) if is_release else settlement, now)


@mutant("test_settle_release_puts_a_job_back_as_it_was")
class ReleaseForgetsRerun(Twin):
    """A release clears `reset_attempt`: a job that was rerun goes on at the attempt at which it had failed."""

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        outcome = super()._settle(holder, settlement, now)
        if isinstance(settlement, Release) and outcome is SettleOutcome.SETTLED:
            self.state.put(replace(self.state.jobs[settlement.job_id], reset_attempt=False))
        return outcome


@mutant("test_settle_a_finished_job_keeps_its_envelope")
class SuccessForgetsError(Twin):
    """A job that completes loses the error of its last failure."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        job = replace(job, error=None) if status is JobStatus.COMPLETED else job
        super()._end_job(job, status, now, keep=keep)


@mutant("test_settle_a_failed_job_keeps_its_error", weakness=15)
class ErrorLost(Twin):
    """A failed job keeps no error."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        super()._end_job(replace(job, error=None), status, now, keep=keep)


@mutant("test_settle_a_failed_job_keeps_its_error")
class KeepIgnored(Twin):
    """A failed job that should be kept is subject to the retention policy."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        super()._end_job(job, status, now)


@mutant("test_settle_a_finished_job_is_retained")
class EndsInTheWrongState(Twin):
    """A job that was finished is stored among the cancelled ones."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        status = JobStatus.CANCELLED if status is JobStatus.COMPLETED else status
        super()._end_job(job, status, now, keep=keep)
