"""Hints that there is work: one listener for all workers of a driver, which reconnects when its connection is lost."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

FIRST_PAUSE = 0.05
"""Seconds before a listener that failed is started again; twice as many each time."""
LONGEST_PAUSE = 5.0


class Hints:
    """Wakes one waiting worker for each hint, and all of them when hints may have been lost.

    `listen` connects, and gives something for each hint that comes, until its connection is lost: then it ends or
    raises. It runs while somebody waits, and is called again after a pause.
    """

    def __init__(self, listen: Callable[[], AsyncIterator[object]]) -> None:
        self._listen = listen
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._missed = False

    async def wait(self, timeout: float) -> None:
        """Return at a hint, when a connection is lost or back, or after `timeout` seconds.

        If nobody waits, a hint is kept for the next caller that waits.
        """
        if self._missed or timeout <= 0:
            self._missed = False
            return
        hint: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(hint)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            await asyncio.wait([hint], timeout=timeout)
        except asyncio.CancelledError:
            if hint.done():
                self.wake()  # this worker has no use for it
            raise
        finally:
            if hint in self._waiting:
                self._waiting.remove(hint)

    def wake(self) -> None:
        """Wake the worker that has waited longest."""
        if self._waiting:
            self._waiting.popleft().set_result(None)
        else:
            self._missed = True

    async def aclose(self) -> None:
        """End the listener."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                async for _ in self._listen():
                    pause = FIRST_PAUSE
                    self.wake()
            except Exception:  # noqa: S110 - whoever waits looks for work, and meets the same trouble
                pass
            # Hints may have been lost: everybody looks.
            while self._waiting:
                self.wake()
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))
            pause = min(pause * 2, LONGEST_PAUSE)
