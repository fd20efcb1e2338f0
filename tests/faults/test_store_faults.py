"""The server restarts, freezes, is away, becomes a replica, or drops its connections: the queue goes on."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from jobsvalkey import ActiveLock, JobQueue, ProcessorOptions, StoreUnavailable
from jobsvalkey.contract import JobStatus
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.drivers import HOUR, all_completed, claims_of, client_of, driver_at, new_job
from tests.support.processors import run_in_background
from tests.support.pushes import STORED, outcomes
from tests.support.servers import Server, ServerOptions
from tests.support.stopwatch import Stopwatch
from tests.support.waiting import PATIENCE, until
from tests.support.work import Work, counting

StartServer = Callable[..., Server]

DURABLE = ServerOptions(appendonly=True, settings={"appendfsync": "always"})
JOBS = 300
OPTIONS = ProcessorOptions(num_workers=8)


async def push_slowly(queue: JobQueue[ValkeyJobQueue], jobs: int = JOBS) -> None:
    for number in range(jobs):
        await queue.push(Work(number))


async def settled(driver: ValkeyJobQueue, jobs: int = JOBS) -> None:
    await until(lambda: all_completed(driver, jobs))
    assert await driver.validate() == []


@pytest.mark.parametrize("way", ["restart", "kill"])
async def test_a_server_that_restarts_with_its_data_loses_nothing(
    start_server: StartServer, queue_key: str, way: str
) -> None:
    server = start_server(DURABLE)
    async with driver_at(server.url, queue_key) as driver:
        queue = JobQueue(driver)
        ran = counting(queue, 0.001)
        async with run_in_background(queue.processor(OPTIONS)), asyncio.TaskGroup() as group:
            group.create_task(push_slowly(queue))
            for part in (1, 2):
                await until(lambda reached=part * JOBS // 3: len(ran) >= reached)
                if way == "restart":
                    await asyncio.to_thread(server.restart)
                else:
                    await asyncio.to_thread(server.kill)
                    await asyncio.to_thread(server.start)
            await until(lambda: len(ran) >= JOBS)
        assert sorted(ran) == list(range(JOBS))
        await settled(driver)


async def test_a_frozen_server_is_waited_for(start_server: StartServer, queue_key: str) -> None:
    server = start_server()
    async with driver_at(server.url, queue_key, read_timeout=0.2) as driver:
        queue = JobQueue(driver)
        ran = counting(queue, 0.001)
        async with run_in_background(queue.processor(OPTIONS)), asyncio.TaskGroup() as group:
            pushing = group.create_task(push_slowly(queue))
            await until(lambda: len(ran) >= JOBS // 3)
            server.freeze()
            reached = len(ran)
            await asyncio.sleep(0.5)  # more than two read timeouts
            assert not pushing.done()
            assert len(ran) <= reached + OPTIONS.num_workers
            server.thaw()
            await until(lambda: len(ran) >= JOBS)
        assert sorted(ran) == list(range(JOBS))
        await settled(driver)


async def test_a_recovery_by_a_user_ends_where_the_server_is_away_and_the_workers_own_goes_on(
    start_server: StartServer, queue_key: str
) -> None:
    server = start_server(DURABLE)
    often = ActiveLock(every=timedelta(milliseconds=50), hold_for=HOUR)
    async with driver_at(server.url, queue_key, operation_timeout=timedelta(milliseconds=200)) as driver:
        queue = JobQueue(driver)
        ran = counting(queue)
        await queue.push(Work(1))
        await claims_of(driver, 1, "dying")
        async with run_in_background(queue.processor(ProcessorOptions(worker_active_lock=often))):
            await asyncio.to_thread(server.kill)
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(StoreUnavailable):
                    await driver.cleanup_orphaned_jobs()
            await asyncio.to_thread(server.start)
            await driver.renew("dying", timedelta(milliseconds=1))
            await until(lambda: ran == [1])


async def test_a_processor_that_starts_before_its_server(start_server: StartServer, queue_key: str) -> None:
    server = start_server()
    server.kill()
    async with driver_at(server.url, queue_key) as driver:
        queue = JobQueue(driver)
        ran = counting(queue)
        processor = queue.processor(OPTIONS)
        async with run_in_background(processor), asyncio.TaskGroup() as group:
            group.create_task(push_slowly(queue, 1))
            await until(lambda: processor.state)
            await asyncio.to_thread(server.start)
            await until(lambda: ran == [0])
        await settled(driver, 1)


async def failing_push(driver: ValkeyJobQueue) -> tuple[str, float]:
    """With what outcome, and after how many seconds, a push gave up."""
    watch = Stopwatch()
    with pytest.raises(StoreUnavailable) as caught:
        await driver.push([new_job()])
    return caught.value.outcome, watch.seconds()


async def test_each_push_gives_up_in_time_while_the_server_is_down(start_server: StartServer, queue_key: str) -> None:
    server = start_server()
    server.kill()
    timeout = 2.0
    async with driver_at(server.url, queue_key, operation_timeout=timedelta(seconds=timeout)) as driver:
        pushes: list[asyncio.Task[tuple[str, float]]] = []
        async with asyncio.TaskGroup() as group:
            # The later ones wait behind the first, and their time runs all the same.
            for _ in range(4):
                pushes.append(group.create_task(failing_push(driver)))
                await asyncio.sleep(timeout / 20)
        ends, seconds = zip(*(push.result() for push in pushes), strict=True)
        assert ends[0] == "not_done"
        assert set(ends[1:]) <= {"not_done", "unknown"}  # their round trip was on its way when their time was up
        assert max(seconds) < timeout + 0.5
        await asyncio.to_thread(server.start)
        assert outcomes(await driver.push([new_job()])) == [STORED]


async def test_a_push_to_a_frozen_server_has_an_unknown_outcome(start_server: StartServer, queue_key: str) -> None:
    server = start_server()
    async with driver_at(server.url, queue_key, operation_timeout=timedelta(seconds=0.4)) as driver:
        assert outcomes(await driver.push([new_job()])) == [STORED]
        server.freeze()
        outcome, seconds = await failing_push(driver)
        assert outcome == "unknown"
        assert seconds < 0.7
        with pytest.raises(StoreUnavailable) as caught:
            await driver.counts()
        assert caught.value.outcome in {"unknown", "not_done"}
        server.thaw()
        assert outcomes(await driver.push([new_job()])) == [STORED]
        assert (await driver.counts())[JobStatus.PENDING] in {2, 3}


async def test_a_call_without_a_timeout_is_made_once(start_server: StartServer, queue_key: str) -> None:
    server = start_server()
    async with driver_at(server.url, queue_key, operation_timeout=timedelta(0)) as driver:
        server.kill()
        outcome, seconds = await failing_push(driver)
        assert outcome == "not_done"
        assert seconds < 0.5


async def test_pushes_made_while_the_server_is_away_are_stored_when_it_is_back(
    start_server: StartServer, queue_key: str
) -> None:
    server = start_server(DURABLE)
    async with driver_at(server.url, queue_key) as driver:
        queue = JobQueue(driver)
        ran = counting(queue)
        async with run_in_background(queue.processor(OPTIONS)):
            server.kill()
            async with asyncio.TaskGroup() as group:
                for number in range(50):
                    group.create_task(queue.push(Work(number)))
                await asyncio.sleep(1)
                assert ran == []
                await asyncio.to_thread(server.start)
            await until(lambda: len(ran) >= 50)
        assert sorted(ran) == list(range(50))
        await settled(driver, 50)


async def test_a_server_that_is_a_replica_for_a_while(start_server: StartServer, queue_key: str) -> None:
    server = start_server()
    async with client_of(server.url) as client, driver_at(server.url, queue_key) as driver:
        queue = JobQueue(driver)
        ran = counting(queue, 0.001)
        async with run_in_background(queue.processor(OPTIONS)), asyncio.TaskGroup() as group:
            pushing = group.create_task(push_slowly(queue))
            await until(lambda: len(ran) >= JOBS // 3)
            await client.execute_command("REPLICAOF", "127.0.0.1", "1")
            reached = len(ran)
            await asyncio.sleep(0.3)
            assert not pushing.done()
            assert len(ran) <= reached + OPTIONS.num_workers
            await client.execute_command("REPLICAOF", "NO", "ONE")
            await until(lambda: len(ran) >= JOBS)
        assert sorted(ran) == list(range(JOBS))
        await settled(driver)


async def test_connections_that_are_killed_again_and_again(start_server: StartServer, queue_key: str) -> None:
    server = start_server()
    async with client_of(server.url) as client, driver_at(server.url, queue_key) as driver:
        queue = JobQueue(driver)
        ran = counting(queue, 0.001)

        async def kill_connections() -> None:
            while len(ran) < JOBS:
                await client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                await client.script_flush()
                await asyncio.sleep(0.01)

        async with run_in_background(queue.processor(OPTIONS)), asyncio.TaskGroup() as group:
            group.create_task(kill_connections())
            for first in range(0, JOBS, 20):
                await asyncio.gather(*(queue.push(Work(number)) for number in range(first, first + 20)))
            await until(lambda: len(ran) >= JOBS)
        assert sorted(ran) == list(range(JOBS))
        await settled(driver)
