"""Bugs of what is told of a job's past runs."""

from datetime import datetime

from msgspec.structs import replace

from jobsvalkey.contract import MOST_RUNS, NewJob, Pushed, Retry, Settlement, SettleOutcome, StoredJob, StoredRun
from jobsvalkey_memory.store import Worker
from tests.mutants.mutant import Search, Twin, mutant
from tests.mutants.scripts import script_mutant


@mutant("test_runs_that_failed_are_shown_the_latest_first", found_by=[Search.MACHINE])
class OldestRunFirst(Twin):
    """The runs are listed in the order in which they happened."""

    def _with_run(self, job: StoredJob, now: datetime, error: bytes | None) -> StoredJob:
        (run, *_) = super()._with_run(job, now, error).runs
        return replace(job, runs=(*job.runs, run)[-MOST_RUNS:])


@mutant("test_runs_are_the_last_eight")
class AllRunsAreKept(Twin):
    """A job that is retried without end has runs without end."""

    def _with_run(self, job: StoredJob, now: datetime, error: bytes | None) -> StoredJob:
        (run, *_) = super()._with_run(job, now, error).runs
        return replace(job, runs=(run, *job.runs))


@mutant("test_runs_have_the_first_line")
class WholeErrorsAreKept(Twin):
    """A run keeps the whole error."""

    def _with_run(self, job: StoredJob, now: datetime, error: bytes | None) -> StoredJob:
        return replace(job, runs=(StoredRun(now, job.worker or "", error), *job.runs)[:MOST_RUNS])


@mutant("test_runs_whose_worker_died_are_shown", found_by=[Search.MACHINE])
class DeathsAreNoRuns(Twin):
    """A run whose worker died leaves no trace but the count."""

    def _with_run(self, job: StoredJob, now: datetime, error: bytes | None) -> StoredJob:
        return job if error is None else super()._with_run(job, now, error)


@mutant("test_runs_without_an_error_are_none", found_by=[Search.MACHINE])
class GivenBackIsFailed(Twin):
    """Whatever gives a job back is reported as a death."""

    def _give_back(self, holder: Worker, token: bytes, now: datetime, *, died: bool = False) -> None:
        job = self.state.jobs[holder.claims[token]]
        self.state.put(job if died else self._with_run(job, now, None))
        super()._give_back(holder, token, now, died=died)


@mutant("test_runs_without_an_error_are_none", found_by=[Search.MACHINE])
class EachRetryIsAFailure(Twin):
    """A retry without an error is reported as a run that failed."""

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        outcome = super()._settle(holder, settlement, now)
        job = self.state.jobs.get(settlement.job_id)
        if job and outcome is SettleOutcome.SETTLED and isinstance(settlement, Retry) and not settlement.error:
            self.state.put(self._with_run(job, now, b"asleep"))
        return outcome


@mutant("test_runs_stay_after_a_rerun", found_by=[Search.MACHINE])
class RerunForgetsRuns(Twin):
    """A rerun forgets the runs."""

    def _rerun(self, job: StoredJob, now: datetime) -> None:
        super()._rerun(replace(job, runs=()), now)


@mutant("test_runs_of_a_job_that_is_replaced_are_cleared", found_by=[Search.MACHINE])
class ReplacementHasRuns(Twin):
    """A job that replaces another has its runs."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        before = {job_id: job.runs for job_id, job in self.state.jobs.items()}
        answer = super()._push(item, now)
        if answer.job_id in before:
            self.state.put(replace(self.state.jobs[answer.job_id], runs=before[answer.job_id]))
        return answer


@mutant("test_runs_that_were_aborted_are_none", found_by=[Search.MACHINE])
class AbortedRetryIsAFailure(Twin):
    """A retry that was aborted is reported as a run that failed."""

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        job = self.state.jobs.get(settlement.job_id)
        is_held = holder.claims.get(settlement.token) == settlement.job_id
        if job and is_held and settlement.token in holder.aborts and isinstance(settlement, Retry) and settlement.error:
            self.state.put(self._with_run(job, now, settlement.error))
        return super()._settle(holder, settlement, now)


script_mutant(
    "ScriptForgetsEarlierRuns",
    "`runs.lua`: only the last run is reported.",
    "test_runs_that_failed_are_shown_the_latest_first",
    "(fields(id, 'runs')[1] or '')",
    "''",
    chapter=__name__,
)
script_mutant(
    "ScriptKeepsAllRuns",
    "`runs.lua`: the runs of a job grow without end.",
    "test_runs_are_the_last_eight",
    "runs:match('^' .. ('[^\\n]*\\n'):rep(8)) or runs",
    "runs",
    chapter=__name__,
)
script_mutant(
    "ScriptKeepsManyLines",
    "`runs.lua`: more than the first line of an error is kept.",
    "test_runs_have_the_first_line",
    "error:match('^[^\\r\\n]*'):sub(1, 200)",
    "error:sub(1, 200)",
    chapter=__name__,
)
script_mutant(
    "ScriptKeepsLongLines",
    "`runs.lua`: the first line of an error is kept however long it is.",
    "test_runs_have_the_first_line",
    "error:match('^[^\\r\\n]*'):sub(1, 200)",
    "error:match('^[^\\r\\n]*')",
    chapter=__name__,
)
script_mutant(
    "ScriptWritesNamesOfWorkersAsTheyAre",
    "`runs.lua`: a space in a worker's id ends it.",
    "test_runs_of_a_worker_of_any_name",
    "worker:gsub('[%s%%]'",
    "worker:gsub('[\\n%%]'",
    chapter=__name__,
)
script_mutant(
    "ScriptNotesNoFailure",
    "`exchange.lua`, fail: the last run of a job that has failed is not reported.",
    "test_runs_that_failed_are_shown_the_latest_first",
    "'error', error) then note_run(id, worker, error) end",
    "'error', error) then do end end",
    chapter=__name__,
)
script_mutant(
    "ScriptNotesNoDeath",
    "`recover.lua`: a run whose worker died is not reported.",
    "test_runs_whose_worker_died_are_shown",
    "    note_run(id, worker)\n",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptReplacementHasRuns",
    "`planning.lua`: a job that replaces another has its runs.",
    "test_runs_of_a_job_that_is_replaced_are_cleared",
    "'recoveries', 'reset', 'runs')",
    "'recoveries', 'reset')",
    only="PUSH",
    chapter=__name__,
)
script_mutant(
    "ScriptDescribesOnce",
    "`renew.lua`: a worker that is opened again keeps its description.",
    "test_inspection_the_workers",
    "redis.call('HSET', worker_of(worker), 'about', open:sub(2))",
    "redis.call('HSETNX', worker_of(worker), 'about', open:sub(2))",
    chapter="tests.mutants.inspection",
)
script_mutant(
    "ScriptShowsDeadWorkers",
    "`workers.lua`: a worker whose lock has run out is shown until somebody recovers.",
    "test_inspection_a_dead_worker_while_it_holds_claims",
    "if ends > now or held > 0 then",
    "if true then",
    chapter="tests.mutants.inspection",
)
