"""The processes of a simulation: they start, stop, freeze and die."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from jobsvalkey import Accuracy, JobQueue, JobService, MultiQueueProcessor, Schedule, SchedulerOptions
from jobsvalkey.scheduling.options import ExclusiveLock
from jobsvalkey_memory import MemoryStore
from tests.simulation.ledger import HostNote, Ledger
from tests.simulation.loop import Host, SimulatedLoop
from tests.simulation.settings import Settings
from tests.simulation.wire import LoopClock, Network, Remote, configuration
from tests.simulation.work import Handlers, Shared, Tick

LEAVE_WITHIN = 5.0
SLACK = 2.5
"""Seconds that the steps of a shutdown take beside those that are set."""


class Process:
    """One process that runs jobs of all queues, and schedules some."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        loop: SimulatedLoop,
        store: MemoryStore,
        network: Network,
        shared: Shared,
        *,
        is_service: bool,
    ) -> None:
        self.host = Host(name)
        self.note = network.ledger.hosts[name] = HostNote(self.host)
        self._settings = settings
        self._loop = loop
        self._ledger: Ledger = network.ledger
        self.drivers = [
            Remote(configuration(number, settings.poll_time), LoopClock(loop), store, network, self.host)
            for number in range(settings.queues)
        ]
        with loop.within(self.host):
            run, self._stop = (self._service if is_service else self._processor)(Handlers(shared, self.host))
            self.task: asyncio.Task[Any] = loop.create_task(self._run(run))
        self._ledger.note(f"{name} begins")
        self.stopped: asyncio.Task[None] | None = None

    def _processor(self, handlers: Handlers) -> tuple[Coroutine[Any, Any, Any], Callable[[], None]]:
        queues = [JobQueue(driver) for driver in self.drivers]
        for queue in queues:
            handlers.register(queue)
        processor = MultiQueueProcessor(queues, self._settings.options(), weights=self._settings.weights)
        return processor.run(), processor.stop

    def _service(self, handlers: Handlers) -> tuple[Coroutine[Any, Any, Any], Callable[[], None]]:
        lock = ExclusiveLock(every=timedelta(seconds=2), hold_for=timedelta(seconds=7))
        service = JobService(
            self.drivers,
            processor=self._settings.options(),
            weights=self._settings.weights,
            scheduler=SchedulerOptions(lock=lock),
        )
        handlers.register(service)
        if self._settings.schedules:
            service.add_scheduled_job(Tick(), Schedule.every_minute(), accuracy=Accuracy.ALL)
        return service.run(handle_signals=False), service.stop

    async def _run(self, run: Coroutine[Any, Any, Any]) -> None:
        try:
            await run
        except asyncio.CancelledError:
            if self.note.stopped_at is None:
                raise
        except Exception as error:
            raise self._ledger.broken(f"{self.host.name} ends with {error!r}") from error
        self._ledger.leaves(self.host)

    @property
    def is_alive(self) -> bool:
        """Whether it serves its queues."""
        return not self.host.is_dead and not self.task.done() and self.note.stopped_at is None

    @property
    def is_frozen(self) -> bool:
        """Whether it does nothing for now."""
        return self.host.frozen_until > self._loop.now

    def kill(self) -> None:
        """End it without a word."""
        self.host.is_dead = True
        self._ledger.dies(self.host)
        for driver in self.drivers:
            driver.cut()

    def freeze(self, seconds: float) -> None:
        """Let it do nothing for a while."""
        self.host.frozen_until = max(self.host.frozen_until, self._loop.now + seconds)
        self._ledger.note(f"{self.host.name} is frozen for {seconds:.3f} s")
        self._ledger.trouble(self.host, self.host.frozen_until)

    def stop(self, *, hurried_after: float | None = None, cancelled: bool = False) -> None:
        """Ask it to stop, once or twice, or cancel it; it has to be gone in time."""
        if self.note.stopped_at is not None or self.host.is_dead:
            return
        self.note.stopped_at = self._loop.now
        self.note.is_hurried = cancelled
        self._ledger.note(f"{self.host.name} is {'cancelled' if cancelled else 'stopped'}")
        if cancelled:
            self.task.cancel()
        else:
            self._stop()
        self.stopped = self._loop.outside(self._see_it_leave(hurried_after))

    async def _see_it_leave(self, hurried_after: float | None) -> None:
        settings = self._settings
        if hurried_after is not None:
            await asyncio.sleep(hurried_after)
            if self.task.done() or self.host.is_dead:
                return
            self._ledger.note(f"{self.host.name} is hurried")
            self.note.is_hurried = True
            self._stop()
        begins, graceful = self._loop.now, 0.0 if self.note.is_hurried else settings.graceful
        while not self.task.done() and not self.host.is_dead:
            await asyncio.sleep(0.25)
            most = max(begins, self.host.frozen_until) + graceful + settings.grace + LEAVE_WITHIN + SLACK
            if self._loop.now > most:
                self._ledger.broken(f"{self.host.name} has not left {self._loop.now - begins:.1f} s after its stop")
                return
