"""taskiq on taskiq-redis: asyncio, a stream."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from tests.benchmarks.peers.peer import UVLOOP_RELEASE, Peer, at_once, library
from tests.benchmarks.peers.task import no_op


class Taskiq(Peer):
    """The broker on streams, the one of taskiq-redis that acknowledges. No results; parameters are not validated."""

    name = "taskiq"
    requirements = ("taskiq==0.13.0", "taskiq-redis==1.2.4", "hiredis==3.5.0", UVLOOP_RELEASE)
    bulk = "kiq, 32 at once"
    worker = "RedisStreamBroker, max_async_tasks=N, max_prefetch=N"
    command = "taskiq"

    def __init__(self, url: str) -> None:
        self._broker = library("taskiq_redis").RedisStreamBroker(url)
        self._task = self._broker.register_task(no_op, task_name="no_op")

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        await self._broker.startup()
        yield
        await self._broker.shutdown()

    async def push(self, number: int) -> None:
        await self._task.kiq(number)

    async def push_all(self, numbers: Sequence[int]) -> None:
        await at_once(self.push, numbers)

    def work(self, at_once: int) -> None:
        asyncio.run(self._work(at_once))

    async def _work(self, at_once: int) -> None:
        run = library("taskiq.api").run_receiver_task
        await run(self._broker, run_startup=True, max_async_tasks=at_once, max_prefetch=at_once, validate_params=False)
