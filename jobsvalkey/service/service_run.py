"""One run of services: a processor for all their queues, and their schedulers, within their lifespans."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from jobsvalkey.contract import Capability, InspectionDriver, Load
from jobsvalkey.runtime.processor import BaseProcessor
from jobsvalkey.runtime.queue_run import ServedQueue
from jobsvalkey.scheduling import Scheduler
from jobsvalkey.service.lifespan import LifespanRun


class ServicePart(NamedTuple):
    """The part of one service in a run."""

    queues: Sequence[ServedQueue]
    schedulers: Sequence[Scheduler]
    lifespan: LifespanRun


class ServiceRun:
    """All of it from start to end. Used by services alone, in one event loop.

    With `burst`, the processor begins when the schedulers have pushed what is due, since it ends when it finds nothing.
    """

    def __init__(self, parts: Sequence[ServicePart], processor: BaseProcessor, *, burst: bool) -> None:
        self.processor = processor
        self.begun: asyncio.Event = asyncio.Event()
        """Set when the lifespans are entered."""
        self._parts = parts
        self._schedulers = [scheduler for part in parts for scheduler in part.schedulers]
        self._burst = burst
        self._scheduling: list[asyncio.Task[object]] = []
        self._stopped = False

    async def run(self) -> bool:
        """Run until stopped, cancelled, or, with `burst`, idle; whether it stopped to be recycled.

        Raises:
            StoreUnavailable: a store did not answer when a burst was to push what is due.
            ConfigurationError: the state lacks something that tasks need.
        """
        try:
            return bool(await self._within(self._parts))
        finally:
            for part in self._parts:
                for queue in part.queues:
                    await queue.driver.aclose()

    async def _within(self, parts: Sequence[ServicePart]) -> bool | None:
        """Enter the lifespans one after the other, and work."""
        if not parts:
            return await self._work()
        (queues, _, lifespan), *others = parts

        async def with_state(state: object) -> bool | None:
            for queue in queues:
                queue.runner.use_state(state)
            return await self._within(others)

        return await lifespan.around(with_state)

    async def _work(self) -> bool:
        self.begun.set()
        try:
            async with asyncio.TaskGroup() as group:
                if self._burst and self._schedulers and not self._stopped:
                    # Tasks, so that a stop ends them; if one fails, the group cancels this wait.
                    self._scheduling = [group.create_task(each.catch_up()) for each in self._schedulers]
                    await asyncio.wait(self._scheduling)
                if not self._stopped:
                    self._scheduling = [group.create_task(each.run()) for each in self._schedulers]
                recycled = await self.processor.run()
                self._stop_scheduling()
                return recycled
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def load(self) -> dict[str, Load]:
        """Look how much there is to do in each queue, by its key. A queue whose driver cannot be looked into is left
        out.

        Raises:
            StoreUnavailable: a store did not answer in time.
        """
        drivers = [queue.driver for part in self._parts for queue in part.queues]
        keys = [str(getattr(driver.configuration, "queue_key", "")) for driver in drivers]
        return {
            # Queues of several servers may have the same key.
            key if keys.count(key) == 1 else f"{key} of {getattr(driver, 'address', place)}": await driver.load()
            for place, (key, driver) in enumerate(zip(keys, drivers, strict=True), 1)
            if Capability.INSPECTION in driver.capabilities and isinstance(driver, InspectionDriver)
        }

    def stop(self) -> None:
        """Push and claim nothing more; the jobs that run may end."""
        self._stopped = True
        for part in self._parts:
            part.lifespan.stop()
        self._stop_scheduling()
        self.processor.stop()

    def _stop_scheduling(self) -> None:
        for task in self._scheduling:
            task.cancel()
