"""jobsvalkey itself."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from valkey.asyncio import Valkey

from jobsvalkey.blocking import BlockingJobQueue
from jobsvalkey.cli.collecting import loaded_for_good
from jobsvalkey.runtime import JobContext, JobQueue, ProcessorOptions
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from tests.benchmarks.peers.peer import Peer
from tests.benchmarks.peers.task import note

BATCH = 1_000


@dataclass(frozen=True, slots=True)
class NoOp:
    """Parameters of the job."""

    job_name: ClassVar[str] = "NoOp"
    number: int


class Own(Peer):
    """Defaults, but for the number of workers (jobs at once) in the processor. As in `jobsvalkey worker`, the garbage
    collector passes over the code.
    """

    name = "jobsvalkey"
    requirements = ("jobsvalkey",)
    bulk = f"push_many, {BATCH:,} a call"
    worker = "num_workers=N"
    command = "jobsvalkey"

    threads = True
    quick = 10
    configuration = ValkeyConfiguration()

    def __init__(self, url: str) -> None:
        self._url = url
        # The client has no complete types.
        self._client: Valkey = cast(Any, Valkey).from_url(url)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        async with self._client, ValkeyJobQueue(self._client, self.configuration) as driver:
            self.queue: JobQueue[ValkeyJobQueue] = JobQueue(driver)
            yield

    @contextmanager
    def blocking(self) -> Generator[Callable[[int], object]]:
        with BlockingJobQueue.from_url(self._url) as queue:
            yield lambda number: queue.push(NoOp(number))

    async def push(self, number: int) -> None:
        await self.queue.push(NoOp(number))

    async def push_all(self, numbers: Sequence[int]) -> None:
        for start in range(0, len(numbers), BATCH):
            await self.queue.push_many([NoOp(number) for number in numbers[start : start + BATCH]])

    def work(self, at_once: int) -> None:
        with loaded_for_good():
            asyncio.run(self._work(at_once))

    async def _work(self, at_once: int) -> None:
        async with self.open():
            self.queue.register_job(NoOp, self.handler)
            await self.run_processors(at_once)

    async def handler(self, parameters: NoOp, _context: JobContext) -> object:
        """Note the start."""
        note(parameters.number)

    async def run_processors(self, at_once: int) -> None:
        """Run what takes jobs."""
        await self.queue.processor(ProcessorOptions(num_workers=at_once)).run()
