"""The shape of everything that a worker does in the background, again and again."""

import asyncio
from abc import ABC, abstractmethod


class BackgroundLoop(ABC):
    """Does one thing again and again, until its task is cancelled.

    Args:
        first: seconds before the first time; `None` is until it is woken.
    """

    def __init__(self, first: float | None = 0) -> None:
        self._pause = first
        self._woken = asyncio.Event()

    @abstractmethod
    async def step(self) -> float | None:
        """Do it once; the seconds until the next time, `None` is until it is woken."""

    def wake(self) -> None:
        """Do it at once, or once more when it is being done."""
        self._woken.set()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await wait_for(self._woken, self._pause)
            self._woken.clear()
            self._pause = await self.step()


async def wait_for(event: asyncio.Event, seconds: float | None) -> None:
    """Return when `event` is set, or after `seconds`; `None` is no limit."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
