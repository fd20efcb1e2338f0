"""Waiting for a hint that there is work: a list that a script leaves one entry in, and a pop that blocks.

A blocked pop costs the server nothing, is answered as soon as a script has left a hint, and wakes one worker only.
"""

import asyncio
import logging
import random
from collections import deque

from valkey.asyncio import Valkey

from jobsvalkey.contract import ConfigurationError, JobsError
from jobsvalkey.valkey.channel import Channel
from jobsvalkey.valkey.connection import read_timeout
from jobsvalkey.valkey.tasks import TaskSet

_logger = logging.getLogger(__name__)

LONGEST_BLOCK = 4.0
"""Seconds that one pop blocks at most; less if the client's read timeout is short."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
"""Seconds until the next pop after one that failed: doubled each time, with jitter."""
REFUSED_PAUSE = 30.0
"""The same if the server refuses to give hints: the user may not block, say."""
LASTING = 6
"""Failures in a row that are worth a warning; a restart or a cut connection has fewer."""


class Waiter:
    """Hands hints to the workers of one event loop that wait, first come, first served."""

    def __init__(self, client: Valkey, channel: Channel, key: str, tasks: TaskSet) -> None:
        self._channel = channel
        self._key = key
        self._tasks = tasks
        self._block = min(LONGEST_BLOCK, read_timeout(client) * 0.8)
        self._waiting: deque[asyncio.Future[None]] = deque()
        """Those who look for work."""
        self._others: set[asyncio.Future[None]] = set()
        """Those who only wait for news of what they hold."""
        self._listening = False
        self._closed = False
        self._failures = 0
        """How many pops have failed since the last one that worked."""
        self._pause = 0.0
        """How many seconds the last pop was followed by until the next was tried."""
        self._not_before = 0.0
        """When the next pop may be tried, by the loop's time."""

    async def wait(self, timeout: float, *, work: bool = True) -> None:
        """Return at a hint, if it is `work` that is waited for, or after `timeout` seconds."""
        if timeout <= 0:
            return
        hint = asyncio.get_running_loop().create_future()
        if work:
            self._waiting.append(hint)
            if not self._listening:
                self._listening = True
                self._tasks.start(self._listen())
        else:
            self._others.add(hint)
        try:
            async with asyncio.timeout(timeout):
                await hint
        except TimeoutError:
            pass
        finally:
            self._others.discard(hint)
            if hint in self._waiting:
                self._waiting.remove(hint)

    def close(self) -> None:
        """Let everybody return who waits."""
        self._closed = True
        self._wake_all()
        for hint in self._others:
            hint.set_result(None)

    async def _listen(self) -> None:
        now = asyncio.get_running_loop().time
        try:
            while self._waiting and not self._closed:
                if (early := self._not_before - now()) > 0:
                    await asyncio.sleep(early)
                    continue
                began = now()
                try:
                    popped = await self._pop()
                    if popped is not None and not self._waiting:
                        # Nobody here has use for it any more: somebody elsewhere may.
                        await self._channel.command("LPUSH", self._key, "1", patience=0)
                except JobsError as error:
                    if not self._closed:
                        self._failed(error)
                    continue
                if popped is None and now() - began < self._block / 2:
                    self._rest(FIRST_PAUSE, LONGEST_PAUSE)  # it does not block
                    continue
                self._pause = 0.0
                if self._failures:
                    self._failures = 0
                    self._wake_all()
                elif popped is not None:
                    self._wake_one()
        finally:
            self._listening = False

    async def _pop(self) -> object:
        return await self._channel.command("BLPOP", self._key, f"{self._block:.3f}", patience=0, blocking=self._block)

    def _failed(self, error: JobsError) -> None:
        """Let everybody look for work once, since hints may have been lost. From then on they look at their own time.

        Woken at every failure, they would find nothing, wait again, and so on.
        """
        self._failures += 1
        refused = isinstance(error, ConfigurationError)
        if self._failures == 1:
            self._wake_all()
        if self._failures == (1 if refused else LASTING):
            _logger.warning("jobs are found by polling only, the server gives no hints: %s", error)
        self._rest(REFUSED_PAUSE if refused else FIRST_PAUSE, REFUSED_PAUSE if refused else LONGEST_PAUSE)

    def _rest(self, first: float, longest: float) -> None:
        self._pause = min(max(2 * self._pause, first), longest)
        self._not_before = asyncio.get_running_loop().time() + self._pause * random.uniform(0.5, 1)

    def _wake_all(self) -> None:
        while self._waiting:
            self._wake_one()

    def _wake_one(self) -> None:
        if self._waiting:
            hint = self._waiting.popleft()
            if not hint.done():
                hint.set_result(None)
