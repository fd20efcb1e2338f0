"""jobsvalkey itself."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from valkey.asyncio import Valkey

from jobsvalkey.runtime import JobContext, JobQueue, ProcessorOptions
from jobsvalkey.valkey import ValkeyJobQueue
from tests.benchmarks.peers.peer import Peer
from tests.benchmarks.peers.task import note

BATCH = 1_000


@dataclass(frozen=True, slots=True)
class NoOp:
    """Parameters of the job."""

    job_name: ClassVar[str] = "NoOp"
    number: int


async def no_op(parameters: NoOp, _context: JobContext) -> None:
    note(parameters.number)


class Own(Peer):
    """Defaults, but for the number of workers (jobs at once) in the processor."""

    name = "jobsvalkey"
    requirements = ("jobsvalkey",)
    bulk = f"push_many, {BATCH:,} a call"
    worker = "num_workers=N"

    def __init__(self, url: str) -> None:
        # The client has no complete types.
        self._client: Valkey = cast(Any, Valkey).from_url(url)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        async with self._client, ValkeyJobQueue(self._client) as driver:
            self._queue = JobQueue(driver)
            yield

    async def push(self, number: int) -> None:
        await self._queue.push(NoOp(number))

    async def push_all(self, numbers: Sequence[int]) -> None:
        for start in range(0, len(numbers), BATCH):
            await self._queue.push_many([NoOp(number) for number in numbers[start : start + BATCH]])

    def work(self, at_once: int) -> None:
        asyncio.run(self._work(at_once))

    async def _work(self, at_once: int) -> None:
        async with self.open():
            self._queue.register_job(NoOp, no_op)
            await self._queue.processor(ProcessorOptions(num_workers=at_once)).run()
