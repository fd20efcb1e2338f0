"""streaQ: asyncio, a stream for each priority, on the client coredis."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from tests.benchmarks.peers.peer import UVLOOP_RELEASE, Peer, library
from tests.benchmarks.peers.task import no_op

BATCH = 1_000


class Streaq(Peer):
    """No results kept (`ttl=0`), and no log line for each job."""

    name = "streaQ"
    requirements = ("streaq==7.2.0", UVLOOP_RELEASE)
    bulk = f"enqueue_many, {BATCH:,} a call"
    worker = "concurrency=N"
    command = "streaq"

    def __init__(self, url: str) -> None:
        self._url = url
        self._set_up(at_once=16)

    def _set_up(self, at_once: int) -> None:
        self._worker = library("streaq").Worker(redis_url=self._url, concurrency=at_once)
        self._task = self._worker.task(no_op, ttl=0, silent=True)

    def open(self) -> AbstractAsyncContextManager[object]:
        return self._worker

    async def push(self, number: int) -> None:
        await self._task.enqueue(number)

    async def push_all(self, numbers: Sequence[int]) -> None:
        for start in range(0, len(numbers), BATCH):
            tasks = [self._task.enqueue(number) for number in numbers[start : start + BATCH]]
            await self._worker.enqueue_many(tasks)

    def work(self, at_once: int) -> None:
        self._set_up(at_once)
        self._worker.run_sync()
