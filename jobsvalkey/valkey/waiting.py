"""Waiting for a hint that there is work: a list that a script leaves one entry in, and a pop that blocks.

A blocked pop costs the server nothing, is answered as soon as a script has left a hint, and wakes one worker only.
"""

import asyncio
import logging
import math
from collections import deque

from valkey.asyncio import Valkey

from jobsvalkey.contract import ConfigurationError, JobsError
from jobsvalkey.valkey.channel import Channel
from jobsvalkey.valkey.connection import read_timeout
from jobsvalkey.valkey.tasks import TaskSet

_logger = logging.getLogger(__name__)

LONGEST_BLOCK = 4.0
"""Seconds that one pop blocks at most; less where the client's read timeout is short."""
REFUSED_PAUSE = 60.0
"""Seconds without hints where the server has refused to give any: the user may not block, say."""


class Waiter:
    """Hands hints to the workers of one event loop that wait, first come, first served."""

    def __init__(self, client: Valkey, channel: Channel, key: str, tasks: TaskSet) -> None:
        self._channel = channel
        self._key = key
        self._tasks = tasks
        self._block = min(LONGEST_BLOCK, read_timeout(client) * 0.8)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._listening = False
        self._refused_until = -math.inf

    async def wait(self, timeout: float) -> None:
        """Return at a hint, or after `timeout` seconds."""
        if timeout <= 0:
            return
        loop = asyncio.get_running_loop()
        hint = loop.create_future()
        self._waiting.append(hint)
        if not self._listening and loop.time() >= self._refused_until:
            self._listening = True
            self._tasks.start(self._listen())
        try:
            async with asyncio.timeout(timeout):
                await hint
        except TimeoutError:
            pass
        finally:
            if hint in self._waiting:
                self._waiting.remove(hint)

    async def _listen(self) -> None:
        try:
            while self._waiting:
                if await self._pop() is None:
                    continue
                if self._waiting:
                    self._wake_one()
                else:
                    # Nobody here has use for it any more: somebody elsewhere may.
                    await self._channel.command("LPUSH", self._key, "1", patience=0)
        except ConfigurationError as error:
            # Whoever waits looks when its time is over. Woken now, it would find nothing, wait again, and so on.
            if self._refused_until == -math.inf:
                _logger.warning("jobs are found by polling only, the server gives no hints: %s", error)
            self._refused_until = asyncio.get_running_loop().time() + REFUSED_PAUSE
        except JobsError as error:
            # Hints may have been lost: let everybody look for work, which also waits for the server to come back.
            _logger.debug("no hints for now: %s", error)
            while self._waiting:
                self._wake_one()
        finally:
            self._listening = False

    async def _pop(self) -> object:
        return await self._channel.command("BLPOP", self._key, f"{self._block:.3f}", patience=0, blocking=self._block)

    def _wake_one(self) -> None:
        hint = self._waiting.popleft()
        if not hint.done():
            hint.set_result(None)
