"""The server that is measured, and queues on it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, cast
from uuid import uuid4

from valkey.asyncio import Valkey
from valkey.exceptions import ResponseError

from jobsvalkey.cli.benchmarks.watch import Watch
from jobsvalkey.cli.connection import check_server, make_client, remove_keys
from jobsvalkey.contract import RetentionPolicy
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

    async def allocator(self) -> str:
        """Return the name of what gives the server its memory; an empty text if it does not tell."""
        try:
            return (await cast(Any, self.client).info("memory"))["mem_allocator"]
        except (ResponseError, KeyError):
            return ""  # not everybody may ask

    @asynccontextmanager
    async def queue(self, retention_policy: RetentionPolicy | None = None) -> AsyncGenerator[JobQueue[ValkeyJobQueue]]:
        """A new, empty queue with default settings, but for what it retains; its keys are removed afterwards."""
        key = f"jobsvalkey-bench-{uuid4()}"
        policy = retention_policy or RetentionPolicy()
        async with make_client(self.url) as client:
            try:
                async with ValkeyJobQueue(
                    client, ValkeyConfiguration(queue_key=key, retention_policy=policy)
                ) as driver:
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
