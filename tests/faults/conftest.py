"""A proxy in front of the default server, and drivers on both sides of it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from jobsvalkey.valkey import ValkeyJobQueue, scripting
from tests.faults.proxy import Proxy
from tests.faults.support import driver_at
from tests.servers import Server


@pytest.fixture
async def proxy(default_server: Server) -> AsyncIterator[Proxy]:
    async with Proxy(default_server.url) as proxy:
        yield proxy


@pytest.fixture
async def driver(proxy: Proxy, queue_key: str, valkey_client: Any) -> AsyncIterator[ValkeyJobQueue]:
    """A driver that goes by way of the proxy, to a server that knows all scripts."""
    for script in vars(scripting).values():
        if isinstance(script, scripting.Script):
            await valkey_client.script_load(script.text)
    async with driver_at(proxy.url, queue_key) as driver:
        yield driver


@pytest.fixture
async def direct(default_server: Server, queue_key: str, valkey_client: Any) -> AsyncIterator[ValkeyJobQueue]:
    """A driver of the same queue that goes around the proxy."""
    async with driver_at(default_server.url, queue_key) as driver:
        yield driver
