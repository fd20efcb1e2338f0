"""Bugs of steps that say no, and leave something behind all the same."""

from collections.abc import Sequence
from datetime import datetime

from jobsvalkey.contract import (
    FINISHED,
    AbortOutcome,
    JobID,
    JobStatus,
    NewJob,
    Operation,
    Pushed,
    PushedIf,
    Settlement,
    SettleOutcome,
    StoreOutcome,
)
from jobsvalkey_memory.store import Value, Worker
from tests.mutants.mutant import Twin, mutant
from tests.mutants.scripts import script_mutant

KILLER = "test_refused_nothing_changes"


@mutant(KILLER)
class NameOfALostRequest(Twin):
    """A job without a request is not rerun, but takes its name again before that is seen."""

    async def rerun(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        job = self._find_job(job_id, self.now(), *FINISHED)
        if job and job.request is None:
            self.state.retake_name(job, self.now())
        return await super().rerun(job_id, operation=operation)


@mutant(KILLER)
class MemberOfARival(Twin):
    """A member whose name another job holds is not rerun, but counts no more as having ended."""

    async def rerun(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        now = self.now()
        job = self._find_job(job_id, now, *FINISHED)
        is_rerun = await super().rerun(job_id, operation=operation)
        if job and job.batch and not is_rerun:
            self._count(job, None, now)
        return is_rerun


@mutant(KILLER)
class NameOfARunningJob(Twin):
    """A running job that has freed its name is not rerun, but takes it again."""

    async def rerun(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        now = self.now()
        job = self._find_job(job_id, now, JobStatus.PROCESSING)
        if job and job.unique and self.state.holder_of(job.unique, now) is None:
            self.state.take_name(job, now)
        return await super().rerun(job_id, operation=operation)


@mutant(KILLER)
class DuplicateJoins(Twin):
    """A job that is a duplicate by its name joins the batch of the push."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        pushed = super()._push(item, now)
        members = self.state.members.get(item.batch) if item.batch else None
        if pushed.outcome is StoreOutcome.DUPLICATE and members is not None:
            members.setdefault(pushed.job_id, None)
        return pushed


@mutant(KILLER)
class DuplicateIsAChild(Twin):
    """A job whose id is a duplicate is held by the parents of the push, for which they will look."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        pushed = super()._push(item, now)
        if pushed.outcome is StoreOutcome.DUPLICATE and item.job_id in self.state.jobs:
            for parent in item.after:
                self.state.children.setdefault(parent, set()).add(item.job_id)
        return pushed


@mutant(KILLER)
class RefusedPushReplaces(Twin):
    """A push of which a later item is not possible has replaced a job for an earlier one."""

    def _held(self, items: Sequence[NewJob], now: datetime) -> tuple[Sequence[Pushed], Sequence[NewJob]]:
        refused, held = super()._held(items, now)
        for item in items if refused else ():
            if item.unique and not (item.after or item.batch) and self.state.holder_of(item.unique, now):
                self._push(item, now)
        return refused, held


@mutant(KILLER)
class RefusedPushMovesTheKey(Twin):
    """A conditional push that is refused because of its parents moves the key."""

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        pushed = await super().push_if(item, key, expected, value, operation=operation)
        if pushed.outcome is StoreOutcome.REFUSED:
            self.state.metadata[key] = Value(value, None)
        return pushed


@mutant(KILLER)
class LateFailureIsNoted(Twin):
    """A job whose claim is lost notes that it has failed."""

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        outcome = super()._settle(holder, settlement, now)
        job = self.state.jobs.get(settlement.job_id)
        if outcome is SettleOutcome.CLAIM_LOST and job and job.status is JobStatus.FAILED:
            self.state.jobs[job.job_id] = self._with_run(job, now, b"late")
        return outcome


@mutant(KILLER)
class AbortOfTheEndedTakesItsName(Twin):
    """An abort of a job that has ended is answered with `NOTHING`, but gives the job its name again."""

    async def abort(self, job_id: JobID, *, operation: Operation | None = None) -> AbortOutcome:
        answer = await super().abort(job_id, operation=operation)
        job = self.state.jobs.get(job_id)
        if answer is AbortOutcome.NOTHING and job and job.unique:
            self.state.take_name(job, self.now())
        return answer


script_mutant(
    "ScriptNameOfALostRequest",
    "`changing.lua`: a job without a request takes its name again before it is not rerun.",
    KILLER,
    "if redis.call('TYPE', payload_of(id)).ok ~= 'string' then return false end",
    """if redis.call('TYPE', payload_of(id)).ok ~= 'string' then
  local is_free, name = can_retake(id)
  if is_free and name then take_names({ id }, { { name = name } }) end
  return false
end""",
    chapter=__name__,
)
