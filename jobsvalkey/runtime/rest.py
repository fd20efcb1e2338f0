"""What the claiming loop sleeps on, and what wakes it."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable


class Rest:
    """Sleeps until it is woken, and with a time limit also until a hint.

    Args:
        listen: waits for a hint, for so many seconds at the longest.
    """

    def __init__(self, listen: Callable[[float], Awaitable[None]]) -> None:
        self._listen = listen
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.Future[None] | None = None
        self._listener: asyncio.Task[None] | None = None
        self._listens_until = 0.0
        self._hinted = False

    def wake(self) -> None:
        """End the sleep, if there is one."""
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(None)

    def look(self) -> None:
        """Forget a hint: whoever calls is about to look for work."""
        self._hinted = False

    async def sleep(self, group: asyncio.TaskGroup, timeout: float | None) -> None:
        """Return when woken, and with a `timeout` in seconds also at a hint, or when it is over."""
        if timeout is not None and self._hinted:
            return
        self._alarm = alarm = self._loop.create_future()
        timer = None
        if timeout is not None:
            if self._listener is None or self._listener.done():
                self._listens_until = self._loop.time() + timeout
                self._listener = group.create_task(self._await_hint(timeout), context=contextvars.Context())
            elif self._loop.time() + timeout < self._listens_until:
                timer = self._loop.call_later(timeout, self.wake)
        try:
            await alarm
        finally:
            self._alarm = None
            if timer is not None:
                timer.cancel()

    def end(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            self._listener.cancel()

    async def _await_hint(self, timeout: float) -> None:
        await self._listen(timeout)
        self._hinted = True
        self.wake()
