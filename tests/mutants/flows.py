"""Bugs of jobs that wait for others."""

import asyncio
import dataclasses
from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from jobsvalkey.contract import (
    EXPIRED,
    Exchanged,
    Input,
    JobID,
    JobStatus,
    Load,
    NewJob,
    Operation,
    Pushed,
    Report,
    Settlement,
    StoredJob,
    StoreOutcome,
    WorkerID,
    hold_refusal,
)
from tests.mutants.mutant import Search, Twin, mutant
from tests.mutants.scripts import script_mutant


@mutant("test_flow_the_last_parent_and_its_child_in_one_step", found_by=[Search.HISTORIES])
class ChildrenInASecondStep(Twin):
    """Children are told of an end in a second step: if that is never made, they wait for ever."""

    untold: list[tuple[StoredJob, datetime]] | None = None

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        untold = list[tuple[StoredJob, datetime]]()
        self.untold = untold
        try:
            answer = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        finally:
            self.untold = None
        await asyncio.sleep(0)
        for job, now in untold:
            self._tell(job, now)
        return answer

    def _tell(self, job: StoredJob, now: datetime) -> None:
        if self.untold is None:
            super()._tell(job, now)
        else:
            self.untold.append((job, now))


@mutant("test_flow_a_job_waits_for_its_parents", found_by=[Search.HISTORIES, Search.MACHINE])
class FirstParentLetsGo(Twin):
    """A job is let go by the first of its parents that completes."""

    def _decide(self, job_id: JobID, inputs: Iterable[Input], now: datetime) -> None:
        super()._decide(job_id, (told := list(inputs)), now)
        job = self.state.jobs[job_id]
        if job.status is JobStatus.WAITING and any(each.status is JobStatus.COMPLETED for each in told):
            self._enter(job)


@mutant("test_flow_a_parent_that_does_not_complete_dooms_its_children")
class DoomIsForgotten(Twin):
    """A job whose parent has failed is not run, nor does it end: it waits for ever."""

    def _decide(self, job_id: JobID, inputs: Iterable[Input], now: datetime) -> None:
        super()._decide(job_id, inputs, now)
        self.state.take((job := self.state.jobs[job_id]).job_id)
        self.state.doomed.pop(job_id, None)
        self.state.put(job)


@mutant("test_flow_a_parent_that_does_not_complete_dooms_its_children")
class DoomedAsIfExpired(Twin):
    """A job that was doomed by its parent ends with the reason of one that has expired."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        is_doomed = job.job_id in self.state.doomed and status is JobStatus.CANCELLED
        super()._end_job(replace(job, error=EXPIRED) if is_doomed else job, status, now, keep=keep)


@mutant("test_flow_a_finalizer_runs_all_the_same")
class FinalizersRunAtTheFirstFailure(Twin):
    """A job with `if_failed="run"` runs as soon as one of its parents has failed, while others run."""

    def _decide(self, job_id: JobID, inputs: Iterable[Input], now: datetime) -> None:
        super()._decide(job_id, inputs, now)
        job = self.state.jobs[job_id]
        if job.status is JobStatus.WAITING and any(each.status is not JobStatus.COMPLETED for each in job.inputs):
            self._enter(job)


@mutant("test_flow_a_finalizer_runs_all_the_same")
class RemovedParentsHold(Twin):
    """A parent that is removed before it has ended holds its children for ever."""

    def _tell(self, job: StoredJob, now: datetime) -> None:
        if job.ended_at:
            super()._tell(job, now)


@mutant("test_flow_a_parent_of_an_earlier_push")
class EndedParentsAreAwaited(Twin):
    """A parent that had ended before the push is awaited, though it does not end again."""

    is_arriving = False

    def _arrive(self, job: StoredJob, now: datetime) -> None:
        self.is_arriving = True
        super()._arrive(job, now)
        self.is_arriving = False

    def _decide(self, job_id: JobID, inputs: Iterable[Input], now: datetime) -> None:
        super()._decide(job_id, () if self.is_arriving else inputs, now)


@mutant("test_flow_a_job_waits_for_its_parents", found_by=[Search.HISTORIES])
class NoResultNoEnd(Twin):
    """A child is only told of results: it waits for ever for a parent without one."""

    def _decide(self, job_id: JobID, inputs: Iterable[Input], now: datetime) -> None:
        told = [each for each in inputs if each.result is not None or each.status is not JobStatus.COMPLETED]
        super()._decide(job_id, told, now)


@mutant("test_flow_results_are_handed_on")
class InputsGoWithTheFirstClaim(Twin):
    """A job is told what its parents returned with its first claim, but not after a retry."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        answer = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        for claim in answer.claims:
            kept = self.state.inputs.get(claim.job_id, ())
            self.state.inputs[claim.job_id] = tuple(replace(each, result=None) for each in kept)
        return answer


@mutant("test_flow_a_job_waits_for_its_parents")
class InputsAsTheyCame(Twin):
    """Inputs are in the order in which the parents have ended."""

    def _decide(self, job_id: JobID, inputs: Iterable[Input], now: datetime) -> None:
        told = list(inputs)
        before = self.state.inputs.get(job_id, ())
        super()._decide(job_id, told, now)
        if job_id in self.state.inputs:
            names = {each.job_id: each for each in (*before, *told)}
            self.state.inputs[job_id] = tuple(names.values())
            shown = tuple(replace(each, result=None) for each in names.values())
            self.state.put(replace(self.state.jobs[job_id], inputs=shown), keep=job_id in self.state.kept)


@mutant("test_flow_resuming_lets_a_job_go")
class ResumedJobsHearMore(Twin):
    """A job that was resumed is told of parents that end later: it is doomed while it runs."""

    def _cut(self, job: StoredJob) -> None:
        children = {parent: set(waiting) for parent, waiting in self.state.children.items()}
        super()._cut(job)
        self.state.children = children


@mutant("test_flow_what_was_decided_stays")
class RerunParentsHold(Twin):
    """A parent that is rerun holds its children again, if they have not begun to run."""

    def _rerun(self, job: StoredJob, now: datetime) -> None:
        for child in [each for each in self.state.jobs.values() if job.job_id in each.after]:
            if child.status is JobStatus.PENDING:
                self.state.children.setdefault(job.job_id, set()).add(child.job_id)
                self.state.put(replace(child, status=JobStatus.WAITING))
        super()._rerun(job, now)


@mutant("test_flow_a_child_keeps_its_due_time")
class DueWhenLetGo(Twin):
    """A job that is let go is due at that moment, whatever its push said."""

    def _enter(self, job: StoredJob) -> None:
        super()._enter(replace(job, due=self.now()) if job.status is JobStatus.WAITING else job)


@mutant("test_flow_a_refusal_is_an_answer")
class RefusalsAreNoAnswers(Twin):
    """A push that was refused is not remembered: its repeat is done if its parent is there by then."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        answer = await super().push(items, operation=operation)
        if operation and any(each.outcome is StoreOutcome.REFUSED for each in answer):
            del self.state.producers[operation.producer]
        return answer


@mutant("test_flow_parents_that_cannot_be")
class RefusedInPart(Twin):
    """Of a push that is refused, what came before the job with the unknown parent is stored."""

    def _held(self, items: Sequence[NewJob], now: datetime) -> tuple[Sequence[Pushed], Sequence[NewJob]]:
        refused, held = super()._held(items, now)
        if refused:
            for at in reversed(range(len(items))):
                if not super()._held(items[:at], now)[0]:
                    for item in super()._held(items[:at], now)[1]:
                        self._push(item, now)
                    break
        return refused, held


@mutant("test_flow_a_duplicate_stands_for_its_holder")
class DuplicatesAreParents(Twin):
    """A parent whose push was a duplicate is looked for by its own id, which nobody has."""

    def _held(self, items: Sequence[NewJob], now: datetime) -> tuple[Sequence[Pushed], Sequence[NewJob]]:
        known = {item.job_id for item in items if self._is_known(item.job_id, now)}
        names = {item.job_id: self.state.holder_of(item.unique, now) for item in items if item.unique}
        gone = {job_id for job_id, holder in names.items() if holder and job_id not in known}
        for item in items:
            for parent in gone.intersection(item.after):
                reason = hold_refusal("absent", item.job_id, parent)
                return [Pushed(StoreOutcome.REFUSED, each.job_id, reason) for each in items], []
        return super()._held(items, now)


@mutant("test_flow_inputs_count_for_what_one_exchange_claims")
class InputsWeighNothing(Twin):
    """Results of parents do not count towards the bytes of what one exchange claims."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        inputs, self.state.inputs = self.state.inputs, {}
        try:
            answer = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        finally:
            self.state.inputs = inputs | self.state.inputs
        claims = [replace(claim, inputs=self.state.inputs.get(claim.job_id, ())) for claim in answer.claims]
        return replace(answer, claims=claims)


@mutant("test_flow_a_job_with_parents_is_not_replaced")
class TiedJobsAreReplaced(Twin):
    """A job that others hold is replaced under its unique name, as any."""

    def _replace(self, holder: JobID, item: NewJob, key: str, now: datetime) -> bool:
        if (job := self.state.jobs.get(holder)) and job.status in (JobStatus.PENDING, JobStatus.PAUSED):
            self.state.jobs[holder] = replace(job, after=(), batch=None)
            done = super()._replace(holder, replace(item, after=(), batch=None), key, now)
            self.state.jobs[holder] = replace(self.state.jobs[holder], after=job.after, batch=job.batch)
            return done
        return super()._replace(holder, item, key, now)


@mutant("test_flow_the_load_counts_those_that_wait", found_by=[Search.MACHINE])
class LoadTakesThoseThatWaitForDelayed(Twin):
    """`load` counts jobs that wait for others as such whose time has not come."""

    async def load(self) -> Load:
        load = await super().load()
        return dataclasses.replace(load, delayed=load.delayed + load.waiting, waiting=0)


script_mutant(
    "ScriptLoadHidesThoseThatWait",
    "`load.lua`: does not count the jobs that wait for others.",
    "test_flow_the_load_counts_those_that_wait",
    "has_flows() and redis.call('ZCARD', WAITING) or 0,\n  redis.call('HLEN', CLAIMED)",
    "0,\n  redis.call('HLEN', CLAIMED)",
    chapter=__name__,
)
script_mutant(
    "ScriptChildrenHearNothing",
    "`ending.lua`: the end of a job tells nobody of it.",
    "test_flow_a_job_waits_for_its_parents",
    "if fielded and has_flows() then holds().tell_end(id, state, noted == 'result' and value) end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptFirstParentLetsGo",
    "`holds.lua`: a job is let go by the first of its parents.",
    "test_flow_a_job_waits_for_its_parents",
    "if redis.pcall('HINCRBY', fields_of(id), 'holds', -1) == 0 and due and not is_doomed(id) then",
    "if due and not is_doomed(id) then",
    chapter=__name__,
)
script_mutant(
    "ScriptDoomedJobIsLetGo",
    "`holds.lua`: a doomed job is pending when its other parents have completed.",
    "test_flow_a_doomed_job_is_not_let_go",
    "and due and not is_doomed(id) then",
    "and due then",
    chapter=__name__,
)
script_mutant(
    "ScriptFailureLetsGo",
    "`holds.lua`: a parent that fails lets its children go, like one that completes.",
    "test_flow_a_parent_that_does_not_complete_dooms_its_children",
    "if state ~= 'completed' and redis.pcall('HGET', fields_of(child), 'if_failed') ~= 'run' then",
    "if false then",
    chapter=__name__,
)
script_mutant(
    "ScriptFinalizersAreDoomed",
    "`holds.lua`: a parent that fails dooms children that are to run all the same.",
    "test_flow_a_finalizer_runs_all_the_same",
    "if state ~= 'completed' and redis.pcall('HGET', fields_of(child), 'if_failed') ~= 'run' then",
    "if state ~= 'completed' then",
    chapter=__name__,
)
script_mutant(
    "ScriptRemovedParentIsForgotten",
    "`changing.lua`: the removal of a parent tells nobody.",
    "test_flow_a_parent_that_does_not_complete_dooms_its_children",
    "if fielded and has_flows() and not ENDED[state] then holds().tell_end(id, 'removed') end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptInputsGoWithTheFirstChild",
    "`holds.lua`: the result of a parent goes with the first of its children.",
    "test_flow_results_are_handed_on",
    "if redis.pcall('HINCRBY', key, 'references', -1) == 0 then redis.call('DEL', key) end",
    "redis.call('DEL', key)",
    chapter=__name__,
)
script_mutant(
    "ScriptInputsAreOverwritten",
    "`holds.lua`: the result of a second run takes the place of the first one's.",
    "test_flow_each_child_has_the_result_of_its_run",
    "for number = ended, ended + 99 do -- the next one for another run in the same microsecond\n"
    "      local key = input_of(id, whole(number))\n      local there = redis.pcall('HGET', key, 'result')\n"
    "      if not there or there == result then",
    "for number = 0, 0 do\n      local key = input_of(id, whole(number))\n      do",
    chapter=__name__,
)
script_mutant(
    "ScriptDoomOutlivesResume",
    "`resume.lua`: a doomed job that was resumed ends all the same.",
    "test_flow_resuming_saves_what_is_doomed",
    "if state == 'waiting' then redis.call('ZREM', ENDS_AT, id) end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptTakesAnyParent",
    "`holding.lua`: a parent that nothing keeps is taken.",
    "test_flow_parents_that_cannot_be",
    "if policy.count == 0 and not is_kept then return 'not_kept' end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptPlainParentStaysPlain",
    "`holding.lua`: a plain job that becomes a parent stays plain, so that its end tells nobody.",
    "test_flow_a_parent_that_the_policy_keeps",
    "      make_fielded(name)\n",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptRecoveryTellsAll",
    "`recover.lua`: a recovery tells all that wait for jobs that are to be aborted.",
    "test_flow_how_many_are_told_by_one_recovery",
    "if is_bounded and has_flows() then ids, claims = may_go(ids, claims) end",
    "",
    chapter=__name__,
)
