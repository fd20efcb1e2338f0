"""Bugs of unique names."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from jobsvalkey.contract import (
    Exchanged,
    JobID,
    JobStatus,
    NewJob,
    Operation,
    Pushed,
    Report,
    Settlement,
    StoredJob,
    StoreOutcome,
    WorkerID,
)
from tests.mutants.mutant import Search, Twin, mutant
from tests.mutants.scripts import script_mutant

BOTH = [Search.MACHINE, Search.HISTORIES]


def key_of(job: StoredJob) -> str:
    return job.unique.key if job.unique else ""


@mutant("test_unique_a_held_name_is_a_duplicate", found_by=BOTH)
class NameForgotten(Twin):
    """A push does not ask who holds its name."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        return super()._push(replace(item, unique=None), now)


@mutant("test_unique_a_held_name_is_a_duplicate")
class OwnIDForTheHolders(Twin):
    """A push that finds its name held is answered with its own id."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        return Pushed(super()._push(item, now).outcome, item.job_id)


@mutant("test_unique_a_held_name_is_a_duplicate")
class IDOfTheRefusedRemembered(Twin):
    """The id of a push that stored nothing is remembered."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        done = super()._push(item, now)
        if done.job_id != item.job_id and item.remember:
            self.state.remembered[item.job_id] = now + self.configuration.idempotency_window
        return done


@mutant("test_unique_the_id_goes_before_the_name")
class NameBeforeTheID(Twin):
    """The name is looked at first: a push of a known id replaces the holder."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        if item.unique and (holder := self.state.holder_of(item.unique, now)):
            if item.unique.otherwise == "replace" and self._replace(holder, item, item.unique.key, now):
                return Pushed(StoreOutcome.REPLACED, holder)
            return Pushed(StoreOutcome.DUPLICATE, holder)
        return super()._push(item, now)


@mutant("test_holding_every_end_frees_it", found_by=BOTH)
class NameOutlivesTheEnd(Twin):
    """The end of a job does not free its name."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        names = dict(self.state.names)
        super()._end_job(job, status, now, keep=keep)
        self.state.names = names


@mutant("test_holding_every_end_frees_it")
class NameOutlivesRemoval(Twin):
    """A job that is removed before its end leaves its name behind."""

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        names = dict(self.state.names)
        super()._vanish(job, now)
        self.state.names = names


@mutant("test_holding_a_claim_frees_it")
class EndTakesAnothersName(Twin):
    """The end of a job frees its name, whoever holds it by then."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        super()._end_job(job, status, now, keep=keep)
        self.state.names.pop(key_of(job), None)


@mutant("test_holding_what_is_left_of_a_job_frees_nothing")
class RemovalTakesAnothersName(Twin):
    """A job that is removed frees its name, whoever holds it by then."""

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        super()._vanish(job, now)
        self.state.names.pop(key_of(job), None)


class _Claiming(Twin):
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
        for claim in answer.claims:
            if claim.unique and not isinstance(claim.unique.until, timedelta):
                self._claimed(claim.unique.key, claim.job_id)
        return answer

    def _claimed(self, key: str, job_id: JobID) -> None:
        raise NotImplementedError


@mutant("test_unique_a_held_name_is_a_duplicate")
class EveryClaimFrees(_Claiming):
    """A claim frees the name, even one that is held until the end."""

    def _claimed(self, key: str, job_id: JobID) -> None:
        self.state.names.pop(key, None)


@mutant("test_holding_a_claim_frees_it")
class NoClaimFrees(_Claiming):
    """A claim frees no name, not even one that is held until the start."""

    def _claimed(self, key: str, job_id: JobID) -> None:
        self.state.take_name(self.state.jobs[job_id], self.now())


@mutant("test_holding_a_claim_frees_it")
class NameTakenWhenGivenBack(Twin):
    """A job that goes back to pending takes back the name that its claim had freed."""

    def _enter(self, job: StoredJob) -> None:
        if job.unique and job.unique.until == "start":
            self.state.take_name(job, self.clock.now())
        super()._enter(job)


@mutant("test_holding_a_time_is_that_of_the_push", found_by=BOTH)
class TimeEndsWithTheJob(Twin):
    """A name that is held for a time is free once its job has ended."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        super()._end_job(job, status, now, keep=keep)
        if (name := self.state.names.get(key_of(job))) and name.holder == job.job_id:
            del self.state.names[key_of(job)]


class _Replacing(Twin):
    def _replace(self, holder: JobID, item: NewJob, key: str, now: datetime) -> bool:
        before = self.state.jobs.get(holder)
        is_done = super()._replace(holder, item, key, now)
        if is_done and before is not None:
            self._spoil(before, self.state.jobs[holder], now)
        return is_done

    def _spoil(self, before: StoredJob, job: StoredJob, now: datetime) -> None:
        raise NotImplementedError


@mutant("test_replacing_a_job_that_waits_is_replaced")
class NothingReplaced(Twin):
    """A job that waits is not replaced."""

    def _replace(self, holder: JobID, item: NewJob, key: str, now: datetime) -> bool:
        return False


@mutant("test_replacing_a_job_that_runs_is_not_replaced")
class ReplacedWhileItRuns(Twin):
    """A job that runs is replaced: what it was is lost if its worker dies."""

    def _replace(self, holder: JobID, item: NewJob, key: str, now: datetime) -> bool:
        job = self.state.jobs.get(holder)
        if job is not None and job.status is JobStatus.PROCESSING:
            self.state.jobs[holder] = replace(job, request=item.request)
            return True
        return super()._replace(holder, item, key, now)


@mutant("test_replacing_the_past_of_the_replaced_is_gone")
class ReplacedKeepsItsPast(_Replacing):
    """A job that is replaced keeps the old job's error and recoveries."""

    def _spoil(self, before: StoredJob, job: StoredJob, now: datetime) -> None:
        self.state.put(replace(job, error=before.error, recoveries=before.recoveries))


@mutant("test_replacing_a_job_that_waits_is_replaced")
class ReplacedIsResumed(_Replacing):
    """A paused job that is replaced is no longer paused."""

    def _spoil(self, before: StoredJob, job: StoredJob, now: datetime) -> None:
        self._enter(job)


@mutant("test_replacing_a_job_that_waits_is_replaced")
class ReplacedIsStoredAnew(_Replacing):
    """A job that is replaced seems to have been stored then."""

    def _spoil(self, before: StoredJob, job: StoredJob, now: datetime) -> None:
        self.state.put(replace(job, stored_at=now))


@mutant("test_replacing_options_are_the_new_ones")
class ReplacedKeepsItsOptions(_Replacing):
    """A job that is replaced is kept as long as the old one would have been."""

    def _spoil(self, before: StoredJob, job: StoredJob, now: datetime) -> None:
        self.state.put(replace(job, keep_for=before.keep_for))


@mutant("test_replacing_a_replacement_is_a_hint")
class ReplacementWakesNobody(_Replacing):
    """A replacement makes a job due, and leaves no hint."""

    def _enter(self, job: StoredJob) -> None:
        if job.unique and job.unique.otherwise == "replace":
            self.state.put(job)
        else:
            super()._enter(job)

    def _spoil(self, before: StoredJob, job: StoredJob, now: datetime) -> None:
        pass


@mutant("test_holding_a_rerun_takes_it_again")
class RerunTakesNoName(Twin):
    """A job that is rerun does not hold its name again."""

    def _rerun(self, job: StoredJob, now: datetime) -> None:
        self.state.free_name(job)
        super()._rerun(job, now)


@mutant("test_holding_a_rerun_takes_it_again")
class RerunTakesAnothersName(Twin):
    """A job is rerun although another holds its name, and takes it away."""

    async def rerun(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        if (job := self.state.jobs.get(job_id)) and job.ended_at:
            self.state.names.pop(key_of(job), None)
        return await super().rerun(job_id, operation=operation)


script_mutant(
    "ScriptEndFreesNoName",
    "`ending.lua`: the end of a job does not free its name.",
    "test_holding_every_end_frees_it",
    "  if has_more then free_name(id) end\n",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptFreesAnothersName",
    "`freeing.lua`: the end of a job frees its name, whoever holds it by then.",
    "test_holding_a_claim_frees_it",
    "if type(name) == 'string' and redis.call('HGET', NAMES, name) == id then",
    "if type(name) == 'string' then",
    chapter=__name__,
)
script_mutant(
    "ScriptClaimFreesNoName",
    "`exchange.lua`: a claim does not free a name that is held until then.",
    "test_holding_a_claim_frees_it",
    "if extras[n] then free_at_start(id, extras[n]) end",
    "if false then free_at_start(id, extras[n]) end",
    chapter=__name__,
)
script_mutant(
    "ScriptClaimFreesEveryName",
    "`names.lua`: a claim frees a name, whatever it is held until.",
    "test_holding_a_job_that_goes_on_holds_it",
    "if found['until'] == 'start' and redis.call('HGET', NAMES, found.unique) == id then",
    "if found.unique and redis.call('HGET', NAMES, found.unique) == id then",
    chapter=__name__,
)
script_mutant(
    "ScriptNameAMicrosecondLonger",
    "`naming.lua`: a name is held for a microsecond longer than it was pushed for.",
    "test_holding_a_time_is_that_of_the_push",
    "return tonumber(ends) > now and id or nil",
    "return tonumber(ends) >= now and id or nil",
    chapter=__name__,
)
script_mutant(
    "ScriptTimeLeftBehind",
    "`naming.lua`: a name that is held until the end is among those that are held for a time, and freed with them.",
    "test_holding_the_last_push_says_until_when",
    "batch('ZREM', TIMED, untimed)",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptTimeTakenAgain",
    "`naming.lua`: a rerun takes a name again that was held for a time.",
    "test_holding_a_time_is_not_taken_again",
    "if not name or tonumber(until_then) then return true end",
    "if not name then return true end",
    chapter=__name__,
)
script_mutant(
    "ScriptRerunsBesideTheHolder",
    "`changing.lua`: a job is rerun although another holds its name.",
    "test_holding_a_rerun_takes_it_again",
    "  if not is_free then return false end\n",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptRunningJobTakesItsName",
    "`changing.lua`: a running job that a cleanup puts back takes the name that its claim had freed.",
    "test_holding_a_running_job_that_is_run_anew",
    "if state ~= 'processing' then is_free, name = can_retake(id) end",
    "is_free, name = can_retake(id)",
    chapter=__name__,
)
script_mutant(
    "ScriptForgetsNamesOfTheStep",
    "`planning.lua`: a push does not see the names that its own jobs take.",
    "test_unique_items_act_one_after_the_other",
    "(by_name[unique.name] or holder_of(unique.name, held_names[unique.name]))",
    "holder_of(unique.name, held_names[unique.name])",
    chapter=__name__,
)
script_mutant(
    "ScriptReplacesNothingOfTheStep",
    "`planning.lua`: a job of the same push is said to be replaced, and is not.",
    "test_unique_items_act_one_after_the_other",
    "place.by, letters[n] = n, 'r' end",
    "letters[n] = 'r' end",
    chapter=__name__,
)
script_mutant(
    "ScriptReplacesAnotherJob",
    "`planning.lua`: a job that has the id of a holder that is gone is replaced.",
    "test_holding_another_job_of_the_holders_id",
    "and not place and is_named(holder, unique.name) then",
    "and not place then",
    chapter=__name__,
)
script_mutant(
    "ScriptReplacedIsStoredAnew",
    "`planning.lua`: a job that is replaced seems to have been stored then.",
    "test_replacing_a_job_that_waits_is_replaced",
    "        keep_stored(place.id, place.score)\n",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptReplacedKeepsItsPast",
    "`planning.lua`: a job that is replaced keeps the old job's recoveries.",
    "test_replacing_the_past_of_the_replaced_is_gone",
    "unmark(place.id, 'error', 'ended', 'recoveries', 'reset', 'runs')",
    "unmark(place.id, 'error', 'ended', 'reset', 'runs')",
    chapter=__name__,
)
script_mutant(
    "ScriptReplacedIsResumed",
    "`planning.lua`: a paused job that is replaced is no longer paused.",
    "test_replacing_a_job_that_waits_is_replaced",
    "by_id[entries[at + 1]].state == 'paused' and todo.paused or todo.others",
    "todo.others",
    chapter=__name__,
)
