"""Bugs of jobs that expire."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from jobsvalkey.contract import (
    Exchanged,
    JobID,
    JobStatus,
    NewJob,
    Pushed,
    Report,
    Settlement,
    StoredJob,
    StoreOutcome,
    WorkerID,
)
from jobsvalkey_memory.store import Worker
from tests.mutants.mutant import Search, Twin, mutant
from tests.mutants.scripts import script_mutant

BOTH = [Search.MACHINE, Search.HISTORIES]
TICK = timedelta(microseconds=1)


@mutant("test_expiry_a_job_is_cancelled", found_by=[Search.MACHINE])
class NothingExpires(Twin):
    """A job that has expired is passed over by claims, and stays pending."""

    def _end_overdue(self, now: datetime) -> None:
        pass


@mutant("test_expiry_is_looked_at_by_a_claim")
class ClaimsTrustTheSweep(Twin):
    """A claim does not look at the expiry itself: beyond the hundredth, jobs that have expired run."""

    def _may_run(self, job_id: JobID, now: datetime) -> bool:
        return True


@mutant("test_expiry_its_instant_belongs_to_it", found_by=[Search.MACHINE])
class ExpiresTooLate(Twin):
    """A job is claimed at the very moment of its expiry."""

    def _end_overdue(self, now: datetime) -> None:
        super()._end_overdue(now - TICK)

    def _may_run(self, job_id: JobID, now: datetime) -> bool:
        return super()._may_run(job_id, now - TICK)


@mutant("test_expiry_its_instant_belongs_to_it", found_by=[Search.MACHINE])
class ExpiresTooSoon(Twin):
    """A job is cancelled a moment before its expiry."""

    def _end_overdue(self, now: datetime) -> None:
        super()._end_overdue(now + TICK)


@mutant("test_expiry_what_runs_may_end", found_by=BOTH)
class RunningJobsExpire(Twin):
    """A job that expires while it runs is ended, and its worker's settlement is lost."""

    def _end_overdue(self, now: datetime) -> None:
        super()._end_overdue(now)
        for holder in self.state.workers.values():
            for token, job_id in list(holder.claims.items()):
                if not self._may_run(job_id, now):
                    self._end_job(self._unclaim(holder, token), JobStatus.CANCELLED, now)


@mutant("test_expiry_is_kept_on_the_way_back", found_by=BOTH)
class FirstAttemptExpires(Twin):
    """A job that has run once no longer expires."""

    def _enter(self, job: StoredJob) -> None:
        super()._enter(replace(job, expires=None) if job.claimed_at else job)


@mutant("test_expiry_of_a_paused_job", found_by=[Search.MACHINE])
class PausedJobsWait(Twin):
    """A job that was set aside does not expire."""

    def _end_overdue(self, now: datetime) -> None:
        aside = [job for job in self.state.jobs.values() if job.status is JobStatus.PAUSED]
        for job in aside:
            self.state.put(replace(job, expires=None))
        super()._end_overdue(now)
        for job in aside:
            self.state.put(job)


@mutant("test_expiry_in_a_paused_queue", found_by=[Search.MACHINE])
class PauseStopsExpiry(Twin):
    """Nothing expires while the queue is paused."""

    def _end_overdue(self, now: datetime) -> None:
        if not self.state.is_paused:
            super()._end_overdue(now)


@mutant("test_expiry_recovery_ends_jobs", found_by=[Search.MACHINE])
class RecoveryEndsNothing(Twin):
    """A recovery leaves what has expired to the exchanges."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        self.__dict__["recovers"] = True
        try:
            return await super().recover(max_jobs, worker=worker)
        finally:
            self.__dict__["recovers"] = False

    def _end_overdue(self, now: datetime) -> None:
        if not self.__dict__.get("recovers"):
            super()._end_overdue(now)


@mutant("test_expiry_a_settlement_and_the_end_are_one_step", found_by=[Search.MACHINE])
class EndedBeforeSettling(Twin):
    """An exchange looks for what has expired before it settles, so that a job that it gives back stays."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        self.__dict__["held"] = {each for holder in self.state.workers.values() for each in holder.claims.values()}
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)

    def _end_overdue(self, now: datetime) -> None:
        given_back = [self.state.jobs[each] for each in self.__dict__.get("held", ()) if each in self.state.jobs]
        waiting = [job for job in given_back if job.status is JobStatus.PENDING and job.expires is not None]
        for job in waiting:
            self.state.put(replace(job, expires=None))
        super()._end_overdue(now)
        for job in waiting:
            self.state.put(job)


@mutant("test_expiry_ends_so_many_at_once_and_in_order")
class AllAtOnce(Twin):
    """One exchange ends all jobs that have expired, however many."""

    def _end_overdue(self, now: datetime) -> None:
        while self.state.ends_at and next(iter(self.state.ends_at))[0] <= now:
            super()._end_overdue(now)


@mutant("test_expiry_ends_so_many_at_once_and_in_order")
class LatestExpiryFirst(Twin):
    """Of the jobs that have expired, the latest is ended first."""

    def _end_overdue(self, now: datetime) -> None:
        overdue = [place for place in self.state.ends_at if place[0] <= now]
        spared = [self.state.jobs[job_id] for _, job_id in overdue[: max(len(overdue) - 100, 0)]]
        for job in spared:
            self.state.put(replace(job, expires=None))
        super()._end_overdue(now)
        for job in spared:
            self.state.put(job)


@mutant("test_expiry_counts_for_until_next", found_by=[Search.MACHINE])
class ExpiryUntold(Twin):
    """`until_next` considers due times only."""

    def _until_next(self, now: datetime) -> float | None:
        line, self.state.ends_at = self.state.ends_at, type(self.state.ends_at)()
        try:
            return super()._until_next(now)
        finally:
            self.state.ends_at = line


@mutant("test_expired_runs_again_without_expiry", found_by=[Search.MACHINE])
class RerunKeepsExpiry(Twin):
    """A job that has expired and is rerun ends again at once."""

    def _rerun(self, job: StoredJob, now: datetime) -> None:
        super()._rerun(job, now)
        self.state.put(replace(self.state.jobs[job.job_id], expires=job.expires))


@mutant("test_expiry_a_job_is_cancelled", found_by=BOTH)
class ExpiredWithoutReason(Twin):
    """Nobody is told why a job that has expired was cancelled."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        super()._end_job(replace(job, error=None) if status is JobStatus.CANCELLED else job, status, now, keep=keep)


@mutant("test_expired_keeps_what_a_cancellation_keeps")
class ExpiredIsRemoved(Twin):
    """A job that has expired is removed, whatever is to be kept."""

    def _end_overdue(self, now: datetime) -> None:
        before = [job_id for time, job_id in self.state.ends_at if time <= now]
        super()._end_overdue(now)
        for job_id in before:
            if (job := self.state.jobs.get(job_id)) is not None:
                self._vanish(job, now)


@mutant("test_expired_is_not_by_a_duplicate")
class DuplicateMovesExpiry(Twin):
    """A push of an id that is there gives its job the expiry of the push."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        pushed = super()._push(item, now)
        job = self.state.jobs.get(item.job_id)
        if pushed.outcome is StoreOutcome.DUPLICATE and job is not None and isinstance(item.expires, timedelta):
            self.state.put(replace(job, expires=now + item.expires))
        return pushed


@mutant("test_expiry_a_lost_reply")
class ClaimHidesExpiry(Twin):
    """A claim does not say when its job expires."""

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
        return replace(answer, claims=[replace(claim, expires=None) for claim in answer.claims])


@mutant("test_expiry_before_the_push")
class PastIsRefused(Twin):
    """A job whose expiry has passed is not stored, and its push says that it was."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        is_past = item.expires == timedelta(0) or (isinstance(item.expires, datetime) and item.expires <= now)
        return Pushed(StoreOutcome.STORED, item.job_id) if is_past else super()._push(item, now)


@mutant("test_expiry_takes_no_turn")
class ExpiredTakesASlot(Twin):
    """A job that has expired counts as one of those that an exchange may claim."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        now = self.now()
        overdue = sum(time <= now for time, _ in self.state.ends_at)
        return await super().exchange(worker, sequence, settlements, max(limit - overdue, 0), reports=reports)


@mutant("test_expiry_under_a_lock_that_has_run_out", found_by=[Search.MACHINE])
class ExpiryNeedsALock(Twin):
    """Under a lock that has run out an exchange ends nothing."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        holder: Worker | None = self.state.workers.get(worker)
        self.__dict__["stalled"] = holder is not None and holder.expires <= self.now()
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)

    def _end_overdue(self, now: datetime) -> None:
        if not self.__dict__.get("stalled"):
            super()._end_overdue(now)


script_mutant(
    "ScriptEntersWithoutExpiry",
    "`pending.lua`, enter: a job that comes back no longer expires.",
    "test_expiry_is_kept_on_the_way_back",
    "if expires then redis.call('ZADD', ENDS_AT, expires, fielded[n]) end",
    "",
    only="EXCHANGE",
    chapter=__name__,
)
script_mutant(
    "ScriptClaimsAndExpires",
    "`exchange.lua`, claim: a job that was claimed stays among those that expire.",
    "test_expiry_what_runs_may_end",
    "if has_expiry() then batch('ZREM', ENDS_AT, fielded_taken) end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptEndsAndExpires",
    "`ending.lua`, end_job: a job that was cancelled, and is kept, stays among those that expire.",
    "test_expired_leaves_nothing_behind",
    "if fielded and has_expiry() then redis.call('ZREM', ENDS_AT, id) end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptVanishesAndExpires",
    "`vanishing.lua`, vanish: a job that is absent stays among those that expire.",
    "test_expired_leaves_nothing_behind",
    "if has_expiry() then batch('ZREM', ENDS_AT, ids) end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptRecoveryComesBackForever",
    "`pending.lua`, enter: a job that a recovery brings back no longer expires.",
    "test_expiry_is_kept_on_the_way_back",
    "if expires then redis.call('ZADD', ENDS_AT, expires, fielded[n]) end",
    "",
    only="RECOVER",
    chapter=__name__,
)
script_mutant(
    "ScriptTrustsTheSweep",
    "`exchange.lua`: a claim does not look at the expiry itself.",
    "test_expiry_is_looked_at_by_a_claim",
    "local has_more_overdue = (first_expiry() or now + 1) <= now",
    "local has_more_overdue = false",
    chapter=__name__,
)
script_mutant(
    "ScriptLooksAtTooFew",
    "`exchange.lua`: while many jobs have expired, live ones behind them are not looked at.",
    "test_expiry_is_looked_at_by_a_claim",
    "unexpired(due_of(FIELDED, LOOKS))",
    "unexpired({})",
    chapter=__name__,
)
script_mutant(
    "ScriptLooksAtAsManyAsItClaims",
    "`exchange.lua`: nor are they if more have expired than the exchange may claim.",
    "test_expiry_is_looked_at_by_a_claim",
    "unexpired(due_of(FIELDED, LOOKS))",
    "unexpired(due_of(FIELDED))",
    chapter=__name__,
)
script_mutant(
    "ScriptEndsAllAtOnce",
    "`expiring.lua`: one exchange ends all jobs that have expired, however many.",
    "test_expiry_ends_so_many_at_once_and_in_order",
    "local MOST_EXPIRED = 100",
    "local MOST_EXPIRED = 1000",
    chapter=__name__,
)
script_mutant(
    "ScriptEndsTheLatestFirst",
    "`expiring.lua`: of the jobs that have expired, the latest is ended first.",
    "test_expiry_ends_so_many_at_once_and_in_order",
    "redis.call('ZRANGEBYSCORE', ENDS_AT, '-inf', whole(now), 'LIMIT', 0, MOST_EXPIRED), {}",
    "redis.call('ZREVRANGEBYSCORE', ENDS_AT, whole(now), '-inf', 'LIMIT', 0, MOST_EXPIRED), {}",
    chapter=__name__,
)
script_mutant(
    "ScriptPassesOverPausedJobs",
    "`expiring.lua`: a job that was set aside does not expire.",
    "test_expiry_of_a_paused_job",
    "local lists = { FIELDED, FIELDED_PAUSED, has_lines()",
    "local lists = { FIELDED, has_lines()",
    chapter=__name__,
)
script_mutant(
    "ScriptExpiresInSilence",
    "`exchange.lua`: `until_next` considers due times only.",
    "test_expiry_counts_for_until_next",
    "local first, expiry = not is_paused and first_claimable(), first_expiry()",
    "local first, expiry = not is_paused and first_claimable(), nil",
    chapter=__name__,
)
script_mutant(
    "ScriptRerunKeepsExpiry",
    "`changing.lua`: a job that has expired and is rerun ends again at once.",
    "test_expired_runs_again_without_expiry",
    "if has_expiry() then redis.pcall('HDEL', fields_of(id), 'expires') end\n  mark(id, 'reset', '1')",
    "mark(id, 'reset', '1')",
    chapter=__name__,
)
