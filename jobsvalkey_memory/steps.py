"""The parts that the rows of the twin are made of. Nothing here awaits, so that each row is one atomic step."""

import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from itertools import islice, takewhile
from types import CoroutineType
from typing import Any, Concatenate, Generic, ParamSpec, TypedDict, TypeVar

from msgspec.structs import replace

from jobsvalkey.contract import (
    EXPIRED,
    MOST_EXPIRED,
    MOST_RUNS,
    PARENT_FAILED,
    RETAIN,
    Cancel,
    Claim,
    Clock,
    DriverConfiguration,
    Fail,
    Finish,
    JobID,
    JobStatus,
    NewJob,
    Operation,
    OperationRefused,
    Pushed,
    Release,
    Report,
    Retention,
    Retry,
    Settlement,
    SettleOutcome,
    StoredJob,
    StoredRun,
    StoreOutcome,
    SystemClock,
    Unique,
    WorkerClosed,
    WorkerID,
    check_sequence,
    digest_of,
    first_line,
    resolve_due,
)
from jobsvalkey.contract.option_types import check_option
from jobsvalkey_memory.clock import ManualClock
from jobsvalkey_memory.holds import Holds
from jobsvalkey_memory.store import WORKER_MEMORY, Answer, MemoryStore, QueueState, Worker, place

END_OF_TIME = datetime.max.replace(tzinfo=UTC)

ClockT_co = TypeVar("ClockT_co", bound=Clock, covariant=True)
Q = TypeVar("Q", bound="Steps[Any]")
P = ParamSpec("P")
R = TypeVar("R")


def numbered(
    method: "Callable[Concatenate[Q, P], CoroutineType[Any, Any, R]]",
) -> "Callable[Concatenate[Q, P], CoroutineType[Any, Any, R]]":
    """A writing step: a repeat of a producer's last operation is answered from memory, not done again.

    Without a number there is nothing to remember: nobody repeats a step here, since no reply is ever lost.
    """
    signature = inspect.signature(method)

    @wraps(method)
    async def step(self: Q, /, *args: P.args, **kwargs: P.kwargs) -> R:
        operation = kwargs.get("operation")
        if not isinstance(operation, Operation):
            return await method(self, *args, **kwargs)
        check_sequence(operation.sequence)
        asked = signature.bind(None, *args, **kwargs)
        asked.apply_defaults()
        digest = digest_of(method.__name__, *asked.arguments.values())
        now, producers = self.now(), self.state.producers
        last = producers.get(operation.producer)
        if last is None or operation.sequence > last.sequence:
            answer = await method(self, *args, **kwargs)
        elif operation.sequence == last.sequence and digest == last.digest:
            answer = last.answer
        else:
            raise OperationRefused(f"{operation} is not a repeat of its producer's last, {last.sequence}, nor later")
        producers[operation.producer] = Answer(operation.sequence, digest, answer, now)
        producers.move_to_end(operation.producer)
        return answer

    return step


class Steps(Holds, Generic[ClockT_co]):
    """The state of one queue, and what may happen to its jobs.

    Jobs move in four ways, and each is one function: `_enter` (pending), `_unclaim` (a claim ends), `_end_job`
    (completed, failed or cancelled) and `_vanish` (absent). Every row of the twin is made of them, so what has to
    happen whenever a job ends, say, is written once.
    """

    def __init__(
        self,
        configuration: DriverConfiguration = DriverConfiguration(),  # noqa: B008 - it is frozen
        clock: ClockT_co = SystemClock(),  # noqa: B008 - it has no state
        store: MemoryStore | None = None,
    ) -> None:
        check_option("configuration", configuration, DriverConfiguration)
        check_option("store", store, MemoryStore | None)
        self.configuration = configuration
        self.service_job_suffix: str = f"_{configuration.queue_key}"
        self.store: MemoryStore = store or MemoryStore()
        self.state: QueueState = self.store.queues.setdefault(configuration.queue_key, QueueState())
        self._clock = clock
        if isinstance(clock, ManualClock):
            clock.subscribe(self._clock_moved)

    @property
    def clock(self) -> ClockT_co:
        """The clock that tells the time here."""
        return self._clock

    def now(self) -> datetime:
        """Return the time of the step that begins: the store's, and the same for all that the step does."""
        self.store.bind()
        now = self._clock.now()
        self.state.forget(now)
        return now

    def _clock_moved(self) -> None:
        loop = self.store.loop
        if loop and not loop.is_closed() and self._until_next(self._clock.now()) == 0:
            loop.call_soon_threadsafe(self.state.hint)

    def _until_next(self, now: datetime) -> float | None:
        lines = [self.state.ends_at, *([] if self.state.is_paused else [self.state.lines[JobStatus.PENDING]])]
        times = [time for line in lines for time, _ in islice(line, 1)]
        times += [] if self.state.is_paused else self.state.lanes.claimable()
        return max(0.0, (min(times) - now).total_seconds()) if times else None

    def _find_job(self, job_id: JobID, now: datetime, *statuses: JobStatus) -> StoredJob | None:
        """Find a present job by its id, in one of these states if any are named."""
        job = self.state.jobs.get(job_id)
        return job if job and job.status in (statuses or JobStatus) and self._is_present(job, now) else None

    def _enter(self, job: StoredJob) -> None:
        """Make a job pending: the only way to there, from a push, a claim, a pause or an end."""
        if job.status is JobStatus.WAITING:
            self._cut(job)
        if job.status is not JobStatus.PENDING:
            job = replace(job, status=JobStatus.PENDING, claimed_at=None, worker=None, ended_at=None)
        self.state.put(job)
        self.state.hint()

    def _unclaim(self, holder: Worker, token: bytes) -> StoredJob:
        """End a claim: the job that comes back is on its way out of `processing`, by one of the other ways."""
        holder.aborts.discard(token)
        return self.state.jobs[holder.claims.pop(token)]

    def _give_back(self, holder: Worker, token: bytes, now: datetime, *, died: bool = False) -> None:
        """End a claim of no more use: the job is pending again, or cancelled if it is to be aborted."""
        is_aborted = token in holder.aborts
        job = self._unclaim(holder, token)
        if died:
            job = self._with_run(replace(job, recoveries=job.recoveries + 1), now, None)
        if is_aborted:
            self._end_job(job, JobStatus.CANCELLED, now)
        else:
            self._enter(job)

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        """End a job in one of the three ways that are counted, and trim what is beyond retention."""
        if job.status is JobStatus.WAITING:
            self._cut(job)
        self.state.free_name(job)
        job = self._forget_reports(job)
        job = replace(job, status=status, ended_at=now, due=None, claimed_at=None, worker=None)
        self.state.put(job, keep=keep or job.keep_for is not None)
        retention = self._retention(status)
        if job.keep_for is not None and not keep and retention != RETAIN:
            self.state.until[job.job_id] = now + max(job.keep_for, retention.max_age or timedelta(0))
        self.state.ended.append(job)
        self.state.tally[status] += 1
        self.state.announce(job.job_id)
        self._tell(job, now)
        for beyond in self._beyond(status, now):
            self._vanish(beyond, now)

    def _end_overdue(self, now: datetime) -> None:
        """Cancel the jobs that have expired or are doomed, and that nobody has, the earliest first: bounded work."""
        overdue = takewhile(lambda place: place[0] <= now, self.state.ends_at)
        for _, job_id in list(islice(overdue, MOST_EXPIRED)):
            if not self._may_tell(job_id):
                break
            error = PARENT_FAILED if job_id in self.state.doomed else EXPIRED
            self._end_job(replace(self.state.jobs[job_id], error=error), JobStatus.CANCELLED, now)

    def _may_run(self, job_id: JobID, now: datetime) -> bool:
        """Whether a job has not expired. Many may have, so that its end waits: it is not claimed either way."""
        expires = self.state.jobs[job_id].expires
        return expires is None or expires > now

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        """Make a job absent: nothing is left but its id, if that has to be remembered."""
        gone = min(now, self.state.until.get(job.job_id, now))
        if job.ended_at and job.job_id not in self.state.kept and (age := self._retention(job.status).max_age):
            gone = min(now, job.ended_at + age)
        if job.status is JobStatus.WAITING:
            self._cut(job)
        self.state.take(job.job_id)
        self.state.inputs.pop(job.job_id, None)
        self.state.announce(job.job_id)
        if job.ended_at is None:
            self._tell(job, now)
        self.state.broken.discard(job.job_id)
        self._forget_reports(job)
        self.state.free_name(job)
        if job.job_id in self.state.named:
            self.state.named.remove(job.job_id)
            self.state.remembered[job.job_id] = gone + self.configuration.idempotency_window

    def _is_known(self, job_id: JobID, now: datetime) -> bool:
        """Whether an id is present or remembered; what is left of a job beyond its retention is dropped."""
        there = self.state.jobs.get(job_id)
        if there and not self._is_present(there, now):
            self._vanish(there, now)
        return job_id in self.state.jobs or self.state.remembered.get(job_id, now) > now

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        if self._is_known(item.job_id, now):
            return Pushed(StoreOutcome.DUPLICATE, item.job_id)
        if item.unique and (holder := self.state.holder_of(item.unique, now)):
            is_replaced = item.unique.otherwise == "replace" and self._replace(holder, item, item.unique.key, now)
            return Pushed(StoreOutcome.REPLACED if is_replaced else StoreOutcome.DUPLICATE, holder)
        self.state.remembered.pop(item.job_id, None)
        if item.remember:
            self.state.named.add(item.job_id)
        status, due = JobStatus.PENDING, resolve_due(item.due, now)
        job = StoredJob(
            job_id=item.job_id, status=status, request=item.request, stored_at=now, due=due, **_fields(item, now)
        )
        job = replace(job, after=item.after, if_failed=item.if_failed if item.after else "cancel", batch=item.batch)
        self.state.pushed.append(job)
        self.state.take_name(job, now)
        if item.after or item.batch:
            self._arrive(job, now)
        else:
            self._enter(job)
        return Pushed(StoreOutcome.STORED, item.job_id)

    def _replace(self, holder: JobID, item: NewJob, key: str, now: datetime) -> bool:
        """Let the job that holds a name be what was pushed in its place, if it has not begun to run."""
        job = self._find_job(holder, now, JobStatus.PENDING, JobStatus.PAUSED)
        if item.after or item.batch or (job and (job.after or job.batch)):
            return False  # what holds jobs together is not exchanged
        if job is None or job.unique is None or job.unique.key != key:
            return False  # it runs, or has ended; a name that it has for a time may name another job of its id, too
        job = replace(job, request=item.request, due=resolve_due(item.due, now), **_fields(item, now))
        job = self._forget_reports(replace(job, error=None, recoveries=0, reset_attempt=False, runs=()))
        self.state.broken.discard(holder)
        self.state.pushed.append(job)
        self.state.take_name(job, now)
        if job.status is JobStatus.PAUSED:
            self.state.put(job)
        else:
            self._enter(job)
        return True

    def _rerun(self, job: StoredJob, now: datetime) -> None:
        job = self._forget_reports(job)
        if job.batch and job.batch != job.job_id:
            self._count(job, None, now)
        self._enter(replace(job, due=now, error=None, result=None, recoveries=0, reset_attempt=True, expires=None))

    def _note(self, holder: Worker, report: Report) -> SettleOutcome:
        """Keep what a handler reports; the claim stays."""
        if holder.claims.get(report.token) != report.job_id:
            return SettleOutcome.CLAIM_LOST
        if report.job_id in self.state.broken:
            return SettleOutcome.BROKEN
        if report.progress is not None:
            self.state.jobs[report.job_id] = replace(self.state.jobs[report.job_id], progress=report.progress)
        if report.state is not None:
            self.state.saved[report.job_id] = report.state
        return SettleOutcome.SETTLED

    def _forget_reports(self, job: StoredJob) -> StoredJob:
        self.state.saved.pop(job.job_id, None)
        return replace(job, progress=None)

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        if holder.claims.get(settlement.token) != settlement.job_id:
            return SettleOutcome.CLAIM_LOST
        if settlement.job_id in self.state.broken and not (isinstance(settlement, Fail) and settlement.keep):
            return SettleOutcome.BROKEN
        is_aborted = settlement.token in holder.aborts
        ends = is_aborted or not isinstance(settlement, Retry | Release)
        if ends and not self._may_tell(settlement.job_id):
            return SettleOutcome.AGAIN
        job = self._unclaim(holder, settlement.token)
        if isinstance(settlement, Fail) or (isinstance(settlement, Retry) and not is_aborted and settlement.error):
            job = self._with_run(job, now, settlement.error)
        match settlement:
            case Finish(result=result):
                self._end_job(replace(job, result=result), JobStatus.COMPLETED, now)
            case Fail(error=error, keep=keep):
                self._end_job(replace(job, error=error), JobStatus.FAILED, now, keep=keep)
            case Cancel(reason=reason):
                self._end_job(replace(job, error=reason or job.error), JobStatus.CANCELLED, now)
            case _ if is_aborted:
                self._end_job(job, JobStatus.CANCELLED, now)
            case Retry(request=request, due=due, error=error):
                self.state.tally["retried"] += 1
                changes = {"request": request, "error": error}
                job = replace(job, **{name: new for name, new in changes.items() if new is not None})
                self._enter(replace(job, due=resolve_due(due, now), recoveries=0, reset_attempt=False))
            case Release():
                self._enter(job)
        return SettleOutcome.SETTLED

    def _with_run(self, job: StoredJob, now: datetime, error: bytes | None) -> StoredJob:
        """The job with one run more that came to no good end; without an error its worker has died."""
        run = StoredRun(now, job.worker or "", error and first_line(error))
        return replace(job, runs=(run, *job.runs)[:MOST_RUNS])

    def _retention(self, status: JobStatus) -> Retention:
        return self.configuration.retention_policy.of(status)

    def _is_present(self, job: StoredJob, now: datetime) -> bool:
        if job.ended_at is None or job.job_id in self.state.kept:
            return self.state.until.get(job.job_id, END_OF_TIME) > now
        retention, line = self._retention(job.status), self.state.lines[job.status]
        if retention.max_age is not None and now - job.ended_at >= retention.max_age:
            return False
        return retention.max_count is None or line.after(place(job)) < retention.max_count

    def _beyond(self, status: JobStatus, now: datetime) -> list[StoredJob]:
        """List the jobs that are beyond their retention and not trimmed yet: the first in the line."""
        line = (self.state.jobs[job_id] for _, job_id in self.state.lines[status])
        return list(takewhile(lambda job: not self._is_present(job, now), line))

    def _trim_kept(self, now: datetime) -> None:
        """Make those kept jobs absent, and give up those names, whose time has run out."""
        for key in [key for key, name in self.state.names.items() if name.until and name.until <= now]:
            del self.state.names[key]
        for job_id in [job_id for job_id, until in self.state.until.items() if until <= now]:
            self._vanish(self.state.jobs[job_id], now)

    def _worker(self, worker: WorkerID, now: datetime) -> Worker:
        holder = self.state.workers.get(worker)
        if holder is None or now - holder.expires >= WORKER_MEMORY:
            raise WorkerClosed(f"worker {worker} was closed, never opened, or forgotten: open a new one")
        return holder

    def _token(self, job: StoredJob) -> bytes:
        claims = self.state.workers[job.worker or ""].claims
        return next(token for token, job_id in claims.items() if job_id == job.job_id)


class _Fields(TypedDict):
    keep_for: timedelta | None
    unique: Unique | None
    expires: datetime | None
    priority: int
    lane: str | None


def _fields(item: NewJob, now: datetime) -> _Fields:
    expires = None if item.expires is None else resolve_due(item.expires, now)
    return {
        "keep_for": item.keep_for,
        "unique": item.unique,
        "expires": expires,
        "priority": item.priority,
        "lane": item.lane,
    }


def claim_of(job: StoredJob, token: bytes, state: QueueState) -> Claim:
    """The claim that a token names, with what was saved of its job."""
    saved = state.saved.get(job.job_id)
    due = job.due or job.stored_at
    return Claim(
        *(job.job_id, token, job.request, due, job.stored_at),
        *(job.recoveries, job.reset_attempt, job.error, job.keep_for, saved, job.unique),
        expires=job.expires,
        priority=job.priority,
        lane=job.lane,
        after=job.after,
        inputs=state.inputs.get(job.job_id, ()),
        batch=job.batch,
        members=job.members,
    )
