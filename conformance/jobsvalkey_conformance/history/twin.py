"""The twin's steps with one job: the transition function that a job's history is held against."""

from collections.abc import Coroutine, Iterator
from datetime import datetime
from itertools import product
from typing import Any, TypeVar, cast

from msgspec.structs import replace

from jobsvalkey.contract import DriverConfiguration, Exchanged, JobID, JobsError, Pushed
from jobsvalkey_conformance.harness import AnyDriver
from jobsvalkey_conformance.history.calls import UNANSWERED, Number
from jobsvalkey_conformance.history.parts import Part
from jobsvalkey_conformance.history.record import token_of
from jobsvalkey_memory import MemoryJobQueue
from jobsvalkey_memory.store import Answer, QueueState, Worker

T = TypeVar("T")


class _StandingClock:
    """Tells the time that it was given."""

    time: datetime

    def now(self) -> datetime:
        return self.time


class TwinTransition:
    """Runs the twin's steps with one job. A state is a number, under which it is kept what the twin's store holds then.

    `repeated` are the numbers of steps that are sent again; what the twin remembers of others is of no interest.
    To be used inside the event loop that the twin belongs to.
    """

    initial = 0

    def __init__(self, configuration: DriverConfiguration, repeated: frozenset[Number]) -> None:
        self._repeated = repeated
        self._clock = _StandingClock()
        self._twin = MemoryJobQueue(configuration, self._clock)
        self._contents: list[tuple[Any, ...]] = []
        self._states: dict[tuple[Any, ...], int] = {}
        self._freeze(QueueState())

    def __call__(self, state: int, part: Part, answer_counts: bool) -> Iterator[int]:
        """The states in which the step may leave the store, were it done at any of the times that it may have been."""
        if answer_counts and part.call.may_pass_over(part.answer):
            yield state
        calls = (part.call,) if part.answer is not UNANSWERED else part.call.unanswered()
        for now, call in product(part.event.times, calls):
            self._clock.time = now
            self._twin.state = queue = self._thaw(state, now)
            try:
                answer = _at_once(call.on(cast(AnyDriver, self._twin)))
            except JobsError:
                continue  # If the driver did it, it cannot have been now.
            answer = _by_jobs(queue, answer)
            if not answer_counts or part.call.agrees(answer, part.answer):
                yield self._freeze(queue)

    def _freeze(self, queue: QueueState) -> int:
        content: tuple[Any, ...] = (
            frozenset(queue.jobs.values()),
            frozenset(queue.named),
            frozenset(queue.kept),
            frozenset(queue.until.items()),
            frozenset(queue.saved.items()),
            frozenset(queue.remembered.items()),
            frozenset(queue.names.items()),
            _frozen_holds(queue),
            queue.is_paused,
            frozenset(
                (
                    name,
                    one.expires,
                    one.leaving,
                    tuple(one.claims.items()),
                    frozenset(one.aborts),
                    *self._memory_of_worker(name, one),
                )
                for name, one in queue.workers.items()
            ),
            # When a producer was last heard is left out: its repeats come sooner than it is forgotten.
            frozenset(
                (name, last.sequence, last.digest, _hashable(last.answer))
                for name, last in queue.producers.items()
                if (name, last.sequence) in self._repeated
            ),
        )
        state = self._states.setdefault(content, len(self._contents))
        if state == len(self._contents):
            self._contents.append(content)
        return state

    def _memory_of_worker(self, name: str, worker: Worker) -> tuple[Any, ...]:
        if (name, worker.sequence) not in self._repeated:
            return None, (), ()
        return worker.sequence, tuple(worker.outcomes), tuple(worker.reported)

    def _thaw(self, state: int, now: datetime) -> QueueState:
        jobs, named, kept, until, saved, remembered, names, holds, is_paused, workers, producers = self._contents[state]
        queue = QueueState()
        queue.named.update(named)
        queue.kept.update(kept)
        queue.remembered.update(remembered)
        queue.names.update(names)
        queue.is_paused = is_paused
        _thaw_holds(queue, *holds)
        for job in jobs:
            queue.put(job)
        queue.until.update(until)
        queue.saved.update(saved)
        for name, expires, leaving, claims, aborts, sequence, outcomes, reported in workers:
            queue.workers[name] = Worker(
                *(expires, 0, dict(claims), sequence, list(outcomes), list(reported)),
                leaving=leaving,
                aborts=set(aborts),
            )
        for name, sequence, digest, answer in producers:
            listed = list(cast(tuple[Pushed, ...], answer)) if isinstance(answer, tuple) else answer
            queue.producers[name] = Answer(sequence, digest, listed, now)
        return queue


def _frozen_holds(queue: QueueState) -> tuple[Any, ...]:
    """The holds of the jobs that wait, and what they are told."""
    return (
        frozenset(queue.doomed.items()),
        frozenset((parent, frozenset(children)) for parent, children in queue.children.items() if children),
        frozenset(queue.inputs.items()),
        frozenset((callback, frozenset(members.items())) for callback, members in queue.members.items()),
        frozenset(queue.open_batches),
    )


def _thaw_holds(
    queue: QueueState,
    doomed: frozenset[Any],
    children: frozenset[Any],
    inputs: frozenset[Any],
    members: frozenset[Any],
    open_batches: frozenset[JobID],
) -> None:
    queue.doomed.update(doomed)
    queue.children.update((parent, set(each)) for parent, each in children)
    queue.inputs.update(inputs)
    queue.members.update((callback, dict(each)) for callback, each in members)
    queue.open_batches.update(open_batches)


def _by_jobs(queue: QueueState, answer: Any) -> Any:
    """Name claims after their jobs, in the store and in an answer: their numbers depend on what else was claimed."""
    for worker in queue.workers.values():
        named = {token: token_of(int(token.partition(b".")[0]), job_id) for token, job_id in worker.claims.items()}
        worker.claims = {named[token]: job_id for token, job_id in worker.claims.items()}
        worker.aborts = {named[token] for token in worker.aborts}
    if not isinstance(answer, Exchanged):
        return answer
    claims = [
        replace(claim, token=token_of(int(claim.token.partition(b".")[0]), claim.job_id)) for claim in answer.claims
    ]
    return replace(answer, claims=claims)


def _hashable(answer: Any) -> Any:
    # The twin's only answer that is not, is the list of what was pushed.
    return tuple(cast(list[Pushed], answer)) if isinstance(answer, list) else answer


def _at_once(step: Coroutine[Any, Any, T]) -> T:
    """The answer of the twin, which never waits for anything."""
    try:
        step.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    raise AssertionError("the twin has begun to wait")
