"""Warns if a handler blocks the event loop, so that nothing else runs, and in the end the worker's lock runs out."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from jobsvalkey.runtime.loops import BackgroundLoop

_LOGGER = logging.getLogger("jobsvalkey.worker")

INTERVAL = 1.0
"""Seconds between two looks."""
TOLERANCE = 0.5
"""Seconds by which a look may be late."""


class Watchdog(BackgroundLoop):
    """Looks at the clock now and then, and sees by its own delay that something blocked the loop.

    Args:
        fields: what its log records carry.
    """

    def __init__(self, fields: Callable[[], Mapping[str, object]]) -> None:
        super().__init__(INTERVAL)
        self._fields = fields
        self._now = asyncio.get_running_loop().time
        self._expected = self._now() + INTERVAL
        self.lag: float = 0.0
        """Seconds by which the last look was late."""

    async def step(self) -> float | None:
        """Look, and warn if it is late."""
        self.lag = max(0.0, self._now() - self._expected)
        if self.lag > TOLERANCE:
            _LOGGER.warning(
                "the event loop was blocked for %.1f s: a handler that blocks should be a plain function, "
                "which gets a thread, or use asyncio.to_thread",
                self.lag,
                extra=self._fields(),
            )
        self._expected = self._now() + INTERVAL
        return INTERVAL
