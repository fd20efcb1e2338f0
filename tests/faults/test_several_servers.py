"""One worker serves queues of two servers: whatever one of them does, the jobs of the other one run."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from jobsvalkey import JobContext, JobQueue, MultiQueueProcessor
from jobsvalkey.runtime import queue_run
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.drivers import all_completed, client_of, driver_at
from tests.support.processors import options, run_in_background
from tests.support.servers import Server, ServerOptions
from tests.support.waiting import until
from tests.support.work import Work

SLOTS = 4


class Two:
    """Queues on two servers."""

    def __init__(self, servers: list[Server], drivers: list[ValkeyJobQueue]) -> None:
        self.servers = servers
        self.queues = [JobQueue(driver) for driver in drivers]
        self.ran: list[tuple[int, int]] = []
        self.running = self.most = 0
        for place, queue in enumerate(self.queues):
            self._register(place, queue)

    def _register(self, place: int, queue: JobQueue[ValkeyJobQueue]) -> None:
        async def handler(parameters: Work, context: JobContext) -> None:
            self.running += 1
            self.most = max(self.most, self.running)
            await asyncio.sleep(0.001)
            self.running -= 1
            self.ran.append((place, parameters.number))

        queue.register_job(Work, handler)

    async def push(self, place: int, number: int, first: int = 0) -> None:
        await self.queues[place].push_many(Work(each) for each in range(first, first + number))

    def processor(self, weights: list[float] | None) -> MultiQueueProcessor:
        return MultiQueueProcessor(self.queues, options(num_workers=SLOTS), weights=weights)

    def count(self, place: int) -> int:
        return len({number for at, number in self.ran if at == place})


@pytest.fixture
async def two(start_server: Callable[..., Server], queue_key: str) -> AsyncIterator[Two]:
    durable = ServerOptions(settings={"appendonly": "yes", "appendfsync": "always"})
    servers = [start_server(durable), start_server(durable)]
    async with AsyncExitStack() as stack:
        drivers = [
            await stack.enter_async_context(driver_at(server.url, queue_key, read_timeout=0.5)) for server in servers
        ]
        yield Two(servers, drivers)


@pytest.mark.parametrize("weights", [None, [1.0, 1.0]], ids=["strict", "weights"])
@pytest.mark.parametrize("fault", ["killed", "frozen"])
@pytest.mark.parametrize("place", [0, 1])
async def test_a_server_that_is_killed_or_frozen_stops_its_own_queue_only(
    two: Two, fault: str, place: int, weights: list[float] | None
) -> None:
    server, other = two.servers[place], 1 - place
    await two.push(place, 400)
    await two.push(other, 100)
    async with run_in_background(two.processor(weights)) as running:
        await until(lambda: two.count(place) >= 40)
        server.kill() if fault == "killed" else server.freeze()
        # All of them run while the server is away, though it may have taken the slots of its last exchange along.
        await two.push(other, 300, first=100)
        await until(lambda: two.count(other) == 400)
        assert two.count(place) < 400
        assert not running.done()
        server.restart() if fault == "killed" else server.thaw()
        await until(lambda: two.count(place) == 400)
        for queue in two.queues:
            await until(lambda queue=queue: all_completed(queue.driver, 400))
    assert two.most <= SLOTS
    for queue in two.queues:
        assert await queue.driver.validate() == []
    runs = Counter(two.ran)
    assert all(number == 1 for (at, _), number in runs.items() if at == other)


async def test_a_server_that_refuses_what_it_is_asked_stops_its_own_queue_only(two: Two) -> None:
    async with client_of(two.servers[0].url) as client:
        name = two.queues[0].driver.configuration.queue_key
        await client.set(name + ".pending", "no list")  # where pending jobs are: whatever asks for them is refused
        await two.push(1, 200)
        async with run_in_background(two.processor(None)):
            await until(lambda: two.count(1) == 200)
            await client.delete(name + ".pending")
            await two.push(0, 5)
            await until(lambda: two.count(0) == 5)


async def test_a_stop_while_a_server_is_away_settles_with_the_other_one(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_run, "LEAVE_WITHIN", 0.5)
    await two.push(0, 10)
    await two.push(1, 10)
    async with run_in_background(two.processor(None)):
        await until(lambda: len(two.ran) == 20)
        two.servers[0].freeze()
    assert await all_completed(two.queues[1].driver, 10)
    worker_keys = await client_keys(two, 1)
    assert worker_keys == []
    two.servers[0].thaw()


async def client_keys(two: Two, place: int) -> list[bytes]:
    """The records of workers that a server knows."""
    client = client_of(two.servers[place].url)
    try:
        return await client.keys("*_worker.*")
    finally:
        await client.aclose()
