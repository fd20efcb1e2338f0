"""Bugs that show when the same is asked twice at once, or a call is given up."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from jobsvalkey.contract import (
    Exchanged,
    NewJob,
    Operation,
    OperationRefused,
    Pushed,
    Report,
    Settlement,
    StoredJob,
    WorkerClosed,
    WorkerID,
)
from tests.mutants.mutant import Search, Twin, mutant


@mutant("test_race_one_operation_over_two_connections[push]")
class RepeatBesideTheOriginal(Twin):
    """A producer's memory is read, and written in another transaction: a repeat that comes between is done again."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        last = self.state.producers.get(operation.producer) if operation else None
        await asyncio.sleep(0)
        if operation and (last is None or last.sequence < operation.sequence):
            self.state.producers.pop(operation.producer, None)
        return await super().push(items, operation=operation)


@mutant("test_race_one_operation_over_two_connections[release_lock]")
class ReleaseBesideItself(Twin):
    """The same for a release: the repeat finds the lock free, and says that it did nothing."""

    async def release_lock(self, key: str, holder: bytes, *, operation: Operation | None = None) -> bool:
        last = self.state.producers.get(operation.producer) if operation else None
        await asyncio.sleep(0)
        if operation and (last is None or last.sequence < operation.sequence):
            self.state.producers.pop(operation.producer, None)
        return await super().release_lock(key, holder, operation=operation)


@mutant("test_race_one_exchange_over_two_connections", found_by=[Search.HISTORIES])
class WorkersRowNotLocked(Twin):
    """An exchange reads the worker's row without a lock: a repeat that comes in between claims again."""

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
        last = holder.sequence if holder else None
        await asyncio.sleep(0)
        if holder and last != sequence and holder.sequence == sequence:
            holder.sequence = last
        return await super().exchange(worker, sequence, settlements, limit)


@mutant("test_race_closing_beside_an_exchange")
class ClosedWorkerClaims(Twin):
    """An exchange reads the worker's row without a lock: a worker that is closed meanwhile claims all the same."""

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
        await asyncio.sleep(0)
        if holder:
            self.state.workers.setdefault(worker, holder)
            if holder.claims:
                holder.claims = {token: job for token, job in holder.claims.items() if self.state.jobs[job].worker}
        return await super().exchange(worker, sequence, settlements, limit)


@mutant("test_race_renewal_beside_recovery")
class RecoveryForgetsTheRenewal(Twin):
    """Recovery looks for locks that have run out, and takes their jobs in another transaction, renewed or not."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        now = self.now()
        dead = [holder for holder in self.state.workers.values() if holder.expires <= now]
        await asyncio.sleep(0)
        renewed = {id(holder): holder.expires for holder in dead}
        for holder in dead:
            holder.expires = now
        recovered = await super().recover(max_jobs, worker=worker)
        for holder in dead:
            holder.expires = renewed[id(holder)]
        return recovered


@mutant("test_race_a_push_beside_the_end_of_its_job[finish]")
class IdsRememberedTooLate(Twin):
    """A job is dropped, and its id noted in another transaction: a push between the two is stored."""

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        super()._vanish(job, now)
        until = self.state.remembered.pop(job.job_id, None)
        if until:
            asyncio.get_running_loop().call_soon(self.state.remembered.setdefault, job.job_id, until)


@mutant("test_race_a_push_that_was_given_up_does_not_come_late")
class LatePush(Twin):
    """A push that was given up on its way arrives after a later one, and is done."""

    late: tuple[NewJob, ...] = ()

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.late += tuple(items)
            raise
        return await super().push(items, operation=operation)

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        """Let it arrive, whatever its number was, when somebody has claimed the later one."""
        done = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        if done.claims:
            late, self.late = self.late, ()
            for item in late:
                self._push(item, self.now())
        return done


@mutant("test_race_an_exchange_that_was_given_up_claims_nothing_late")
class LateClaim(Twin):
    """An exchange that was given up, and answered with nothing when it was asked for again, arrives and claims."""

    late: tuple[tuple[WorkerID, int, Sequence[Settlement], int], ...] = ()

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.late += ((worker, sequence, settlements, limit),)
            raise
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        """Let it arrive, if nothing was recorded since, when there is a job to claim."""
        pushed = await super().push(items, operation=operation)
        late, self.late = self.late, ()
        for call in late:
            with suppress(OperationRefused, WorkerClosed):
                await super().exchange(*call)
        return pushed
