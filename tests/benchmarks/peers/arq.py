"""arq: asyncio, one sorted set that workers poll."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.benchmarks.peers.peer import UVLOOP_RELEASE, Peer, at_once, library
from tests.benchmarks.peers.task import note


async def no_op(_context: Any, number: int) -> None:
    note(number)


class Arq(Peer):
    """No results kept or logged. It polls twice a second, for at most `max_jobs`: the default is 10."""

    name = "arq"
    requirements = ("arq==0.28.0", "hiredis==3.5.0", UVLOOP_RELEASE)
    bulk = "enqueue_job, 32 at once"
    worker = "max_jobs=N, keep_result=0, log_results=False"
    command = "arq"

    def __init__(self, url: str) -> None:
        self._library = library("arq.connections")
        self._settings = self._library.RedisSettings.from_dsn(url)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        self._pool = await self._library.create_pool(self._settings)
        yield
        await self._pool.close()

    async def push(self, number: int) -> None:
        await self._pool.enqueue_job("no_op", number)

    async def push_all(self, numbers: Sequence[int]) -> None:
        await at_once(self.push, numbers)

    def work(self, at_once: int) -> None:
        worker = library("arq.worker").Worker(
            functions=[no_op], redis_settings=self._settings, max_jobs=at_once, keep_result=0, log_results=False
        )
        worker.run()
