"""Drivers of one queue on the default server, also by way of a proxy that loses commands."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, Protocol, cast

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import JobQueue, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.contract import Clock
from tests.support.retention import KEEP_ALL
from tests.support.servers import Server


class MakeDriver(Protocol):
    """Makes drivers of the test's queue that retain everything. They are closed after the test."""

    def __call__(self, *, clock: Clock | None = None, url: str | None = None, **changes: Any) -> ValkeyJobQueue:
        """A driver with its configuration changed as said, on the default server or at `url`."""
        ...


@pytest.fixture
async def make_driver(default_server: Server, queue_key: str, valkey_client: Valkey) -> AsyncIterator[MakeDriver]:
    async with AsyncExitStack() as stack:

        def make(*, clock: Clock | None = None, url: str | None = None, **changes: Any) -> ValkeyJobQueue:
            client: Valkey = cast(Any, Valkey).from_url(url or default_server.url)
            stack.push_async_callback(cast(Any, client).aclose)
            settings: dict[str, Any] = {
                "queue_key": queue_key,
                "retention_policy": KEEP_ALL,
                "poll_time": timedelta(milliseconds=50),
                **changes,
            }
            driver = ValkeyJobQueue(client, ValkeyConfiguration(**settings), clock=clock)
            stack.push_async_callback(driver.aclose)
            return driver

        yield make


@pytest.fixture
def driver(make_driver: MakeDriver) -> ValkeyJobQueue:
    """One on the server's own time."""
    return make_driver()


@pytest.fixture
def queue(driver: ValkeyJobQueue) -> JobQueue[ValkeyJobQueue]:
    """A queue on that driver."""
    return JobQueue(driver)
