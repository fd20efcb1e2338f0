"""The rest of the claiming loop, and all that wakes it."""

import asyncio
import contextvars
import math
from collections.abc import Awaitable, Callable

NEWS_TIMEOUT = 60.0
"""Seconds of one wait for news of the claims that are held."""
NEWS_PAUSE = 0.05
"""Seconds from some news to the wait for more."""

EARLY = 1e-6
"""Seconds by which an event loop may be early."""


class Rest:
    """Sleeps until it is woken: if work is wanted, also by a hint of it, and when it is time to look for it.

    A worker that is full takes no hints that others could use, but hears of its own claims.

    Args:
        listen: waits for a hint, at most that many seconds; if the second is false, for news of claims alone.
        on_news: is called if there may be news of held claims.
    """

    def __init__(self, listen: Callable[[float, bool], Awaitable[None]], on_news: Callable[[], None]) -> None:
        self._listen = listen
        self._on_news = on_news
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.Future[None] | None = None
        self.sleeps: bool = False
        """Whether there is a sleep that can be ended."""
        self._listener: asyncio.Task[None] | None = None
        self._listens_until = 0.0
        self._look_at = math.inf
        self.listens_for_work: bool = False
        """Whether the last sleep took hints of work."""
        self.looked_at: float = -math.inf
        """When the last look began, by the loop's time."""
        self.has_hint: bool = False
        """Whether there was a hint since the last look that could claim."""
        self.is_deaf: bool = False
        """Whether hints were left to others since the last look."""

    @property
    def is_over(self) -> bool:
        """Whether it is time to look for work."""
        return self.has_hint or self._loop.time() >= self._look_at - EARLY

    def wake(self) -> None:
        """End the sleep, if there is one."""
        self.sleeps = False
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(None)

    def look(self, *, claims: bool) -> None:
        """Note that a look for work begins."""
        self.looked_at = self._loop.time()
        self.is_deaf = False
        if claims:
            self.has_hint = False

    def last_for(self, seconds: float) -> None:
        """Let the next look be that many seconds from now, unless a hint comes first."""
        self._look_at = self._loop.time() + seconds

    async def sleep(self, group: asyncio.TaskGroup, *, work: bool, holds: bool) -> None:
        """Return when woken, and if it is `work` that is waited for, also at a hint, or when it is time to look.

        Without, news are listened for, if the worker `holds` claims that there may be news of.
        """
        self._alarm, self.sleeps = self._loop.create_future(), True
        timer = None
        if not (work or holds):
            self.end()
            self._listener, self.listens_for_work = None, work
        elif self._listener is None or self._listener.done() or self.listens_for_work != work:
            self.end()
            self.listens_for_work = work
            self._listens_until = self._look_at
            listening = self._await_hint(self._look_at - self._loop.time()) if work else self._await_news()
            self._listener = group.create_task(listening, context=contextvars.Context())
        elif work and self._look_at < self._listens_until:
            timer = self._loop.call_at(self._look_at, self.wake)
        self.is_deaf = self.is_deaf or not work
        try:
            await self._alarm
        finally:
            self._alarm, self.sleeps = None, False
            if timer is not None:
                timer.cancel()

    def end(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            self._listener.cancel()

    async def _await_hint(self, timeout: float) -> None:
        until = self._listens_until
        await self._listen(timeout, True)
        self.has_hint = self.has_hint or self._loop.time() < until
        self.wake()

    async def _await_news(self) -> None:
        while True:
            began = self._loop.time()
            await self._listen(NEWS_TIMEOUT, False)
            if self._loop.time() < began + NEWS_TIMEOUT:
                self._on_news()
                await asyncio.sleep(NEWS_PAUSE)
