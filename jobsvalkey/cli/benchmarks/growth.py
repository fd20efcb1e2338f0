"""A queue with many other jobs: whether a push and a job cost more beside them."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from jobsvalkey.cli.benchmarks import rates
from jobsvalkey.cli.benchmarks.store import NoOp, Store
from jobsvalkey.cli.benchmarks.watch import Rate
from jobsvalkey.runtime import JobContext, JobQueue, ProcessorOptions
from jobsvalkey.valkey import ValkeyJobQueue


class FullQueue:
    """A queue that always has so many jobs more than are measured."""

    def __init__(self, queue: JobQueue[ValkeyJobQueue]) -> None:
        self._queue = queue
        self._done = 0
        queue.register_job(NoOp, self._note)

    async def _note(self, _parameters: NoOp, _context: JobContext) -> None:
        self._done += 1
        if self._done == rates.MANY:
            self._processor.stop()

    async def push(self, store: Store) -> Rate:
        """`push_many` with 1,000 jobs a call, behind all the others."""
        async with store.watch() as watch:
            await rates.fill_with_jobs(self._queue)
        return watch.rate(rates.MANY)

    async def drain(self, store: Store) -> Rate:
        """A processor with 100 workers runs the first of the jobs, as many as the push has added."""
        self._done = 0
        self._processor = self._queue.processor(ProcessorOptions(num_workers=rates.WORKERS))
        async with store.watch() as watch:
            await self._processor.run()
        return watch.rate(self._done)


@asynccontextmanager
async def full_queue(store: Store, beside: int, progress: Callable[[str], None]) -> AsyncGenerator[FullQueue]:
    """A queue of so many jobs, which are removed afterwards, however the block ends."""
    async with store.queue() as queue:
        for pushed in range(0, beside, rates.MANY_AT_ONCE):
            progress(f"beside {beside:,} jobs: {pushed:,} are there")
            size = min(rates.MANY_AT_ONCE, beside - pushed)
            await queue.push_many([NoOp(number) for number in range(pushed, pushed + size)])
        yield FullQueue(queue)
        progress(f"the {beside:,} jobs are removed")
