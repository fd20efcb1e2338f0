"""Bugs of results, and of waiting for them."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from jobsvalkey.contract import (
    Exchanged,
    Finish,
    JobID,
    JobStatus,
    Report,
    Settlement,
    SettleOutcome,
    StoredJob,
    WorkerID,
)
from jobsvalkey_memory.store import Worker
from tests.mutants.mutant import Search, Twin, mutant
from tests.mutants.scripts import script_mutant

BOTH = [Search.MACHINE, Search.HISTORIES]


@mutant("test_results_an_ended_job_is_kept_for_its_time", found_by=BOTH)
class KeepForIgnored(Twin):
    """A job is kept as the retention policy says, whatever its `keep_for`."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        super()._end_job(replace(job, keep_for=None), status, now, keep=keep)


@mutant("test_results_an_ended_job_is_kept_for_its_time")
class KeptForEverFromThen(Twin):
    """A job that is to be kept for a time is kept for ever."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        super()._end_job(job, status, now, keep=keep)
        self.state.until.pop(job.job_id, None)


@mutant("test_results_the_longer_time_counts", found_by=[Search.MACHINE])
class PolicysAgeForgotten(Twin):
    """A job with `keep_for` goes when that is over, although the policy keeps it longer."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        super()._end_job(job, status, now, keep=keep)
        if job.job_id in self.state.until and job.keep_for is not None:
            self.state.until[job.job_id] = now + job.keep_for


@mutant("test_results_the_longer_time_counts", found_by=[Search.MACHINE])
class RetainForgotten(Twin):
    """A job with `keep_for` goes when that is over, although the policy keeps all for ever."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        super()._end_job(job, status, now, keep=keep)
        if job.keep_for is not None and not keep:
            self.state.until.setdefault(job.job_id, now + job.keep_for)


@mutant("test_results_a_result_is_stored_with_the_job", found_by=[Search.MACHINE])
class ResultLost(Twin):
    """What a job returned is not stored."""

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        if isinstance(settlement, Finish):
            settlement = Finish(settlement.job_id, settlement.token)
        return super()._settle(holder, settlement, now)


@mutant("test_results_rerun_clears_the_result", found_by=[Search.MACHINE])
class ResultOutlivesRerun(Twin):
    """A job that is run again shows the result of its last run."""

    def _rerun(self, job: StoredJob, now: datetime) -> None:
        super()._rerun(job, now)
        self.state.jobs[job.job_id] = replace(self.state.jobs[job.job_id], result=job.result)


@mutant("test_results_what_has_run_out_does_not_fill_the_store")
class NothingTrimmed(Twin):
    """Jobs whose time is over are not found, and stay in the store."""

    def _trim_kept(self, now: datetime) -> None:
        pass


@mutant("test_results_ids_are_remembered_from_the_end_of_their_time")
class RememberedFromTrimming(Twin):
    """An id is remembered from when somebody looked, not from when its job became absent."""

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        self.state.until.pop(job.job_id, None)
        super()._vanish(job, now)


@mutant("test_results_a_repeat_is_answered_alike")
class ClaimHidesKeepFor(Twin):
    """A claim does not say for how long its job is kept."""

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
        return replace(answer, claims=[replace(claim, keep_for=None) for claim in answer.claims])


@mutant("test_results_keep_for_outlives_a_run")
class KeepForOfOneRun(Twin):
    """A job that is tried again has lost its `keep_for`."""

    def _enter(self, job: StoredJob) -> None:
        super()._enter(replace(job, keep_for=None) if job.claimed_at else job)


@mutant("test_ended_after_the_end")
class AbsentIsWaitedFor(Twin):
    """A caller that waits for an absent job waits in vain."""

    async def ended(self, job_ids: Sequence[JobID], timeout: timedelta) -> list[StoredJob | None]:
        jobs = await super().ended(job_ids, timeout)
        if job_ids and not any(job is not None and job.ended_at is not None for job in jobs):
            await asyncio.sleep(timeout.total_seconds())
        return jobs


@mutant("test_ended_many_waiters")
class OnlyTheFirstLook(Twin):
    """A caller that waits is told only what had ended before."""

    async def ended(self, job_ids: Sequence[JobID], timeout: timedelta) -> list[StoredJob | None]:
        jobs = await super().ended(job_ids, timedelta(0))
        if job_ids and all(job is not None and job.ended_at is None for job in jobs):
            await asyncio.sleep(timeout.total_seconds())
        return jobs


@mutant("test_ended_returns_at_its_timeout")
class NoTimeAtAll(Twin):
    """A wait for less than a second does not wait."""

    async def ended(self, job_ids: Sequence[JobID], timeout: timedelta) -> list[StoredJob | None]:
        return await super().ended(job_ids, max(timeout - timedelta(seconds=1), timedelta(0)))


@mutant("test_ended_returns_at_its_timeout")
class TimeoutIgnored(Twin):
    """A wait lasts until the end, whatever its timeout."""

    async def ended(self, job_ids: Sequence[JobID], timeout: timedelta) -> list[StoredJob | None]:
        return await super().ended(job_ids, timedelta(days=1))


@mutant("test_ended_waiting_changes_nothing")
class WaiterTakesTheJob(Twin):
    """A job that is waited for is kept for longer: the wait changes it."""

    async def ended(self, job_ids: Sequence[JobID], timeout: timedelta) -> list[StoredJob | None]:
        for job_id in job_ids:
            if (job := self.state.jobs.get(job_id)) is not None and job.keep_for is not None:
                self.state.jobs[job_id] = replace(job, keep_for=job.keep_for * 2)
        return await super().ended(job_ids, timeout)


@mutant("test_results_kept_jobs_do_not_count")
class KeptJobsCount(Twin):
    """Jobs with `keep_for` take the places of those that the policy's count keeps."""

    def _is_present(self, job: StoredJob, now: datetime) -> bool:
        count = self._retention(job.status).max_count
        if count is None:
            return super()._is_present(job, now)
        kept = sum(self.state.jobs[each].status is job.status for each in self.state.until)
        is_pushed_out = job.ended_at is not None and job.job_id not in self.state.kept
        return super()._is_present(job, now) and not (is_pushed_out and kept >= count)


script_mutant(
    "ScriptKeepsForEver",
    "`ending.lua`: a job that is to be kept for a time stays for ever.",
    "test_results_an_ended_job_is_kept_for_its_time",
    "if keep_for and not keep and (policy.age or policy.count) then",
    "if false then",
)
script_mutant(
    "ScriptKeepsTooShort",
    "`ending.lua`: a job with `keep_for` goes when that is over, although the policy keeps it longer.",
    "test_results_the_longer_time_counts",
    "whole(now + math.max(tonumber(keep_for), policy.age or 0))",
    "whole(now + tonumber(keep_for))",
)
script_mutant(
    "ScriptClaimsPlainFirst",
    "`merging.lua`: jobs without fields go before the others, whatever their due times.",
    "test_results_the_order_is_one",
    "is_plain = left < right or (left == right and plain[a] < fielded[b])",
    "is_plain = true",
)
script_mutant(
    "ScriptFindsWhatHasRunOut",
    "`places.lua`: a job is found after its time, until it is trimmed.",
    "test_results_an_ended_job_is_kept_for_its_time",
    "if last and last <= now then return nil, state, last end",
    "",
)
script_mutant(
    "ScriptTrimsNothing",
    "`exchange.lua`, `recover.lua`: what has run out stays in the store.",
    "test_results_what_has_run_out_does_not_fill_the_store",
    "trim_kept(100)",
    "",
)
script_mutant(
    "ScriptLosesResult",
    "`exchange.lua`: what a job returned is not stored.",
    "test_results_a_result_is_stored_with_the_job",
    "end_claimed(id, 'completed', false, 'result', result)",
    "end_claimed(id, 'completed')",
)
script_mutant(
    "ScriptForgetsThatItIsFielded",
    "`claims.lua`: a claim does not say that its job is to be kept.",
    "test_results_a_result_is_stored_with_the_job",
    "local notes = (is_remembered and 'remember+' or '') .. (held == line and 'laned' or 'fielded') .. keep_for",
    "local notes = is_remembered and 'remember' or '-'",
)
