"""Pops hints off lists, one after the other, for as long as somebody waits for them."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, cast

from jobsvalkey.contract import ConfigurationError, JobsError
from jobsvalkey.valkey.channel import Channel
from jobsvalkey.valkey.tasks import TaskSet

_logger = logging.getLogger(__name__)

LONGEST_BLOCK: Final = 4.0
"""Seconds that one pop blocks at most; less if the client's read timeout is short."""
TRIAL: Final = 0.05
"""The same for the first pop after one that failed: it is to tell soon that pops work again."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
"""Seconds until the next pop after one that failed: doubled each time, with jitter."""
REFUSED_PAUSE = 30.0
"""The same if the server refuses to give hints: the user may not block, say."""
LASTING = 6
"""Failures in a row that are worth a warning; a restart or a cut connection has fewer."""


class Listener:
    """Pops from lists, by a pop that blocks: it costs the server nothing, and one popper hears of each entry.

    Args:
        keys: the lists, the first one first.
        consequence: what it means if the server gives no hints, for a warning.
        is_wanted: whether anybody waits.
        on_hint: is called with the key of each entry.
        on_gap: is called if hints may have been lost: when pops begin to fail, and when they work again.
    """

    def __init__(
        self,
        read_timeout: float,
        channel: Channel,
        keys: Sequence[str],
        tasks: TaskSet,
        consequence: str,
        *,
        is_wanted: Callable[[], bool],
        on_hint: Callable[[str], Awaitable[None]],
        on_gap: Callable[[], None],
    ) -> None:
        self._channel = channel
        self._tasks = tasks
        self._consequence = consequence
        self._block = min(LONGEST_BLOCK, read_timeout * 0.8)
        self._keys = keys
        self._is_wanted = is_wanted
        self._on_hint = on_hint
        self._on_gap = on_gap
        self._listening = False
        self._closed = False
        self._failures = 0
        """How many pops have failed since the last one that worked, for as long as pops do."""
        self._is_back = True
        """Whether a pop has worked since the last one that failed, if only a short one."""
        self._pause = 0.0
        """How many seconds the last pop was followed by until the next was tried."""
        self._not_before = 0.0
        """When the next pop may be tried, by the loop's time."""

    def start(self) -> None:
        """Pop from now on, for as long as it is wanted."""
        if not self._listening:
            self._listening = True
            self._tasks.start(self._listen())

    def close(self) -> None:
        """Pop no more."""
        self._closed = True

    async def _listen(self) -> None:
        now = asyncio.get_running_loop().time
        try:
            while self._is_wanted() and not self._closed:
                began = now()
                if (early := self._not_before - began) > 0:
                    await asyncio.sleep(early)
                    continue
                block = self._block if self._is_back else min(self._block, TRIAL)
                try:
                    key = await self._pop(block)
                    if key is not None:
                        await self._on_hint(key)
                except JobsError as error:
                    if not self._closed:
                        self._failed(error)
                    continue
                if key is None and now() - began < block / 2:
                    self._rest(FIRST_PAUSE, LONGEST_PAUSE)  # it does not block
                    continue
                if not self._is_back:
                    self._is_back = True
                    self._on_gap()
                    if key is None:
                        continue  # a connection that lasts for a moment may not last for as long as pops do
                self._pause, self._failures = 0.0, 0
        finally:
            self._listening = False

    async def _pop(self, block: float) -> str | None:
        popped = await self._channel.command("BLPOP", *self._keys, f"{block:.3f}", patience=0, blocking=block)
        return None if popped is None else cast("list[bytes]", popped)[0].decode()

    def _failed(self, error: JobsError) -> None:
        """Let everybody look once, since hints may have been lost. From then on they look at their own time.

        Woken at every failure, they would find nothing, wait again, and so on.
        """
        self._failures += 1
        refused = isinstance(error, ConfigurationError)
        if self._is_back:
            self._is_back = False
            self._on_gap()
        if self._failures == (1 if refused else LASTING):
            _logger.warning("%s, the server gives no hints: %s", self._consequence, error)
        self._rest(REFUSED_PAUSE if refused else FIRST_PAUSE, REFUSED_PAUSE if refused else LONGEST_PAUSE)

    def _rest(self, first: float, longest: float) -> None:
        self._pause = min(max(2 * self._pause, first), longest)
        self._not_before = asyncio.get_running_loop().time() + self._pause * random.uniform(0.5, 1)
