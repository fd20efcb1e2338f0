"""A record of the calls of many clients at once, and of their answers, event by event."""

import asyncio
import itertools
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, TypeVar

from jobsvalkey.contract import DriverConfiguration, JobID, NewJob, StoreUnavailable, WorkerID
from jobsvalkey_conformance.harness import AnyDriver
from jobsvalkey_conformance.history.calls import UNANSWERED, AnyCall, Call, Exchange, Push, Tokens, Unanswered
from jobsvalkey_memory import ManualClock

R = TypeVar("R")

DRAIN = "drain"
"""The client that brings a history to its end."""


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """One call of one client, from the moment that it was made to the moment that its answer came."""

    client: str
    call: AnyCall
    began: int
    answered: int | None
    """`None`: no answer ever came."""
    answer: Any
    times: tuple[datetime, ...]
    """The times that the clock showed meanwhile: the step was done at one of these times."""

    def __str__(self) -> str:
        until = "never answered" if self.answered is None else f"to {self.answered}"
        answer = "" if self.answered is None else f" -> {self.answer}"
        return f"[{self.began} {until}] {self.client}: {self.call}{answer}"


def is_held(item: NewJob) -> bool:
    """Whether other jobs have to do with when a job runs, or it with when one runs."""
    return bool(item.after) or item.batch is not None


def token_of(sequence: int, job_id: JobID) -> bytes:
    """The token of a claim in the histories of its job, whichever other jobs were claimed with it."""
    return b"%d.%s" % (sequence, str(job_id).encode())


@dataclass
class History:
    """The events of one run, in the order in which they began."""

    configuration: DriverConfiguration
    events: list[Event] = field(default_factory=list[Event])
    faults: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """When something was done to connections or the store, from and to."""

    def of(self, kind: type[Call[R]]) -> list[tuple[Event, Any]]:
        """The events of one kind of call, each with that call."""
        return [(event, event.call) for event in self.events if isinstance(event.call, kind)]

    def answered(self, kind: type[Call[R]]) -> list[tuple[Event, Any]]:
        """Those of them that were answered."""
        return [(event, call) for event, call in self.of(kind) if event.answered is not None]

    @property
    def job_ids(self) -> list[JobID]:
        """All jobs that anybody tried to push, in that order."""
        return list(dict.fromkeys(item.job_id for _, push in self.of(Push) for item in push.items))

    @property
    def components(self) -> list[frozenset[JobID]]:
        """The jobs, those together that are tied by a name, by what holds them, or by a push that may be refused.

        A push with jobs that others hold is refused as a whole, so its jobs belong together, too.
        """
        together: dict[JobID, set[JobID]] = {job_id: {job_id} for job_id in self.job_ids}
        of_name: dict[str, JobID] = {}

        def tie(*job_ids: JobID) -> None:
            tied = set[JobID]().union(*(together.get(job_id, ()) for job_id in job_ids))
            together.update(dict.fromkeys(tied, tied))

        for _, push in self.of(Push):
            if any(is_held(item) for item in push.items):
                for item in push.items:
                    tie(push.items[0].job_id, item.job_id, *item.after, item.batch or item.job_id)
            for item in push.items:
                if item.unique is not None:
                    tie(of_name.setdefault(item.unique.key, item.job_id), item.job_id)
        return list(dict.fromkeys(map(frozenset, together.values())))

    @property
    def tokens(self) -> Tokens:
        """The claims that were answered."""
        named: dict[WorkerID, dict[bytes, tuple[JobID, bytes]]] = {}
        for event, exchange in self.answered(Exchange):
            for claim in event.answer.claims:
                of_worker = named.setdefault(exchange.worker, {})
                of_worker.setdefault(claim.token, (claim.job_id, token_of(exchange.sequence, claim.job_id)))
        return named


class Recorder:
    """Makes calls, and writes them down.

    Around some calls it lets others run, since an answer that comes late is an answer too: so that calls overlap
    even if a driver never waits for anything.
    """

    def __init__(self, history: History, clock: ManualClock, random: Random) -> None:
        self.history = history
        self.clock = clock
        self.random = random
        self._numbers = itertools.count()
        self._moments: list[tuple[int, datetime]] = [(-1, clock.now())]
        self._calls = 0
        self._no_calls = asyncio.Event()
        self._no_calls.set()
        self._time_stands_still = asyncio.Event()
        self._time_stands_still.set()

    async def ask(
        self, client: str, driver: AnyDriver, call: Call[R], *, patience: float | None = None
    ) -> R | Unanswered:
        """Make a call and record it; its answer, unless it was lost, or the call given up after `patience` seconds.

        `StoreUnavailable` is no answer; if it says that nothing was done, the call is not written down either.
        Other errors are the test's.
        """
        await self._time_stands_still.wait()
        self._calls += 1
        self._no_calls.clear()
        began = next(self._numbers)
        answered: int | None = None
        answer: R | Unanswered = UNANSWERED
        try:
            async with asyncio.timeout(patience):
                await self._let_others_run()
                answer = await call.on(driver)
                await self._let_others_run()
            answered = next(self._numbers)
        except TimeoutError:
            answer = UNANSWERED
        except StoreUnavailable as error:
            if error.outcome == "not_done":
                return UNANSWERED
        finally:
            self._calls -= 1
            if self._calls == 0:
                self._no_calls.set()
        self.history.events.append(Event(client, call, began, answered, answer, self._times(began)))
        return answer

    @contextmanager
    def fault(self) -> Generator[None]:
        """Write down that in this block replies may be lost: if one is, the driver sends the step again."""
        began = next(self._numbers)
        try:
            yield
        finally:
            self.history.faults.append((began, next(self._numbers)))

    async def advance(self, by: timedelta) -> None:
        """Let time go by, when no call is under way.

        The clock stands for the store's, which does not go back: a step that had read it before, and came to the store
        after one that read it later, would be a step in the past.
        """
        self._time_stands_still.clear()
        await self._no_calls.wait()
        self.clock.advance(by)
        self._moments.append((next(self._numbers), self.clock.now()))
        self._time_stands_still.set()

    def finish(self) -> History:
        """The history, when all clients have ended. What was not answered may have been done until now."""
        self.history.events = sorted(
            (
                event if event.answered is not None else replace(event, times=self._times(event.began))
                for event in self.history.events
            ),
            key=lambda event: event.began,
        )
        return self.history

    def _times(self, began: int) -> tuple[datetime, ...]:
        before = [moment for number, moment in self._moments if number < began]
        return (before[-1], *(moment for number, moment in self._moments if number > began))

    async def _let_others_run(self) -> None:
        for _ in range(self.random.choice((0, 0, 1, 2, 4))):
            await asyncio.sleep(0)
