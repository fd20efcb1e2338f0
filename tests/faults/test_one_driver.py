"""One driver in several event loops and processes, and callers of it that are cancelled."""

import asyncio
import subprocess
import sys
from collections import Counter
from typing import Any, cast

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import JobQueue, ProcessorOptions, StoreUnavailable
from jobsvalkey.contract import JobStatus
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.valkey.scripting import CONTEXT, PUSH
from tests.faults.fork_process import PUSHES
from tests.support.drivers import driver_at, new_job
from tests.support.processes import ROOT
from tests.support.processors import run_in_background
from tests.support.proxy import Proxy, script
from tests.support.pushes import STORED, outcomes
from tests.support.retention import KEEP_ALL
from tests.support.servers import Server
from tests.support.waiting import PATIENCE, until
from tests.support.work import Work, counting


def test_two_event_loops_one_after_the_other(default_server: Server, queue_key: str) -> None:
    client = cast(Any, Valkey).from_url(default_server.url)
    driver = ValkeyJobQueue(client, ValkeyConfiguration(queue_key=queue_key, retention_policy=KEEP_ALL))
    queue = JobQueue(driver)
    ran = counting(queue)

    async def push_and_run(number: int) -> None:
        await queue.push(Work(number))
        async with run_in_background(queue.processor(ProcessorOptions())):
            await until(lambda: number in ran)
        await driver.aclose()

    async def clean() -> None:
        async with client:
            await client.unlink(*[key async for key in client.scan_iter(match=f"{queue_key}*", count=1000)])

    for number in range(2):
        asyncio.run(push_and_run(number))
    assert ran == [0, 1]
    asyncio.run(clean())


async def test_a_fork_has_connections_and_numbers_of_its_own(
    proxy: Proxy, queue_key: str, direct: ValkeyJobQueue, valkey_client: Any
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.fork_process", proxy.url, queue_key, cwd=ROOT, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE):
        _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert (await direct.counts())[JobStatus.PENDING] == 4 * PUSHES
    assert await direct.get_metadata("child") == b"was here"
    pushes = Counter(
        command.connection for command in proxy.commands if command.name == "EVALSHA" and script(PUSH.digest)(command)
    )
    assert sorted(pushes.values()) == [PUSHES, 3 * PUSHES]
    producers = {
        command.arguments[3 + len(CONTEXT) + PUSH.parameters.index("producer")]
        for command in proxy.commands
        if command.name == "EVALSHA" and script(PUSH.digest)(command)
    }
    assert len(producers) == 2


@pytest.mark.parametrize("cancelled", [0, 1, 5, 9])
async def test_a_cancelled_push_leaves_the_others_alone(
    cancelled: int, proxy: Proxy, driver: ValkeyJobQueue, direct: ValkeyJobQueue
) -> None:
    assert outcomes(await driver.push([new_job()])) == [STORED]
    proxy.freeze()
    jobs = [new_job() for _ in range(10)]
    pushes = [asyncio.create_task(driver.push([job])) for job in jobs]
    await asyncio.sleep(0.05)
    pushes[cancelled].cancel()
    await asyncio.wait([pushes[cancelled]])
    assert pushes[cancelled].cancelled()
    proxy.thaw()
    others = pushes[:cancelled] + pushes[cancelled + 1 :]
    assert [outcomes(answer) for answer in await asyncio.gather(*others)] == [[STORED]] * 9
    # Its own outcome is not known, but nothing of it is doubled.
    assert (await direct.counts())[JobStatus.PENDING] in {10, 11}
    assert outcomes(await driver.push([new_job()])) == [STORED]


async def test_a_cancelled_call_leaves_its_reply_to_nobody(proxy: Proxy, driver: ValkeyJobQueue) -> None:
    await driver.set_metadata("one", b"1")
    await driver.set_metadata("two", b"2")
    assert await driver.get_metadata("one") == b"1"
    proxy.freeze()
    asked = asyncio.create_task(driver.get_metadata("one"))
    await asyncio.sleep(0.05)
    asked.cancel()
    await asyncio.wait([asked])
    proxy.thaw()
    assert await driver.get_metadata("two") == b"2"


async def test_closing_a_driver_ends_its_connections(proxy: Proxy, queue_key: str) -> None:
    async with driver_at(proxy.url, queue_key) as driver:
        queue = JobQueue(driver)
        ran = counting(queue)
        async with run_in_background(queue.processor(ProcessorOptions())):
            await queue.push(Work(1))
            await until(lambda: ran == [1])
        assert proxy.connections > 0
    await until(lambda: proxy.connections == 0)


async def test_a_push_that_waits_when_its_driver_is_closed_is_told_so(proxy: Proxy, driver: ValkeyJobQueue) -> None:
    assert outcomes(await driver.push([new_job()])) == [STORED]
    proxy.freeze()
    pushes = [asyncio.create_task(driver.push([new_job()])) for _ in range(3)]
    await asyncio.sleep(0.05)
    await driver.aclose()
    proxy.thaw()
    for answer in await asyncio.gather(*pushes, return_exceptions=True):
        assert isinstance(answer, StoreUnavailable), answer
