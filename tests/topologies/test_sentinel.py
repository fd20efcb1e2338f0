"""A queue on the primary that Sentinels name: its connections follow a failover."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import JobQueue, ValkeyJobQueue
from jobsvalkey.blocking import BlockingJobQueue
from tests.support.processors import run_in_background
from tests.support.servers import SentinelGroup
from tests.support.servers.sentinel import SERVICE
from tests.support.waiting import until
from tests.support.work import Work, counting
from tests.topologies.drivers import driver_of, worker_options


async def test_the_whole_life_of_a_job(sentinels: SentinelGroup, queue_key: str) -> None:
    async with driver_of(sentinels, queue_key) as driver:
        queue = JobQueue(driver)
        ran = counting(queue)
        await queue.push(Work(1))
        await queue.processor(worker_options(burst=True)).run()
        assert ran == [1]
        assert await driver.validate() == []
        assert driver.address.endswith(f"/{SERVICE}/0")


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_workers_and_producers_go_on_with_the_promoted_replica(
    own_sentinels: SentinelGroup, queue_key: str, how: str
) -> None:
    before = own_sentinels.primary
    async with driver_of(own_sentinels, queue_key) as driver:
        queue = JobQueue(driver)
        ran = counting(queue)
        async with run_in_background(queue.processor(worker_options())):
            await queue.push(Work(1))
            await until(lambda: ran == [1])
            await asyncio.to_thread(getattr(before, how))
            await queue.push(Work(2))
            await until(lambda: 2 in ran)
    assert own_sentinels.primary is not before


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_a_sentinel_that_is_away_is_passed_over(sentinels: SentinelGroup, queue_key: str, how: str) -> None:
    await asyncio.to_thread(getattr(sentinels.sentinels[0], how))
    async with driver_of(sentinels, queue_key, operation_timeout=timedelta(0)) as driver:
        await JobQueue(driver).push(Work(1))


async def test_event_loops_of_their_own_and_threads(sentinels: SentinelGroup, queue_key: str) -> None:
    """The clients of a `Sentinel` belong to one event loop; the driver's connections do not need them."""
    async with driver_of(sentinels, queue_key) as driver:
        queue = JobQueue(driver)
        await queue.push(Work(1))
        await asyncio.to_thread(asyncio.run, _push_and_close(queue))
        assert sum((await queue.counts()).values()) == 2
    url = f"valkey+sentinel://{','.join(f'{host}:{port}' for host, port in sentinels.places)}/{SERVICE}"

    def push() -> int:
        with BlockingJobQueue.from_url(url, queue_key=queue_key) as jobs:
            jobs.push(Work(3))
            return sum(jobs.counts().values())

    assert await asyncio.to_thread(push) == 3


async def _push_and_close(queue: JobQueue[ValkeyJobQueue]) -> None:
    await queue.push(Work(2))
    await queue.driver.aclose()


async def test_a_client_in_texts_and_resp3(sentinels: SentinelGroup, queue_key: str) -> None:
    settings: dict[str, Any] = {"decode_responses": True, "protocol": 3}
    async with ValkeyJobQueue(sentinels.client(**settings)) as driver:
        assert await driver.server()
