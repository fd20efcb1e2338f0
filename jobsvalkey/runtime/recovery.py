"""Puts the jobs of dead workers back into the queue."""

import asyncio
import logging
from collections.abc import Callable

from jobsvalkey.contract import JobsError, QueueDriver
from jobsvalkey.runtime.loops import BackgroundLoop
from jobsvalkey.runtime.workers import LONGEST_PAUSE, Worker

_LOGGER = logging.getLogger("jobsvalkey.worker")

RECOVER_AT_ONCE = 1000
"""Jobs in one step of recovery."""


class Recovery(BackgroundLoop):
    """Looks for the jobs of dead workers whenever it is woken.

    The worker's start wakes it, and each renewal of its own lock, and nothing else. So a worker that was stalled for
    longer than its lock holds renews it before it takes what others seem to have left. The store asks the same of it:
    its step may be stalled as well, and reach the store when the locks of all have run out.

    Args:
        worker: the worker as it is now.
        every: seconds from one renewal to the next.
    """

    def __init__(self, driver: QueueDriver, worker: Callable[[], Worker], every: float) -> None:
        super().__init__()
        self._driver = driver
        self._worker = worker
        self._every = every
        self._now = asyncio.get_running_loop().time
        self._not_before = 0.0

    def lock_renewed(self, *, lapsed: float) -> None:
        """Look, unless the lock had lapsed: then the store or this process was stalled, and others may be as well.

        They get some time to renew their locks: the longer they could not, the longer they may rest between two tries.
        """
        if lapsed:
            rest = min(lapsed, LONGEST_PAUSE)
            self._not_before = self._now() + max(self._every / 2, 2 * rest)
        if self._now() >= self._not_before:
            self.wake()

    async def step(self) -> float | None:
        """Recover up to `RECOVER_AT_ONCE` jobs, and go on at once while there are more."""
        worker = self._worker()
        if worker.lock_left <= 0:
            return None  # it has been stalled since it was woken: its own lock comes first
        try:
            recovered = await self._driver.recover(RECOVER_AT_ONCE, worker=worker.id)
        except (JobsError, OSError) as error:
            _LOGGER.warning("looking for the jobs of dead workers failed: %s", error, extra=worker.fields)
            return None
        if recovered:
            _LOGGER.info("%d jobs of dead workers are pending again", recovered, extra=worker.fields)
        return 0 if recovered >= RECOVER_AT_ONCE else None
