"""Jobs that wait: for their parents, or for the members of their batch.

A job becomes pending once nothing holds it. It is doomed as soon as a parent has ended without completing, and then
waits for its own end. Nothing that comes later changes either decision.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from jobsvalkey.contract import (
    FINISHED,
    MOST_CHILDREN,
    BatchCounts,
    DriverConfiguration,
    HoldProblem,
    Input,
    JobID,
    JobStatus,
    NewJob,
    Pushed,
    StoredJob,
    StoreOutcome,
    hold_refusal,
)
from jobsvalkey_memory.store import QueueState


@dataclass(slots=True)
class PushPlan:
    """The jobs of a push that were looked at so far, and what the push is going to do with them."""

    new: dict[JobID, NewJob] = field(default_factory=dict[JobID, NewJob])
    standing: dict[JobID, JobID] = field(default_factory=dict[JobID, JobID])
    """For each id the job that it means: a duplicate means the job that was there."""
    names: dict[str, JobID] = field(default_factory=dict[str, JobID])
    waiting: dict[JobID, int] = field(default_factory=dict[JobID, int])
    """How many children each parent will have."""


class Holds:
    """Who waits for whom. The steps say when a job is pushed, ends, is removed, or leaves its wait."""

    configuration: DriverConfiguration
    state: QueueState

    def _find_job(self, job_id: JobID, now: datetime, *statuses: JobStatus) -> StoredJob | None:
        raise NotImplementedError

    def _is_known(self, job_id: JobID, now: datetime) -> bool:
        raise NotImplementedError

    def _enter(self, job: StoredJob) -> None:
        raise NotImplementedError

    def _held(self, items: Sequence[NewJob], now: datetime) -> tuple[Sequence[Pushed], Sequence[NewJob]]:
        """The refusal of a push, if it is refused; and its jobs, each once, with what holds them now."""
        if not any(item.after or item.batch for item in items):
            return [], items
        plan, held = PushPlan(), list[NewJob]()
        for item in items:
            after = tuple(dict.fromkeys(plan.standing.get(parent, parent) for parent in item.after))
            batch = item.batch
            if batch and batch != item.job_id:
                batch = plan.standing.get(batch, batch)
            held.append(replace(item, after=after, batch=batch))
            holder = None
            if item.job_id in plan.new or self._is_known(item.job_id, now):
                holder = item.job_id
            elif item.unique:
                holder = plan.names.get(item.unique.key) or self.state.holder_of(item.unique, now)
            plan.standing[item.job_id] = holder or item.job_id
            if holder:
                continue
            checks: list[tuple[JobID, HoldProblem | None]] = [
                (parent, self._parent_problem(parent, plan, now)) for parent in after
            ]
            if batch and item.batch != item.job_id:
                checks.append((batch, self._batch_problem(batch, plan, now)))
            for other, problem in checks:
                if problem:
                    reason = hold_refusal(problem, item.job_id, other)
                    return [Pushed(StoreOutcome.REFUSED, each.job_id, reason) for each in items], []
            plan.new[item.job_id] = item
            if item.unique:
                plan.names[item.unique.key] = item.job_id
        return [], held

    def _parent_problem(self, parent: JobID, plan: PushPlan, now: datetime) -> HoldProblem | None:
        if parent not in plan.new:
            job, policy = self._find_job(parent, now), self.configuration.retention_policy
            if job is None:
                return "absent"
            if job.ended_at is not None:
                return None
            if job.keep_for is None and not all(policy.of(status).keeps for status in FINISHED):
                return "not_kept"
        plan.waiting[parent] = plan.waiting.get(parent, len(self.state.children.get(parent, ()))) + 1
        return "crowded" if plan.waiting[parent] > MOST_CHILDREN else None

    def _batch_problem(self, callback: JobID, plan: PushPlan, now: datetime) -> HoldProblem | None:
        if callback in plan.new:
            return None if plan.new[callback].batch == callback else "no_batch"
        job = self._find_job(callback, now)
        if job is None or job.batch != callback:
            return "no_batch"
        return None if job.status is JobStatus.WAITING else "decided"

    def _arrive(self, job: StoredJob, now: datetime) -> None:
        """Put a new job where it belongs: it waits if something holds it, otherwise it is pending."""
        parents = {parent: self.state.jobs[parent] for parent in job.after}
        for parent in parents.values():
            if parent.ended_at is None:
                self.state.children.setdefault(parent.job_id, set()).add(job.job_id)
        if job.batch == job.job_id:
            self.state.open_batches.add(job.job_id)
            self.state.members[job.job_id] = {}
            job = replace(job, members=BatchCounts())
        elif job.batch:
            self.state.members[job.batch][job.job_id] = None
        self.state.put(replace(job, status=JobStatus.WAITING))
        ended = (_input_of(parent) for parent in parents.values() if parent.ended_at)
        self._decide(job.job_id, ended, now)

    def _decide(self, job_id: JobID, inputs: Iterable[Input], now: datetime) -> None:
        """Note inputs of a job that waits, and say what follows for it."""
        job = self.state.jobs[job_id]
        known = {each.job_id: each for each in (*self.state.inputs.get(job_id, ()), *inputs)}
        if known:
            self.state.inputs[job_id] = tuple(known[parent] for parent in job.after if parent in known)
        job = replace(job, inputs=tuple(replace(each, result=None) for each in self.state.inputs.get(job_id, ())))
        self.state.put(job)
        members = self.state.members.get(job_id, {})
        if job.if_failed == "cancel" and any(each.status is not JobStatus.COMPLETED for each in job.inputs):
            self.state.doom(job, now)
        elif len(known) == len(job.after) and job_id not in self.state.open_batches and None not in members.values():
            self._enter(job)

    def _tell(self, job: StoredJob, now: datetime) -> None:
        """Tell the children of a job, and its batch, that it has ended, or that it was removed before its end."""
        for child in self.state.children.pop(job.job_id, set()):
            self._decide(child, [_input_of(job)], now)
        if job.batch and job.batch != job.job_id:
            self._count(job, job.status if job.ended_at else JobStatus.CANCELLED, now)

    def _may_tell(self, job_id: JobID) -> bool:
        """Whether this step may end a job for which others wait; if so, those count as told."""
        children = len(self.state.children.get(job_id, ()))
        if children > self.state.untold:
            return False
        self.state.untold -= children
        return True

    def _count(self, job: StoredJob, status: JobStatus | None, now: datetime) -> None:
        """Note how a member of a batch ended, while the callback waits; `None`: the member was rerun."""
        callback = job.batch or job.job_id
        members = self.state.members.get(callback, {})
        if job.job_id not in members or (members[job.job_id] is None) is (status is None):
            return
        before, members[job.job_id] = members[job.job_id], status
        total = self.state.jobs[callback].members or BatchCounts()
        for each, change in ((before, -1), (status, 1)):  # not counted anew: a member may have had the id of another
            total = replace(total, **{each: getattr(total, each) + change}) if each else total
        self.state.put(replace(self.state.jobs[callback], members=total))
        self._decide(callback, (), now)

    def _cut(self, job: StoredJob) -> None:
        """Take a job out of its wait, whatever holds it: later ends of parents are not told to it."""
        self.state.take(job.job_id)
        self.state.doomed.pop(job.job_id, None)
        self.state.open_batches.discard(job.job_id)
        self.state.members.pop(job.job_id, None)
        for parent in job.after:
            if children := self.state.children.get(parent):
                children.discard(job.job_id)


def _input_of(parent: StoredJob) -> Input:
    return Input(parent.job_id, parent.status if parent.ended_at else None, parent.result)
