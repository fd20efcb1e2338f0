"""Keeps a worker's lock, by which the store knows that it lives."""

from collections.abc import Awaitable, Callable

from jobsvalkey.runtime.loops import BackgroundLoop


class LockKeeper(BackgroundLoop):
    """Renews the lock in time.

    Args:
        every: seconds from one renewal to the next.
        renew: renews the lock; the seconds since the store was asked to.
    """

    def __init__(self, every: float, renew: Callable[[], Awaitable[float]]) -> None:
        super().__init__(every)
        self._every = every
        self._renew = renew

    async def step(self) -> float | None:
        """Renew it. The time that the answer took counts."""
        return max(0.0, self._every - await self._renew())
