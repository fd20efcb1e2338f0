"""Checks of what must hold in every history of concurrent clients. Each check says what is wrong.

`lost_or_unexpected` is what Jepsen calls `queue` and `total-queue`, `used_twice` is its `unique-ids`.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from math import inf
from typing import TypeAlias

from jobsvalkey.contract import (
    FINISHED,
    AbortOutcome,
    Claim,
    JobID,
    NewJob,
    Retry,
    SettleOutcome,
    StoreOutcome,
    WorkerID,
)
from jobsvalkey_conformance.context import ConformanceWarning
from jobsvalkey_conformance.history.calls import (
    UNANSWERED,
    Abort,
    Change,
    Clean,
    Exchange,
    Get,
    Number,
    OpenWorker,
    PauseQueue,
    Push,
    Recover,
    Renew,
)
from jobsvalkey_conformance.history.limits import limits_of, over_the_limit
from jobsvalkey_conformance.history.linearizability import (
    MOST,
    Step,
    UndecidedError,
    linearizable,
    shortest_explanation,
)
from jobsvalkey_conformance.history.parts import HistoryParts, Part
from jobsvalkey_conformance.history.record import DRAIN, Event, History
from jobsvalkey_conformance.history.twin import TwinTransition

Check = Callable[[History], Iterator[str]]
Place: TypeAlias = tuple[datetime, JobID]
Line: TypeAlias = tuple[int, str | None]


def violations(history: History) -> list[str]:
    """Everything that is wrong with a history. To be called inside an event loop."""
    return [found for check in CHECKS for found in check(history)]


def used_twice(history: History) -> Iterator[str]:
    """A token, of one worker, names one claim: a repeat of the exchange may show it again, nothing else may."""
    first: dict[tuple[WorkerID, bytes], tuple[int, Claim]] = {}
    for event, exchange, claim in _claims(history):
        sequence, before = first.setdefault((exchange.worker, claim.token), (exchange.sequence, claim))
        if (sequence, before.job_id) != (exchange.sequence, claim.job_id):
            yield f"the token {claim.token!r} of {exchange.worker} names two claims, the second in {event}"


def lost_or_unexpected(history: History) -> Iterator[str]:
    """Check that each claimed job was pushed with that request, and each acknowledged one claimed or taken out."""
    pushed: dict[JobID, list[tuple[int, NewJob]]] = {}
    tied = {job_id: component for component in history.components for job_id in component}
    for event, push in history.of(Push):
        for item in push.items:
            for job_id in tied[item.job_id]:  # which it may have replaced
                pushed.setdefault(job_id, []).append((event.began, item))
    rewritten = {
        (settlement.job_id, settlement.request)
        for _, exchange in history.of(Exchange)
        for settlement in exchange.settlements
        if isinstance(settlement, Retry)
    }
    claimed: set[JobID] = set()
    for event, _, claim in _claims(history):
        claimed.add(claim.job_id)
        before = {item.request for began, item in pushed.get(claim.job_id, ()) if began < (event.answered or 0)}
        if not before:
            yield f"job {claim.job_id} is claimed, but nobody had pushed it: {event}"
        elif claim.request not in before and (claim.job_id, claim.request) not in rewritten:
            yield f"job {claim.job_id} is claimed with a request that nobody gave it: {event}"
    taken_out = {call.job_id for event, call in history.of(Change) if event.answer is not False}
    taken_out |= {call.job_id for event, call in history.of(Abort) if event.answer is not AbortOutcome.NOTHING}
    cleaned = _may_be_cleaned_unseen(history)
    for event, push in history.answered(Push):
        for item, pushed_now in zip(push.items, event.answer, strict=True):
            expires = any(one.expires is not None for _, one in pushed[item.job_id])
            doomed = any(one.after for _, one in pushed[item.job_id])
            may_go = cleaned or expires or doomed or item.job_id in claimed | taken_out
            if pushed_now.outcome is StoreOutcome.STORED and not may_go:
                yield f"job {item.job_id} is lost: it was acknowledged, and never claimed: {event}"


def left_over(history: History) -> Iterator[str]:
    """When all that may run has run, nothing waits: what is still there has ended."""
    last = {get.job_id: (event, event.answer) for event, get in history.answered(Get) if event.client == DRAIN}
    for event, job in last.values():
        if job is not None and job.status not in FINISHED:
            yield f"job {job.job_id} is {job.status} for ever: {event}"


def settled_twice(history: History) -> Iterator[str]:
    """A claim is settled at most once."""
    settled: Counter[tuple[WorkerID, bytes]] = Counter()
    seen: set[tuple[WorkerID, int]] = set()
    for event, exchange in history.answered(Exchange):
        taken = [
            settlement
            for settlement, outcome in zip(exchange.settlements, event.answer.outcomes, strict=True)
            if outcome is SettleOutcome.SETTLED
        ]
        if not taken or (exchange.worker, exchange.sequence) in seen:
            continue  # A repeat tells what was settled before.
        seen.add((exchange.worker, exchange.sequence))
        for settlement in taken:
            settled[exchange.worker, settlement.token] += 1
            if settled[exchange.worker, settlement.token] > 1:
                yield f"the claim {settlement.token!r} on job {settlement.job_id} is settled again: {event}"


def out_of_order(history: History) -> Iterator[str]:
    """The claims of a step go by priority, and in a line by due time and id; none is early or more than asked for."""
    for event, exchange in history.answered(Exchange):
        claims = event.answer.claims
        lines: dict[Line, list[Place]] = {}
        for claim in claims:
            lines.setdefault(_line(claim), []).append(_place(claim))
        if any(places != sorted(places) for places in lines.values()):
            yield f"the claims are not in the order of their due times and ids: {event}"
        if any(one.priority < other.priority for one, other in pairwise(claims)):
            yield f"the claims are not in the order of their priorities: {event}"
        if any(claim.due > event.times[-1] for claim in claims):
            yield f"a job is claimed before it is due: {event}"
        if len(claims) > exchange.limit:
            yield f"more jobs are claimed than were asked for: {event}"


def overtaken(history: History) -> Iterator[str]:
    """Of what waits in a line, the first due is claimed first, and before any lower priority, whoever claims."""
    parts = HistoryParts(history)
    began: dict[Number, int] = {}  # A step that was sent again may have been done the first time.
    first: dict[Number | None, datetime] = {}  # Then it was not before this time.
    for event, exchange in history.of(Exchange):
        began.setdefault(exchange.number, event.began)
        first.setdefault(exchange.number, event.times[0])
    limits = limits_of(history)
    claiming = [
        (event, began[exchange.number], event.answer.claims)
        for event, exchange in history.answered(Exchange)
        if event.answer.claims
    ]
    for component in history.components:
        if len(component) > 1:
            continue  # A push of another one may have put it off.
        (job_id,) = component
        steps = parts.steps_of(job_id)
        for claim, since, until in _waits(steps, began):
            for event, start, claims in claiming:
                if (
                    since < start
                    and (event.answered or 0) < until
                    and _overtakes(claims, claim, first[event.call.number], is_limited=claim.lane in limits)
                ):
                    own = "".join(f"\n  {step.action}" for step in steps if step.began <= until)
                    yield (
                        f"job {job_id} waits, due {claim.due}, and one that comes after it is claimed: {event}\n"
                        f"its own calls:{own}"
                    )
                    break


def _overtakes(claims: Sequence[Claim], waiting: Claim, time: datetime, *, is_limited: bool) -> bool:
    """Whether one of the claims of an exchange should have been that of a job which waited all the time.

    One whose lane has a limit gives way to others while that holds it back, but not to one of its own line.
    """
    is_due = waiting.due <= time and not is_limited
    return any(
        (is_due and one.priority < waiting.priority) or (_line(one) == _line(waiting) and _place(waiting) < _place(one))
        for one in claims
    )


def out_of_turn(history: History) -> Iterator[str]:
    """While a job is due and waits, each other line of its priority is served once more than its own line, at most."""
    if all(event_claim[2].lane is None for event_claim in _claims(history)):
        return
    parts, limits = HistoryParts(history), limits_of(history)
    began: dict[Number, int] = {}
    first: dict[Number | None, datetime] = {}  # Then it was not before this time.
    for event, exchange in history.of(Exchange):
        began.setdefault(exchange.number, event.began)
        first.setdefault(exchange.number, event.times[0])
    claiming = {  # each once, though it may have been asked for again
        exchange.number: (event, began[exchange.number], event.answer.claims)
        for event, exchange in history.answered(Exchange)
        if event.answer.claims
    }
    unseen = [  # what it claimed may have been of the line
        (event.began, exchange.limit)
        for event, exchange in history.of(Exchange)
        if event.answered is None or event in parts.hiding
    ]
    for component in history.components:
        if len(component) > 1:
            continue
        (job_id,) = component
        for claim, since, until in _waits(parts.steps_of(job_id), began):
            if claim.lane in limits:
                continue  # It may have been held back.
            own, others = sum(limit for start, limit in unseen if start < until), Counter[Line]()
            for event, start, claims in claiming.values():
                is_within = since < start and (event.answered or 0) < until and claim.due <= first[event.call.number]
                for one in claims:
                    if _line(one) == _line(claim):
                        own += (event.answered or 0) > since and start < until
                    elif is_within and one.priority == claim.priority:
                        others[_line(one)] += 1
            for line, served in others.items():
                if served > own + 1:
                    yield f"job {job_id} waits, and {line} is served {served} times, its own line {own} times"


def _waits(steps: Sequence[Step[Part]], began: Mapping[Number, int]) -> Iterator[tuple[Claim, float, int]]:
    """For the claims of a job, from when to when it was certainly pending before.

    No clock is asked: since nothing touched the job in that time, its due time was the one that the claim shows.
    """
    touching = [step for step in steps if not isinstance(step.action.call, Get | OpenWorker | PauseQueue | Renew)]
    for step in touching:
        call, answer = step.action.call, step.action.answer
        if not isinstance(call, Exchange) or answer is UNANSWERED or not answer.claims or call.settlements:
            continue  # What an exchange settles and claims again did not wait for it.
        ends = [
            inf if one.answered is None else one.answered
            for one in touching
            if one.began < (step.answered or 0) and one.action.call.number != call.number
        ]
        yield answer.claims[0], max(ends, default=-1), began[call.number]


def unasked(history: History) -> Iterator[str]:
    """The end of a claim is asked for by an `abort` of its job, which does not outlive the claim."""
    tokens, asked = history.tokens, history.of(Abort)
    for event, exchange in history.answered(Exchange):
        ended = {settlement.token for settlement in exchange.settlements}
        for token in event.answer.aborts & tokens.get(exchange.worker, {}).keys():
            job_id = tokens[exchange.worker][token][0]
            if not any(call.job_id == job_id and one.began < (event.answered or 0) for one, call in asked):
                yield f"nobody had asked for the end of job {job_id}: {event}"
            if token in ended and SettleOutcome.BROKEN not in event.answer.outcomes:
                yield f"the claim {token!r} has ended, and its end is still asked for: {event}"


def recovered_by_the_stalled(history: History) -> Iterator[str]:
    """A worker whose own lock has run out, or which has none, recovers nothing in its name."""
    for event, recover in history.answered(Recover):
        if recover.worker is None or event.answer == 0:
            continue
        locks = [
            one.times[-1] + one.call.hold_for
            for one in history.events
            if isinstance(one.call, OpenWorker | Renew)
            and one.call.worker == recover.worker
            and one.began < (event.answered or 0)
        ]
        if max(locks, default=event.times[0]) <= event.times[0]:
            yield f"a worker whose lock had run out has recovered jobs: {event}"


def torn_batches(history: History) -> Iterator[str]:
    """Of a push that was not answered, all is there, or nothing."""
    if _may_be_cleaned_unseen(history):
        return
    evidence = _seen(history)
    ids = Counter(item.job_id for _, push in history.of(Push) for item in set(push.items))
    repeated = {push for _, push in history.answered(Push)}
    for event, push in history.of(Push):
        own = {
            item.job_id
            for item in push.items
            if ids[item.job_id] == 1 and item.expires is None and item.unique is None and not item.after
        }
        if event.answered is None and push not in repeated and own & evidence and own - evidence:
            yield f"a push was done in part, without {sorted(own - evidence)}: {event}"


def not_linearizable(history: History, limit: int = MOST) -> Iterator[str]:
    """For each job, and those of one name, there is an order of what was done to it in which the twin answers alike.

    Only the first one that has none is explained: a bug spoils many, and to look for short parts takes long. What is
    not decided within a number of states is no violation, and a warning says so.
    """
    explained, undecided = False, 0
    parts = HistoryParts(history)
    for component in history.components:
        transition = TwinTransition(history.configuration, parts.repeated)
        steps = parts.steps_of(*component)
        try:
            is_right = linearizable(steps, transition.initial, transition, limit)
        except UndecidedError:
            undecided += 1
            continue
        if not is_right:
            jobs = ", ".join(map(str, sorted(component)))
            if explained:
                yield f"the history of job {jobs} cannot be explained either"
                continue
            explained = True
            shortest = shortest_explanation(steps, transition.initial, transition, limit)
            lines = "".join(f"\n  {step.action}" for step in shortest)
            yield f"the history of job {jobs} cannot be explained, shortest part:{lines}"
    if undecided:
        text = f"{undecided} of {len(history.components)} histories of jobs were not decided within {limit:,} states"
        warnings.warn(text, ConformanceWarning, stacklevel=2)


def _place(claim: Claim) -> Place:
    return claim.due, claim.job_id


def _line(claim: Claim) -> Line:
    return claim.priority, claim.lane


def _claims(history: History) -> Iterator[tuple[Event, Exchange, Claim]]:
    return ((event, exchange, claim) for event, exchange in history.answered(Exchange) for claim in event.answer.claims)


def _may_be_cleaned_unseen(history: History) -> bool:
    """Whether a cleanup may have removed jobs that had not ended: it tells how many, not which."""
    return any(
        event.answer != 0 and clean.cleanup.action == "remove" and clean.status not in FINISHED
        for event, clean in history.of(Clean)
    )


def _seen(history: History) -> set[JobID]:
    """The jobs of which anybody saw that they were there."""
    seen = {claim.job_id for _, _, claim in _claims(history)}
    seen |= {get.job_id for event, get in history.answered(Get) if event.answer is not None}
    seen |= {abort.job_id for event, abort in history.answered(Abort) if event.answer is not AbortOutcome.NOTHING}
    return seen | {change.job_id for event, change in history.answered(Change) if event.answer}


CHECKS: tuple[Check, ...] = (
    used_twice,
    lost_or_unexpected,
    left_over,
    settled_twice,
    out_of_order,
    overtaken,
    out_of_turn,
    over_the_limit,
    unasked,
    recovered_by_the_stalled,
    torn_batches,
    not_linearizable,
)
