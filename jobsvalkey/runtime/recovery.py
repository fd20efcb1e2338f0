"""Puts the jobs of dead workers back into the queue."""

import logging
from collections.abc import Callable, Mapping

from jobsvalkey.contract import JobsError, QueueDriver
from jobsvalkey.runtime.loops import BackgroundLoop

_LOGGER = logging.getLogger("jobsvalkey.worker")

RECOVER_AT_ONCE = 1000
"""Jobs in one step of recovery."""


class Recovery(BackgroundLoop):
    """Looks for the jobs of dead workers whenever it is woken.

    A renewal of the worker's own lock wakes it, and nothing else: so a worker that was stalled for longer than its
    lock holds renews it before it takes what others seem to have left.
    """

    def __init__(self, driver: QueueDriver, fields: Callable[[], Mapping[str, object]]) -> None:
        super().__init__()
        self._driver = driver
        self._fields = fields

    async def step(self) -> float | None:
        """Recover up to `RECOVER_AT_ONCE` jobs, and go on at once while there are more."""
        try:
            recovered = await self._driver.recover(RECOVER_AT_ONCE)
        except (JobsError, OSError) as error:
            _LOGGER.warning("looking for the jobs of dead workers failed: %s", error, extra=self._fields())
            return None
        if recovered:
            _LOGGER.info("%d jobs of dead workers are pending again", recovered, extra=self._fields())
        return 0 if recovered >= RECOVER_AT_ONCE else None
