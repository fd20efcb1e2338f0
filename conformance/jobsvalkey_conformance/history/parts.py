"""A history from the side of one job: the steps that may concern it, without the other jobs that they touched."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from jobsvalkey.contract import FINISHED, Cancel, JobID, JobStatus, SettleOutcome, WorkerID
from jobsvalkey_conformance.history.calls import (
    UNANSWERED,
    Abort,
    AnyCall,
    Change,
    Clean,
    CloseWorker,
    Exchange,
    Get,
    Number,
    OpenWorker,
    Push,
    Recover,
    Renew,
    Sweep,
)
from jobsvalkey_conformance.history.linearizability import Step
from jobsvalkey_conformance.history.record import Event, History, is_held

CLAIMED = FINISHED - {JobStatus.CANCELLED} | {JobStatus.PROCESSING}
"""The states that only a claimed job can come into."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of an event that concerns one job."""

    event: Event
    call: AnyCall
    answer: Any

    def __str__(self) -> str:
        return str(replace(self.event, call=self.call, answer=self.answer))


class HistoryParts:
    """A history, taken apart by jobs."""

    def __init__(self, history: History) -> None:
        self._events = history.events
        self._faults = history.faults
        self._tokens = history.tokens
        numbers = Counter(event.call.number for event in self._events)
        self.repeated: frozenset[Number] = frozenset(
            number for number, times in numbers.items() if number is not None and times > 1
        )
        """The numbers, of a producer's or a worker's steps, under which something was sent more than once."""
        self._superseded = {event: self._superseding(event) for event in self._events if event.answered is None}
        self._takes_back = [event for event in self._events if _takes_back(event)]
        self.hiding: frozenset[Event] = frozenset(
            event
            for event, exchange in history.of(Exchange)
            if exchange.limit and self._may_hide_claims(event, exchange.worker)
        )

    def steps_of(self, *job_ids: JobID) -> list[Step[Part]]:
        """The steps that may matter to jobs, each without the other jobs that it touched."""
        expiry = self._expiry(*job_ids)
        touching: set[Event] = set()
        for job_id in job_ids:
            parts = self._parts_of(expiry, job_id)
            life = _Life(parts, expires=expiry is not None)
            touching.update(part.event for part in parts if life.is_touched_by(part))
        return [self._step(part) for part in self._parts_of(expiry, *job_ids) if part.event in touching]

    def _parts_of(self, expiry: datetime | None, *job_ids: JobID) -> list[Part]:
        jobs, parts = frozenset(job_ids), list[Part]()
        for event in self._events:
            part = None
            if any(self._touches(event, job_id) for job_id in jobs):
                # Of several jobs, an exchange that hides claims may show some, and still have claimed others.
                is_known = event not in self.hiding or (len(jobs) == 1 and _shows(event, *jobs))
                part = event.call.part(jobs, event.answer if is_known else UNANSWERED, self._tokens)
            if part is not None:
                parts.append(Part(event, *part))
            elif expiry is not None and isinstance(event.call, Exchange) and event.times[-1] >= expiry:
                parts.append(Part(event, Sweep(), UNANSWERED))
        return parts

    def _expiry(self, *job_ids: JobID) -> datetime | None:
        """When the first of the jobs expires, or is doomed, at the earliest, if one may be."""
        ends = list[datetime]()
        for event in self._events:
            for item in event.call.items if isinstance(event.call, Push) else ():
                if item.job_id in job_ids and item.after:
                    ends.append(event.times[0])
                elif item.job_id in job_ids and item.expires is not None:
                    expires = item.expires
                    ends.append(expires if isinstance(expires, datetime) else event.times[0] + expires)
        return min(ends, default=None)

    def _step(self, part: Part) -> Step[Part]:
        event = part.event
        later = self._superseded.get(event)
        if later is None:
            return Step(
                part, event.began, event.answered, binding=event.answered is None or part.answer is not UNANSWERED
            )
        # From then on the store answers the step from memory, or refuses it.
        times = tuple(time for time in event.times if time <= later.times[-1])
        return Step(replace(part, event=replace(event, times=times)), event.began, later.answered, binding=False)

    def _superseding(self, event: Event) -> Event | None:
        """The first answer to the same step, sent again, or to a later step of who sent it."""
        return min(
            (
                later
                for later in self._events
                if later.began > event.began and later.answered is not None and _supersedes(later, event)
            ),
            key=lambda later: later.answered or 0,
            default=None,
        )

    def _touches(self, event: Event, job_id: JobID) -> bool:
        exchange = event.call
        if event.answered is None and isinstance(exchange, Get):
            return False
        if not isinstance(exchange, Exchange) or any(
            one.job_id == job_id for one in (*exchange.settlements, *exchange.reports)
        ):
            return True
        if event in self.hiding or (event.answered is not None and _shows(event, job_id)):
            return True
        if event.answered is not None:
            return False
        later = self._superseded[event]
        if later is None or later.call != exchange:
            return exchange.limit > 0
        return _shows(later, job_id)

    def _may_hide_claims(self, event: Event, worker: WorkerID) -> bool:
        """Whether an exchange may have claimed jobs that no answer shows, since they were taken back before it came.

        The answer is then that of a repeat: the client's, or after a lost reply the driver's own.
        """
        shown = event if event.answered is not None else self._superseded[event]
        if shown is None or shown.call != event.call:
            return False
        if shown is event and not any(_overlap(fault, (event.began, event.answered)) for fault in self._faults):
            return False
        locks = [
            (one.times[0] + one.call.hold_for, one.times[-1] + one.call.hold_for)
            for one in self._events
            if isinstance(one.call, OpenWorker | Renew) and one.call.worker == worker and one.began < event.began
        ]
        # If time stood still, or the lock had run out before, nothing was claimed that could be recovered meanwhile.
        began, ended = event.times[0], shown.times[-1]
        may_expire = not locks or (began < ended and began < locks[-1][1] and locks[-1][0] <= ended)
        return any(
            may_expire or (isinstance(one.call, Clean) and not one.call.only_orphans)
            for one in self._takes_back
            if _overlap((one.began, one.answered), (event.began, shown.answered))
        )


class _Life:
    """Find the effects that steps without a job may have had, for a job that all these steps may touch.

    This changes no verdict: it leaves out what has no effect on the job, since each step costs the search time.
    """

    def __init__(self, parts: Iterable[Part], *, expires: bool) -> None:
        self._states = {JobStatus.PENDING, JobStatus.CANCELLED} if expires else {JobStatus.PENDING}
        self._expires = expires
        self._first: dict[WorkerID, int] = {}
        self._over: dict[WorkerID, int | None] = {}
        self._renewed: dict[WorkerID, Event] = {}
        for part in parts:
            match part.call:
                case Push(items=items) if any(is_held(item) for item in items):
                    self._states.add(JobStatus.WAITING)
                case Change(what="pause"):
                    self._states.add(JobStatus.PAUSED)
                case Change(what="cancel"):
                    self._states.add(JobStatus.CANCELLED)
                case Abort():
                    self._states.add(JobStatus.CANCELLED)
                case Exchange(worker=worker, settlements=settlements):
                    self._states |= CLAIMED
                    if any(isinstance(settlement, Cancel) for settlement in settlements):
                        self._states.add(JobStatus.CANCELLED)
                    self._first.setdefault(worker, part.event.began)
                    # Its part in the job's life is over when it has settled it, and claims it no more.
                    answer = part.answer
                    over = answer is not UNANSWERED and SettleOutcome.SETTLED in answer.outcomes and not answer.claims
                    self._over[worker] = part.event.answered if over else None
                case _:
                    pass
        self._began = min(self._first.values(), default=0)
        self._pushed = next(part.event.began for part in parts if isinstance(part.call, Push))
        for part in parts:
            if isinstance(part.call, Renew) and self._is_before(part.event, self._first.get(part.call.worker, 0)):
                self._renewed[part.call.worker] = part.event

    def is_touched_by(self, part: Part) -> bool:
        """Whether the step may have had an effect on the job."""
        event = part.event
        match part.call:
            case Recover():
                recovers = JobStatus.PROCESSING in self._states and not self._is_before(event, self._began)
                return recovers or self._expires
            case Clean(status=status):
                since = self._began if status in CLAIMED else self._pushed
                return status in self._states and not self._is_before(event, since)
            case OpenWorker(worker=worker):
                return worker in self._first
            case Renew(worker=worker, leaving=True):
                return worker in self._first
            case Renew(worker=worker) | CloseWorker(worker=worker) if worker in self._first:
                over = self._over[worker]
                if over is not None and event.began > over:
                    return False
                # Of the renewals before its first claim, the last one says how long its lock was held.
                before = self._is_before(event, self._first[worker])
                return not before or self._renewed.get(worker) is event
            case Renew() | CloseWorker():
                return False
            case _:
                return True

    @staticmethod
    def _is_before(event: Event, time: int) -> bool:
        return event.answered is not None and event.answered < time


def _shows(event: Event, job_id: JobID) -> bool:
    return event.answered is not None and any(claim.job_id == job_id for claim in event.answer.claims)


def _overlap(one: tuple[int, int | None], other: tuple[int, int | None]) -> bool:
    return (other[1] is None or one[0] < other[1]) and (one[1] is None or other[0] < one[1])


def _takes_back(event: Event) -> bool:
    """Whether a step may have ended claims. Of a recovery the answer may be that of a repeat, which found no more."""
    if isinstance(event.call, Clean):
        return event.call.status is JobStatus.PROCESSING and event.answer != 0
    return isinstance(event.call, Recover)


def _supersedes(later: Event, event: Event) -> bool:
    number, first = later.call.number, event.call.number
    if number is None or first is None or number[0] != first[0]:
        return False
    answer = later.answer
    done = not isinstance(later.call, Exchange) or (
        answer.claims or SettleOutcome.SETTLED in (*answer.reported, *answer.outcomes)
    )
    return number[1] == first[1] or (number[1] > first[1] and bool(done))
