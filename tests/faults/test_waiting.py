"""Waiting for a hint, where the connection that would bring it is lost."""

import asyncio

from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.drivers import HOUR
from tests.support.proxy import Proxy
from tests.support.waiting import PATIENCE, until


async def test_all_who_wait_look_when_the_connection_is_lost(proxy: Proxy, driver: ValkeyJobQueue) -> None:
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for worker in ("one", "another"):
            group.create_task(driver.wait(worker, HOUR))
        await until(lambda: any(command.name == "BLPOP" for command in proxy.commands))
        proxy.cut()
