"""The history of one job, held against the twin: what the twin would do, step by step, with that job alone."""

import pickle
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar, cast

from jobsvalkey.contract import DriverConfiguration, JobID, JobsError
from jobsvalkey_conformance.harness import AnyDriver
from jobsvalkey_conformance.history import Event, History
from jobsvalkey_conformance.history_calls import AnyCall, CloseWorker, Exchange, OpenWorker, Renew
from jobsvalkey_conformance.linearizability import Step, linearizable, shortest_explanation
from jobsvalkey_memory import ManualClock, MemoryJobQueue, MemoryStore
from jobsvalkey_memory.store import Answer, QueueState

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part:
    """What is left of an event from the side of one job."""

    event: Event
    call: AnyCall
    answer: Any

    def __str__(self) -> str:
        return str(replace(self.event, call=self.call, answer=self.answer))


def steps_of(job_id: JobID, history: History) -> list[Step[Part]]:
    """The steps that concern a job, each without the other jobs that it touched."""
    tokens = history.tokens
    workers = {exchange.worker for event, exchange in history.of(Exchange) if _may_touch(job_id, event)}
    events = [
        event
        for event in history.events
        if not isinstance(event.call, OpenWorker | Renew | CloseWorker) or event.call.worker in workers
    ]
    steps: list[Step[Part]] = []
    for event in events:
        part = event.call.part(job_id, event.answer, tokens)
        if part is not None:
            step = Step(Part(event, *part), event.began, event.answered)
            steps.append(step if event.answered is not None else _ended_by_repeat(step, events))
    return steps


def _may_touch(job_id: JobID, event: Event) -> bool:
    exchange: Exchange = event.call
    if any(settlement.job_id == job_id for settlement in exchange.settlements):
        return True
    if event.answered is None:
        return exchange.limit > 0
    return any(claim.job_id == job_id for claim in event.answer.claims)


def _ended_by_repeat(step: Step[Part], events: list[Event]) -> Step[Part]:
    # Once a step was repeated under its number and answered, the first sending has no effect of its own any more.
    event = step.action.event
    if not isinstance(event.call, Exchange) and getattr(event.call, "operation", None) is None:
        return step
    for later in events:
        if later.began > event.began and later.call == event.call and later.answered is not None:
            times = tuple(time for time in event.times if time <= later.times[-1])
            part = replace(step.action, event=replace(event, times=times))
            return replace(step, action=part, answered=later.answered, binding=False)
    return step


class TwinTransition:
    """What the twin does with one job. A state is what its store holds, as bytes.

    To be used inside an event loop, where the twin belongs.
    """

    initial = b""

    def __init__(self, configuration: DriverConfiguration) -> None:
        self._configuration = configuration

    def __call__(self, state: bytes, part: Part, answer_counts: bool) -> Iterator[bytes]:
        """The states in which the step may leave the store, were it done at any of the times that it may have been."""
        if answer_counts and part.call.may_pass_over(part.answer):
            yield state
        for now in part.event.times:
            clock, store = ManualClock(now), MemoryStore()
            store.queues[self._configuration.queue_key] = queue = _thaw(state, now)
            twin = MemoryJobQueue(self._configuration, clock, store)
            try:
                answer = _at_once(part.call.on(cast(AnyDriver, twin)))
            except JobsError:
                continue  # Where the driver did it, it cannot have been now.
            if not answer_counts or part.call.agrees(answer, part.answer):
                yield _freeze(queue)


def unexplained(job_id: JobID, history: History) -> list[Step[Part]]:
    """The shortest part of a job's history that the twin cannot explain; none where it can explain all."""
    steps, transition = steps_of(job_id, history), TwinTransition(history.configuration)
    if linearizable(steps, transition.initial, transition):
        return []
    return shortest_explanation(steps, transition.initial, transition)


def _at_once(step: Coroutine[Any, Any, T]) -> T:
    """The answer of the twin, which never waits for anything."""
    try:
        step.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    raise AssertionError("the twin has begun to wait")


def _freeze(queue: QueueState) -> bytes:
    # When a producer was last heard is left out: clients repeat their steps in less time than that is remembered.
    return pickle.dumps(
        (
            list(queue.jobs.values()),
            sorted(queue.named),
            sorted(queue.kept),
            list(queue.remembered.items()),
            sorted((name, replace(worker, hints=0)) for name, worker in queue.workers.items()),
            sorted((name, last.sequence, last.digest, last.answer) for name, last in queue.producers.items()),
        )
    )


def _thaw(state: bytes, now: datetime) -> QueueState:
    queue = QueueState()
    if state:
        jobs, named, kept, remembered, workers, producers = pickle.loads(state)  # noqa: S301 - it was made above
        for job in jobs:
            queue.put(job, keep=job.job_id in kept)
        queue.named.update(named)
        queue.remembered.update(remembered)
        queue.workers.update(workers)
        for name, *answer in producers:
            queue.producers[name] = Answer(*answer, used_at=now)
    return queue
