"""Runs the jobs of a queue in the calling task, one after the other, through the real runner."""

import asyncio
from datetime import timedelta

from jobsvalkey import JobQueue, Middleware, PoppedJob, ProcessorOptions
from jobsvalkey.contract import Claim
from jobsvalkey.runtime.job_run import JobRun
from jobsvalkey_memory import ManualClock, MemoryJobQueue

MemoryQueue = JobQueue[MemoryJobQueue[ManualClock]]


class Jobs:
    """A worker of a queue in memory."""

    def __init__(self, queue: MemoryQueue, options: ProcessorOptions = ProcessorOptions()) -> None:  # noqa: B008
        self.queue = queue
        self._runner = queue.runner(options)
        self._sequence = 0

    async def claim(self) -> Claim:
        """Claim the one job that is due."""
        await self.queue.driver.open_worker("worker", timedelta(hours=1))
        self._sequence += 1
        (claim,) = (await self.queue.driver.exchange("worker", self._sequence, (), 1)).claims
        return claim

    async def run(self, claim: Claim | None = None, control: JobRun | None = None) -> None:
        """Run a claim, by default that of the one job that is due, and settle it."""
        settlement = await self._runner.run(claim or await self.claim(), control)
        self._sequence += 1
        await self.queue.driver.exchange("worker", self._sequence, (settlement,))


class CancelledBefore(Middleware):
    """Is cancelled in its `on_pop`, so that the middleware after it is told of the job's end alone."""

    async def on_pop(self, job: PoppedJob) -> None:
        raise asyncio.CancelledError
