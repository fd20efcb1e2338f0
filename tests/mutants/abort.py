"""Bugs of ending jobs that run."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from jobsvalkey.contract import (
    AbortOutcome,
    Cancel,
    Exchanged,
    Fail,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    Operation,
    Release,
    Renewed,
    Report,
    Retry,
    Settlement,
    WorkerID,
)
from tests.mutants.mutant import Search, Twin, mutant
from tests.mutants.scripts import script_mutant

_WAYS = "test_abort_whatever_ends_the_claim_it_does_not_run_again"


class _Exchanging(Twin):
    """Has a place for a bug before an exchange, and one after it."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        changed = [self.before(worker, settlement) for settlement in settlements]
        return self.after(worker, await super().exchange(worker, sequence, changed, limit, reports=reports))

    def before(self, worker: WorkerID, settlement: Settlement) -> Settlement:
        return settlement

    def after(self, worker: WorkerID, answer: Exchanged) -> Exchanged:
        return answer

    def forget(self, worker: WorkerID, token: bytes) -> None:
        if holder := self.state.workers.get(worker):
            holder.aborts.discard(token)


@mutant(f"{_WAYS}[retry]", found_by=[Search.MACHINE])
class AbortLostAtRetry(_Exchanging):
    """A retry puts back a job that is to be aborted."""

    def before(self, worker: WorkerID, settlement: Settlement) -> Settlement:
        if isinstance(settlement, Retry):
            self.forget(worker, settlement.token)
        return settlement


@mutant(f"{_WAYS}[release]", found_by=[Search.HISTORIES])
class AbortLostAtRelease(_Exchanging):
    """A release puts back a job that is to be aborted."""

    def before(self, worker: WorkerID, settlement: Settlement) -> Settlement:
        if isinstance(settlement, Release):
            self.forget(worker, settlement.token)
        return settlement


@mutant(f"{_WAYS}[closing]")
class AbortLostAtClosing(Twin):
    """A worker that closes gives back a job that is to be aborted."""

    async def close_worker(self, worker: WorkerID) -> None:
        if holder := self.state.workers.get(worker):
            holder.aborts.clear()
        await super().close_worker(worker)


@mutant(f"{_WAYS}[recovery]", found_by=[Search.HISTORIES])
class AbortLostAtRecovery(Twin):
    """A recovery puts back a job that is to be aborted: it runs again."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        for holder in self.state.workers.values():
            if holder.expires <= self.now():
                holder.aborts.clear()
        return await super().recover(max_jobs, worker=worker)


@mutant(f"{_WAYS}[cleanup]", found_by=[Search.MACHINE])
class AbortLostAtCleanup(Twin):
    """A cleanup reruns a job that is to be aborted."""

    async def cleanup_step(
        self,
        status: JobStatus,
        cleanup: JobCleanup,
        *,
        max_jobs: int,
        only_orphans: bool = False,
        except_for: JobID | None = None,
        as_of: datetime | None = None,
        operation: Operation | None = None,
    ) -> int:
        before = {name: set(holder.aborts) for name, holder in self.state.workers.items()}
        for holder in self.state.workers.values():
            holder.aborts.clear()
        done = await super().cleanup_step(
            status,
            cleanup,
            max_jobs=max_jobs,
            only_orphans=only_orphans,
            except_for=except_for,
            as_of=as_of,
            operation=operation,
        )
        for name, aborts in before.items():
            self.state.workers[name].aborts = aborts & self.state.workers[name].claims.keys()
        return done


@mutant("test_abort_the_end_that_the_handler_came_to_counts[finish]", found_by=[Search.MACHINE])
class AbortBeatsFinish(_Exchanging):
    """A job that finishes in the same instant is cancelled."""

    def before(self, worker: WorkerID, settlement: Settlement) -> Settlement:
        holder = self.state.workers.get(worker)
        if isinstance(settlement, Finish) and holder and settlement.token in holder.aborts:
            return Cancel(settlement.job_id, settlement.token)
        return settlement


@mutant("test_abort_the_end_that_the_handler_came_to_counts[fail]")
class AbortBeatsFail(_Exchanging):
    """A job that fails in the same instant is cancelled, and its error lost."""

    def before(self, worker: WorkerID, settlement: Settlement) -> Settlement:
        holder = self.state.workers.get(worker)
        if isinstance(settlement, Fail) and holder and settlement.token in holder.aborts:
            return Cancel(settlement.job_id, settlement.token)
        return settlement


@mutant("test_abort_a_request_ends_with_its_claim")
class AbortOutlivesItsClaim(_Exchanging):
    """The request is noted under the job's id: it ends the next run of that id as well."""

    async def abort(self, job_id: JobID, *, operation: Operation | None = None) -> AbortOutcome:
        outcome = await super().abort(job_id, operation=operation)
        if outcome is AbortOutcome.REQUESTED:
            self.__dict__.setdefault("asked", set()).add(job_id)
        return outcome

    def after(self, worker: WorkerID, answer: Exchanged) -> Exchanged:
        asked: set[JobID] = self.__dict__.get("asked", set())
        holder = self.state.workers[worker]
        holder.aborts |= {token for token, job_id in holder.claims.items() if job_id in asked}
        return replace(answer, aborts=frozenset(holder.aborts))


@mutant("test_abort_its_worker_is_told_until_the_claim_ends")
class ExchangesShowNoAborts(_Exchanging):
    """An exchange does not say that a claim is to be aborted."""

    def after(self, worker: WorkerID, answer: Exchanged) -> Exchanged:
        return replace(answer, aborts=frozenset[bytes]())


@mutant("test_abort_its_worker_is_told_until_the_claim_ends")
class AbortsAreShownOnce(_Exchanging):
    """A claim that is to be aborted is reported once: if that answer is lost, the job goes on."""

    def after(self, worker: WorkerID, answer: Exchanged) -> Exchanged:
        seen: set[bytes] = self.__dict__.setdefault("seen", set())
        new = answer.aborts - seen
        seen |= new
        return replace(answer, aborts=new)


@mutant("test_abort_its_worker_is_told_until_the_claim_ends", found_by=[Search.HISTORIES])
class RenewalsShowNoAborts(Twin):
    """A renewal does not say that a claim is to be aborted: a full worker never hears of it."""

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        renewed = await super().renew(worker, hold_for, leaving=leaving)
        return replace(renewed, aborts=frozenset[bytes]())


@mutant("test_abort_a_repeated_exchange_shows_it")
class RepeatsShowNoAborts(_Exchanging):
    """The repeat of an exchange returns a claim that is to be aborted as if it were to be started."""

    def after(self, worker: WorkerID, answer: Exchanged) -> Exchanged:
        return replace(answer, aborts=answer.aborts - {claim.token for claim in answer.claims})


@mutant("test_abort_wakes_its_worker")
class AbortWakesNobody(Twin):
    """A worker hears of an abort when its lock is renewed, and no sooner."""

    async def abort(self, job_id: JobID, *, operation: Operation | None = None) -> AbortOutcome:
        before = [(holder, holder.listening) for holder in self.state.workers.values()]
        for holder, _ in before:
            holder.listening = set()
        outcome = await super().abort(job_id, operation=operation)
        for holder, listening in before:
            holder.listening, holder.has_news = listening, False
        return outcome


@mutant("test_abort_wakes_its_worker[True-False")
class FullWorkersSleepOn(Twin):
    """A worker that is full is not woken by an abort."""

    async def wait(self, worker: WorkerID, timeout: timedelta, *, work: bool = True) -> None:
        if work:
            await super().wait(worker, timeout)
        else:
            await asyncio.sleep(timeout.total_seconds())


@mutant("test_abort_wakes_no_other_worker")
class AbortWakesEveryWorker(Twin):
    """An abort wakes each worker, whoever has the claim."""

    async def abort(self, job_id: JobID, *, operation: Operation | None = None) -> AbortOutcome:
        for holder in self.state.workers.values():
            holder.abort(b"")
            holder.aborts.discard(b"")
        return await super().abort(job_id, operation=operation)


@mutant("test_abort_the_job_is_processing_until_its_claim_ends")
class AbortEndsTheJobAtOnce(Twin):
    """A job that runs is cancelled at once, while its handler still runs."""

    async def abort(self, job_id: JobID, *, operation: Operation | None = None) -> AbortOutcome:
        outcome = await super().abort(job_id, operation=operation)
        if job := self._find_job(job_id, self.now(), JobStatus.PROCESSING):
            self._unclaim(self.state.workers[job.worker or ""], self._token(job))
            self._end_job(job, JobStatus.CANCELLED, self.now())
        return outcome


@mutant("test_abort_just_before_the_worker_dies")
class DeadWorkersJobsCannotBeAborted(Twin):
    """A job whose worker has died cannot be aborted, and runs again."""

    async def abort(self, job_id: JobID, *, operation: Operation | None = None) -> AbortOutcome:
        job = self._find_job(job_id, self.now(), JobStatus.PROCESSING)
        if job is not None and self.state.workers[job.worker or ""].expires <= self.now():
            return AbortOutcome.NOTHING
        return await super().abort(job_id, operation=operation)


@mutant("test_abort_a_cancelled_claim")
class CancelForgetsItsReason(_Exchanging):
    """The reason of a cancelled claim is not recorded."""

    def before(self, worker: WorkerID, settlement: Settlement) -> Settlement:
        return Cancel(settlement.job_id, settlement.token) if isinstance(settlement, Cancel) else settlement


@mutant("test_abort_is_an_operation")
class AbortsAreDoneTwice(Twin):
    """A repeat of an abort is done again: it ends the next run of that id."""

    async def abort(self, job_id: JobID, *, operation: Operation | None = None) -> AbortOutcome:
        return await super().abort(job_id)


@mutant("test_abort_what_has_not_run_is_cancelled")
class OnlyRunningJobsAreAborted(Twin):
    """A job that has not run cannot be aborted."""

    async def abort(self, job_id: JobID, *, operation: Operation | None = None) -> AbortOutcome:
        if self._find_job(job_id, self.now(), JobStatus.PROCESSING) is None:
            return AbortOutcome.NOTHING
        return await super().abort(job_id, operation=operation)


script_mutant(
    "ScriptRetriesAborted",
    "`exchange.lua`: a retry puts back a job that is to be aborted.",
    f"{_WAYS}[retry]",
    "if is_aborted and (kinds[n] == 'retry' or kinds[n] == 'release') then kinds[n] = 'abort' end",
    "if is_aborted and kinds[n] == 'release' then kinds[n] = 'abort' end",
    chapter=__name__,
)
script_mutant(
    "ScriptReleasesAborted",
    "`exchange.lua`: a release puts back a job that is to be aborted.",
    f"{_WAYS}[release]",
    "if is_aborted and (kinds[n] == 'retry' or kinds[n] == 'release') then kinds[n] = 'abort' end",
    "if is_aborted and kinds[n] == 'retry' then kinds[n] = 'abort' end",
    chapter=__name__,
)
script_mutant(
    "ScriptClosesAborted",
    "`close_worker.lua`: a worker that closes gives back a job that is to be aborted.",
    f"{_WAYS}[closing]",
    "local _, _, due, _, _, is_aborted, fielded = parse_claim(claims[n])",
    "local _, _, due, _, _, is_aborted, fielded = parse_claim(claims[n]); is_aborted = false",
    only="CLOSE_WORKER",
    chapter=__name__,
)
script_mutant(
    "ScriptRecoversAborted",
    "`recover.lua`: a recovery puts back a job that is to be aborted.",
    f"{_WAYS}[recovery]",
    "local released = release(",
    "for n, each in ipairs(claims) do claims[n] = each:gsub('abort', '-') end\n    local released = release(",
    chapter=__name__,
)
script_mutant(
    "ScriptRerunsAborted",
    "`changing.lua`: a cleanup reruns a job that is to be aborted.",
    f"{_WAYS}[cleanup]",
    "local _, _, due, _, _, is_aborted = parse_claim(where)",
    "local _, _, due, _, _, is_aborted = parse_claim(where); is_aborted = false",
    chapter=__name__,
)
script_mutant(
    "ScriptLeavesAborted",
    "`releasing.lua`: if a job ends as cancelled when its worker is closed, its payload stays behind, on no list.",
    "test_abort_whatever_ends_the_claim_may_leave_nothing",
    "if not end_job(id, 'cancelled', due, fielded) then gone[#gone + 1] = id end",
    "end_job(id, 'cancelled', due, fielded)",
    chapter=__name__,
)
script_mutant(
    "ScriptAbortsTheNextRun",
    "`aborting.lua`: a request is checked against the id, but not against the claim.",
    "test_abort_a_request_ends_with_its_claim",
    "if is_aborted and holder == worker then",
    "if claim and holder == worker then",
    chapter=__name__,
)
script_mutant(
    "ScriptForgetsOtherAborts",
    "`abort.lua`: a worker's record lists only the last request.",
    "test_abort_several_claims_of_one_worker",
    "redis.call('HSET', worker_of(worker), 'aborts', table.concat(ids, ' '))",
    "redis.call('HSET', worker_of(worker), 'aborts', id)",
    chapter=__name__,
)
script_mutant(
    "ScriptForgetsWhoGaveTheId",
    "`claims.lua`: a claim that is to be aborted forgets that a user gave the id.",
    "test_abort_a_cancelled_claim_may_leave_nothing",
    "(notes == '-' and note or note .. '+' .. notes)",
    "note",
    chapter=__name__,
)
script_mutant(
    "ScriptExchangeShowsNoAborts",
    "`exchange.lua`: an exchange does not say that a claim is to be aborted.",
    "test_abort_its_worker_is_told_until_the_claim_ends",
    "dropped, aborts_of(worker, listed), lines }",
    "dropped, lines and false, lines }",
    chapter=__name__,
)
script_mutant(
    "ScriptRenewalShowsNoAborts",
    "`renew.lua`: a renewal does not say that a claim is to be aborted.",
    "test_abort_its_worker_is_told_until_the_claim_ends",
    "if is_aborted then aborts[#aborts + 1] = token end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptAbortsInSilence",
    "`abort.lua`: the driver of the worker is not told; the hint of a push may still lie there.",
    "test_abort_wakes_its_worker[True-True",
    "if redis.pcall('LLEN', news) == 0 then redis.pcall('LPUSH', news, '1') end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptDropsTheReason",
    "`exchange.lua`: the reason of a cancelled claim is not recorded.",
    "test_abort_a_cancelled_claim",
    "if is_kept and reason ~= '' then mark(id, 'error', reason, 'ended', '-') end",
    "",
    chapter=__name__,
)
