"""The server fails over to its replica: the driver goes on with that one, and repeats what it had asked for."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from jobsvalkey import JobQueue, ProcessorOptions
from tests.support.drivers import all_completed, client_of, driver_at
from tests.support.processors import run_in_background
from tests.support.proxy import Proxy
from tests.support.servers import Server, ServerOptions
from tests.support.waiting import until
from tests.support.work import Work, counting

JOBS = 300
AT_ONCE = ServerOptions(settings={"repl-diskless-sync-delay": "0"})


class Address(Proxy):
    """An address behind which the server changes, as a name or a virtual address does."""

    def lead_to(self, url: str) -> None:
        """From now on to that server."""
        self._parts = urlsplit(url)
        self.cut()


async def says(client: Any, name: str, value: str) -> bool:
    return (await client.info("replication")).get(name) == value


async def test_a_failover_loses_nothing_and_doubles_nothing(
    start_server: Callable[..., Server], queue_key: str
) -> None:
    first, second = start_server(AT_ONCE), start_server(AT_ONCE)
    primary, replica = client_of(first.url), client_of(second.url)
    parts = urlsplit(first.url)
    await replica.execute_command("REPLICAOF", parts.hostname, parts.port)
    await until(lambda: says(replica, "master_link_status", "up"))
    async with Address(first.url) as address, driver_at(address.url, queue_key) as driver:
        queue = JobQueue(driver)
        ran = counting(queue, 0.001)

        async def push() -> None:
            for number in range(JOBS):
                await queue.push(Work(number))

        async with run_in_background(queue.processor(ProcessorOptions(num_workers=8))), asyncio.TaskGroup() as group:
            pushing = group.create_task(push())
            await until(lambda: len(ran) >= JOBS // 3)
            await primary.execute_command("FAILOVER")
            await until(lambda: says(replica, "role", "master"))
            assert not pushing.done()
            address.lead_to(second.url)
            await until(lambda: len(ran) >= JOBS)
        assert sorted(ran) == list(range(JOBS))
        await until(lambda: all_completed(driver, JOBS))
        assert await driver.validate() == []
    await primary.aclose()
    await replica.aclose()
