"""Bugs that were planted without a look at the catalogue, and that nothing of the kit killed then."""

import asyncio
import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from jobsvalkey.contract import (
    Exchanged,
    JobID,
    JobPage,
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
)
from tests.mutants.mutant import Twin, mutant
from tests.mutants.scripts import script_mutant


@mutant("test_wait_a_full_answer_wakes_the_next")
class FullAnswerWakesNobody(Twin):
    """The next worker is woken if a claim took all jobs that it may take, but not if it took all bytes."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        hint = self.state.hint
        self.state.hint = lambda: None
        done = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        self.state.hint = hint
        if settlements or (done.until_next == 0 and len(done.claims) == limit):
            hint()
        return done


@mutant("test_wait_without_work_leaves_the_hint")
class FullWorkersSwallowHints(Twin):
    """A worker that waits without `work` takes the hints all the same, once its wait is over."""

    async def wait(self, worker: WorkerID, timeout: timedelta, *, work: bool = True) -> None:
        await super().wait(worker, timeout, work=work)
        self.state.workers[worker].hints = self.state.hints


@mutant("test_repeat_a_lock_that_was_refused_stays_refused")
class RefusedLockIsLookedAtAgain(Twin):
    """A repeat of a lock that was refused looks again, too, and takes it if it is free by then."""

    async def acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        taken = await super().acquire_lock(key, holder, expires_in, operation=operation)
        return taken or await super().acquire_lock(key, holder, expires_in)


@mutant("test_flow_a_parent_that_is_run_anew_tells_nothing")
class ParentsTellAgain(Twin):
    """A parent that is rerun tells a child that still waits about each of its ends."""

    def _tell(self, job: StoredJob, now: datetime) -> None:
        children = set(self.state.children.get(job.job_id, ()))
        super()._tell(job, now)
        waiting = {child for child in children if self.state.jobs[child].status is JobStatus.WAITING}
        if waiting:
            self.state.children[job.job_id] = waiting


@mutant("test_flow_another_job_of_a_childs_id")
class InputsOutliveTheirJob(Twin):
    """A later job with the id of a child that is gone is told of that child's parents."""

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        inputs = self.state.inputs.get(job.job_id)
        super()._vanish(job, now)
        if inputs:
            self.state.inputs[job.job_id] = inputs


@mutant("test_flow_without_parents_nothing_can_fail")
class IfFailedWithoutParents(Twin):
    """A job without parents is stored with an `if_failed`."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        pushed = super()._push(item, now)
        if job := self.state.jobs.get(item.job_id):
            self.state.put(replace(job, if_failed=item.if_failed))
        return pushed


@mutant("test_size_of_a_page_that_says_none")
class PageOfFiftyOne(Twin):
    """A page without a size has one more job than other drivers' pages."""

    async def page(self, status: JobStatus, cursor: str | None = None, *, limit: int = 51) -> JobPage:
        return await super().page(status, cursor, limit=limit)


@mutant("test_holding_a_rerun_while_another_has_it_for_a_time")
class RerunTakesATimedName(Twin):
    """A job that is rerun takes its name even from a job that holds it for a time."""

    async def rerun(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        self.state.names = {key: name for key, name in self.state.names.items() if name.until is None}
        return await super().rerun(job_id, operation=operation)


script_mutant(
    "ScriptClosesABatchAgain",
    "`close_batch.lua`: a batch can be closed again, which takes one more hold from its callback: it runs too early.",
    "test_batch_is_closed_once",
    "redis.call('HDEL', fields_of(id), 'open')",
    "",
    chapter=__name__,
)


@mutant("test_worker_one_that_was_leaving_has_not_died[opened]")
class OpeningForgetsLeaving(Twin):
    """A worker that leaves, and is opened again by a call that was under way, has died when its lock runs out."""

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        await super().open_worker(worker, hold_for, about=about)
        self.state.workers[worker].leaving = False


script_mutant(
    "ScriptLooksAtTheLastParent",
    "`holding.lua`: of several parents that had ended before the push only the last one counts.",
    "test_flow_of_parents_that_had_ended_each_counts",
    "is_over = is_over or ended ~= 'completed' and",
    "is_over = ended ~= 'completed' and",
    chapter=__name__,
)


script_mutant(
    "ScriptTakesAnEmptyRequestForNone",
    "`exchange.lua`: a retry with an empty request leaves the old one.",
    "test_retry_the_request_is_new_or_unchanged",
    "if request then redis.call('SET'",
    "if request and request ~= '' then redis.call('SET'",
    chapter=__name__,
)


@mutant("test_flow_a_refusal_is_of_its_own_push")
class RefusedTogether(Twin):
    """Pushes that come at once are one push: one that is refused takes the others with it."""

    refusal: list[Pushed] | None = None

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        if self.refusal:
            return [replace(self.refusal[0], job_id=item.job_id) for item in items]
        pushed = await super().push(items, operation=operation)
        if any(each.outcome is StoreOutcome.REFUSED for each in pushed):
            self.refusal = pushed
            asyncio.get_running_loop().call_soon(self.__dict__.pop, "refusal", None)
        return pushed


@mutant("test_inspection_the_load_of_a_queue")
class DueNowIsNotDue(Twin):
    """If the first job is due at this very moment, `load` does not say since when."""

    async def load(self) -> Load:
        load = await super().load()
        return dataclasses.replace(load, oldest_due=load.oldest_due or None)


script_mutant(
    "ScriptCleansTheHigherIDFirst",
    "`cleanup.lua`: of jobs of equal age the higher id goes first, if it is alone on one of two lists.",
    "test_exact_a_cleanup_of_equal_ages",
    "a[2] == b[2] and a[1] < b[1]",
    "a[2] == b[2] and a[1] > b[1]",
    chapter=__name__,
)
script_mutant(
    "ScriptKeepsTheDescription",
    "`renew.lua`: a worker that is opened again without a description keeps the one that it had.",
    "test_exact_a_worker_is_described_anew",
    "  redis.call('HDEL', worker_of(worker), 'about')\n",
    "",
    chapter=__name__,
)
