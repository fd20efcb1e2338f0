"""Queues, stores, handlers and pushes at random, in virtual time: no wake-up is lost, and no slot is taken twice."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from jobsvalkey import ActiveLock, JobContext, JobQueue, MultiQueueProcessor, ProcessorOptions
from jobsvalkey.contract import DriverConfiguration, Exchanged, JobStatus, Report, Settlement
from jobsvalkey_memory import MemoryJobQueue
from tests.support.retention import KEEP_ALL
from tests.support.virtual_time import VirtualLoop, run_virtually
from tests.support.work import Work

HOUR = 3600.0
LONG = ActiveLock(every=timedelta(days=10), hold_for=timedelta(days=30))


class Distant(MemoryJobQueue[Any]):
    """Its exchanges take a while, before and after they are done, and sometimes a long while."""

    def __init__(self, random: Random) -> None:
        super().__init__(DriverConfiguration(poll_time=timedelta(seconds=HOUR), retention_policy=KEEP_ALL))
        self._random = random
        self._distance = random.choice([0.0, 0.001, 0.1])

    async def _travel(self) -> None:
        if self._random.random() < 0.02:
            await asyncio.sleep(self._random.uniform(0, 1))
        elif self._distance:
            await asyncio.sleep(self._random.uniform(0, self._distance))

    async def exchange(
        self,
        worker: str,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        await self._travel()
        exchanged = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        await self._travel()
        return exchanged


async def run(loop: VirtualLoop, seed: int) -> None:
    random = Random(seed)
    num_workers = random.randint(1, 5)
    drivers = [Distant(random) for _ in range(random.randint(1, 4))]
    queues = [JobQueue(driver) for driver in drivers]
    weights = random.choice([None, [random.uniform(0.1, 5) for _ in queues]])
    running, ended = 0, 0

    async def handler(parameters: Work, context: JobContext) -> None:
        nonlocal running, ended
        running += 1
        assert running <= num_workers
        if duration := random.choice([0.0, 0.001, 0.5]):
            await asyncio.sleep(random.uniform(0, duration))
        running -= 1
        ended += 1

    for queue in queues:
        queue.register_job(Work, handler)
    options = ProcessorOptions(num_workers=num_workers, worker_active_lock=LONG)
    processor = MultiQueueProcessor(queues, options, weights=weights)
    task = asyncio.create_task(processor.run())
    number = random.randint(1, 150)
    for _ in range(number):
        await random.choice(queues).push(Work())
        if random.random() < 0.3:
            await asyncio.sleep(random.choice([0, 0.01, 1]))
    began = loop.now
    while ended < number:
        await asyncio.sleep(1)
        # Each job takes half a second at most, and a step a few: an hour is a wake-up that was lost.
        assert loop.now < began + HOUR / 2, (ended, number, processor.states)
    processor.stop()
    await task
    for queue in queues:
        counts = await queue.counts()
        assert counts[JobStatus.PROCESSING] == counts[JobStatus.PENDING] == 0
    assert sum([(await queue.counts())[JobStatus.COMPLETED] for queue in queues]) == number


@pytest.mark.parametrize("batch", range(10))
def test_no_wake_up_is_lost(batch: int) -> None:
    for seed in range(20 * batch, 20 * batch + 20):
        run_virtually(lambda loop, seed=seed: run(loop, seed))
