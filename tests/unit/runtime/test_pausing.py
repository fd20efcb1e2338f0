"""A queue that is paused as a whole: on the twin, and on a server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import JobQueue, JobStatus, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.contract import Capability, DriverConfiguration, UnsupportedOperation
from jobsvalkey_memory import ManualClock, MemoryJobQueue, MemoryStore, run_until_idle
from tests.support.processors import options, run_in_background
from tests.support.waiting import until
from tests.support.work import Handler, Work, counting

HOUR = timedelta(hours=1)


@pytest.fixture(params=["memory", "valkey"])
async def drivers(
    request: pytest.FixtureRequest, valkey_client: Valkey, queue_key: str
) -> AsyncIterator[tuple[Any, Any]]:
    """Two drivers on one store, which never poll."""
    if request.param == "memory":
        store, settings = MemoryStore(), DriverConfiguration(poll_time=HOUR)
        yield MemoryJobQueue(settings, store=store), MemoryJobQueue(settings, store=store)
        return
    configuration = ValkeyConfiguration(queue_key=queue_key, poll_time=HOUR)
    one, other = (ValkeyJobQueue(valkey_client, configuration) for _ in range(2))
    async with one, other:
        yield one, other


async def test_workers_end_what_runs_claim_nothing_and_go_on_when_it_is_resumed(drivers: tuple[Any, Any]) -> None:
    queue, producer = JobQueue(drivers[0]), JobQueue(drivers[1])
    handler = Handler(queue)
    first = await producer.push(Work(2))
    async with run_in_background(queue.processor(options(num_workers=2))):
        await until(lambda: handler.running == [2])
        await producer.pause_queue()
        assert await queue.is_queue_paused()
        second = await producer.push(Work(3))
        handler.go_on.set()
        await until(lambda: handler.ended == [2])

        async def settled() -> bool:
            return await producer.status(first) is None

        await until(settled)
        assert await producer.status(second) is JobStatus.PENDING
        await producer.resume_queue()
        await until(lambda: handler.ended == [2, 3])
    assert not await queue.is_queue_paused()


async def test_a_burst_ends_on_a_paused_queue(drivers: tuple[Any, Any]) -> None:
    queue, producer = JobQueue(drivers[0]), JobQueue(drivers[1])
    ran = counting(queue)
    await producer.push(Work(1))
    await producer.pause_queue()
    async with asyncio.timeout(20):
        await queue.processor(options(burst=True)).run()
    assert ran == []
    await producer.resume_queue()
    await queue.processor(options(burst=True)).run()
    assert ran == [1]


async def test_run_until_idle_ends_on_a_paused_queue() -> None:
    queue = JobQueue(MemoryJobQueue(clock=ManualClock()))
    ran = counting(queue)
    await queue.push(Work(1))
    await queue.pause_queue()
    assert await run_until_idle(queue) == 0
    await queue.resume_queue()
    assert await run_until_idle(queue) == 1
    assert ran == [1]


@pytest.mark.parametrize("name", ["pause_queue", "resume_queue", "is_queue_paused"])
async def test_without_the_capability_it_is_refused(name: str) -> None:
    driver = MemoryJobQueue()
    driver.capabilities = driver.capabilities - {Capability.PAUSE_QUEUE}  # type: ignore[misc]
    with pytest.raises(UnsupportedOperation, match="'pause_queue'"):
        await getattr(JobQueue(driver), name)()


# Not used, it costs nothing.
async def test_a_pause_is_a_letter_of_the_layout(valkey_client: Any, queue_key: str) -> None:
    async with ValkeyJobQueue(valkey_client, ValkeyConfiguration(queue_key=queue_key)) as driver:
        await driver.pause_queue()
        assert await valkey_client.get(f"{queue_key}.metadata._layout") == b"1p"
        await driver.resume_queue()
        assert await valkey_client.get(f"{queue_key}.metadata._layout") == b"1"
