"""SAQ: asyncio, a list that workers block on."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.benchmarks.peers.peer import UVLOOP_RELEASE, Peer, library
from tests.benchmarks.peers.task import note


async def no_op(_context: Any, *, number: int) -> None:
    note(number)


class Saq(Peer):
    """Nothing kept of finished jobs (`ttl=-1`).

    The queue itself lets 20 pushes at once through, so all are started together.
    """

    name = "SAQ"
    # It imports typing-extensions, and does not ask for them.
    requirements = ("saq[redis,hiredis]==0.26.4", "typing-extensions", UVLOOP_RELEASE)
    bulk = "enqueue, all at once (its own limit: 20)"
    worker = "concurrency=N"
    command = "saq"

    def __init__(self, url: str) -> None:
        self._library = library("saq")
        self._url = url

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        self._queue = self._library.Queue.from_url(self._url)
        await self._queue.connect()
        yield
        await self._queue.disconnect()

    async def push(self, number: int) -> None:
        await self._queue.enqueue("no_op", ttl=-1, number=number)

    async def push_all(self, numbers: Sequence[int]) -> None:
        await asyncio.gather(*(self.push(number) for number in numbers))

    def work(self, at_once: int) -> None:
        asyncio.run(self._work(at_once))

    async def _work(self, at_once: int) -> None:
        async with self.open():
            await self._library.Worker(self._queue, functions=[no_op], concurrency=at_once).start()
