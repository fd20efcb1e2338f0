"""Puts the jobs of dead workers back into the queue."""

import logging
from collections.abc import Callable

from jobsvalkey.contract import JobsError, QueueDriver
from jobsvalkey.runtime.loops import BackgroundLoop
from jobsvalkey.runtime.workers import Worker

_LOGGER = logging.getLogger("jobsvalkey.worker")

RECOVER_AT_ONCE = 1000
"""Jobs in one step of recovery."""


class Recovery(BackgroundLoop):
    """Looks for the jobs of dead workers whenever it is woken.

    A renewal of the worker's own lock wakes it, and nothing else. So a worker that was stalled for longer than its
    lock holds renews it before it takes what others seem to have left. It never takes its own jobs: its step may be
    stalled as well, and reach the store when the lock has run out.

    Args:
        worker: the worker as it is now.
    """

    def __init__(self, driver: QueueDriver, worker: Callable[[], Worker]) -> None:
        super().__init__()
        self._driver = driver
        self._worker = worker

    async def step(self) -> float | None:
        """Recover up to `RECOVER_AT_ONCE` jobs, and go on at once while there are more."""
        worker = self._worker()
        try:
            recovered = await self._driver.recover(RECOVER_AT_ONCE, worker=worker.id)
        except (JobsError, OSError) as error:
            _LOGGER.warning("looking for the jobs of dead workers failed: %s", error, extra=worker.fields)
            return None
        if recovered:
            _LOGGER.info("%d jobs of dead workers are pending again", recovered, extra=worker.fields)
        return 0 if recovered >= RECOVER_AT_ONCE else None
