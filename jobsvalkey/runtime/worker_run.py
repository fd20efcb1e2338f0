"""One run of a processor: it claims, starts handlers, settles, and shuts down."""

import asyncio
import contextvars
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from jobsvalkey.contract import (
    Claim,
    Exchanged,
    Fail,
    OperationRefused,
    QueueDriver,
    Settlement,
    SettleOutcome,
    WorkerClosed,
)
from jobsvalkey.runtime.about import about
from jobsvalkey.runtime.failure import encode_error, is_a, log_error
from jobsvalkey.runtime.in_flight import InFlight
from jobsvalkey.runtime.job_run import JobRun
from jobsvalkey.runtime.lease import Lease
from jobsvalkey.runtime.lock import LockKeeper
from jobsvalkey.runtime.loops import wait_for
from jobsvalkey.runtime.middleware_chain import is_current
from jobsvalkey.runtime.options import ProcessorOptions
from jobsvalkey.runtime.outcomes import settle_otherwise
from jobsvalkey.runtime.recovery import Recovery
from jobsvalkey.runtime.rest import Rest
from jobsvalkey.runtime.runner import JobRunner
from jobsvalkey.runtime.shutdown import close, end_handlers
from jobsvalkey.runtime.watchdog import Watchdog
from jobsvalkey.runtime.workers import LEAVING_FAULTS, StoreAccess, Worker

_LOGGER = logging.getLogger("jobsvalkey.worker")

LEAVE_WITHIN = 5.0
"""Seconds for the last releases and for closing the worker, each."""
LOCK_PAUSE = 0.01
"""Seconds from the renewal of a lock that ran out to the next attempt to claim."""


class WorkerRun:
    """Everything that a processor knows while it runs. Used by `Processor` alone, in one event loop."""

    def __init__(self, driver: QueueDriver, runner: JobRunner, options: ProcessorOptions) -> None:
        self._driver = driver
        self._runner = runner
        self._options = options
        self._poll_time = driver.configuration.poll_time.total_seconds()
        self._budget = driver.configuration.max_atomic_push_bytes
        self._loop = asyncio.get_running_loop()
        self.access: StoreAccess = StoreAccess()
        self.jobs: InFlight = InFlight()
        self.last_claim_at: datetime | None = None
        self._rest = Rest(lambda timeout, work: self.worker.wait(timeout, work=work), lambda: self._lock.wake())
        every = options.worker_active_lock.every.total_seconds()
        self._lease = Lease(
            self._new_worker, self.jobs, self.access, lambda lapsed: self._recovery.lock_renewed(lapsed=lapsed)
        )
        self._lock = LockKeeper(every, self._lease.renew)
        self._recovery = Recovery(driver, lambda: self.worker, every)
        self.watchdog: Watchdog = Watchdog(lambda: self._fields)
        self._asked: tuple[list[Settlement], int] | None = None
        """The exchange that has not been answered yet: its settlements and limit."""
        self._task = asyncio.current_task()
        self._context = contextvars.Context()
        """The context that handlers see: the variables of whoever runs the processor."""
        self._ended = 0
        self.recycled: bool = False
        """Whether it stopped because so many jobs have run."""
        self._stop = asyncio.Event()
        self._drained = asyncio.Event()
        """Set after a stop, when no handler runs any more, or nobody wants to wait for them."""

    @property
    def worker(self) -> Worker:
        """The worker as the store knows it now."""
        return self._lease.worker

    @property
    def _fields(self) -> Mapping[str, object]:
        """The extra fields of log records about the worker."""
        return self.worker.fields

    @property
    def _stopping(self) -> bool:
        return self._stop.is_set()

    def stop(self) -> None:
        """Claim nothing more, and leave when the handlers have ended, or their time is up."""
        self._stop.set()
        self._lease.leaving = True
        self._rest.wake()

    def hurry(self) -> None:
        """Do not wait for the handlers: cancel them now."""
        self.stop()
        self._drained.set()

    # The run.

    async def run(self) -> None:
        """Run until stopped."""
        self._task, self._context = asyncio.current_task(), contextvars.copy_context()
        group = asyncio.TaskGroup()
        try:
            async with group:
                working = group.create_task(self._work(group), context=contextvars.Context())
                watching = group.create_task(self.watchdog.run(), context=contextvars.Context())
                await self._stop.wait()
                await self._drain()
                await self._leave(working)
                watching.cancel()
        except asyncio.CancelledError:
            # The event loop ends, and has cancelled all its tasks: those of the handlers, too.
            self.stop()
            await self._end_handlers(cancelled=True)
            await self._leave(self._loop.create_task(self._settle(group)))
            raise
        except BaseExceptionGroup as errors:
            # A fault of the driver, or ours: the claims stay with this worker until its lock runs out.
            self._stop.set()
            await self._end_handlers()
            raise errors.exceptions[0] from None

    async def _work(self, group: asyncio.TaskGroup) -> bool:
        """Open the worker, claim and settle until it leaves; whether all was settled then."""
        try:
            await self.worker.open()
        except LEAVING_FAULTS as error:
            _LOGGER.warning("the worker leaves before it was known to the store: %s", error, extra=self._fields)
            return False
        loops = (self._lock, self._recovery)
        background = [group.create_task(loop.run(), context=contextvars.Context()) for loop in loops]
        try:
            return await self._settle(group)
        finally:
            self._rest.end()
            for task in background:
                task.cancel()

    async def _settle(self, group: asyncio.TaskGroup) -> bool:
        """Claim and settle until the worker leaves; whether all was settled then."""
        try:
            await self._claim_and_settle(group)
        except LEAVING_FAULTS as error:
            _LOGGER.warning("the worker leaves without having settled all its jobs: %s", error, extra=self._fields)
            return False
        return True

    async def _claim_and_settle(self, group: asyncio.TaskGroup) -> None:
        """Exchange as long as there is something to settle or a free slot; then rest."""
        while True:
            free = self._free
            timeout: float | None = None
            if self.jobs.finished or free or self._asked:
                exchanged = await self._exchange(free)
                if exchanged is None:
                    continue
                if len(exchanged.claims) < free:
                    timeout = await self._time_to_next(exchanged)
            elif self.access.leaving.is_set():
                return
            if not self.jobs.finished and not self.access.leaving.is_set():
                await self._rest.sleep(group, timeout)

    @property
    def _free(self) -> int:
        """How many jobs may be claimed now."""
        if self._stopping or self.jobs.runs_suspect:
            return 0
        return self._options.num_workers - self.jobs.running

    async def _exchange(self, limit: int) -> Exchanged | None:
        """Settle what has ended, and start what is claimed; `None` if the worker has to start anew."""
        worker = self.worker
        self._asked = self._asked or (self.jobs.take(self._budget), limit)
        settlements = self._asked[0]
        self._rest.look()
        try:
            exchanged = await worker.exchange(*self._asked)
        except (WorkerClosed, OperationRefused) as error:
            self._asked = None
            await self._lease.replace(worker, error)
            return None
        self._asked = None
        if exchanged.outcomes.count(SettleOutcome.SETTLED) != len(settlements):
            self.jobs.finished += settle_otherwise(settlements, exchanged.outcomes, self._fields)
        if exchanged.claims:
            self.last_claim_at = self._driver.clock.now()
        suspects = [claim for claim in exchanged.claims if claim.recoveries == self._options.max_recoveries != 0]
        if suspects and not await self._isolate_suspect(suspects):
            return None
        given_back = suspects[1:]
        for claim in exchanged.claims:
            if given_back and claim in given_back:
                continue
            if claim.token in exchanged.aborts:
                self.jobs.cancel(claim)
            elif self._stop.is_set():
                self.jobs.give_back(claim)
            else:
                self._start(claim, worker)
        self.jobs.abort(exchanged.aborts)
        return exchanged

    async def _isolate_suspect(self, suspects: list[Claim]) -> bool:
        """Of jobs that are given up should this worker die, keep the first; whether it is still held.

        What is held together dies together: a job that kills its workers would take the others with it. So this one
        runs without another such job, and nothing is claimed meanwhile. The others are released before it begins.
        """
        self.jobs.isolate_suspect(suspects)
        while self.jobs.finished:
            if await self._exchange(0) is None:
                return False
        return True

    async def _time_to_next(self, exchanged: Exchanged) -> float:
        """Seconds to wait for the next job, after an exchange that left slots free."""
        if exchanged.lock_expired:
            await self._lease.renew()
            return min(self._poll_time, LOCK_PAUSE)
        if exchanged.until_next == 0:
            return 0.0  # there is more, and the driver gave less than it was asked for
        if self._options.burst and not self.jobs.running and not self.jobs.finished:
            self.stop()
        return self._poll_time if exchanged.until_next is None else min(self._poll_time, exchanged.until_next)

    def _start(self, claim: Claim, worker: Worker) -> None:
        run = JobRun(claim.job_id, worker.id, self._task)
        self.jobs.begin(claim, run)
        # Not in the group, which would wait for ever for a handler that does not end; `_drain` sees to their end.
        run.task = self._loop.create_task(self._run_job(claim, run), context=self._context.copy())

    async def _run_job(self, claim: Claim, run: JobRun) -> None:
        try:
            settlement = await self._runner.run(claim, run)
        except asyncio.CancelledError:
            if run.abandoned:
                return  # the thread goes on, so the claim is kept
            settlement = run.give_back(claim)
        except BaseException as error:
            if is_a(error, GeneratorExit) and not is_current(run.task):
                raise  # nobody goes on with this coroutine: its event loop was closed
            text = "job %s met a fault of the library"
            log_error(_LOGGER, logging.ERROR, text, claim.job_id, error=error, fields=run.fields())
            settlement = Fail(claim.job_id, claim.token, encode_error(error, 0), keep=True)
        self.jobs.end(claim, run, settlement)
        self._ended += 1
        if self._ended == self._options.recycle_after and not self._stopping:
            self.recycled = True
            self.stop()
        self._rest.wake()
        if self._stop.is_set() and self.jobs.idle.is_set():
            self._drained.set()

    def _new_worker(self) -> Worker:
        options = self._options
        return Worker(self._driver, options.worker_active_lock.hold_for, self.access, about=about(options.num_workers))

    # Shutdown.

    async def _drain(self) -> None:
        """Let the handlers end, for a while; then cancel them."""
        if self.jobs.idle.is_set():
            return
        self._lock.wake()  # the store is told, so that whatever ends this process now is not taken for a death
        seconds = self._options.graceful_shutdown_timeout.total_seconds()
        if seconds and not self._drained.is_set():
            text = "stops, and waits up to %g s for the running jobs (%d)"
            _LOGGER.info(text, seconds, self.jobs.running, extra=self._fields)
        await wait_for(self._drained, seconds)
        await self._end_handlers()

    async def _end_handlers(self, *, cancelled: bool = False) -> None:
        if not cancelled:
            for run in self.jobs.runs:
                run.cancel()
        await end_handlers(self.jobs, self._options.cancel_grace.total_seconds(), self._fields)

    async def _leave(self, working: "asyncio.Task[bool]") -> None:
        """Settle what has ended, and close the worker if nothing runs."""
        self.access.leaving.set()
        self._rest.wake()
        await asyncio.wait([working], timeout=LEAVE_WITHIN)
        if not working.done():
            working.cancel()
        elif not self.jobs.running and working.result() and await close(self.worker, LEAVE_WITHIN):
            return
        # The handlers that are left get all the time that a lock gives, and their jobs have not been met by a death.
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_WITHIN):
                await self._lease.renew()
        _LOGGER.warning(
            "the worker leaves without closing: what it holds is recovered when its lock has run out",
            extra=self._fields,
        )
