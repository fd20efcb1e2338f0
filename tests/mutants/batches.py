"""Bugs of batches."""

from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from jobsvalkey.contract import BatchCounts, HoldProblem, Input, JobID, JobStatus, Operation, StoredJob
from jobsvalkey_memory.holds import PushPlan
from tests.mutants.mutant import Search, Twin, mutant
from tests.mutants.scripts import script_mutant


@mutant("test_batch_the_callback_runs_last")
class ClosingLetsGo(Twin):
    """The callback runs when its batch is closed, although members have not ended."""

    async def close_batch(self, callback: JobID, *, operation: Operation | None = None) -> bool:
        is_open = await super().close_batch(callback, operation=operation)
        job = self.state.jobs.get(callback)
        if is_open and job and job.status is JobStatus.WAITING:
            self._enter(job)
        return is_open


@mutant("test_batch_the_callback_runs_last", found_by=[Search.HISTORIES])
class LastMemberLetsGo(Twin):
    """The callback runs when all members so far have ended, although the batch is not closed."""

    def _count(self, job: StoredJob, status: JobStatus | None, now: datetime) -> None:
        super()._count(job, status, now)
        callback = self.state.jobs.get(job.batch or job.job_id)
        members = self.state.members.get(job.batch or job.job_id)
        if callback and members and None not in members.values():
            self._enter(callback)


@mutant("test_batch_a_rerun_takes_its_count_back", found_by=[Search.HISTORIES])
class CallbackRunsTwice(Twin):
    """A member that is rerun when the callback has run lets it run once more."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        super()._end_job(job, status, now, keep=keep)
        callback = self.state.jobs.get(job.batch or job.job_id)
        if job.reset_attempt and callback and callback.job_id != job.job_id and callback.ended_at:
            self._enter(callback)


@mutant("test_batch_a_rerun_takes_its_count_back")
class RerunsCountTwice(Twin):
    """A member that is rerun is counted with each of its ends, and does not hold the callback again."""

    def _rerun(self, job: StoredJob, now: datetime) -> None:
        members = self.state.members.get(job.batch or job.job_id, {})
        before = members.get(job.job_id)
        super()._rerun(job, now)
        if before:
            members[job.job_id] = before


@mutant("test_batch_members_that_never_ran")
class RemovedMembersAreAwaited(Twin):
    """A member that is removed before it has ended holds the callback for ever."""

    def _tell(self, job: StoredJob, now: datetime) -> None:
        if job.ended_at is None and job.batch != job.job_id:
            job = replace(job, batch=None)
        super()._tell(job, now)


@mutant("test_batch_the_callback_runs_last")
class RemovalCountsAgain(Twin):
    """A member that is removed when it has ended counts as cancelled from then on."""

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        super()._vanish(job, now)
        if job.ended_at and job.batch and job.batch != job.job_id and self.state.members.get(job.batch):
            self._count(job, None, now)
            self._count(job, JobStatus.CANCELLED, now)


@mutant("test_batch_members_that_never_ran")
class CancelledMembersCountAsFailed(Twin):
    """Members that were cancelled are counted among those that have failed."""

    def _decide(self, job_id: JobID, inputs: Iterable[Input], now: datetime) -> None:
        job = self.state.jobs[job_id]
        if job.members and job.members.cancelled:
            members = BatchCounts(job.members.completed, job.members.failed + job.members.cancelled, 0)
            self.state.put(replace(job, members=members))
        super()._decide(job_id, inputs, now)


@mutant("test_batch_a_job_of_a_member_joins")
class ClosedBatchesAreFull(Twin):
    """A batch that is closed can no longer be joined, although members have not ended."""

    def _batch_problem(self, callback: JobID, plan: PushPlan, now: datetime) -> HoldProblem | None:
        is_closed = callback not in plan.new and callback not in self.state.open_batches
        return super()._batch_problem(callback, plan, now) or ("decided" if is_closed else None)


@mutant("test_batch_that_cannot_be_joined")
class DecidedBatchesAreJoined(Twin):
    """A batch whose callback no longer waits takes further members, of which it is never told."""

    def _batch_problem(self, callback: JobID, plan: PushPlan, now: datetime) -> HoldProblem | None:
        problem = super()._batch_problem(callback, plan, now)
        return None if problem == "decided" else problem

    def _arrive(self, job: StoredJob, now: datetime) -> None:
        if job.batch and job.batch != job.job_id:
            self.state.members.setdefault(job.batch, {})
        super()._arrive(job, now)


@mutant("test_batch_another_of_the_same_id")
class MembersOfAnEarlierBatchJoin(Twin):
    """Members of a batch that was removed are counted by a later one of its id."""

    def _arrive(self, job: StoredJob, now: datetime) -> None:
        super()._arrive(job, now)
        if job.batch == job.job_id:
            named = [each for each in self.state.jobs.values() if each.batch == job.job_id and each.ended_at is None]
            self.state.members[job.job_id] = {each.job_id: None for each in named if each.job_id != job.job_id}


@mutant("test_batch_without_members")
class EmptyBatchesWait(Twin):
    """A batch that nobody has joined waits for a first member, although it is closed."""

    def _decide(self, job_id: JobID, inputs: Iterable[Input], now: datetime) -> None:
        if self.state.members.get(job_id) != {}:
            super()._decide(job_id, inputs, now)


@mutant("test_batch_in_one_push")
class CallbacksBeforeTheirMembers(Twin):
    """A callback that is pushed together with its members is not known to them."""

    def _batch_problem(self, callback: JobID, plan: PushPlan, now: datetime) -> HoldProblem | None:
        return super()._batch_problem(callback, PushPlan(), now)


@mutant("test_batch_a_callback_that_waits_no_more")
class ResumedCallbacksCount(Twin):
    """A callback that was resumed is still told of members that end."""

    def _cut(self, job: StoredJob) -> None:
        members = self.state.members.get(job.job_id)
        super()._cut(job)
        if members is not None:
            self.state.members[job.job_id] = members


@mutant("test_batch_another_job_of_a_members_id")
class MembersCountById(Twin):
    """Of several members that had one id, one after the other, the last one counts alone."""

    def _count(self, job: StoredJob, status: JobStatus | None, now: datetime) -> None:
        super()._count(job, status, now)
        callback = job.batch or job.job_id
        if members := self.state.members.get(callback):
            states = list(members.values())
            ways = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
            self.state.put(replace(self.state.jobs[callback], members=BatchCounts(*map(states.count, ways))))


script_mutant(
    "ScriptDuplicatesMakeCallbacks",
    "`holding.lua`: a job is the callback of its own batch if a duplicate that it names stands for a job of its id.",
    "test_batch_a_member_is_no_callback",
    "elseif held.batch ~= id then",
    "elseif callback ~= id then",
    chapter=__name__,
)
script_mutant(
    "ScriptCallbacksOfOthers",
    "`holding.lua`: a callback joins another batch if an earlier item of its id was a duplicate.",
    "test_batch_a_callback_is_its_own",
    "local callback = held.batch ~= id and stands[held.batch] or held.batch",
    "local callback = stands[held.batch] or held.batch",
    chapter=__name__,
)
script_mutant(
    "ScriptRemainsTie",
    "`planning.lua`: a new job is not replaced if an earlier one of its id, of which something is left, had a batch.",
    "test_replacing_whatever_had_the_holders_id",
    "and (by_id[holder] or not is_tied(holder))",
    "and not is_tied(holder)",
    chapter=__name__,
)
script_mutant(
    "ScriptMembersJoinOnce",
    "`holding.lua`: a member with the id of one that has gone is never told of, so that its batch waits for ever.",
    "test_batch_another_job_of_a_members_id",
    "redis.call('HSET', waits.members_of(look.batch), id, '-')",
    "redis.call('HSETNX', waits.members_of(look.batch), id, '-')",
    chapter=__name__,
)
script_mutant(
    "ScriptBatchFiresOpen",
    "`holding.lua`: a batch does not hold its callback until it is closed.",
    "test_batch_the_callback_runs_last",
    "  if look.batch == id then\n    held_by = held_by + 1\n",
    "  if look.batch == id then\n",
    chapter=__name__,
)
script_mutant(
    "ScriptRerunMembersDoNotHold",
    "`changing.lua`: a member that is rerun does not hold the callback again.",
    "test_batch_a_rerun_takes_its_count_back",
    "if has_flows() then holds().tell_batch(id, '-') end",
    "",
    chapter=__name__,
)
