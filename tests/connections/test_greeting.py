"""What a driver asks a server when it connects, and how often."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from jobsvalkey import JobQueue
from jobsvalkey.valkey import session
from tests.support.drivers import client_of, driver_at
from tests.support.processors import run_in_background
from tests.support.servers import Server
from tests.support.waiting import until
from tests.support.work import Work, counting


async def calls(client: Any, *names: str) -> list[int]:
    """How often commands have been called."""
    stats = await client.info("commandstats")
    return [stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in names]


async def test_connections_that_are_opened_together_look_at_the_server_once(
    start_server: Callable[..., Server], queue_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "SEEN_FOR", 60.0)  # on a busy machine, it takes a while to open them
    server = start_server()
    async with client_of(server.url) as client, driver_at(server.url, queue_key) as driver:
        queue = JobQueue(driver)
        ran = counting(queue)
        processor = queue.processor()
        async with run_in_background(processor):
            await until(lambda: processor.state is not None and processor.state.connected)
            await queue.push(Work(1))
            await until(lambda: ran == [1])
            assert len(await client.client_list()) >= 5
            assert await calls(client, "hello") == [1]
        # A lost connection looks anew: it may have come to another server.
        await client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        async with asyncio.timeout(30):
            await queue.push(Work(2))
        assert await calls(client, "hello") == [2]
