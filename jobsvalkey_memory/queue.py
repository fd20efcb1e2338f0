"""The in-memory twin: the contract as a program. One method is one row of the contract's table, and one atomic step."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from jobsvalkey.contract import (
    CAPABILITY_PROTOCOLS,
    FINISHED,
    MOST_CHILDREN,
    AbortOutcome,
    Capability,
    CleanupLoops,
    Exchanged,
    JobCleanup,
    JobID,
    JobStatus,
    NewJob,
    Operation,
    OperationRefused,
    Pushed,
    PushedIf,
    Renewed,
    Report,
    Settlement,
    SettleOutcome,
    StoredJob,
    StoreOutcome,
    WorkerID,
    check_about,
    check_push,
    check_reports,
    check_sequence,
    check_settlements,
    refusals,
)
from jobsvalkey_memory.activity import ActivityRows
from jobsvalkey_memory.inspection import InspectionRows
from jobsvalkey_memory.limits import LaneRows
from jobsvalkey_memory.metadata import MetadataRows
from jobsvalkey_memory.steps import ClockT_co, claim_of, numbered
from jobsvalkey_memory.store import UNCLAIMED, WORKER_MEMORY, Value, Worker


class MemoryJobQueue(
    InspectionRows[ClockT_co], MetadataRows[ClockT_co], ActivityRows[ClockT_co], LaneRows[ClockT_co], CleanupLoops
):
    """A driver that keeps its jobs in memory: for tests, and as the specification of every other driver.

    It takes a `configuration`, a `clock` (default: the machine's) and a `store` (default: one of its own); drivers with
    the same store and queue key share their jobs, and closing one keeps them. It belongs to the event loop that uses it
    first: a call from another one raises `ConfigurationError`.
    """

    service_job_prefix = "_Jobs_Memory"
    capabilities: frozenset[Capability] = frozenset(CAPABILITY_PROTOCOLS)

    @numbered
    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        """Absent → pending; an id that is known changes nothing, and a name that is held at most its holder."""
        check_push(items, self.configuration)
        now = self.now()
        if refused := refusals(items, self.capabilities):
            return refused
        refused, held = self._held(items, now)
        return [*refused, *(self._push(item, now) for item in held)]

    @numbered
    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        """Absent → pending, and `key` becomes `value`, if it holds `expected`; it moves for a duplicate as well."""
        check_push([item], self.configuration)
        now = self.now()
        for refused in refusals([item], self.capabilities):
            return PushedIf(refused.outcome, item.job_id, refused.reason)
        if self._plain(key, now) != expected:
            return PushedIf(StoreOutcome.UNEXPECTED, item.job_id)
        refusal, held = self._held([item], now)
        for refused in refusal:
            return PushedIf(refused.outcome, item.job_id, refused.reason)
        self.state.metadata[key] = Value(value, None)
        (pushed,) = (self._push(each, now) for each in held)
        return PushedIf(pushed.outcome, pushed.job_id)

    @numbered
    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Pending, paused, waiting → cancelled if retained, else absent."""
        now = self.now()
        if job := self._find_job(job_id, now, *UNCLAIMED):
            self._end_job(job, JobStatus.CANCELLED, now)
        return job is not None

    @numbered
    async def abort(self, job_id: JobID, *, operation: Operation | None = None) -> AbortOutcome:
        """Pending, paused, waiting → as `cancel`; processing: request an abort of the claim, and tell its worker."""
        now = self.now()
        job = self._find_job(job_id, now, *set(JobStatus) - FINISHED)
        if job is None:
            return AbortOutcome.NOTHING
        if job.worker is None:
            self._end_job(job, JobStatus.CANCELLED, now)
            return AbortOutcome.CANCELLED
        self.state.workers[job.worker].abort(self._token(job))
        return AbortOutcome.REQUESTED

    @numbered
    async def pause(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Pending → paused, with its due time."""
        if job := self._find_job(job_id, self.now(), JobStatus.PENDING):
            self.state.put(replace(job, status=JobStatus.PAUSED))
        return job is not None

    @numbered
    async def resume(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Paused, waiting → pending, at its kept due time; it waits for nothing more."""
        if job := self._find_job(job_id, self.now(), JobStatus.PAUSED, JobStatus.WAITING):
            self._enter(job)
        return job is not None

    @numbered
    async def rerun(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Completed, failed, cancelled → pending, due now, as new; but not without a request."""
        now = self.now()
        job = self._find_job(job_id, now, *FINISHED)
        if job is None or job.request is None or not self.state.retake_name(job, now):
            return False
        self._rerun(job, now)
        return True

    @numbered
    async def remove(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Any but processing → absent."""
        now = self.now()
        if job := self._find_job(job_id, now, *set(JobStatus) - {JobStatus.PROCESSING}):
            self._vanish(job, now)
        return job is not None

    @numbered
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
        """The oldest of one state → absent, or as `rerun`; claims on them are revoked. What is aborted is not rerun."""
        now = self.now()
        if cleanup.action == "nothing" or max_jobs < 1:
            return 0
        if cleanup.action == "rerun" and status in UNCLAIMED:
            raise ValueError(f"{status} jobs cannot be rerun: they have not run")

        def is_meant(job: StoredJob) -> bool:
            since = job.ended_at or job.claimed_at or job.stored_at
            old = cleanup.max_age is None or now - since >= cleanup.max_age
            is_orphan = job.worker is None or self.state.workers[job.worker].expires <= now
            spared = job.job_id == except_for or (as_of is not None and since > as_of)
            meant = old and (is_orphan or not only_orphans) and not spared and self._is_present(job, now)
            if cleanup.action == "remove":
                return meant
            return meant and job.request is not None and self.state.retake_name(job, now)

        chosen = list(islice(filter(is_meant, self.state.listed(status)), max_jobs))
        for job in chosen:
            is_aborted = False
            if job.worker is not None:
                holder, token = self.state.workers[job.worker], self._token(job)
                is_aborted = token in holder.aborts
                self._unclaim(holder, token)
            if cleanup.action == "remove":
                self._vanish(job, now)
            elif is_aborted:
                self._end_job(job, JobStatus.CANCELLED, now)
            else:
                self._rerun(job, now)
        return len(chosen)

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        """Note reports, settle what was run, claim what is due; a repeat gets what was recorded, and is still held."""
        check_sequence(sequence)
        check_settlements(settlements)
        check_reports(reports, self.configuration, self.capabilities)
        now, lanes = self.now(), self.state.lanes
        holder = self._worker(worker, now)
        if holder.sequence is not None and sequence < holder.sequence:
            raise OperationRefused(f"exchange {sequence} is older than the worker's last one, {holder.sequence}")
        outcomes, reported = holder.outcomes, holder.reported
        if sequence != holder.sequence:
            self.state.tally.clear()
            reported = [self._note(holder, report) for report in reports]
            self.state.untold = MOST_CHILDREN
            outcomes = [self._settle(holder, settlement, now) for settlement in settlements]
            self._end_overdue(now)
            left = self.configuration.max_atomic_push_bytes
            most = 0 if self.state.is_paused else max(limit, 0)
            others_wait = any(lanes.lines.values())
            in_turn = lanes.in_turn(self.state.lines[JobStatus.PENDING], now, lambda job_id: self._may_run(job_id, now))
            for index, job_id in enumerate(list(islice(in_turn, most))):
                job = self.state.jobs[job_id]
                left -= len(job.request or b"") + len(self.state.saved.get(job_id, b""))
                left -= sum(len(each.result or b"") for each in self.state.inputs.get(job_id, ()))
                if now < holder.expires and (left >= 0 or index == 0):
                    self.state.put(replace(job, status=JobStatus.PROCESSING, claimed_at=now, worker=worker))
                    if others_wait:
                        lanes.served(job, now)
                    if job.unique and job.unique.until == "start":
                        self.state.free_name(job)
                    holder.claims[b"%d.%d" % (sequence, index)] = job_id
                    self._tally_start(job, now)
            self._count_tally(now)
        prefix = b"%d." % sequence
        held = ((token, job_id) for token, job_id in holder.claims.items() if token.startswith(prefix))
        claims = [claim_of(self.state.jobs[job_id], token, self.state) for token, job_id in held]
        if claims or SettleOutcome.SETTLED in (*reported, *outcomes):
            self._trim_kept(now)
            holder.sequence, holder.outcomes, holder.reported = sequence, outcomes, reported
        if claims and self._until_next(now) == 0:
            self.state.hint()  # more is due than this worker takes: the next one is woken
        if limit > 0:
            holder.hints = self.state.hints
        is_expired = holder.expires <= now
        until_next = None if is_expired else self._until_next(now)
        return Exchanged(outcomes, reported, claims, until_next, is_expired, holder.look())

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        """Make the worker known, with a lock."""
        check_about(about)
        now = self.now()
        holder = self.state.workers.setdefault(worker, Worker(now, self.state.hints))
        holder.expires, holder.about = now + hold_for, about
        self.state.counts_activity = self.state.counts_activity or self.configuration.activity

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        """Extend the lock, even an expired one; return what is still held. A worker that leaves goes on leaving."""
        now = self.now()
        holder = self._worker(worker, now)
        holder.expires = now + hold_for
        holder.leaving = holder.leaving or leaving
        return Renewed(frozenset(holder.claims), holder.look())

    async def close_worker(self, worker: WorkerID) -> None:
        """Forget the worker and release its claims."""
        now = self.now()
        if holder := self.state.workers.pop(worker, None):
            for token in list(holder.claims):
                self._give_back(holder, token, now)

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        """Processing, the lock gone → pending, one more recovery unless the worker was leaving."""
        now, recovered = self.now(), 0
        asker = self.state.workers.get(worker or "")
        if worker is not None and (asker is None or asker.expires <= now):
            return 0  # it was stalled, or the store was, and others may be as well: locks are renewed first
        self.state.untold = MOST_CHILDREN
        self._end_overdue(now)
        self._trim_kept(now)
        for each, holder in sorted(self.state.workers.items(), key=lambda item: (item[1].expires, item[0])):
            if holder.expires > now:
                continue
            for token in list(islice(holder.claims, max(max_jobs - recovered, 0))):
                if token in holder.aborts and not self._may_tell(holder.claims[token]):
                    continue  # too many wait for its end: the next step tells them
                self._give_back(holder, token, now, died=not holder.leaving)
                recovered += 1
            if not holder.claims and now - holder.expires >= WORKER_MEMORY:
                del self.state.workers[each]
        return recovered

    async def wait(self, worker: WorkerID, timeout: timedelta, *, work: bool = True) -> None:
        """Return at news of claims and, for `work`, at a hint, also if one came before; else at `timeout`."""
        now = self.now()
        holder = self.state.workers.get(worker) or Worker(now, self.state.hints)
        hint = asyncio.get_running_loop().create_future()
        holder.listening.add(hint)
        if work:
            self.state.waiting[hint] = None
        try:
            missed = holder.has_news or (work and holder.hints < self.state.hints)
            await asyncio.wait([hint], timeout=0 if missed else timeout.total_seconds())
        except asyncio.CancelledError:
            if work and hint.done():
                self.state.hint()  # it is given up in the moment in which it was told: somebody else is
            raise
        finally:
            holder.listening.remove(hint)
            if work:
                del self.state.waiting[hint]
                holder.hints = self.state.hints

    async def ended(self, job_ids: Sequence[JobID], timeout: timedelta) -> list[StoredJob | None]:
        """Return all jobs as they are, as soon as one has ended or is absent, at the latest after `timeout`."""
        news = asyncio.get_running_loop().create_future()
        self.state.watched[news] = frozenset(job_ids)
        try:
            jobs = [self._find_job(job_id, self.now()) for job_id in job_ids]
            if job_ids and all(job is not None and job.ended_at is None for job in jobs):
                await asyncio.wait([news], timeout=timeout.total_seconds())
                jobs = [self._find_job(job_id, self.now()) for job_id in job_ids]
        finally:
            del self.state.watched[news]
        return jobs

    @numbered
    async def close_batch(self, callback: JobID, *, operation: Operation | None = None) -> bool:
        """Take the batch's own hold from its callback."""
        now = self.now()
        if is_open := callback in self.state.open_batches:
            self.state.open_batches.remove(callback)
            self._decide(callback, (), now)
        return is_open

    @numbered
    async def pause_queue(self, *, operation: Operation | None = None) -> None:
        """Claim nothing from now on."""
        self.now()
        self.state.is_paused = True

    @numbered
    async def resume_queue(self, *, operation: Operation | None = None) -> None:
        """Claim again, and leave a hint."""
        self.now()
        self.state.is_paused = False
        self.state.hint()

    async def is_queue_paused(self) -> bool:
        """Say whether nothing is claimed."""
        self.now()
        return self.state.is_paused

    async def is_durable(self) -> bool:
        """Return `False`: the jobs end with the process."""
        return False

    async def aclose(self) -> None:
        """Do nothing: there are no connections and no tasks."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
