"""One run of a processor: its queues share the slots, from the start to the shutdown."""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from jobsvalkey.runtime.loops import wait_for
from jobsvalkey.runtime.options import ProcessorOptions
from jobsvalkey.runtime.queue_run import QueueRun, ServedQueue
from jobsvalkey.runtime.slots import Slots
from jobsvalkey.runtime.watchdog import Watchdog

_LOGGER = logging.getLogger("jobsvalkey.worker")

T = TypeVar("T")


class WorkerRun:
    """Everything that a processor knows while it runs. Used by processors alone, in one event loop."""

    def __init__(
        self, queues: Sequence[ServedQueue], options: ProcessorOptions, weights: Sequence[float] | None = None
    ) -> None:
        self._options = options
        self._burst = options.burst
        self._recycle_after = options.recycle_after
        self._slots = Slots(options.num_workers, weights, ends_count=options.recycle_after is not None)
        self.queues: list[QueueRun] = [QueueRun(queue, self._slots, self._changed) for queue in queues]
        self.watchdog: Watchdog = Watchdog(lambda: self._fields)
        self.recycled: bool = False
        """Whether it stopped because as many jobs have run as it may run."""
        self._stop = asyncio.Event()
        self._drained = asyncio.Event()
        """Set after a stop, when no handler runs any more, or nobody wants to wait for them."""

    @property
    def _fields(self) -> Mapping[str, object]:
        """The extra fields of log records about all of it."""
        return self.queues[0].fields

    def stop(self) -> None:
        """Claim nothing more, and leave when the handlers have ended, or their time is up."""
        self._stop.set()
        self._slots.is_closed = True
        for queue in self.queues:
            queue.stop()

    def hurry(self) -> None:
        """Do not wait for the handlers: cancel them now."""
        self.stop()
        self._drained.set()

    async def run(self) -> None:
        """Run until stopped."""
        group = asyncio.TaskGroup()
        try:
            async with group:
                working = [_apart(group, queue.work(group)) for queue in self.queues]
                watching = _apart(group, self.watchdog.run())
                await self._stop.wait()
                await self._drain()
                await _all(queue.leave(task) for queue, task in zip(self.queues, working, strict=True))
                watching.cancel()
        except asyncio.CancelledError:
            # The event loop ends, and has cancelled all its tasks: those of the handlers, too.
            self.stop()
            await self._end_handlers(cancelled=True)
            loop = asyncio.get_running_loop()
            for queue in self.queues:
                queue.access.leaving.set()
            await _all(queue.leave(loop.create_task(queue.settle(group))) for queue in self.queues)
            raise
        except BaseExceptionGroup as errors:
            # A fault of the driver, or ours: the claims stay with this worker until its lock runs out.
            self._stop.set()
            self._slots.is_closed = True
            await self._end_handlers()
            raise errors.exceptions[0] from None

    def _changed(self) -> None:
        """Stop when it is time to: something has ended, or a look has shown what is due."""
        slots = self._slots
        if slots.is_closed:
            if not slots.running:
                self._drained.set()
        elif slots.ended == self._recycle_after:
            self.recycled = True
            self.stop()
        elif self._burst and not slots.running and not slots.has_suspect:
            left = [queue for queue in self.queues if not queue.is_drained]
            for queue in left:
                queue.look_again()
            if not left:
                self.stop()

    # Shutdown.

    async def _drain(self) -> None:
        """Let the handlers end, for a while; then cancel them."""
        if not self._slots.running:
            return
        for queue in self.queues:
            queue.tell()
        seconds = self._options.graceful_shutdown_timeout.total_seconds()
        if seconds and not self._drained.is_set():
            text = "stops, and waits up to %g s for the running jobs (%d)"
            _LOGGER.info(text, seconds, self._slots.running, extra=self._fields)
        await wait_for(self._drained, seconds)
        await self._end_handlers()

    async def _end_handlers(self, *, cancelled: bool = False) -> None:
        if not cancelled:
            for queue in self.queues:
                for run in queue.jobs.runs:
                    run.cancel()
        grace = self._options.cancel_grace.total_seconds()
        await _all(queue.end_handlers(grace) for queue in self.queues)


def _apart(group: asyncio.TaskGroup, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """Start a task that does not see the variables of whoever runs the processor."""
    return group.create_task(work, context=contextvars.Context())


async def _all(steps: Iterable[Awaitable[object]]) -> None:
    """Do all of them at the same time; a single one in the calling task."""
    first, *others = steps
    await (asyncio.gather(first, *others) if others else first)
