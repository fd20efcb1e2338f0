"""Bugs of what is remembered through a change of life."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from jobsvalkey.contract import (
    Exchanged,
    JobID,
    NewJob,
    Operation,
    OperationRefused,
    Pushed,
    Renewed,
    Report,
    Settlement,
    SettleOutcome,
    StoredJob,
    StoreOutcome,
    WorkerID,
)
from jobsvalkey_memory.store import Worker
from tests.mutants.mutant import Twin, mutant


@mutant("test_life_an_id_of_the_user_is_remembered[recovery]")
class RecoveryForgetsTheUser(Twin):
    """An id counts as the user's until its worker dies."""

    def _give_back(self, holder: Worker, token: bytes, now: datetime, *, died: bool = False) -> None:
        if died:
            self.state.named.discard(holder.claims[token])
        super()._give_back(holder, token, now, died=died)


@mutant("test_life_an_id_of_the_user_is_remembered[retry]")
class RetryForgetsTheUser(Twin):
    """An id counts as the user's until its first retry."""

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        outcome = super()._settle(holder, settlement, now)
        if getattr(settlement, "request", None) is not None:
            self.state.named.discard(settlement.job_id)
        return outcome


@mutant("test_life_an_id_of_the_user_is_remembered[pause]")
class ResumeForgetsTheUser(Twin):
    """An id counts as the user's until its job is paused and resumed."""

    async def resume(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        self.state.named.discard(job_id)
        return await super().resume(job_id, operation=operation)


@mutant("test_life_the_time_stored_stays[rerun]")
class StoredByItsRerun(Twin):
    """A job that is rerun counts as stored at that moment: its age starts again."""

    def _rerun(self, job: StoredJob, now: datetime) -> None:
        super()._rerun(replace(job, stored_at=now), now)


@mutant("test_life_the_time_stored_stays[recovery]")
class StoredByItsRecovery(Twin):
    """A job that is recovered counts as stored at that moment."""

    def _give_back(self, holder: Worker, token: bytes, now: datetime, *, died: bool = False) -> None:
        if died:
            job_id = holder.claims[token]
            self.state.jobs[job_id] = replace(self.state.jobs[job_id], stored_at=now)
        super()._give_back(holder, token, now, died=died)


@mutant("test_life_the_envelope_from_step_to_step")
class SecondDeathIsTheFirst(Twin):
    """A job whose second worker died has one recovery: it is never given up."""

    def _give_back(self, holder: Worker, token: bytes, now: datetime, *, died: bool = False) -> None:
        job = self.state.jobs[holder.claims[token]]
        super()._give_back(holder, token, now, died=died and job.recoveries == 0)


@mutant("test_life_a_new_job_of_an_old_id[finish]")
class LeftoverRecoveries(Twin):
    """The recoveries of a job are left when it is gone: the next one of its id begins with them."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        old = next((job for job in self.state.ended if job.job_id == item.job_id), None)
        outcome = super()._push(item, now)
        if old and outcome.outcome is StoreOutcome.STORED:
            self.state.put(replace(self.state.jobs[item.job_id], error=old.error))
        return outcome


@mutant("test_life_a_new_job_of_an_old_id[remove]")
class LeftoverOfARemoval(Twin):
    """A removal leaves when the job was stored: the next one of its id is as old."""

    async def remove(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        self.left = self.state.jobs.get(job_id)
        return await super().remove(job_id, operation=operation)

    left: StoredJob | None = None

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        outcome = super()._push(item, now)
        if self.left and self.left.job_id == item.job_id and outcome.outcome is StoreOutcome.STORED:
            self.state.put(replace(self.state.jobs[item.job_id], stored_at=self.left.stored_at))
        return outcome


@mutant("test_life_a_duplicate_makes_nothing_remembered")
class DuplicateNamesTheId(Twin):
    """If a duplicate is to be remembered, the id of the job that is there becomes the user's."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        if item.remember and item.job_id in self.state.jobs:
            self.state.named.add(item.job_id)
        return super()._push(item, now)


@mutant("test_life_an_id_is_remembered_once")
class NamedForGood(Twin):
    """An id that a user gave once counts as the user's for good."""

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        is_named = job.job_id in self.state.named
        super()._vanish(job, now)
        if is_named:
            self.state.named.add(job.job_id)


@mutant("test_life_the_window_begins_anew")
class WindowFromTheFirstEnd(Twin):
    """The window of a job that was rerun counts from its first end."""

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        first = next((each.ended_at for each in self.state.ended if each.job_id == job.job_id), None)
        super()._vanish(replace(job, ended_at=first) if job.ended_at else job, now)


@mutant("test_life_the_window_of_a_kept_job")
class WindowFromTheTrimming(Twin):
    """The window of a job that was kept for a time begins when it is trimmed."""

    def _trim_kept(self, now: datetime) -> None:
        for job_id, until in self.state.until.items():
            if until <= now:
                self.state.until[job_id] = now
        super()._trim_kept(now)


@mutant("test_life_an_id_is_remembered_without_its_request")
class LostWithItsRequest(Twin):
    """An id is remembered with its request: if that was lost, so is the id."""

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        if job.request is None:
            self.state.named.discard(job.job_id)
        super()._vanish(job, now)


@mutant("test_life_the_last_exchange[opened again]")
class OpenedAnew(Twin):
    """A worker that is opened again starts over: its last exchange is forgotten."""

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        await super().open_worker(worker, hold_for, about=about)
        self.state.workers[worker].sequence = None


@mutant("test_life_the_last_exchange[stalled and opened again]")
class OpenedAnewAfterItsLock(Twin):
    """A worker whose lock had run out when it was opened again starts over: its last exchange is forgotten."""

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        now = self.now()
        is_late = worker in self.state.workers and self.state.workers[worker].expires <= now
        await super().open_worker(worker, hold_for, about=about)
        if is_late:
            self.state.workers[worker].sequence = None


@mutant("test_life_the_last_exchange[stalled and renewed]")
class RenewedAnew(Twin):
    """A renewal after the lock ran out makes the worker a new one: its last exchange is forgotten."""

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        now = self.now()
        is_late = worker in self.state.workers and self.state.workers[worker].expires <= now
        renewed = await super().renew(worker, hold_for, leaving=leaving)
        if is_late:
            self.state.workers[worker].sequence = None
        return renewed


class Exchanging(Twin):
    """A twin whose exchanges are changed."""

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
        is_repeat = holder is not None and holder.sequence == sequence
        answer = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        return await self.answered(answer, worker, sequence, limit, is_repeat=is_repeat)

    async def answered(
        self, answer: Exchanged, worker: WorkerID, sequence: int, limit: int, *, is_repeat: bool
    ) -> Exchanged:
        raise NotImplementedError


@mutant("test_life_the_last_exchange[nothing]")
class RepeatClaimsAnew(Exchanging):
    """A repeat of an exchange claims what has become due since, as far as its limit goes."""

    async def answered(
        self, answer: Exchanged, worker: WorkerID, sequence: int, limit: int, *, is_repeat: bool
    ) -> Exchanged:
        left = limit - len(answer.claims)
        if is_repeat and left > 0:
            self.state.workers[worker].sequence = sequence - 1
            more = await Twin.exchange(self, worker, sequence, (), left)
            self.state.workers[worker].outcomes = answer.outcomes
            return replace(answer, claims=answer.claims + more.claims)
        return answer


@mutant("test_life_the_last_exchange[idle]")
class IdleForgets(Exchanging):
    """An idle exchange forgets the last one that did something."""

    async def answered(
        self, answer: Exchanged, worker: WorkerID, sequence: int, limit: int, *, is_repeat: bool
    ) -> Exchanged:
        if not answer.claims and SettleOutcome.SETTLED not in answer.outcomes:
            self.state.workers[worker].sequence = None
        return answer


@mutant("test_life_a_number_of_a_step_that_failed")
class FailedStepTakesItsNumber(Twin):
    """A push that is refused as wrong has used up its number."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        failed: set[Operation] = self.__dict__.setdefault("failed", set())
        if operation in failed:
            raise OperationRefused("it was used")
        try:
            return await super().push(items, operation=operation)
        except ValueError:
            if operation is not None:
                failed.add(operation)
            raise


@mutant("test_life_a_repeat_of_a_push_after_a_second_life")
class RepeatLooksAgain(Twin):
    """A repeat of a push is answered by what is there now."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        last = self.state.producers.get(operation.producer) if operation else None
        if operation and last and last.sequence == operation.sequence:
            return await super().push(items)
        return await super().push(items, operation=operation)


@mutant("test_life_a_claim_of_a_worker_that_was_opened_again")
class OpenedAgainHoldsNothing(Twin):
    """A worker that is opened again has lost its claims."""

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        held: Any = self.state.workers.pop(worker, None)
        await super().open_worker(worker, hold_for, about=about)
        if held:
            self.state.workers[worker].sequence = held.sequence
