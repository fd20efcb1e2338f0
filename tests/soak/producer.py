"""One round of a soak: jobs of all kinds are pushed, changed, waited for, and counted."""

import asyncio
import random
from datetime import timedelta
from typing import Any

from jobsvalkey import Flow, JobID, JobOptions, JobQueue, LaneLimit, Push, Unique, ValkeyJobQueue
from tests.soak.work import KEEP, Failing, Returning, Soaked

SHARES = {
    "plain": 0.53,
    "delayed": 0.08,
    "retried": 0.06,
    "failed": 0.04,
    "results": 0.06,
    "unique": 0.04,
    "expiring": 0.02,
    "lanes": 0.05,
    "limited": 0.03,
    "flows": 0.05,
    "batches": 0.02,
    "aborted": 0.005,
    "paused": 0.01,
    "saving": 0.005,
}


class Round:
    """One round: `marks` are the bits that have to be set at its end, and no others have to."""

    def __init__(self, queue: JobQueue[ValkeyJobQueue], seed: int, number: int) -> None:
        self._queue = queue
        self._random = random.Random(seed)
        self._number = number
        self._next = 0
        self.may_be: set[int] = set()
        """Bits of jobs that need not come to their end: aborted, expired, replaced."""

    @property
    def pushed(self) -> int:
        """How many jobs were pushed."""
        return self._next

    def _numbers(self, kind: str) -> list[int]:
        numbers = list(range(self._next, self._next + max(3, int(self._number * SHARES[kind]))))
        self._next += len(numbers)
        return numbers

    async def run(self) -> None:
        """Push all kinds at the same time, and wait for those that are waited for."""
        kinds = [getattr(self, f"_{kind}") for kind in SHARES]
        async with asyncio.TaskGroup() as group:
            for kind, push in zip(SHARES, kinds, strict=True):
                group.create_task(push(self._numbers(kind)))

    async def _many(self, jobs: list[Any]) -> list[JobID]:
        ids: list[JobID] = []
        for first in range(0, len(jobs), 100):
            ids += await self._queue.push_many(jobs[first : first + 100])
            await asyncio.sleep(0)
        return ids

    async def _plain(self, numbers: list[int]) -> None:
        await self._many([Soaked(number) for number in numbers])

    async def _delayed(self, numbers: list[int]) -> None:
        delays = [timedelta(seconds=self._random.uniform(0, 2)) for _ in numbers]
        pushes = [Push(Soaked(number), JobOptions(delay=delay)) for number, delay in zip(numbers, delays, strict=True)]
        await self._many(pushes)

    async def _retried(self, numbers: list[int]) -> None:
        await self._many([Soaked(number, fails=1 + number % 2) for number in numbers])

    async def _failed(self, numbers: list[int]) -> None:
        await self._many([Failing(number) for number in numbers])

    async def _results(self, numbers: list[int]) -> None:
        ids = await self._many(
            [Push(Returning(number), JobOptions(keep_for=timedelta(seconds=10))) for number in numbers]
        )
        places = dict(zip(ids, numbers, strict=True))
        async for done in self._queue.results(ids):
            if done.value != places.pop(done.job_id):
                raise AssertionError(f"the result of {done.job_id} is {done}")
        if places:
            raise AssertionError(f"{len(places)} results have not come")

    async def _unique(self, numbers: list[int]) -> None:
        self.may_be.update(numbers)
        for number in numbers:
            name = Unique(f"name {number % 7}", otherwise=self._random.choice(["skip", "replace"]))
            await self._queue.push(Soaked(number), options=JobOptions(unique=name))

    async def _expiring(self, numbers: list[int]) -> None:
        self.may_be.update(numbers)
        options = JobOptions(expires_in=timedelta(seconds=0.05))
        await self._many([Push(Soaked(number), options) for number in numbers])

    async def _lanes(self, numbers: list[int]) -> None:
        def options() -> JobOptions:
            return JobOptions(priority=self._random.randint(-3, 3), lane=f"lane {self._random.randint(0, 20)}")

        await self._many([Push(Soaked(number), options()) for number in numbers])

    async def _limited(self, numbers: list[int]) -> None:
        limits = {
            "limited *": LaneLimit(concurrency=3),
            "limited 1*": LaneLimit(rate=(100, timedelta(seconds=1))),
            "limited 2": LaneLimit(concurrency=1, rate=(200, timedelta(seconds=1))),
        }
        for pattern, limit in limits.items():
            await self._queue.set_lane_limit(pattern, limit)
        await self._many([Push(Soaked(number), JobOptions(lane=f"limited {number % 15}")) for number in numbers])
        await asyncio.sleep(self._random.uniform(0, 2))
        for pattern in limits:
            await self._queue.set_lane_limit(pattern, None)

    async def _flows(self, numbers: list[int]) -> None:
        kept = JobOptions(keep_for=KEEP)
        for first in range(0, len(numbers), 4):
            flow, (parent, *children) = Flow(), numbers[first : first + 4]
            begin = flow.add(Soaked(parent), options=kept)
            for child in children:
                flow.add(Soaked(child), after=[begin])
            await self._queue.push_flow(flow)

    async def _batches(self, numbers: list[int]) -> None:
        for first in range(0, len(numbers), 10):
            callback, *members = numbers[first : first + 10]
            batch = await self._queue.open_batch(Soaked(callback))
            await self._many([Push(Soaked(member), JobOptions(batch=batch)) for member in members])
            await self._queue.close_batch(batch)

    async def _aborted(self, numbers: list[int]) -> None:
        self.may_be.update(numbers)
        ids = await self._many([Soaked(number, seconds=60) for number in numbers])
        for job_id in ids:
            await asyncio.sleep(self._random.uniform(0, 0.1))
            await self._queue.abort(job_id)

    async def _paused(self, numbers: list[int]) -> None:
        ids = await self._many([Soaked(number) for number in numbers])
        paused = [job_id for job_id in ids if await self._queue.pause(job_id)]
        await asyncio.sleep(0.5)
        for job_id in paused:
            await self._queue.resume(job_id)
        await self._queue.pause_queue()
        await asyncio.sleep(0.2)
        await self._queue.resume_queue()

    async def _saving(self, numbers: list[int]) -> None:
        await self._many([Soaked(number, fails=1, saves=True) for number in numbers])
