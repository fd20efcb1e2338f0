"""Nothing is left of a driver that was closed, or of an event loop that has ended: no file, no task, no thread."""

import asyncio
import gc
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, TypeAlias

import pytest
import uvloop

from jobsvalkey import ActiveLock, JobQueue, ProcessorOptions, StoreUnavailable, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.valkey.tasks import TaskSet
from tests.conftest import StartServer
from tests.support.drivers import HOUR, client_of, driver_at, new_job, open_worker
from tests.support.processors import run_in_background
from tests.support.proxy import Proxy
from tests.support.servers import Server, ServerOptions
from tests.support.waiting import until
from tests.support.work import Work, counting

LOOPS = 30
FEW = 12
"""Files that may be left of the last loop, and by chance: far fewer than one for each loop."""
Call: TypeAlias = Callable[[], Coroutine[Any, Any, object]]


def files() -> int:
    """How many file descriptors the process has open."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


async def files_in_a_loop() -> int:
    """How many it has open with an event loop, which has some of its own."""
    return files()


def by_run(call: Call) -> None:
    asyncio.run(call())


def by_uvloop(call: Call) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(call())


def by_hand(call: Call) -> None:
    """Generators that are left are not ended."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(call())
    loop.close()


def by_thread(call: Call) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(by_run, call).result()


def by_thread_by_hand(call: Call) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(by_hand, call).result()


WAYS = (by_run, by_uvloop, by_hand, by_thread, by_thread_by_hand)


@pytest.fixture(params=["plain", "tls"])
def server(request: pytest.FixtureRequest, start_server: StartServer) -> Server:
    return start_server(ServerOptions(tls=request.param == "tls"))


@pytest.fixture
def driver(server: Server, queue_key: str) -> ValkeyJobQueue:
    return ValkeyJobQueue(client_of(server.url), ValkeyConfiguration(queue_key=queue_key))


async def push(driver: ValkeyJobQueue) -> None:
    await driver.push([new_job()])
    await driver.counts()


async def push_and_wait(driver: ValkeyJobQueue) -> None:
    await push(driver)
    await driver.wait("worker", timedelta(milliseconds=1))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_event_loops_that_have_ended_leave_no_connection(way: Callable[[Call], None], driver: ValkeyJobQueue) -> None:
    way(lambda: push(driver))
    before, threads = files(), threading.active_count()
    for _ in range(LOOPS):
        way(lambda: push(driver))
    by_run(lambda: push(driver))  # which frees what is left of the one before
    assert files() <= before + FEW
    assert threading.active_count() <= threads


def test_tasks_of_the_driver_end_with_their_loop(driver: ValkeyJobQueue) -> None:
    for _ in range(3):
        by_run(lambda: push_and_wait(driver))
    before = asyncio.run(files_in_a_loop())
    for _ in range(LOOPS):
        by_run(lambda: push_and_wait(driver))
    # What ends TLS before the server is a thread of this process, and hears of the end of a connection a moment later.
    asyncio.run(until(lambda: files() <= before))


async def remove(server: Server, queue_key: str) -> None:
    async with client_of(server.url) as client:
        await client.unlink(*[key async for key in client.scan_iter(match=f"{queue_key}*", count=1000)])


def test_two_hundred_runs_with_few_files(default_server: Server, queue_key: str) -> None:
    driver = ValkeyJobQueue(client_of(default_server.url), ValkeyConfiguration(queue_key=queue_key))
    queue = JobQueue(driver)
    queue.register_job(Work, lambda parameters, context: None)
    asyncio.run(push(driver))
    before = files()
    for _ in range(200):
        asyncio.run(push(driver))
    assert files() <= before
    asyncio.run(remove(default_server, queue_key))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python 3.13 says so of such loops
def test_loops_that_nobody_closes_are_freed_with_their_threads(driver: ValkeyJobQueue) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    def run() -> None:
        loops.append(asyncio.new_event_loop())
        loops[-1].run_until_complete(push(driver))

    for number in range(LOOPS):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if number == 0:
            before = files()
    by_run(lambda: push(driver))
    # Those of the loops themselves: a selector, and a pair of sockets.
    assert files() <= before + 3 * LOOPS + FEW  # pyright: ignore[reportPossiblyUnboundVariable]
    for loop in loops:
        loop.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it says that it was not closed
def test_a_driver_that_is_dropped_leaves_no_connection(default_server: Server, queue_key: str) -> None:
    async def use_and_drop() -> None:
        before = files()
        for _ in range(LOOPS):
            await push(ValkeyJobQueue(client_of(default_server.url), ValkeyConfiguration(queue_key=queue_key)))
        await until(lambda: files() <= before + FEW)

    asyncio.run(use_and_drop())
    asyncio.run(remove(default_server, queue_key))


async def test_a_driver_that_is_closed_leaves_no_task_and_no_connection(proxy: Proxy, queue_key: str) -> None:
    tasks = asyncio.all_tasks()
    for _ in range(5):
        async with driver_at(proxy.url, queue_key) as driver:
            queue = JobQueue(driver)
            ran = counting(queue)
            async with run_in_background(queue.processor(ProcessorOptions())):
                await asyncio.gather(*(queue.push(Work(number)) for number in range(20)))
                await until(lambda ran=ran: len(ran) == 20)
        assert {task for task in asyncio.all_tasks() - tasks if "jobsvalkey" in repr(task)} == set()
    await until(lambda: proxy.connections == 0)


async def test_closing_ends_a_call_that_is_connecting(proxy: Proxy, queue_key: str) -> None:
    async with driver_at(proxy.url, queue_key) as driver:
        proxy.freeze()
        calls: list[asyncio.Task[Any]] = [
            asyncio.create_task(driver.counts()),
            asyncio.create_task(driver.push([new_job()])),
        ]
        await until(lambda: proxy.connections == 2)
        async with asyncio.timeout(2):
            await driver.aclose()
            for answer in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(answer, StoreUnavailable)
                assert "the driver was closed" in str(answer)
                assert answer.outcome == "not_done"
        proxy.thaw()
        await until(lambda: proxy.connections == 0)


async def test_closing_ends_a_call_between_two_attempts(proxy: Proxy, queue_key: str) -> None:
    async with driver_at(proxy.url, queue_key) as driver:
        await driver.counts()
        proxy.refuse()
        proxy.cut()
        calls = [asyncio.create_task(driver.counts()) for _ in range(3)]
        await asyncio.sleep(0.2)
        async with asyncio.timeout(2):
            await driver.aclose()
            answers = await asyncio.gather(*calls, return_exceptions=True)
        assert ["the driver was closed" in str(answer) for answer in answers] == [True] * 3


@pytest.mark.parametrize("work", [True, False])
async def test_closing_ends_waiting(work: bool, proxy: Proxy, queue_key: str) -> None:
    async with driver_at(proxy.url, queue_key) as driver:
        waits = [asyncio.create_task(driver.wait(name, HOUR, work=work)) for name in ("one", "two")]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(2):
            await driver.aclose()
            await asyncio.gather(*waits)


async def test_closing_twice_and_at_once_is_fine(proxy: Proxy, queue_key: str) -> None:
    async with driver_at(proxy.url, queue_key) as driver:
        await driver.push([new_job()])
        await asyncio.gather(driver.aclose(), driver.aclose())
        await driver.aclose()
        await until(lambda: proxy.connections == 0)


async def test_a_driver_that_was_closed_can_be_used_and_closed_again(proxy: Proxy, queue_key: str) -> None:
    async with driver_at(proxy.url, queue_key) as driver:
        for number in range(3):
            await driver.push([new_job()])
            assert sum((await driver.counts()).values()) == number + 1
            await driver.aclose()
            await until(lambda: proxy.connections == 0)


async def test_a_worker_that_leaves_without_closing_leaves_no_connection(proxy: Proxy, queue_key: str) -> None:
    async with driver_at(proxy.url, queue_key) as driver:
        for number in range(5):
            worker = await open_worker(driver, f"worker {number}", timedelta(seconds=0.3))
            await driver.exchange(worker, 1)
        await until(lambda: proxy.connections == 1)  # the one for locks
        # It may come back, if it has only stalled.
        await driver.renew("worker 4", HOUR)
        await driver.exchange("worker 4", 2)


async def test_a_worker_keeps_its_connection_while_its_lock_is_renewed(proxy: Proxy, queue_key: str) -> None:
    lock = ActiveLock(every=timedelta(milliseconds=50), hold_for=timedelta(seconds=1))
    async with (
        driver_at(proxy.url, queue_key) as driver,
        run_in_background(JobQueue(driver).processor(ProcessorOptions(worker_active_lock=lock))),
    ):
        await until(lambda: any(command.name == "BLPOP" for command in proxy.commands))
        before = proxy.accepted
        await asyncio.sleep(1.5)
        assert proxy.accepted <= before + 1


async def test_background_tasks_do_not_inherit_the_context_of_whoever_calls_first(
    proxy: Proxy, queue_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    request: ContextVar[str] = ContextVar("request", default="none")
    seen: list[str] = []
    start = TaskSet.start

    def noting(tasks: TaskSet, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        async def noted() -> None:
            seen.append(request.get())
            await work

        return start(tasks, noted())

    monkeypatch.setattr(TaskSet, "start", noting)
    async with driver_at(proxy.url, queue_key) as driver:
        request.set("of the caller")
        waiting = asyncio.create_task(driver.wait("worker", HOUR))
        await asyncio.gather(*(driver.push([new_job()]) for _ in range(3)))
        await until(lambda: len(seen) == 2)
        await driver.aclose()
        await waiting
    assert seen == ["none", "none"]
