"""Several queues, and a processor that serves them."""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from jobsvalkey import JobContext, JobQueue, MultiQueueProcessor
from jobsvalkey.contract import Exchanged, Report, Settlement
from tests.support.processors import options
from tests.support.work import Work
from tests.unit.runtime.support import Driver, Queue, make_driver

HOUR = timedelta(hours=1)


class Several:
    """Queues, each with a store of its own, whose handlers note which queue they are of.

    A handler ends at once, or if it `holds`, when it is let go: the oldest one first.
    """

    def __init__(
        self, number: int, *, holds: bool = False, drivers: Sequence[Driver] = (), **configuration: Any
    ) -> None:
        drivers = drivers or [make_driver(poll_time=HOUR) for _ in range(number)]
        self.queues: list[Queue] = [JobQueue(driver) for driver in drivers]
        self.started: list[int] = []
        self.running: int = 0
        self.most: int = 0
        """How many ran at the same time."""
        self.holds = holds
        self._held: deque[asyncio.Event] = deque()
        for place, queue in enumerate(self.queues):
            self._register(place, queue)

    def _register(self, place: int, queue: Queue) -> None:
        async def handler(parameters: Work, context: JobContext) -> None:
            self.started.append(place)
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                if self.holds:
                    self._held.append(let_go := asyncio.Event())
                    await let_go.wait()
                else:
                    await asyncio.sleep(0)
            finally:
                self.running -= 1

        queue.register_job(Work, handler)

    def let_go(self, number: int = 1) -> None:
        """End the handlers that have run longest."""
        for _ in range(number):
            self._held.popleft().set()

    async def push(self, *numbers: int) -> None:
        """Push so many jobs to each queue."""
        for queue, number in zip(self.queues, numbers, strict=True):
            await queue.push_many(Work(each) for each in range(number))

    def processor(self, *, weights: Sequence[float] | None = None, **changes: Any) -> MultiQueueProcessor:
        return MultiQueueProcessor(self.queues, options(**changes), weights=weights)

    async def burst(self, *, weights: Sequence[float] | None = None, **changes: Any) -> None:
        """Run what is due."""
        async with asyncio.timeout(30):
            await self.processor(weights=weights, burst=True, **changes).run()


class Frozen(Driver):  # type: ignore[misc, valid-type]
    """Answers no exchange while it is frozen. What was asked meanwhile is done when it is not any more."""

    def __init__(self, **configuration: Any) -> None:
        template = make_driver(poll_time=HOUR, **configuration)
        super().__init__(template.configuration, clock=template.clock)
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.asked: list[int] = []
        """The limits of exchanges."""
        self.turns: int | None = 0
        """How many turns of the event loop a worker takes to open; `None` is for ever."""

    async def open_worker(self, worker: str, hold_for: timedelta, *, about: bytes = b"") -> None:
        if self.turns is None:
            await asyncio.Event().wait()
        for _ in range(self.turns or 0):
            await asyncio.sleep(0)
        await super().open_worker(worker, hold_for, about=about)

    async def exchange(
        self,
        worker: str,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        self.asked.append(limit)
        await self.thawed.wait()
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)
