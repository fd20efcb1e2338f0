"""Runs the jobs of queues in this event loop."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime

from jobsvalkey.contract import ConfigurationError, WorkerID
from jobsvalkey.runtime.options import ProcessorOptions
from jobsvalkey.runtime.queue_run import ServedQueue
from jobsvalkey.runtime.signals import stop_signals
from jobsvalkey.runtime.worker_run import WorkerRun


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorState:
    """The state of a running processor; if it serves several queues, for one of them."""

    worker: WorkerID
    """Its id in the store."""
    connected: bool
    """Whether the store answered its last step, and none has waited for two seconds."""
    running: int
    """How many handlers run."""
    last_claim_at: datetime | None
    """When it last claimed a job, by the driver's clock; `None` if it never has."""
    lag: float
    """By how many seconds the event loop was late when that was last measured, which is done once a second."""


class BaseProcessor:
    """Claims jobs of one or more queues and runs their handlers, `num_workers` at a time."""

    def __init__(
        self, queues: Sequence[ServedQueue], options: ProcessorOptions, weights: Sequence[float] | None = None
    ) -> None:
        self._queues = list(queues)
        self._options = options
        self._weights = weights
        self._run: WorkerRun | None = None
        self._stops = 0

    async def run(self) -> bool:
        """Run jobs until stopped by `stop` or a signal (`handle_signals`), or with `burst` until no job is due.

        Each run is a worker of its own to the store. Handlers that still run at the end get
        `graceful_shutdown_timeout`. Then they are cancelled, and their jobs go back into the queue, at the same
        attempt. Cancelling `run` skips that waiting, but still gives the jobs back.

        Returns:
            Whether it stopped because `recycle_after` jobs have run.

        Raises:
            ConfigurationError: it runs already, signals are to be handled outside the main thread, or the state lacks
                something that tasks need.
        """
        if self._run is not None:
            raise ConfigurationError("this processor runs already: make another one with queue.processor()")
        for queue in self._queues:
            queue.runner.check_state()
        run = self._run = WorkerRun(self._queues, self._options, self._weights)
        try:
            with stop_signals(self.stop) if self._options.handle_signals else nullcontext():
                if self._stops:
                    run.stop()
                # A task of its own, so that cancelling this one cannot break off the shutdown half-way.
                await _see_through(asyncio.create_task(run.run()), run)
                return run.recycled
        finally:
            self._run = None
            self._stops = 0

    def use_state(self, state: object) -> None:
        """Give handlers this state. Call it before `run`.

        Raises:
            ConfigurationError: it lacks something that a task needs.
        """
        for queue in self._queues:
            queue.runner.use_state(state)

    def stop(self) -> None:
        """Claim no more jobs and end `run` when the running handlers have ended, or their time is up.

        A second call does not wait for them: they are cancelled. If called before `run`, it makes `run` return at once.
        Call it in the processor's event loop.
        """
        self._stops += 1
        if self._run is not None:
            if self._stops > 1:
                self._run.hurry()
            else:
                self._run.stop()

    @property
    def states(self) -> tuple[ProcessorState, ...]:
        """How the processor is doing, for each of its queues, in their order; empty if it does not run."""
        run = self._run
        if run is None:
            return ()
        return tuple(
            ProcessorState(
                worker=queue.worker.id,
                connected=queue.access.connected,
                running=queue.jobs.running,
                last_claim_at=queue.last_claim_at,
                lag=run.watchdog.lag,
            )
            for queue in run.queues
        )


class Processor(BaseProcessor):
    """Claims jobs and runs their handlers, `num_workers` at a time. Made by `JobQueue.processor`."""

    @property
    def state(self) -> ProcessorState | None:
        """How the processor is doing, or `None` if it does not run."""
        return next(iter(self.states), None)


async def _see_through(task: "asyncio.Task[None]", run: WorkerRun) -> None:
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
            run.hurry()
    task.result()
    if cancelled:
        raise asyncio.CancelledError
