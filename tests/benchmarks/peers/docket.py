"""pydocket: asyncio, a stream."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from tests.benchmarks.peers.peer import UVLOOP_RELEASE, Peer, library
from tests.benchmarks.peers.task import no_op

LOOK = timedelta(milliseconds=10)


class Docket(Peer):
    """As its guide to production says for throughput: no records of finished jobs (`execution_ttl=0`).

    A worker whose places are all taken pauses for `minimum_check_interval`: at the default, 250 ms, that is all
    that this job would measure. A hundred connections, the default, are too few for a hundred jobs at once.
    """

    name = "pydocket"
    requirements = ("pydocket==0.27.0", "hiredis==3.5.0", UVLOOP_RELEASE)
    bulk = "add_many, 1,000 a round trip (its default)"
    worker = "execution_ttl=0, concurrency=N, minimum_check_interval=10 ms"
    command = "docket"

    def __init__(self, url: str) -> None:
        self._library = library("docket")
        self._docket = self._library.Docket(url=f"{url}?max_connections=1000", execution_ttl=timedelta(0))

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        async with self._docket:
            self._docket.register(no_op)
            yield

    async def push(self, number: int) -> None:
        await self._docket.add(no_op)(number)

    async def push_all(self, numbers: Sequence[int]) -> None:
        await self._docket.add_many([self._docket.call(no_op)(number) for number in numbers])

    def work(self, at_once: int) -> None:
        asyncio.run(self._work(at_once))

    async def _work(self, at_once: int) -> None:
        async with (
            self.open(),
            self._library.Worker(self._docket, concurrency=at_once, minimum_check_interval=LOOK) as worker,
        ):
            await worker.run_forever()
