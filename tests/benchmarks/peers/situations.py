"""Our own queue in other situations than an empty queue without features: each is measured like a peer."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from jobsvalkey.contract import LaneLimit, Retention, RetentionPolicy, Unique
from jobsvalkey.runtime import Flow, JobContext, JobOptions, ProcessorOptions, Push
from jobsvalkey.valkey import ValkeyConfiguration
from tests.benchmarks.peers.own import BATCH, NoOp, Own

LANES: Final = 100
PAIRS: Final = 250
"""Pairs of jobs, the second after the first, in one flow."""


class Plain(Own):
    """Jobs without options, on an empty queue."""

    name = "plain"


class WithOptions(Own):
    """Jobs with options."""

    def options(self, number: int) -> JobOptions:
        """Return those of one job."""
        raise NotImplementedError

    async def push_all(self, numbers: Sequence[int]) -> None:
        for start in range(0, len(numbers), BATCH):
            part = numbers[start : start + BATCH]
            await self.queue.push_many([Push(NoOp(number), options=self.options(number)) for number in part])


class Retained(Own):
    """All jobs stay after their end."""

    name = "jobs are retained"
    configuration = ValkeyConfiguration(retention_policy=RetentionPolicy(completed_jobs=Retention()))


class RetainedResults(Retained):
    """All jobs stay, and each returns its number, which stays with it."""

    name = "jobs and results are retained"

    async def handler(self, parameters: NoOp, context: JobContext) -> object:
        await super().handler(parameters, context)
        return parameters.number


class Results(WithOptions):
    """Each job returns its number, which is kept for an hour, as the job itself asks."""

    name = "results, by keep_for"

    def options(self, number: int) -> JobOptions:
        return JobOptions(keep_for=timedelta(hours=1))

    async def handler(self, parameters: NoOp, context: JobContext) -> object:
        await super().handler(parameters, context)
        return parameters.number


class Lanes(WithOptions):
    """A hundred lanes take turns."""

    name = f"{LANES} lanes"

    def options(self, number: int) -> JobOptions:
        return JobOptions(lane=f"customer:{number % LANES}")


class LimitedLanes(Lanes):
    """The same, and each lane may have one job at once: all are full as soon as the worker is."""

    name = f"{LANES} lanes, limit 1"

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        async with super().open():
            await self.queue.set_lane_limit("customer:*", LaneLimit(concurrency=1))
            yield


class UniqueNames(WithOptions):
    """Each job holds a name of its own."""

    name = "unique names"

    def options(self, number: int) -> JobOptions:
        return JobOptions(unique=Unique(f"customer:{number}"))


class Flows(Own):
    """Each second job comes after the one before it."""

    name = "flows of pairs"

    async def push_all(self, numbers: Sequence[int]) -> None:
        for start in range(0, len(numbers), 2 * PAIRS):
            flow, first = Flow(), None
            for number in numbers[start : start + 2 * PAIRS]:
                added = flow.add(NoOp(number), after=[first] if first else ())
                first = None if first else added
            await self.queue.push_flow(flow)


class Activity(Own):
    """What was done is counted for each minute."""

    name = "activity is counted"
    configuration = ValkeyConfiguration(activity=True)


class FullQueue(Own):
    """Many jobs are there besides, which are due after those that are measured."""

    name = "10⁶ jobs pending"
    others = JobOptions()

    async def fill(self, number: int, count: int) -> None:
        """Add so many jobs, all of one number."""
        for start in range(0, count, BATCH):
            jobs = [Push(NoOp(number), options=self.others)] * min(BATCH, count - start)
            await self.queue.push_many(jobs)


class DelayedBeside(FullQueue):
    """Many jobs are there besides, which are due in a week."""

    name = "10⁶ jobs delayed"
    others = JobOptions(delay=timedelta(weeks=1))


class Processors(Own):
    """Several processors in one process, each with its own worker, share the queue."""

    processors = 4
    name = "4 processors of 16"

    async def run_processors(self, at_once: int) -> None:
        options = ProcessorOptions(num_workers=16)
        await asyncio.gather(*(self.queue.processor(options).run() for _ in range(self.processors)))


class ManyProcessors(Processors):
    """The same with more of them."""

    processors = 64
    name = "64 processors of 16"


SITUATIONS: Final[dict[str, type[Own]]] = {
    each.name: each
    for each in (
        *(Plain, Retained, RetainedResults, Results, Lanes, LimitedLanes, UniqueNames, Flows, Activity),
        *(Processors, ManyProcessors, FullQueue, DelayedBeside),
    )
}
