"""Producers and workers under whose hands a server fails over or a slot moves, and the count of what became of it."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Literal, TypeAlias

from jobsvalkey import Durability, JobContext, JobID, JobQueue, JobsError, JobStatus, ValkeyJobQueue
from tests.support.processors import run_in_background
from tests.support.servers import Cluster
from tests.support.servers.failing_over import fail_over
from tests.support.waiting import until
from tests.support.work import Work
from tests.topologies.drivers import Servers, driver_of, worker_options

PRODUCERS = 40
ON_A_REPLICA = Durability(replicas=1, timeout=timedelta(seconds=1))
Event: TypeAlias = Literal["failover", "resharding"]


@dataclass(frozen=True)
class Outcome:
    """The result of one run."""

    seed: int
    event: Event
    servers: str
    durable: bool
    acknowledged: int
    """Pushes that returned."""
    lost: int
    """Those of them whose jobs are nowhere."""
    again: int
    """Jobs whose handler ran to its end more than once."""
    stuck: int
    """Jobs that are there and have not ended when all is done."""
    rate: float
    """Acknowledged pushes a second before the event."""
    recovery: float
    """Seconds from the promotion, or the end of the move, to the first job that ran after it."""


class Load:
    """Pushes as fast as it can, and runs what is pushed."""

    def __init__(self, servers: Servers, queue_key: str, durability: Durability | None) -> None:
        self._servers = servers
        self._queue_key = queue_key
        self._durability = durability
        self.acknowledged: list[JobID] = []
        self.ran = Counter[JobID]()
        self.last_run = 0.0
        self._stopped = False

    async def _produce(self, queue: JobQueue[ValkeyJobQueue]) -> None:
        while not self._stopped:
            try:
                self.acknowledged.append(await queue.push(Work()))
            except JobsError:
                await asyncio.sleep(0.01)  # not acknowledged: it may be there or not

    async def _handle(self, parameters: Work, context: JobContext) -> None:
        self.ran[context.job_id] += 1
        self.last_run = time.monotonic()

    async def run(self, event: Callable[["Load"], Awaitable[float]]) -> tuple[float, int, int]:
        """Let the event happen in the middle; the seconds until jobs run again, how many are lost, how many stuck."""
        make = partial(driver_of, self._servers, self._queue_key)
        async with make(durability=self._durability) as producer, make() as worker:
            queue, working = JobQueue(producer), JobQueue(worker)
            working.register_job(Work, self._handle)
            async with run_in_background(working.processor(worker_options(num_workers=32))):
                producers = [asyncio.create_task(self._produce(queue)) for _ in range(PRODUCERS)]
                done_at = await event(self)
                await until(lambda: self.last_run > done_at, within=60)
                recovery = self.last_run - done_at
                before = len(self.acknowledged)
                await until(lambda: len(self.acknowledged) > before + PRODUCERS, within=60)
                self._stopped = True
                await asyncio.gather(*producers)
                await until(partial(_is_done, worker), within=60)
            there = {record.id async for record in working.jobs(JobStatus.COMPLETED)}
            stuck = sum(number for status, number in (await worker.counts()).items() if status != JobStatus.COMPLETED)
            assert await worker.validate() == []
        return recovery, len(set(self.acknowledged) - there), stuck


async def _is_done(driver: ValkeyJobQueue) -> bool:
    counts = await driver.counts()
    return not counts[JobStatus.PENDING] and not counts[JobStatus.PROCESSING]


async def run(servers: Servers, queue_key: str, event: Event, seed: int, *, durable: bool) -> Outcome:
    """One run. The seed says when the event comes."""
    chance = random.Random(seed)
    load = Load(servers, queue_key, ON_A_REPLICA if durable else None)
    rate = 0.0

    async def happen(load: Load) -> float:
        nonlocal rate
        await until(lambda: len(load.acknowledged) > PRODUCERS, within=60)
        began, before = time.monotonic(), len(load.acknowledged)
        await asyncio.sleep(chance.uniform(0.5, 1.5))
        rate = (len(load.acknowledged) - before) / (time.monotonic() - began)
        if event == "failover":
            return await _fail_over(servers, queue_key)
        assert isinstance(servers, Cluster)
        _, target = await asyncio.to_thread(servers.begin_move, queue_key)
        await asyncio.to_thread(servers.move_keys, queue_key)
        await asyncio.to_thread(servers.end_move, queue_key, target)
        return time.monotonic()

    recovery, lost, stuck = await load.run(happen)
    return Outcome(
        seed=seed,
        event=event,
        servers=f"{'cluster' if isinstance(servers, Cluster) else 'sentinel'} of {servers.kind}",
        durable=durable,
        acknowledged=len(load.acknowledged),
        lost=lost,
        again=sum(number > 1 for number in load.ran.values()),
        stuck=stuck,
        rate=round(rate, 1),
        recovery=round(recovery, 3),
    )


async def _fail_over(servers: Servers, queue_key: str) -> float:
    """Fail over; when the promotion was."""
    victim = await fail_over(servers, queue_key)
    promoted = time.monotonic()
    if isinstance(servers, Cluster):
        # As whatever watches over processes does; without a replica, no demand for one is met.
        await asyncio.to_thread(victim.start)
    return promoted
