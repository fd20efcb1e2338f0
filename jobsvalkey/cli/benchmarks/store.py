"""The server that is measured, and queues on it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar
from uuid import uuid4

from valkey.asyncio import Valkey

from jobsvalkey.cli.benchmarks.watch import Watch
from jobsvalkey.cli.connection import check_server, make_client, remove_keys
from jobsvalkey.runtime import JobQueue
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue


@dataclass(frozen=True, slots=True)
class NoOp:
    """Parameters of a job that does nothing."""

    job_name: ClassVar[str] = "NoOp"
    number: int


class Store:
    """A server, with a client of its own for peers, and queues that nobody else uses."""

    def __init__(self, url: str, client: Valkey) -> None:
        self.url = url
        self.client = client

    def watch(self) -> Watch:
        """Return a watch that measures a block."""
        return Watch(self.client)

    @asynccontextmanager
    async def queue(self) -> AsyncGenerator[JobQueue[ValkeyJobQueue]]:
        """A new, empty queue with default settings; its keys are removed afterwards."""
        key = f"jobsvalkey-bench-{uuid4()}"
        async with make_client(self.url) as client:
            try:
                async with ValkeyJobQueue(client, ValkeyConfiguration(queue_key=key)) as driver:
                    yield JobQueue(driver)
            finally:
                await remove_keys(client, key)


@asynccontextmanager
async def open_store(url: str) -> AsyncGenerator[Store]:
    """The server at `url`."""
    key = f"jobsvalkey-bench-{uuid4()}"
    async with make_client(url) as client:
        await check_server(url, key)
        await remove_keys(client, key)
        yield Store(url, client)
