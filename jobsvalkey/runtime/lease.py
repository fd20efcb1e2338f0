"""The right of a worker to its claims: it lasts while its lock is renewed, and ends if the store forgets the worker."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress

from jobsvalkey.contract import JobsError, WorkerClosed
from jobsvalkey.runtime.in_flight import InFlight
from jobsvalkey.runtime.workers import LEAVING_FAULTS, StoreAccess, Worker

_LOGGER = logging.getLogger("jobsvalkey.worker")


class Lease:
    """Holds the worker as it is now, and ends the runs whose claims are lost.

    Args:
        new_worker: makes a worker with a new id.
        on_renewed: is called after each renewal, and told for how many seconds the lock had lapsed before.
    """

    def __init__(
        self,
        new_worker: Callable[[], Worker],
        jobs: InFlight,
        access: StoreAccess,
        on_renewed: Callable[[float], None],
    ) -> None:
        self._new_worker = new_worker
        self._jobs = jobs
        self._access = access
        self._on_renewed = on_renewed
        self._loop = asyncio.get_running_loop()
        self.worker: Worker = new_worker()
        self.leaving: bool = False
        """Whether the worker shuts down, which each renewal tells the store."""

    async def renew(self) -> float:
        """Renew the lock, and end the runs whose claims are lost; the seconds since the store was asked to."""
        worker, held = self.worker, self._jobs.held
        self._jobs.settled.age(self._loop.time())
        try:
            renewed = await worker.renew(leaving=self.leaving)
        except WorkerClosed as error:
            await self.replace(worker, error)
            return 0.0
        except LEAVING_FAULTS:
            return 0.0
        if worker is self.worker:
            self._lose(held.keys() - renewed.tokens)
            if number := self._jobs.settle_again(renewed.tokens):
                text = "the store has forgotten the ends of %d jobs, as after a failover: it is told again"
                _LOGGER.warning(text, number, extra=worker.fields)
            self._jobs.abort(renewed.aborts)
        self._on_renewed(worker.lapsed)
        return worker.since_renewal

    async def replace(self, worker: Worker, error: JobsError) -> None:
        """Go on as another worker, since the store knows this one no more: all its claims are lost."""
        if worker is not self.worker:
            return  # somebody else was quicker
        held = self._jobs.held
        _LOGGER.error(
            "the worker starts again as a new one, without its %d claims: %s", len(held), error, extra=worker.fields
        )
        self.worker = self._new_worker()
        self._jobs.forget()
        self._lose(held)
        if not self._access.leaving.is_set():
            with suppress(*LEAVING_FAULTS):
                await self.worker.open()

    def _lose(self, tokens: Iterable[bytes]) -> None:
        for run in self._jobs.lose(tokens):
            _LOGGER.warning(
                "job %s is no longer this worker's: its handler is cancelled", run.job_id, extra=run.fields()
            )
            # Not at once: a task that has not begun could not say that it ended.
            self._loop.call_soon(run.cancel)
