"""A job costs the same, however many wait in its line, in its full lane, or for others: nobody looks through them."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsvalkey.contract import Finish, LaneLimit, NewJob, RetentionPolicy, new_job_id
from jobsvalkey.valkey import ValkeyJobQueue
from tests.conftest import StartServer
from tests.scale.support import REQUEST, ProcessorTime, opened
from tests.support.drivers import HOUR

FEW, ROUNDS = 20, 40
NOW = datetime.now(UTC)


def some_time(chance: random.Random) -> datetime:
    """One in the past, so that jobs come anywhere between the others."""
    return NOW - timedelta(seconds=chance.randrange(9999))


def of_a_priority(chance: random.Random) -> list[NewJob]:
    return [NewJob(new_job_id(), REQUEST, some_time(chance), lane="a", priority=5)]


def of_a_full_lane(chance: random.Random) -> list[NewJob]:
    return [NewJob(new_job_id(), REQUEST, some_time(chance), lane="full", priority=5)]


def of_a_flow(chance: random.Random) -> list[NewJob]:
    parent = new_job_id()
    return [NewJob(parent, REQUEST, HOUR), NewJob(new_job_id(), REQUEST, some_time(chance), after=(parent,))]


async def commands(client: Any) -> Counter[str]:
    """Count by name what the server has done."""
    stats: dict[str, dict[str, int]] = await client.info("commandstats")
    return Counter({name: each["calls"] for name, each in stats.items() if name != "cmdstat_info"})


class Measured:
    """Pushes, claims and their ends, of which it is measured what they take of the server."""

    def __init__(self, client: Any, driver: ValkeyJobQueue, make: Callable[[random.Random], list[NewJob]]) -> None:
        self._client, self._driver, self._make = client, driver, make
        self._chance, self._sequence = random.Random(1), 0

    async def fill(self, jobs: int) -> None:
        """Push so many jobs."""
        await self._driver.open_worker("worker", HOUR)
        await self._driver.set_lane_limit("full", LaneLimit(concurrency=1))
        await self._driver.push([NewJob(new_job_id(), REQUEST, lane="full")])
        await self._claim()
        while jobs > 0:
            made = [job for _ in range(min(jobs, 500)) for job in self._make(self._chance)]
            await self._driver.push(made)
            jobs -= len(made)

    async def work(self) -> tuple[Counter[str], float]:
        """The commands and the processor's time of so many rounds."""
        await self._round()  # which connects, and has the scripts read
        time = await ProcessorTime.of(self._client)
        before, began = await commands(self._client), time.seconds()
        for _ in range(ROUNDS):
            await self._round()
        took = time.seconds() - began
        return await commands(self._client) - before, took

    async def _round(self) -> None:
        await self._driver.push(self._make(self._chance))
        claims = await self._claim()
        self._sequence += 1
        await self._driver.exchange("worker", self._sequence, [Finish(each.job_id, each.token) for each in claims])

    async def _claim(self) -> list[Any]:
        self._sequence += 1
        return (await self._driver.exchange("worker", self._sequence, (), 1)).claims


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("make", [of_a_priority, of_a_full_lane, of_a_flow], ids=lambda make: make.__name__)
@pytest.mark.parametrize("many", [10_000, pytest.param(1_000_000, marks=pytest.mark.night)])
async def test_a_job_costs_the_same_however_long_its_line_is(
    many: int, make: Callable[[random.Random], list[NewJob]], start_server: StartServer
) -> None:
    """As many commands, each of which takes no longer."""
    taken: dict[int, tuple[Counter[str], float]] = {}
    for jobs in (FEW, many):
        async with opened(start_server(), RetentionPolicy()) as (client, driver):
            measured = Measured(client, driver, make)
            await measured.fill(jobs)
            taken[jobs] = await measured.work()
    assert taken[many][0] == taken[FEW][0]
    assert taken[many][1] < 4 * taken[FEW][1]
