"""How many connections a driver holds: those of workers that are no more are closed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import ActiveLock, JobQueue, ProcessorOptions, ValkeyJobQueue
from jobsvalkey.contract import OperationRefused, WorkerClosed
from tests.support.drivers import HOUR, driver_at, open_worker
from tests.support.processors import run_in_background
from tests.support.proxy import Proxy
from tests.support.servers import Server
from tests.support.waiting import until
from tests.support.work import Work, counting

MOMENT = timedelta(milliseconds=20)
LONG = timedelta(minutes=5)


@pytest.fixture
async def proxy(default_server: Server, valkey_client: Any) -> AsyncIterator[Proxy]:
    async with Proxy(default_server.url) as proxy:
        yield proxy


async def test_a_closed_worker_leaves_no_connection(proxy: Proxy, queue_key: str) -> None:
    async with driver_at(proxy.url, queue_key) as driver:
        for number in range(5):
            worker = await open_worker(driver, f"worker {number}")
            await driver.exchange(worker, 1)
            await driver.close_worker(worker)
        await until(lambda: proxy.connections == 1)  # the one for locks


UNKNOWN: dict[str, Callable[[ValkeyJobQueue, str], Awaitable[object]]] = {
    "exchange": lambda driver, worker: driver.exchange(worker, 2),
    "renew": lambda driver, worker: driver.renew(worker, HOUR),
}


@pytest.mark.parametrize("ask", UNKNOWN.values(), ids=UNKNOWN)
async def test_a_worker_that_is_not_known_any_more_leaves_no_connection(
    ask: Callable[[ValkeyJobQueue, str], Awaitable[object]], proxy: Proxy, queue_key: str, valkey_client: Any
) -> None:
    async with driver_at(proxy.url, queue_key) as driver:
        for number in range(5):
            worker = await open_worker(driver, f"worker {number}")
            await driver.exchange(worker, 1)
            await valkey_client.delete(f"{queue_key}.metadata._worker.{worker}")
            with pytest.raises(WorkerClosed):
                await ask(driver, worker)
        await until(lambda: proxy.connections == 1)


async def test_a_worker_whose_number_is_refused_leaves_no_connection(
    proxy: Proxy, queue_key: str, valkey_client: Any
) -> None:
    async with driver_at(proxy.url, queue_key) as driver:
        worker = await open_worker(driver)
        await valkey_client.hset(f"{queue_key}.metadata._worker.{worker}", "sequence", 9)
        with pytest.raises(OperationRefused):
            await driver.exchange(worker, 1)
        await until(lambda: proxy.connections == 1)


@pytest.mark.parametrize(
    ("poll_time", "lock"),
    [(MOMENT, ActiveLock(every=LONG, hold_for=HOUR)), (LONG, ActiveLock(every=MOMENT, hold_for=HOUR))],
    ids=["found out by polling", "found out by renewing"],
)
async def test_a_processor_that_starts_anew_holds_no_more_connections(
    poll_time: timedelta, lock: ActiveLock, proxy: Proxy, queue_key: str, valkey_client: Any
) -> None:
    async def workers() -> set[bytes]:
        return set(await valkey_client.keys(f"{queue_key}.metadata._worker.*"))

    async with driver_at(proxy.url, queue_key, poll_time=poll_time) as driver:
        queue = JobQueue(driver)
        ran = counting(queue)
        await queue.push(Work(-1))
        async with run_in_background(queue.processor(ProcessorOptions(worker_active_lock=lock))):
            await until(lambda: ran == [-1] and any(command.name == "BLPOP" for command in proxy.commands))
            before = 0
            for number in range(6):
                if number == 1:  # each kind of connection has been opened by now
                    before = proxy.connections
                (worker,) = await workers()
                await valkey_client.delete(worker)

                async def is_replaced(old: bytes = worker) -> bool:
                    return len(new := await workers()) == 1 and old not in new

                await until(is_replaced)
                await queue.push(Work(number))
                await until(lambda number=number: number in ran)
            await until(lambda: proxy.connections <= before)
