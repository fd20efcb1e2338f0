"""Bugs of reports, and of what is saved of a job between its runs."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from jobsvalkey.contract import (
    Exchanged,
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
        known = self.state.workers.get(worker)
        is_repeat = known is not None and known.sequence == sequence
        answer = await super().exchange(worker, sequence, settlements, limit, reports=self.before(reports))
        return self.after(answer, is_repeat=is_repeat)

    def before(self, reports: Sequence[Report]) -> Sequence[Report]:
        return reports

    def after(self, answer: Exchanged, *, is_repeat: bool) -> Exchanged:
        return answer


@mutant("test_saved_state_comes_back")
class StateLostAtEntering(Twin):
    """A job that is pending again has lost its state."""

    def _enter(self, job: StoredJob) -> None:
        self.state.saved.pop(job.job_id, None)
        super()._enter(job)


@mutant("test_saved_progress_stays_with_the_job")
class ProgressLostAtEntering(Twin):
    """A job that is pending again shows no progress."""

    def _enter(self, job: StoredJob) -> None:
        super()._enter(replace(job, progress=None))


@mutant("test_saved_an_end_clears_them")
class ProgressOutlivesEnd(Twin):
    """A job that has ended shows how far it had come."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        super()._end_job(job, status, now, keep=keep)
        if (ended := self.state.jobs.get(job.job_id)) is not None:
            self.state.jobs[job.job_id] = replace(ended, progress=job.progress)


class _ForgetsNothing(Twin):
    """Has no other way to clear what was reported than to name the step that does."""

    def _forget_reports(self, job: StoredJob) -> StoredJob:
        return job


@mutant("test_saved_an_end_clears_them")
class StateOutlivesEnd(_ForgetsNothing):
    """A job that is rerun gets the state of a run that had ended."""

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        super()._vanish(job, now)
        self.state.saved.pop(job.job_id, None)


@mutant("test_saved_nothing_is_left_of_an_absent_job")
class StateOutlivesVanishing(Twin):
    """A new job gets the state of an absent one of its id."""

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        saved = self.state.saved.get(job.job_id)
        super()._vanish(job, now)
        if saved is not None:
            self.state.saved[job.job_id] = saved

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        saved = self.state.saved.get(job.job_id)
        super()._end_job(job, status, now, keep=keep)
        if saved is not None and job.job_id not in self.state.jobs:
            self.state.saved[job.job_id] = saved


@mutant("test_saved_a_rerun_clears_them")
class StateOutlivesRerun(Twin):
    """A running job that a cleanup reruns goes on where it was."""

    def _rerun(self, job: StoredJob, now: datetime) -> None:
        saved = self.state.saved.get(job.job_id)
        super()._rerun(job, now)
        if saved is not None:
            self.state.saved[job.job_id] = saved


@mutant("test_reports_progress_is_shown")
class ReportUnclaims(Twin):
    """A report ends the claim."""

    def _note(self, holder: Worker, report: Report) -> SettleOutcome:
        outcome = super()._note(holder, report)
        if outcome is SettleOutcome.SETTLED:
            self._enter(self._unclaim(holder, report.token))
        return outcome


@mutant("test_reports_of_a_lost_claim", found_by=BOTH)
class StaleReportTaken(Twin):
    """A report under a token that was taken away still counts."""

    def _note(self, holder: Worker, report: Report) -> SettleOutcome:
        outcome = super()._note(holder, report)
        job = self.state.jobs.get(report.job_id)
        if outcome is SettleOutcome.CLAIM_LOST and job is not None and job.ended_at is None:
            self.state.jobs[job.job_id] = replace(job, progress=report.progress or job.progress)
            if report.state is not None:
                self.state.saved[job.job_id] = report.state
        return outcome


@mutant("test_reports_are_fenced")
class ReportOfAnyWorker(Twin):
    """A report under the token of another worker's claim counts."""

    def _note(self, holder: Worker, report: Report) -> SettleOutcome:
        holders = [each for each in self.state.workers.values() if each.claims.get(report.token) == report.job_id]
        return super()._note(holders[0] if holders else holder, report)


@mutant("test_reports_come_before_settlements", found_by=[Search.MACHINE])
class ReportsComeLast(Twin):
    """Reports are applied after the settlements of their exchange."""

    _noted: tuple[tuple[Worker, Report], ...] = ()

    def _note(self, holder: Worker, report: Report) -> SettleOutcome:
        held = holder.claims.get(report.token) == report.job_id
        if held:
            self._noted = (*self._noted, (holder, report))
        return SettleOutcome.SETTLED if held else SettleOutcome.CLAIM_LOST

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        outcome = super()._settle(holder, settlement, now)
        self._late()
        return outcome

    def _late(self) -> None:
        noted, self._noted = self._noted, ()
        for holder, report in noted:
            super()._note(holder, report)

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
        self._late()
        return answer


@mutant("test_reports_the_last_one_wins")
class FirstReportWins(_Exchanging):
    """Of several reports of an exchange, the first one stays."""

    def before(self, reports: Sequence[Report]) -> Sequence[Report]:
        first: dict[JobID, Report] = {}
        return [replace(first.setdefault(report.job_id, report), token=report.token) for report in reports]


@mutant("test_reports_each_part_is_for_itself", found_by=[Search.HISTORIES])
class NoneClears(Twin):
    """A report with progress only removes the state."""

    def _note(self, holder: Worker, report: Report) -> SettleOutcome:
        outcome = super()._note(holder, report)
        if outcome is SettleOutcome.SETTLED and report.state is None:
            self.state.saved.pop(report.job_id, None)
        return outcome


@mutant("test_reports_an_exchange_that_only_reports_is_recorded")
class ReportsUnrecorded(Twin):
    """An exchange that only reports is not recorded: a repeat is done again."""

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
        before = None if holder is None else (holder.sequence, holder.outcomes, holder.reported)
        answer = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        did_more = answer.claims or SettleOutcome.SETTLED in answer.outcomes
        if before is not None and holder is not None and not did_more:
            holder.sequence, holder.outcomes, holder.reported = before
        return answer


@mutant("test_reports_a_repeat_has_both_outcomes")
class RepeatForgetsReports(_Exchanging):
    """A repeat says nothing of its reports."""

    def after(self, answer: Exchanged, *, is_repeat: bool) -> Exchanged:
        return replace(answer, reported=[]) if is_repeat else answer


@mutant("test_reports_survive_a_lost_reply")
class RepeatHidesState(_Exchanging):
    """The claims of a repeat have lost their states."""

    def after(self, answer: Exchanged, *, is_repeat: bool) -> Exchanged:
        claims = [replace(claim, state=None) for claim in answer.claims] if is_repeat else answer.claims
        return replace(answer, claims=claims)


@mutant("test_saved_states_count_for_the_size_of_an_answer")
class StatesWeighNothing(Twin):
    """An exchange claims as many jobs as their requests allow, whatever their states weigh."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        if reports or settlements:
            return await super().exchange(worker, sequence, settlements, limit, reports=reports)
        saved, self.state.saved = self.state.saved, {}
        answer = await super().exchange(worker, sequence, settlements, limit)
        self.state.saved = saved
        return replace(answer, claims=[replace(each, state=saved.get(each.job_id)) for each in answer.claims])


for _name, _bug, _killer, _line, _replaced in (
    (
        "ScriptReportForgetsToken",
        "`exchange.lua`: a report is checked against job and worker, but not against the token.",
        "test_reports_are_fenced",
        "if claim:sub(1, #start) ~= start or holder ~= worker then",
        "if holder ~= worker then",
    ),
    (
        "ScriptReportForgetsWorker",
        "`exchange.lua`: a report is checked against job and token, but not against the worker.",
        "test_reports_are_fenced",
        "if claim:sub(1, #start) ~= start or holder ~= worker then",
        "if claim:sub(1, #start) ~= start then",
    ),
    (
        "ScriptReportOfAnyKey",
        "`exchange.lua`: a job with a key of the wrong type reports as any other.",
        "test_reports_of_a_broken_job",
        "or is_broken(envelope_of(id), 'hash') or is_broken(payload_of(id), 'string') then\n      reported[n] = BROKEN",
        "then\n      reported[n] = BROKEN",
    ),
    (
        "ScriptReportsUnrecorded",
        "`exchange.lua`: an exchange that only reports is not recorded.",
        "test_reports_an_exchange_that_only_reports_is_recorded",
        "if #settled > 0 or #noted > 0 or claimed > 0 then",
        "if #settled > 0 or claimed > 0 then",
    ),
    (
        "ScriptReportsWithoutLetter",
        "`exchange.lua`: if the first jobs with fields are those that report, the queue does not know that it has any.",
        "test_saved_state_comes_back",
        "begin_to_use(REPORTS)",
        "",
    ),
    (
        "ScriptReportsOfPlainJobs",
        "`exchange.lua`: the claim of a job that reports does not say that it has fields now.",
        "test_saved_an_end_clears_them",
        "if made_fielded[id] then redis.call('HSET', CLAIMED, id, with_note(made_fielded[id], 'fielded')) end",
        "",
    ),
    (
        "ScriptReportForgottenAtOnce",
        "`exchange.lua`: a job that ends in the exchange of its first report keeps the report.",
        "test_saved_an_end_clears_them",
        "if made_fielded[id] then is_fielded_one = true end",
        "",
    ),
    (
        "ScriptReportsOutliveEnd",
        "`ending.lua`: a job that has ended shows its progress.",
        "test_saved_an_end_clears_them",
        "if fielded then forget_reports(id) end",
        "",
    ),
    (
        "ScriptReportsOutliveRerun",
        "`changing.lua`: a running job that a cleanup reruns goes on where it was.",
        "test_saved_a_rerun_clears_them",
        "  forget_reports(id)\n  if name then",
        "  if name then",
    ),
    (
        "ScriptReportsOutliveVanishing",
        "`vanishing.lua`: what an absent job has reported stays in the store.",
        "test_saved_nothing_is_left_of_an_absent_job",
        "if have_fields then keys[#keys + 1] = fields_of(id) end",
        "",
    ),
    (
        "ScriptStatesWeighNothing",
        "`exchange.lua`: states are not counted for the size of an answer.",
        "test_saved_states_count_for_the_size_of_an_answer",
        "#(request or '') + size",
        "#(request or '')",
    ),
):
    script_mutant(_name, _bug, _killer, _line, _replaced, chapter=__name__)
