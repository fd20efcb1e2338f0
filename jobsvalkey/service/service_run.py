"""One run of a service: a processor, and a scheduler beside it."""

import asyncio

from jobsvalkey.runtime import Processor
from jobsvalkey.scheduling import Scheduler


class ServiceRun:
    """Both from start to end. Used by `JobService` alone, in one event loop."""

    def __init__(self, processor: Processor, scheduler: Scheduler | None) -> None:
        self.processor = processor
        self._scheduler = scheduler
        self._scheduling: asyncio.Task[object] | None = None
        self._stopped = False

    async def run(self) -> None:
        """Run until stopped, cancelled, or, with `burst`, idle."""
        try:
            async with asyncio.TaskGroup() as group:
                if self._scheduler is not None and not self._stopped:
                    self._scheduling = group.create_task(self._scheduler.run())
                await self.processor.run()
                self._stop_scheduling()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    def stop(self) -> None:
        """Push and claim nothing more; the jobs that run may end."""
        self._stopped = True
        self._stop_scheduling()
        self.processor.stop()

    def _stop_scheduling(self) -> None:
        if self._scheduling is not None:
            self._scheduling.cancel()
