"""Bugs that were planted by one more who had not looked, and that no area of the kit killed then, or none by name."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from docs.drivers.sqlite_driver import MICROSECOND, SQLiteJobQueue
from jobsvalkey.contract import (
    Exchanged,
    JobID,
    JobStatus,
    NewJob,
    Operation,
    Report,
    Settlement,
    StoredJob,
    StoredWorker,
    WorkerID,
)
from jobsvalkey.valkey import channel, session, wire
from tests.mutants.cold import enter_sqlite, patched
from tests.mutants.mutant import Twin, mutant


@mutant("test_retention_the_window_of_a_job_beyond_the_policy")
class WindowByThePolicy(Twin):
    """The id of a failed job that was kept is remembered from when the policy would have dropped the job."""

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        age = self._retention(job.status).max_age
        kept = job.job_id in self.state.kept and job.job_id in self.state.named
        super()._vanish(job, now)
        if kept and age and job.ended_at:
            self.state.remembered[job.job_id] = min(now, job.ended_at + age) + self.configuration.idempotency_window


@mutant("test_damage_a_replaced_job_is_whole")
class ReplacedJobStaysBroken(Twin):
    """A job whose request is of the wrong type stays broken when another takes its place."""

    def _replace(self, holder: JobID, item: NewJob, key: str, now: datetime) -> bool:
        broken = self.state.broken & {holder}
        is_replaced = super()._replace(holder, item, key, now)
        self.state.broken |= broken
        return is_replaced


@mutant("test_replacing_nobodys_id_stays_nobodys")
class ReplacementRemembers(Twin):
    """A job that replaces another one with `remember` has the id of the other one remembered."""

    def _replace(self, holder: JobID, item: NewJob, key: str, now: datetime) -> bool:
        is_replaced = super()._replace(holder, item, key, now)
        if is_replaced and item.remember:
            self.state.named.add(holder)
        return is_replaced


@mutant("test_wait_news_that_a_worker_was_told_wake_it_once")
class ToldAndWokenAgain(Twin):
    """An exchange tells of aborts, and waits go on returning for them at once."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        exchanged = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        self.state.workers[worker].has_news |= bool(exchanged.aborts)
        return exchanged


class LeavesPausedJobs(SQLiteJobQueue):
    """A paused job cannot be cancelled."""

    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        if self._one("SELECT id FROM jobs WHERE id = ? AND state = 'paused'", str(job_id)):
            return False
        return await super().cancel(job_id, operation=operation)


class ResumesWhatHasEnded(SQLiteJobQueue):
    """Whatever does not run can be resumed."""

    def _move(self, job_id: JobID, old: str, new: str) -> bool:
        if old == JobStatus.PAUSED:
            return self._do("UPDATE jobs SET state = ? WHERE id = ? AND worker IS NULL", new, str(job_id)) == 1
        return super()._move(job_id, old, new)


class CancelsWhatIsKept(SQLiteJobQueue):
    """A job that has completed can be cancelled."""

    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        self._do("UPDATE jobs SET state = 'pending' WHERE id = ? AND state = 'completed'", str(job_id))
        return await super().cancel(job_id, operation=operation)


class RemembersFromTheAge(SQLiteJobQueue):
    """An id is remembered from the time at which its job would have gone by its age, though others push it out."""

    def _drop(self, state: JobStatus, now: int, which: str, *values: object) -> None:
        gone = self._all(f"SELECT id, ended FROM jobs WHERE named AND {which}", *values)  # noqa: S608
        super()._drop(state, now, which, *values)
        if (age := self.configuration.retention_policy.of(state).max_age) is not None:
            for job_id, ended in gone:
                until = ended + age // MICROSECOND + self._window
                self._do("UPDATE remembered SET until = ? WHERE id = ?", until, job_id)


class SlashIsALine(SQLiteJobQueue):
    """Queues whose keys differ in `/` and `_` share a file."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._path = self._path.with_name(self._path.name.replace("%2F", "_"))


for driver_type, killer in (
    (LeavesPausedJobs, "test_cancel_a_paused_job_is_gone"),
    (ResumesWhatHasEnded, "test_resume_what_runs_or_has_ended_is_left_alone"),
    (CancelsWhatIsKept, "test_cancel_what_is_kept_stays"),
    (RemembersFromTheAge, "test_retention_ids_of_the_user_are_remembered_when_others_push_them_out"),
    (SlashIsALine, "test_exact_queues_are_told_apart"),
):
    enter_sqlite(driver_type, killer, __name__)


def name_of_all_calls(opened: session.Session) -> str:
    """Name the driver, and not the call."""
    return f"{opened.name}1"


patched(
    "CallsHaveOneName",
    "`session.py`: all calls of a driver have one name: after one that did nothing and was sent again, all are late.",
    "test_fault_a_lost_reply_to_an_idle_exchange",
    session.Session,
    "new_call",
    name_of_all_calls,
    __name__,
)

DISCONNECT: Any = channel.Channel.__dict__["_disconnect"]


def disconnect_but_for_cancelled(this: channel.Channel) -> None:
    """Leave the connection as it is for whoever comes after a call that was cancelled."""
    if not isinstance(sys.exception(), asyncio.CancelledError):
        DISCONNECT(this)


patched(
    "AnswerOfACancelledCall",
    "`channel.py`: the answer to a call that was cancelled is taken for that of the next one.",
    "test_late_an_answer_is_its_own_calls",
    channel.Channel,
    "_disconnect",
    disconnect_but_for_cancelled,
    __name__,
)

STORED_WORKERS: Any = wire.stored_workers


def workers_by_lock(reply: Any) -> list[StoredWorker]:
    """The workers as the store has them."""
    return sorted(STORED_WORKERS(reply), key=lambda each: each.lock_ends)


patched(
    "WorkersByLock",
    "`wire.py`: workers are listed in the order in which their locks run out.",
    "test_inspection_the_workers",
    wire,
    "stored_workers",
    workers_by_lock,
    __name__,
)


@mutant("test_inspection_the_workers")
class WorkersByLockOfTheTwin(Twin):
    """Workers are listed in the order in which their locks run out."""

    async def workers(self) -> list[StoredWorker]:
        return sorted(await super().workers(), key=lambda each: each.lock_ends)


@mutant("test_expired_runs_again_without_expiry")
class RerunWhileItRunsKeepsExpiry(Twin):
    """A cleanup that reruns a job that runs leaves it its expiry: it ends instead."""

    def _rerun(self, job: StoredJob, now: datetime) -> None:
        super()._rerun(job, now)
        if job.worker:
            self.state.put(replace(self.state.jobs[job.job_id], expires=job.expires))


@mutant("test_expired_runs_again_without_expiry")
class RerunWhileItRunsIsStoredAgain(Twin):
    """A cleanup that reruns a job that runs stores it as if it were pushed then."""

    def _rerun(self, job: StoredJob, now: datetime) -> None:
        super()._rerun(job, now)
        if job.worker:
            self.state.put(replace(self.state.jobs[job.job_id], stored_at=now))
