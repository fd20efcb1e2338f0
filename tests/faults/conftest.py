"""A proxy in front of the default server, drivers on both sides of it, and a look at whether a call stored anything."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import JobQueue, ValkeyConfiguration
from jobsvalkey.valkey import ValkeyJobQueue, scripting
from tests.support.contents import contents
from tests.support.drivers import driver_at
from tests.support.proxy import Proxy

QueueOnValkey: TypeAlias = JobQueue[ValkeyJobQueue]
Unchanged: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]


@pytest.fixture
async def driver(proxy: Proxy, queue_key: str, valkey_client: Any) -> AsyncIterator[ValkeyJobQueue]:
    """A driver that goes by way of the proxy, to a server that knows all scripts."""
    for script in vars(scripting).values():
        if isinstance(script, scripting.Script):
            await valkey_client.script_load(script.text)
    async with driver_at(proxy.url, queue_key) as driver:
        yield driver


@pytest.fixture
async def queue(valkey_client: Valkey, queue_key: str) -> AsyncIterator[QueueOnValkey]:
    """A queue on the default server that has been used before, so that what only its first use writes is there."""
    async with ValkeyJobQueue(valkey_client, ValkeyConfiguration(queue_key=queue_key)) as driver:
        await driver.counts()
        yield JobQueue(driver)


@pytest.fixture
def unchanged(valkey_client: Valkey) -> Unchanged:
    """`async with unchanged():` fails where the block changes any key of the database."""

    @asynccontextmanager
    async def check() -> AsyncGenerator[None]:
        before = await contents(valkey_client)
        yield
        assert await contents(valkey_client) == before

    return check
