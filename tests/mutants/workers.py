"""Bugs of workers, of their locks, and of what becomes of their jobs."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from jobsvalkey.contract import Exchanged, JobStatus, Renewed, Report, Settlement, StoredJob, WorkerClosed, WorkerID
from jobsvalkey_memory.store import WORKER_MEMORY, Worker
from tests.mutants.mutant import Search, Twin, mutant
from tests.support.broken_twins import OrphansOfTheLiving

mutant("test_worker_a_live_workers_job_is_never_touched", chapter=__name__)(OrphansOfTheLiving)


@mutant("test_worker_the_jobs_of_a_dead_worker_are_pending_again", found_by=[Search.HISTORIES])
class WorkersNeverDie(Twin):
    """The lock of a worker never expires: the jobs of a dead one stay with it."""

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        await super().open_worker(worker, timedelta(days=3650))

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        return await super().renew(worker, timedelta(days=3650), leaving=leaving)


@mutant("test_worker_the_jobs_of_a_dead_worker_are_pending_again", weakness=9)
class DeadForTwelveMinutes(Twin):
    """A lock is held for 450 seconds at least: the jobs of a dead worker wait that long."""

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        await super().open_worker(worker, max(hold_for, timedelta(seconds=450)))


@mutant("test_worker_the_jobs_of_a_dead_worker_are_pending_again", weakness=2, found_by=[Search.HISTORIES])
class ClaimWithoutOwner(Twin):
    """A claim is booked in a second step, which the last job of a batch never sees: nobody recovers it."""

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
        if len(answer.claims) > 2:
            self.state.workers[worker].claims.pop(answer.claims[-1].token, None)
        return answer


@mutant("test_worker_the_jobs_of_a_dead_worker_are_pending_again", weakness=19, found_by=[Search.MACHINE])
class RecoveriesNotCounted(Twin):
    """A recovery is not counted: a job that kills its worker is recovered for ever."""

    def _enter(self, job: StoredJob) -> None:
        before = self.state.jobs.get(job.job_id, job)
        super()._enter(replace(job, recoveries=min(job.recoveries, before.recoveries)))


@mutant("test_worker_a_recovered_job_keeps_its_place")
class RecoveredJobIsDueNow(Twin):
    """A job that is recovered is due now: it waits behind all that came meanwhile."""

    def _enter(self, job: StoredJob) -> None:
        is_recovery = job.recoveries > self.state.jobs.get(job.job_id, job).recoveries
        super()._enter(replace(job, due=self.clock.now()) if is_recovery else job)


@mutant("test_worker_the_envelope_survives_its_worker")
class RecoveryForgetsRerun(Twin):
    """Recovery clears `reset_attempt`: a job that was rerun goes on at the attempt at which it had failed."""

    def _enter(self, job: StoredJob) -> None:
        is_recovery = job.recoveries > self.state.jobs.get(job.job_id, job).recoveries
        super()._enter(replace(job, reset_attempt=False) if is_recovery else job)


@mutant("test_worker_recovery_never_fails_a_job")
class RecoveryFailsJobs(Twin):
    """Recovery itself gives up a job after five deaths."""

    def _enter(self, job: StoredJob) -> None:
        if job.recoveries > max(5, self.state.jobs.get(job.job_id, job).recoveries):
            self._end_job(replace(job, error=b"abandoned"), JobStatus.FAILED, self.clock.now())
        else:
            super()._enter(job)


@mutant("test_worker_recovery_is_bounded")
class RecoveryUnbounded(Twin):
    """Recovery takes all jobs at once, whatever its limit."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        return await super().recover(1_000_000, worker=worker)


@mutant("test_worker_recovery_is_not_for_a_worker_whose_own_lock_has_run_out")
class RecoveryOfItsOwn(Twin):
    """A worker that was stalled recovers its own jobs."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        return await super().recover(max_jobs)


@mutant("test_worker_recovery_is_not_for_a_worker_whose_own_lock_has_run_out")
class RecoveryByTheStalled(Twin):
    """A worker that was stalled, with all others, recovers their jobs before they can renew their locks."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        asker = self.state.workers.get(worker or "")
        if asker is None:
            return await super().recover(max_jobs, worker=worker)
        expires, asker.expires = asker.expires, asker.expires + timedelta(days=1)
        try:
            return await super().recover(max_jobs, worker=worker)
        finally:
            asker.expires = expires


@mutant("test_worker_recovery_is_not_for_one_whose_lock_ran_out_long_ago")
class RecoveryByTheForgotten(Twin):
    """A worker that was stalled for more than a day is not recognised, and recovers what all the others hold."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        asker = self.state.workers.get(worker or "")
        is_forgotten = asker is not None and asker.expires + WORKER_MEMORY <= self.clock.now()
        return await super().recover(max_jobs, worker=None if is_forgotten else worker)


@mutant("test_worker_recovery_is_not_for_a_worker_that_is_not_known")
class RecoveryByAnybody(Twin):
    """A worker that is not known recovers as if nobody had asked in its name."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        return await super().recover(max_jobs, worker=worker if worker in self.state.workers else None)


@mutant("test_worker_recovery_takes_the_claims_not_the_worker", found_by=[Search.MACHINE])
class RecoveryForgetsWorker(Twin):
    """Recovery forgets the worker with its claims: one that stalled cannot go on."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        recovered = await super().recover(max_jobs, worker=worker)
        for each, holder in list(self.state.workers.items()):
            if holder.expires <= self.clock.now() and not holder.claims:
                del self.state.workers[each]
        return recovered


@mutant("test_worker_no_job_is_forgotten_with_its_worker")
class JobsForgottenWithTheirWorker(Twin):
    """A worker's record is dropped after a day, with the claims that nobody has recovered."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        for holder in self.state.workers.values():
            if self.clock.now() - holder.expires >= WORKER_MEMORY:
                holder.claims.clear()
        return await super().recover(max_jobs, worker=worker)


@mutant("test_worker_a_worker_is_forgotten_after_a_day")
class WorkersNeverForgotten(Twin):
    """The records of dead workers are kept for ever."""

    def _worker(self, worker: WorkerID, now: datetime) -> Worker:
        if worker not in self.state.workers:
            raise WorkerClosed(worker)
        return self.state.workers[worker]

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        workers = dict(self.state.workers)
        recovered = await super().recover(max_jobs, worker=worker)
        self.state.workers.update(workers)
        return recovered


@mutant("test_worker_an_expired_lock_settles_but_claims_nothing", found_by=[Search.MACHINE])
class ExpiredWorkerClaims(Twin):
    """A worker whose lock has expired goes on claiming."""

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
        if holder is None or self.clock.now() - holder.expires >= WORKER_MEMORY:
            return await super().exchange(worker, sequence, settlements, limit, reports=reports)
        expires, holder.expires = holder.expires, self.clock.now() + timedelta(seconds=1)
        try:
            return await super().exchange(worker, sequence, settlements, limit, reports=reports)
        finally:
            holder.expires = expires


@mutant("test_worker_closing_releases_the_claims", found_by=[Search.HISTORIES])
class CloseKeepsClaims(Twin):
    """A worker that is closed takes its claims with it: the jobs are processing for ever."""

    async def close_worker(self, worker: WorkerID) -> None:
        self.state.workers.pop(worker, None)


@mutant("test_worker_closing_releases_the_claims")
class ClosingCountsAsDeath(Twin):
    """Closing a worker counts as a recovery of its jobs."""

    async def close_worker(self, worker: WorkerID) -> None:
        holder = self.state.workers.get(worker)
        for job_id in holder.claims.values() if holder else ():
            job = self.state.jobs[job_id]
            self.state.put(replace(job, recoveries=job.recoveries + 1))
        await super().close_worker(worker)


@mutant("test_worker_closing_releases_the_claims")
class ClosingForgetsErrors(Twin):
    """Closing a worker clears the errors of its jobs."""

    async def close_worker(self, worker: WorkerID) -> None:
        holder = self.state.workers.get(worker)
        for job_id in holder.claims.values() if holder else ():
            self.state.put(replace(self.state.jobs[job_id], error=None))
        await super().close_worker(worker)


@mutant("test_worker_a_closed_worker_is_not_used")
class ClosedWorkerRevived(Twin):
    """A renewal reopens a worker that was closed."""

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        await self.open_worker(worker, hold_for)
        return await super().renew(worker, hold_for, leaving=leaving)


@mutant("test_worker_a_renewal_extends_the_lock")
class RenewalTellsNothing(Twin):
    """A renewal does not say which claims are held: the worker believes that all are lost."""

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        await super().renew(worker, hold_for, leaving=leaving)
        return Renewed(frozenset())


@mutant("test_worker_a_renewal_extends_the_lock")
class RenewalExtendsNothing(Twin):
    """A renewal leaves the lock as it is: a worker that lives loses its jobs."""

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        expires = self._worker(worker, self.now()).expires
        held = await super().renew(worker, hold_for, leaving=leaving)
        self.state.workers[worker].expires = expires
        return held


@mutant("test_worker_an_expired_lock_settles_but_claims_nothing", found_by=[Search.MACHINE])
class ExpiryUnsaid(Twin):
    """An exchange under an expired lock looks as if nothing were due: the worker waits for what it could have."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        return replace(await super().exchange(worker, sequence, settlements, limit), lock_expired=False)


@mutant("test_worker_an_expired_lock_settles_but_claims_nothing", found_by=[Search.MACHINE])
class DueUnderAnExpiredLock(Twin):
    """An exchange under an expired lock says that a job is due, although it would claim none: the worker spins."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        exchanged = await super().exchange(worker, sequence, settlements, limit)
        return replace(exchanged, until_next=self._until_next(self.clock.now()))


@mutant("test_worker_idle_ones_that_died_delay_no_recovery")
class RecoverySeesAThousand(Twin):
    """Recovery looks at the thousand workers that died first: those without jobs delay it."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        workers = sorted(self.state.workers.items(), key=lambda item: item[1].expires)
        first, others = dict(workers[:1000]), dict(workers[1000:])
        self.state.workers = first
        recovered = await super().recover(max_jobs, worker=worker)
        self.state.workers.update(others)
        return recovered


@mutant("test_worker_one_that_was_leaving_has_not_died")
class LeavingIsDying(Twin):
    """An orderly shutdown counts as a death: six of them, and a long job is given up."""

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        return await super().renew(worker, hold_for)


@mutant("test_worker_one_that_was_leaving_has_not_died")
class LeavingIsTakenBack(Twin):
    """A renewal that was under way when the worker began to leave turns that into a death."""

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        self._worker(worker, self.now()).leaving = False
        return await super().renew(worker, hold_for, leaving=leaving)


@mutant("test_worker_a_renewal_may_shorten_the_lock")
class RenewalNeverShortens(Twin):
    """A renewal for a shorter time leaves the lock as it is."""

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        holder = self._worker(worker, self.now())
        longest = max(holder.expires, self.clock.now() + hold_for)
        held = await super().renew(worker, hold_for, leaving=leaving)
        holder.expires = longest
        return held


@mutant("test_worker_a_renewal_saves_expired_claims")
class RenewalTooLate(Twin):
    """A renewal after the lock has expired is refused, although nothing has been recovered."""

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        if self._worker(worker, self.now()).expires <= self.clock.now():
            raise WorkerClosed(worker)
        return await super().renew(worker, hold_for, leaving=leaving)


@mutant("test_worker_opening_twice", found_by=[Search.MACHINE])
class ReopeningLosesClaims(Twin):
    """Opening a worker again begins a new record: its claims are nobody's."""

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        self.state.workers.pop(worker, None)
        await super().open_worker(worker, hold_for, about=about)
