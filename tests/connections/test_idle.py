"""What an idle worker costs its server."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any, cast

from valkey.asyncio import Valkey

from jobsvalkey import ActiveLock, JobQueue, ProcessorOptions, ValkeyConfiguration, ValkeyJobQueue, new_job_id
from jobsvalkey.contract import NewJob
from tests.support.contents import contents
from tests.support.processors import run_in_background
from tests.support.proxy import Proxy
from tests.support.servers import Server
from tests.support.waiting import until

WATCHED = 4
"""Seconds that the worker is watched."""
LOCK = (b"._workers", b"._worker.")


async def test_an_idle_worker_sends_two_commands_a_second_at_most(
    default_server: Server, valkey_client: Valkey, queue_key: str
) -> None:
    """As it comes, with jobs that are not due: what scripts do within the server is not counted."""
    async with Proxy(default_server.url) as proxy:
        client: Any = cast(Any, Valkey).from_url(proxy.url)
        async with client, ValkeyJobQueue(client, ValkeyConfiguration(queue_key=queue_key)) as driver:
            await driver.push([NewJob(new_job_id(), b"{}", timedelta(hours=1))])
            async with run_in_background(JobQueue(driver).processor(ProcessorOptions())):
                await until(lambda: any(command.name == "BLPOP" for command in proxy.commands))
                start, clock = len(proxy.commands), asyncio.get_running_loop().time
                began = clock()
                await asyncio.sleep(WATCHED)
                sent, watched = proxy.commands[start:], clock() - began
            assert len(sent) <= 2 * watched, Counter(command.name for command in sent)
            assert sent, "it does not poll at all"


# Not used, it costs nothing.
async def test_an_idle_worker_writes_its_lock_and_nothing_else(valkey_client: Valkey, queue_key: str) -> None:
    """It polls, waits, renews and recovers: of all keys of the database only its lock changes."""
    configuration = ValkeyConfiguration(queue_key=queue_key, poll_time=timedelta(milliseconds=20))
    lock = ActiveLock(every=timedelta(milliseconds=20), hold_for=timedelta(seconds=30))
    async with ValkeyJobQueue(valkey_client, configuration) as driver:
        await driver.push([NewJob(new_job_id(), b"{}", timedelta(hours=1))])
        async with run_in_background(JobQueue(driver).processor(ProcessorOptions(worker_active_lock=lock))):
            await until_it_asks(valkey_client, 4)
            before = await contents(valkey_client)
            await until_it_asks(valkey_client, 60)
            after = await contents(valkey_client)
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert changed, "it did not even renew"
    assert {key for key in changed if not any(part in key for part in LOCK)} == set()


async def until_it_asks(client: Any, times: int) -> None:
    """Wait until the worker has called that many scripts."""

    async def calls() -> int:
        return (await client.info("commandstats")).get("cmdstat_evalsha", {"calls": 0})["calls"]

    enough = await calls() + times

    async def has_asked() -> bool:
        return await calls() >= enough

    await until(has_asked)
