"""One run of a processor: it claims, starts handlers, settles, renews, recovers, and shuts down."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime

from jobsvalkey.contract import (
    Claim,
    ConfigurationError,
    Exchanged,
    Fail,
    JobsError,
    OperationRefused,
    Outcome,
    QueueDriver,
    Release,
    Settlement,
    WorkerClosed,
)
from jobsvalkey.runtime.context import RunControl
from jobsvalkey.runtime.failure import encode_error
from jobsvalkey.runtime.options import ProcessorOptions
from jobsvalkey.runtime.runner import JobRunner
from jobsvalkey.runtime.watchdog import Watchdog
from jobsvalkey.runtime.workers import STORE_FAULTS, StoreAccess, Worker

_LOGGER = logging.getLogger("jobsvalkey.worker")

LEAVE_WITHIN = 5.0
"""Seconds for the last releases and for closing the worker, each."""
LOCK_PAUSE = 0.01
"""Seconds from the renewal of a lock that ran out to the next attempt to claim."""
RECOVER_AT_ONCE = 1000
"""Jobs in one step of recovery."""

LEAVING_FAULTS = (*STORE_FAULTS, ConfigurationError)
"""What a step of a worker raises once that leaves; before, the step is repeated."""


class WorkerRun:
    """Everything that a processor knows while it runs. Used by `Processor` alone, in one event loop."""

    def __init__(self, driver: QueueDriver, runner: JobRunner, options: ProcessorOptions) -> None:
        self._driver = driver
        self._runner = runner
        self._options = options
        self._poll_time = driver.configuration.poll_time.total_seconds()
        self._loop = asyncio.get_running_loop()
        self.access: StoreAccess = StoreAccess()
        self.worker: Worker = self._new_worker()
        self.watchdog: Watchdog = Watchdog(lambda: self._fields)
        self.last_claim_at: datetime | None = None

        self._running: dict[bytes, RunControl] = {}
        self._lost: set[RunControl] = set()
        """Handlers that have not ended yet, although their claims are lost."""
        self._finished: list[Settlement] = []
        """What handlers ended with, for the next exchange."""
        self._suspect = b""
        """The claim of a job that is given up should this worker die."""
        self._alarm: asyncio.Future[None] | None = None
        """What the claiming loop sleeps on."""
        self._listener: asyncio.Task[None] | None = None
        self._listens_until = 0.0
        self._hinted = False

        self._stopping = False
        self._stop = asyncio.Event()
        self._drained = asyncio.Event()
        """Set when no handler runs any more, or nobody wants to wait for them."""
        self._idle = asyncio.Event()
        """Set when no handler runs any more after a stop."""

    @property
    def running(self) -> int:
        """How many handlers run."""
        return len(self._running) + len(self._lost)

    @property
    def _fields(self) -> Mapping[str, object]:
        """What log records about the worker carry."""
        return self.worker.fields

    # Stop.

    def stop(self) -> None:
        """Claim nothing more, and leave when the handlers have ended, or their time is up."""
        self._stopping = True
        self._stop.set()
        self._ring()

    def hurry(self) -> None:
        """Do not wait for the handlers: cancel them now."""
        self.stop()
        self._drained.set()

    # The run.

    async def run(self) -> None:
        """Run until stopped."""
        try:
            async with asyncio.TaskGroup() as group:
                working = group.create_task(self._work(group))
                others = [
                    group.create_task(background)
                    for background in (self._keep_lock(), self._keep_recovering(), self.watchdog.watch())
                ]
                await self._stop.wait()
                await self._drain()
                await self._leave(working)
                for task in (*others, self._listener):
                    if task is not None:
                        task.cancel()
        except BaseExceptionGroup as errors:
            # A fault of the driver, or ours: the claims stay with this worker until its lock runs out.
            self._stopping = True
            await self._end_handlers()
            raise errors.exceptions[0] from None

    async def _work(self, group: asyncio.TaskGroup) -> bool:
        """Claim and settle until the worker leaves; whether all was settled then."""
        try:
            await self.worker.open()
            await self._claim_and_settle(group)
        except LEAVING_FAULTS as error:
            _LOGGER.warning("the worker leaves without having settled all its jobs: %s", error, extra=self._fields)
            return False
        return True

    async def _claim_and_settle(self, group: asyncio.TaskGroup) -> None:
        """One exchange after the other, as long as there is something to settle or a free slot; then a rest."""
        while True:
            free = 0 if self._stopping or self._suspect in self._running else self._options.num_workers - self.running
            timeout: float | None = None
            if self._finished or free:
                exchanged = await self._exchange(free)
                if exchanged is None:
                    continue
                if len(exchanged.claims) < free:
                    timeout = await self._time_to_next(exchanged)
            elif self.access.leaving.is_set():
                return
            await self._rest(group, timeout)

    async def _exchange(self, limit: int) -> Exchanged | None:
        """Settle what has ended, and start what is claimed; `None` where the worker has to start anew."""
        worker, settlements = self.worker, self._finished
        self._finished, self._hinted = [], False
        try:
            exchanged = await worker.exchange(settlements, limit)
        except (WorkerClosed, OperationRefused) as error:
            await self._replace(worker, error)
            return None
        if exchanged.outcomes.count(Outcome.SETTLED) != len(settlements):
            self._look_at(settlements, exchanged.outcomes)
        if exchanged.claims:
            self.last_claim_at = self._driver.clock.now()
        suspects = [claim for claim in exchanged.claims if claim.recoveries == self._options.max_recoveries != 0]
        if suspects and not await self._part(suspects):
            return None
        for claim in exchanged.claims:
            if claim not in suspects[1:]:
                self._start(claim)
        return exchanged

    async def _part(self, suspects: list[Claim]) -> bool:
        """Of jobs that are given up should their worker die once more, keep only the first; whether it is still held.

        What is held together dies together: a job that kills its workers would take the others with it. So this one
        runs without another such job, and nothing is claimed meanwhile; the others are released before it begins.
        """
        self._suspect = suspects[0].token
        self._finished += [Release(claim.job_id, claim.token) for claim in suspects[1:]]
        return not self._finished or await self._exchange(0) is not None

    async def _time_to_next(self, exchanged: Exchanged) -> float:
        """Seconds to wait for the next job, after an exchange that left slots free."""
        if exchanged.until_next == 0:
            if exchanged.claims:
                return 0.0  # there is more, and the driver gave less than it was asked for
            # Jobs are due and none was given: the lock has run out.
            await self._renew()
            return min(self._poll_time, LOCK_PAUSE)
        if self._options.burst and not self.running and not self._finished:
            self.stop()
        return self._poll_time if exchanged.until_next is None else min(self._poll_time, exchanged.until_next)

    def _start(self, claim: Claim) -> None:
        if self._stopping:
            self._finished.append(Release(claim.job_id, claim.token))
            return
        control = self._running[claim.token] = RunControl(claim.job_id, self.worker.id)
        # Not in the group, which would wait for ever for a handler that does not end; `_drain` sees to their end.
        control.task = self._loop.create_task(self._run_job(claim, control))

    async def _run_job(self, claim: Claim, control: RunControl) -> None:
        try:
            settlement = await self._runner.run(claim, control)
        except asyncio.CancelledError:
            if control.abandoned:
                return  # the thread goes on, so the claim is kept
            settlement = Release(claim.job_id, claim.token)
        except Exception as error:
            _LOGGER.exception("job %s met a fault of the library", claim.job_id, extra=control.fields())
            settlement = Fail(claim.job_id, claim.token, encode_error(error, 0), keep=True)
        if control.claim_lost:
            self._lost.discard(control)
        else:
            del self._running[claim.token]
            self._finished.append(settlement)
        self._ring()
        if self._stopping:
            self._notice_end()

    def _look_at(self, settlements: list[Settlement], outcomes: list[Outcome]) -> None:
        for settlement, outcome in zip(settlements, outcomes, strict=True):
            job_id = settlement.job_id
            # Its handler has ended: what else is known of the job is forgotten.
            extra = {"job_id": str(job_id), **self._fields}
            if outcome is Outcome.CLAIM_LOST:
                _LOGGER.warning("job %s was taken from this worker before it ended", job_id, extra=extra)
            elif outcome is Outcome.BROKEN and isinstance(settlement, Fail) and settlement.keep:
                _LOGGER.error("job %s cannot be settled: its keys in the store are not ours", job_id, extra=extra)
            elif outcome is Outcome.BROKEN:
                error = ConfigurationError("a key of the job holds something that is not ours: remove it, push again")
                _LOGGER.error("job %s fails: %s", job_id, error, extra=extra)
                self._finished.append(Fail(job_id, settlement.token, encode_error(error, 0), keep=True))

    # Rest and wake.

    async def _rest(self, group: asyncio.TaskGroup, timeout: float | None) -> None:
        """Until a handler ends, and with a `timeout` in seconds also until a hint, or until it is over."""
        if self._finished or self.access.leaving.is_set() or (timeout is not None and self._hinted):
            return
        self._alarm = alarm = self._loop.create_future()
        timer = None
        if timeout is not None:
            if self._listener is None or self._listener.done():
                self._listens_until = self._loop.time() + timeout
                self._listener = group.create_task(self._listen(timeout))
            elif self._loop.time() + timeout < self._listens_until:
                timer = self._loop.call_later(timeout, self._ring)
        try:
            await alarm
        finally:
            self._alarm = None
            if timer is not None:
                timer.cancel()

    async def _listen(self, timeout: float) -> None:
        await self.worker.wait(timeout)
        self._hinted = True
        self._ring()

    def _ring(self) -> None:
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(None)

    # The lock, lost claims, other workers' jobs.

    async def _keep_lock(self) -> None:
        every = self._options.worker_active_lock.every.total_seconds()
        while True:
            await asyncio.sleep(every)
            await self._renew()

    async def _renew(self) -> None:
        worker, held = self.worker, dict(self._running)
        try:
            tokens = await worker.renew()
        except WorkerClosed as error:
            await self._replace(worker, error)
            return
        except LEAVING_FAULTS:
            return
        if worker is self.worker:
            self._lose((token, control) for token, control in held.items() if token not in tokens)

    async def _replace(self, worker: Worker, error: JobsError) -> None:
        """Go on as another worker, since the store knows this one no more: all its claims are lost."""
        if worker is not self.worker:
            return  # somebody else was quicker
        _LOGGER.error(
            "the worker starts anew, without its %d claims: %s", len(self._running), error, extra=self._fields
        )
        self._finished.clear()
        self.worker, self._suspect = self._new_worker(), b""
        self._lose(self._running.items())
        with suppress(*LEAVING_FAULTS):
            await self.worker.open()

    def _lose(self, claims: Iterable[tuple[bytes, RunControl]]) -> None:
        for token, control in list(claims):
            if self._running.get(token) is control:
                _LOGGER.warning(
                    "job %s is no longer this worker's: its handler is cancelled",
                    control.job_id,
                    extra=control.fields(),
                )
                del self._running[token]
                self._lost.add(control)
                control.claim_lost = True
                # Not at once: a task that has not begun could not say that it ended.
                self._loop.call_soon(control.cancel)

    def _new_worker(self) -> Worker:
        return Worker(self._driver, self._options.worker_active_lock.hold_for, self.access)

    async def _keep_recovering(self) -> None:
        every = self._options.worker_active_lock.every.total_seconds()
        while True:
            try:
                recovered = await self._driver.recover(RECOVER_AT_ONCE)
            except (JobsError, OSError) as error:
                _LOGGER.warning("looking for the jobs of dead workers failed: %s", error, extra=self._fields)
                recovered = 0
            if recovered:
                _LOGGER.info("%d jobs of dead workers are pending again", recovered, extra=self._fields)
            if recovered < RECOVER_AT_ONCE:
                await asyncio.sleep(every)

    # Shutdown.

    async def _drain(self) -> None:
        """Let the handlers end, for a while; then cancel them."""
        self._notice_end()
        await _until(self._drained, self._options.graceful_shutdown_timeout.total_seconds())
        await self._end_handlers()

    async def _end_handlers(self) -> None:
        """Cancel what still runs, and wait a little for its end."""
        for control in self._held():
            control.cancel()
        if self.running:
            await _until(self._idle, self._options.cancel_grace.total_seconds())
        abandoned = [control for control in self._held() if control.in_thread]
        for control in abandoned:
            control.abandoned = True
            control.cancel()
        if left := self.running:
            _LOGGER.error(
                "%d handlers do not end: their jobs stay with this worker until its lock runs out, and are then "
                "recovered by another",
                left,
                extra=self._fields,
            )
        # Their waiting for the threads ends, and the middleware is told.
        if waiting := [control.task for control in abandoned if control.task is not None]:
            await asyncio.wait(waiting, timeout=self._options.cancel_grace.total_seconds())

    async def _leave(self, working: "asyncio.Task[bool]") -> None:
        """Settle what has ended, and close the worker where nothing runs."""
        self.access.leaving.set()
        self._ring()
        await asyncio.wait([working], timeout=LEAVE_WITHIN)
        if not working.done():
            working.cancel()
        elif not self.running and working.result():
            try:
                async with asyncio.timeout(LEAVE_WITHIN):
                    await self.worker.close()
                return
            except (TimeoutError, JobsError, OSError) as error:
                _LOGGER.warning("the worker could not be closed: %s", error, extra=self._fields)
        _LOGGER.warning(
            "the worker leaves without closing: what it holds is recovered when its lock has run out",
            extra=self._fields,
        )

    def _held(self) -> list[RunControl]:
        return [*self._running.values(), *self._lost]

    def _notice_end(self) -> None:
        if not self.running:
            self._idle.set()
            self._drained.set()


async def _until(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
