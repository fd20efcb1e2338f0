"""One queue within the run of a processor: its worker claims, starts handlers and settles."""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from jobsvalkey.contract import (
    Exchanged,
    OperationRefused,
    QueueDriver,
    Settlement,
    SettleOutcome,
    WorkerClosed,
)
from jobsvalkey.runtime.about import about
from jobsvalkey.runtime.handlers import Handlers
from jobsvalkey.runtime.in_flight import InFlight
from jobsvalkey.runtime.lease import Lease
from jobsvalkey.runtime.lock import LockKeeper
from jobsvalkey.runtime.options import ProcessorOptions
from jobsvalkey.runtime.outbox import WorkerOutbox
from jobsvalkey.runtime.outcomes import settle_otherwise
from jobsvalkey.runtime.recovery import Recovery
from jobsvalkey.runtime.reports import Letter
from jobsvalkey.runtime.rest import Rest
from jobsvalkey.runtime.runner import JobRunner
from jobsvalkey.runtime.shutdown import close, end_handlers
from jobsvalkey.runtime.slots import Share, Slots
from jobsvalkey.runtime.workers import LEAVING_FAULTS, StoreAccess, Worker

_LOGGER = logging.getLogger("jobsvalkey.worker")

LEAVE_WITHIN = 5.0
"""Seconds for the last settlements and for closing the worker, together: a server that is away holds nobody up."""
LOCK_PAUSE = 0.01
"""Seconds from the renewal of a lock that ran out to the next attempt to claim."""


class ServedQueue(NamedTuple):
    """A queue that a processor serves."""

    driver: QueueDriver
    runner: JobRunner
    options: ProcessorOptions
    """Those for this queue: its lock, and how often its jobs are recovered. The processor has its own."""


class QueueRun:
    """The worker of one queue, from its opening to its end. Other queues share the slots, and nothing else."""

    def __init__(self, queue: ServedQueue, slots: Slots, on_change: Callable[[], None]) -> None:
        self._driver, self._runner, self._options = queue
        self._slots = slots
        self._on_change = on_change
        self._poll_time = queue.driver.configuration.poll_time.total_seconds()
        self._budget = queue.driver.configuration.max_atomic_push_bytes
        self._loop = asyncio.get_running_loop()
        self.access: StoreAccess = StoreAccess()
        self.jobs: InFlight = InFlight(WorkerOutbox(lambda: self._rest.wake(), lambda: self._lock.wake()))
        self.last_claim_at: datetime | None = None
        self._rest = Rest(lambda timeout, work: self.worker.wait(timeout, work=work), lambda: self._lock.wake())
        self._share: Share = slots.share(self.jobs, self._rest)
        every = self._options.worker_active_lock.every.total_seconds()
        self._lease = Lease(
            self._new_worker, self.jobs, self.access, lambda lapsed: self._recovery.lock_renewed(lapsed=lapsed)
        )
        self._lock = LockKeeper(every, self._lease.renew)
        self._recovery = Recovery(queue.driver, lambda: self.worker, every)
        self._handlers: Handlers | None = None
        self._asked: tuple[list[Settlement], list[Letter], int] | None = None
        """The exchange that has not been answered yet: its settlements, reports and limit."""
        self._is_known = False
        """Whether the store has heard of it."""
        self._drained_at = -1
        """How many runs had ended when the last look began, if it has shown that nothing is due."""

    @property
    def worker(self) -> Worker:
        """The worker as the store knows it now."""
        return self._lease.worker

    @property
    def fields(self) -> Mapping[str, object]:
        """The extra fields of log records about the worker."""
        return self.worker.fields

    @property
    def is_drained(self) -> bool:
        """Whether nothing is due, as a look has shown that began after the last run had ended."""
        return self._drained_at == self._slots.ended and not self.jobs.finished

    def stop(self) -> None:
        """Claim nothing more; the slots are closed."""
        self._lease.leaving = True
        self._rest.wake()

    def look_again(self) -> None:
        """Look once more if nothing was due before the last run ended: its handler may have pushed something."""
        if 0 <= self._drained_at < self._slots.ended:
            self._rest.last_for(0)
            self._rest.wake()

    def tell(self) -> None:
        """Tell the store that the worker leaves, so that whatever ends this process now is not taken for a death."""
        self._lock.wake()

    # Claim and settle.

    def work(self, group: asyncio.TaskGroup) -> Coroutine[Any, Any, bool]:
        """Open the worker, claim and settle until it leaves; whether all was settled then.

        Called in the task of the processor's run, whose variables handlers see.
        """
        self._handlers = Handlers(self._runner, self.jobs, self._ended)
        return self._work(group)

    async def _work(self, group: asyncio.TaskGroup) -> bool:
        # It may have jobs: if it comes first, so does its claim, unless its store is slow.
        self._share.has_more = True
        self._share.ask(0)
        await self.worker.open()
        self._is_known = True
        self._share.answered(has_more=True)
        loops = (self._lock, self._recovery)
        background = [group.create_task(loop.run(), context=contextvars.Context()) for loop in loops]
        try:
            return await self.settle(group)
        finally:
            self._rest.end()
            self.jobs.outbox.close()
            for task in background:
                task.cancel()

    async def settle(self, group: asyncio.TaskGroup) -> bool:
        """Claim and settle until the worker leaves; whether all was settled then."""
        try:
            await self._claim_and_settle(group)
        except LEAVING_FAULTS as error:
            _LOGGER.warning("the worker leaves without having settled all its jobs: %s", error, extra=self.fields)
            return False
        return True

    async def _claim_and_settle(self, group: asyncio.TaskGroup) -> None:
        """Exchange as long as there is something to settle, or to claim for a free slot; then rest."""
        while True:
            wants = self._share.wants
            limit = self._slots.granted(self._share) if wants or self.jobs.finished else 0
            if not limit and self._rest.has_hint and self._slots.is_full and not self._slots.is_closed:
                limit = 1  # the hint was meant for somebody who is free: what is given back leaves another one
            if limit or self._asked or self.jobs.has_news:
                exchanged = await self._exchange(limit)
                self._on_change()
                if exchanged is None or (not exchanged.claims and (exchanged.until_next == 0 or self.jobs.finished)):
                    await asyncio.sleep(0)  # whatever the driver answers, others get their turn
            elif self.access.leaving.is_set():
                return
            else:
                work = not wants and not self._slots.is_full
                await self._rest.sleep(group, work=work, holds=self.jobs.running > 0)

    async def _exchange(self, limit: int) -> Exchanged | None:
        """Report, settle what has ended, and start what is claimed; `None` if the worker has to start over."""
        worker, ended = self._lease.worker, self._slots.ended
        settlements, letters, limit = self._asked = self._asked or (*self.jobs.take(self._budget), limit)
        self._rest.look(claims=limit > 0)
        self._share.ask(limit)
        try:
            reports = [letter.report for letter in letters] if letters else ()
            exchanged = await worker.exchange(settlements, limit, reports)
        except (WorkerClosed, OperationRefused) as error:
            self._asked = None
            self._share.answered()
            await self._lease.replace(worker, error)
            self._share.has_more = True
            return None
        self._asked = None
        if worker is not self._lease.worker:  # it was replaced since: its claims are lost, and their tokens come again
            self._share.answered(has_more=True)
            return None
        self._share.answered(len(exchanged.claims), has_more=exchanged.until_next == 0)
        if letters:
            self.jobs.outbox.answered(letters, exchanged.reported)
        if exchanged.outcomes.count(SettleOutcome.SETTLED) != len(settlements):
            instead = settle_otherwise(settlements, exchanged.outcomes, self.fields)
            self.jobs.finished[:0] = instead  # in front, where each is let through at last
            still_held = {each.token for each in instead}
            settlements = [each for each in settlements if each.token not in still_held]
        self.jobs.settled.add(settlements)
        if exchanged.claims:
            self.last_claim_at = self._driver.clock.now()
            if not await self._start(exchanged, worker):
                return None
        if exchanged.aborts:
            self.jobs.abort(exchanged.aborts)
        if self._slots.is_shared:
            self._slots.changed()
        if exchanged.lock_expired and limit:
            await self._lease.renew()
        pause = LOCK_PAUSE if exchanged.lock_expired else exchanged.until_next
        self._rest.last_for(self._poll_time if pause is None else min(self._poll_time, pause))
        self._drained_at = -1 if exchanged.lock_expired or exchanged.until_next == 0 else ended
        return exchanged

    async def _start(self, exchanged: Exchanged, worker: Worker) -> bool:
        """Start what was claimed; whether it is still held.

        What is held together dies together: a job that kills its workers would take the others with it. So of those
        that are given up should this worker die, one runs without another, and nothing is claimed meanwhile. The
        others are released before it begins.
        """
        most = self._options.max_recoveries
        suspects = [claim for claim in exchanged.claims if claim.recoveries == most] if most else []
        given_back = suspects if suspects and self._slots.has_suspect else suspects[1:]
        for claim in given_back:
            self.jobs.give_back(claim)
        if suspects and given_back != suspects:
            with self.jobs.isolating(suspects[0]):
                while self.jobs.finished:
                    if await self._exchange(0) is None:
                        return False
        claims, aborts = exchanged.claims, exchanged.aborts
        if given_back or aborts:
            for claim in claims:
                if claim.token in aborts and claim not in given_back:
                    self.jobs.cancel(claim)
            claims = [claim for claim in claims if claim.token not in aborts and claim not in given_back]
        room = 0 if self._handlers is None or self._slots.is_closed else max(self._slots.room, 0)
        if len(claims) > room:
            for claim in claims[room:]:
                self.jobs.give_back(claim)
            claims = claims[:room]
        if self._handlers is not None:
            self._handlers.start(claims, worker.id)
        return True

    def _ended(self) -> None:
        slots = self._slots
        slots.ended += 1
        if self._rest.sleeps:
            self._rest.wake()
        if slots.is_shared:
            slots.changed()
        if slots.ends_count or not self.jobs.running:
            self._on_change()

    def _new_worker(self) -> Worker:
        hold_for = self._options.worker_active_lock.hold_for
        return Worker(self._driver, hold_for, self.access, about=about(self._slots.number))

    # Leave.

    async def end_handlers(self, grace: float) -> None:
        """Wait that many seconds for the handlers, which were cancelled."""
        await end_handlers(self.jobs, grace, self.fields)

    async def leave(self, working: "asyncio.Task[bool]") -> None:
        """Settle what has ended, and close the worker if nothing runs. `working` is the task of `work` or `settle`."""
        self.access.leaving.set()
        self._rest.wake()
        text = "the worker leaves before it was known to the store"
        if self._is_known:
            text = "the worker leaves without closing: what it holds is recovered when its lock has run out"
            with suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_WITHIN):
                    await asyncio.wait([working])
                    if not self.jobs.running and working.result():
                        if await close(self.worker):
                            return
                    else:
                        # The handlers that are left get all the time that a lock gives, and nobody has died with them.
                        await self._lease.renew()
        working.cancel()
        _LOGGER.warning(text, extra=self.fields)
