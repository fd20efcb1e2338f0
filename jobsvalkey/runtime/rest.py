"""The rest of the claiming loop, and all that wakes it."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable

NEWS_TIMEOUT = 60.0
"""Seconds of one wait for news of the claims that are held."""
NEWS_PAUSE = 0.05
"""Seconds from some news to the wait for more."""


class Rest:
    """Sleeps until it is woken, and with a time limit also until a hint.

    A worker that is full sleeps without one. It takes no hints that others could use, but hears of its own claims.

    Args:
        listen: waits for a hint, for so many seconds at the longest; if the second is false, for news of claims alone.
        on_news: is called if there may be news of held claims.
    """

    def __init__(self, listen: Callable[[float, bool], Awaitable[None]], on_news: Callable[[], None]) -> None:
        self._listen = listen
        self._on_news = on_news
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.Future[None] | None = None
        self._listener: asyncio.Task[None] | None = None
        self._listens_for_work = False
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
        is_free = timeout is not None
        if is_free and self._hinted:
            return
        self._alarm = alarm = self._loop.create_future()
        timer = None
        if self._listener is None or self._listener.done() or self._listens_for_work != is_free:
            self.end()
            self._listens_for_work = is_free
            self._listens_until = self._loop.time() + (timeout or 0.0)
            listening = self._await_news() if timeout is None else self._await_hint(timeout)
            self._listener = group.create_task(listening, context=contextvars.Context())
        elif timeout is not None and self._loop.time() + timeout < self._listens_until:
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
        await self._listen(timeout, True)
        self._hinted = True
        self.wake()

    async def _await_news(self) -> None:
        while True:
            began = self._loop.time()
            await self._listen(NEWS_TIMEOUT, False)
            if self._loop.time() < began + NEWS_TIMEOUT:
                self._on_news()
                await asyncio.sleep(NEWS_PAUSE)
