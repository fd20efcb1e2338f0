"""Bugs that other queues have, or had."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from msgspec.structs import replace

from jobsvalkey.contract import (
    Exchanged,
    Fail,
    HoldProblem,
    Input,
    JobID,
    JobStatus,
    Report,
    Settlement,
    SettleOutcome,
    StoredJob,
    WorkerID,
)
from jobsvalkey_memory.holds import PushPlan
from jobsvalkey_memory.lanes import Lanes
from jobsvalkey_memory.line import Line
from jobsvalkey_memory.store import Worker
from tests.mutants.mutant import Twin, mutant
from tests.mutants.scripts import script_mutant


@mutant("test_pitfall_a_counter_that_drifts")
class LateEndsFreePlaces(Twin):
    """The end of a claim that was lost frees a place in the lane of its job, although another has it."""

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        job, outcome = self.state.jobs.get(settlement.job_id), super()._settle(holder, settlement, now)
        if job and job.lane and outcome is SettleOutcome.CLAIM_LOST:
            self.state.lanes.slots[job.lane].discard(job.job_id)
        return outcome


@mutant("test_pitfall_waiting_for_room_uses_up_attempts")
class HeldBackJobsAreTried(Twin):
    """Each exchange that finds a lane full counts as an attempt of the jobs that wait there."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        done = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        for job in self.state.jobs.values() if limit and not done.claims else ():
            if job.lane and job.status is JobStatus.PENDING:
                self.state.jobs[job.job_id] = replace(job, recoveries=job.recoveries + 1)
        return done


@mutant("test_pitfall_a_job_that_does_not_run_blocks_its_lane")
class FailedJobsKeepTheirPlaces(Twin):
    """A job that has failed keeps its place in its lane."""

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        job, outcome = self.state.jobs.get(settlement.job_id), super()._settle(holder, settlement, now)
        if job and job.lane and isinstance(settlement, Fail):
            self.state.lanes.slots.setdefault(job.lane, set()).add(job.job_id)
        return outcome


class FirstLines(Lanes):
    """Of each lane no more than the line of the highest priority."""

    def in_turn(self, plain: Line, now: datetime, may_run: Callable[[JobID], bool]) -> Iterator[JobID]:
        highest = {lane: priority for (priority, lane), line in sorted(self.lines.items()) if line}
        for job_id in super().in_turn(plain, now, may_run):
            names = [name for name, line in self.lines.items() if job_id in [place[1] for place in line]]
            if all(highest[lane] == priority for priority, lane in names):
                yield job_id


@mutant("test_pitfall_a_job_that_does_not_run_blocks_its_lane")
class LaterJobsBlockTheirLanes(Twin):
    """A job of high priority that is due later is in the way of the others of its lane."""

    def now(self) -> datetime:
        self.state.lanes.__class__ = FirstLines
        return super().now()


@mutant("test_pitfall_priority_is_inverted")
class GoesBackBehindTheOthers(Twin):
    """A job that goes back has the lowest priority."""

    def _enter(self, job: StoredJob) -> None:
        super()._enter(replace(job, priority=-100) if job.claimed_at else job)


@mutant("test_pitfall_dependents_are_let_go_in_a_second_step")
class ChildrenByTheNextExchange(Twin):
    """What waits for a job is let go by the next exchange."""

    ends: list[StoredJob] | None = None

    def _tell(self, job: StoredJob, now: datetime) -> None:
        self.ends = [*(self.ends or ()), job]

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        ends, self.ends = self.ends or (), None
        for job in ends:
            super()._tell(job, self.now())
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)


@mutant("test_pitfall_a_parent_without_a_result_is_awaited")
class ResultsAreAwaited(Twin):
    """A job waits until its parents have results."""

    def _decide(self, job_id: JobID, inputs: Iterable[Input], now: datetime) -> None:
        super()._decide(job_id, [each for each in inputs if each.result is not None], now)


@mutant("test_pitfall_a_parent_that_is_gone_is_awaited")
class ParentsNeedNotBeKept(Twin):
    """A job may wait for one that is not kept when it ends: whether it can be pushed is a race with that end."""

    def _parent_problem(self, parent: JobID, plan: PushPlan, now: datetime) -> HoldProblem | None:
        problem = super()._parent_problem(parent, plan, now)
        return None if problem == "not_kept" else problem


@mutant("test_pitfall_a_callback_too_early_or_twice")
class RecoveredMembersHaveEnded(Twin):
    """A member whose worker has died counts as cancelled."""

    def _give_back(self, holder: Worker, token: bytes, now: datetime, *, died: bool = False) -> None:
        job = self.state.jobs[holder.claims[token]]
        super()._give_back(holder, token, now, died=died)
        if job.batch and died:
            self._count(job, JobStatus.CANCELLED, now)


script_mutant(
    "ScriptOnlyResultsLetGo",
    "`holds.lua`: a parent without a result lets nothing go.",
    "test_pitfall_a_parent_without_a_result_is_awaited",
    "if children.err or #children == 0 then return end",
    "if children.err or #children == 0 or not result then return end",
    chapter=__name__,
)
script_mutant(
    "ScriptAbsentParentsAreAwaited",
    "`holding.lua`: a job may wait for one that is absent.",
    "test_pitfall_a_parent_that_is_gone_is_awaited",
    "if not state then return 'absent' end",
    "if not state then return end",
    chapter=__name__,
)
