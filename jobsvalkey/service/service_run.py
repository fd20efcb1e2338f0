"""One run of a service: a processor, and a scheduler beside it, within a lifespan."""

import asyncio

from jobsvalkey.runtime import Processor
from jobsvalkey.scheduling import Scheduler
from jobsvalkey.service.lifespan import LifespanRun


class ServiceRun:
    """Both from start to end. Used by `JobService` alone, in one event loop.

    With `burst`, the processor begins when the scheduler has pushed what is due, since it ends when it finds nothing.
    """

    def __init__(
        self, processor: Processor, scheduler: Scheduler | None, lifespan: LifespanRun, *, burst: bool
    ) -> None:
        self.processor = processor
        self.begun: asyncio.Event = asyncio.Event()
        """Set when the lifespan is entered."""
        self._scheduler = scheduler
        self._lifespan = lifespan
        self._burst = burst
        self._scheduling: asyncio.Task[object] | None = None
        self._stopped = False

    async def run(self) -> bool:
        """Run until stopped, cancelled, or, with `burst`, idle; whether it stopped to be recycled.

        Raises:
            StoreUnavailable: the store did not answer when a burst was to push what is due.
            ConfigurationError: the state has not all that tasks are to be given.
        """
        return bool(await self._lifespan.around(self._work))

    async def _work(self, state: object) -> bool:
        self.processor.use_state(state)
        self.begun.set()
        try:
            async with asyncio.TaskGroup() as group:
                if self._scheduler is not None and self._burst and not self._stopped:
                    # A task, so that a stop ends it; if it fails, the group cancels this wait.
                    self._scheduling = group.create_task(self._scheduler.catch_up())
                    await asyncio.wait([self._scheduling])
                if self._scheduler is not None and not self._stopped:
                    self._scheduling = group.create_task(self._scheduler.run())
                recycled = await self.processor.run()
                self._stop_scheduling()
                return recycled
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    def stop(self) -> None:
        """Push and claim nothing more; the jobs that run may end."""
        self._stopped = True
        self._lifespan.stop()
        self._stop_scheduling()
        self.processor.stop()

    def _stop_scheduling(self) -> None:
        if self._scheduling is not None:
            self._scheduling.cancel()
