"""Checks of what lanes with limits may have, over a whole history. Answers are late: only what is certain counts."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import inf
from typing import NamedTuple, TypeAlias

from jobsvalkey.contract import JobID, JobStatus, LaneLimit, WorkerID
from jobsvalkey_conformance.history.calls import (
    Clean,
    CloseWorker,
    Exchange,
    Number,
    OpenWorker,
    Recover,
    Renew,
    SetLimit,
)
from jobsvalkey_conformance.history.record import DRAIN, Event, History

Lane: TypeAlias = str
Locks: TypeAlias = dict[WorkerID, list[tuple[Event, timedelta]]]
"""The steps that have set the lock of each worker, and for how long."""


class Held(NamedTuple):
    """A claim that an answer showed."""

    job_id: JobID
    since: int
    """When the answer had come."""
    until: float
    """When the first step began that may have ended it."""
    made: tuple[datetime, datetime]
    """Between which times it was made."""


def limits_of(history: History) -> dict[Lane, LaneLimit]:
    """The limits that hold from the beginning of a history to its drain."""
    return {call.pattern: call.limit for event, call in history.of(SetLimit) if event.client != DRAIN and call.limit}


def over_the_limit(history: History) -> Iterator[str]:
    """At no moment are more claims of a lane held than it may have; in no window are more made than its rate says."""
    limits = limits_of(history)
    held = _held(history) if limits else {}
    for lane, limit in limits.items():
        claims = held.get(lane, [])
        if limit.concurrency is not None:
            yield from _too_many_at_once(lane, limit.concurrency, claims)
        if limit.rate is not None:
            yield from _too_many_within(lane, *limit.rate, claims)


def _too_many_at_once(lane: Lane, most: int, claims: list[Held]) -> Iterator[str]:
    for claim in claims:
        beside = [one for one in claims if one.since <= claim.since < one.until]
        if claim.since < claim.until and len(beside) > most:
            jobs = ", ".join(sorted(str(one.job_id) for one in beside))
            yield f"{len(beside)} jobs of lane {lane} are held at {claim.since}, of which {most} may: {jobs}"


def _too_many_within(lane: Lane, most: int, per: timedelta, claims: list[Held]) -> Iterator[str]:
    for claim in claims:
        first, _ = claim.made
        within = [one for one in claims if one.made[0] >= first and one.made[1] - first < per]
        if len(within) > most:
            jobs = ", ".join(sorted(str(one.job_id) for one in within))
            yield f"{len(within)} jobs of lane {lane} begin within {per} from {first} on, of which {most} may: {jobs}"


def _held(history: History) -> dict[Lane, list[Held]]:
    """The claims by lane, each once, though it may have been shown again."""
    first: dict[Number, datetime] = {}
    held: dict[Lane, dict[tuple[WorkerID, bytes], Held]] = {}
    for event, exchange in history.of(Exchange):
        first.setdefault(exchange.number, event.times[0])
    shown = sorted(history.answered(Exchange), key=lambda each: each[0].answered or 0)
    locks = _locks(history)
    for event, exchange in shown:
        for claim in event.answer.claims if event.client != DRAIN else ():
            since = event.answered or 0
            until = _may_end(history, event, exchange.worker, claim.token, locks)
            made = (first[exchange.number], event.times[-1])
            one = Held(claim.job_id, since, until, made)
            held.setdefault(claim.lane or "", {}).setdefault((exchange.worker, claim.token), one)
    return {lane: list(claims.values()) for lane, claims in held.items()}


def _may_end(history: History, shown: Event, worker: WorkerID, token: bytes, locks: Locks) -> float:
    for event in history.events:
        if event.answered is not None and event.answered < shown.began:
            continue
        match event.call:
            case Exchange(worker=name, settlements=settlements):
                ends = name == worker and any(one.token == token for one in settlements)
            case CloseWorker(worker=name):
                ends = name == worker
            case Recover():
                ends = _may_have_run_out(event, locks.get(worker, []))
            case Clean(status=JobStatus.PROCESSING, only_orphans=only_orphans):
                ends = not only_orphans or _may_have_run_out(event, locks.get(worker, []))
            case _:
                ends = False
        if ends:
            return event.began
    return inf


def _locks(history: History) -> Locks:
    locks: Locks = {}
    for event in history.events:
        if isinstance(event.call, OpenWorker | Renew):
            locks.setdefault(event.call.worker, []).append((event, event.call.hold_for))
    return locks


def _may_have_run_out(event: Event, locks: list[tuple[Event, timedelta]]) -> bool:
    """Whether the lock that one of these steps has set may have been over when another step was done."""
    until = inf if event.answered is None else event.answered
    before = [(lock, hold_for) for lock, hold_for in locks if lock.began < until]
    done = [lock.began for lock, _ in before if lock.answered is not None and lock.answered < event.began]
    last = max(done, default=-1)
    return any(
        lock.times[0] + hold_for <= event.times[-1]
        for lock, hold_for in before
        if lock.began >= last or lock.answered is None
    )
