"""One worker as its driver knows it: an id, an active lock, and numbered exchanges."""

import asyncio
import logging
import math
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeVar

from jobsvalkey.contract import (
    ConfigurationError,
    Exchanged,
    JobsError,
    QueueDriver,
    Renewed,
    Report,
    Settlement,
    StoreUnavailable,
    WorkerID,
)

_LOGGER = logging.getLogger("jobsvalkey.worker")

T = TypeVar("T")

FIRST_PAUSE = 0.05
"""Seconds before a step is repeated that the store did not answer; twice as many each time."""
LONGEST_PAUSE = 5.0
FIRST_REPAIR_PAUSE = 1.0
LEAST_ANSWER = 0.25
"""Seconds that a step may take at least, however little time is left, before it is asked for again."""
CONFIGURATION_PAUSE = 30.0
"""Seconds before a step is repeated that cannot work until somebody repairs something; a second at first."""
LONGEST_ANSWER = 2.0
"""Seconds that a step may take before its worker counts as not connected."""

STORE_FAULTS = (StoreUnavailable, OSError)
"""The errors of a driver whose store cannot be reached; the system's own errors are for one that lets them pass."""
LEAVING_FAULTS = (*STORE_FAULTS, ConfigurationError)
"""The errors that a worker's step may raise when the worker leaves. Before that, the step is repeated."""


class StoreAccess:
    """Repeats a worker's steps until the store answers, or until the worker leaves."""

    def __init__(self) -> None:
        self.leaving: asyncio.Event = asyncio.Event()
        """Set when steps are tried once more, and no longer."""
        self._answered = False
        self._asked: dict[object, float] = {}
        """When the steps began that wait for an answer, by the loop's time."""
        self._loop = asyncio.get_running_loop()

    @property
    def connected(self) -> bool:
        """Whether the last step was answered, and none waits for long."""
        # A driver may repeat a step by itself for as long as it takes. A copy, since a thread may ask.
        oldest = min(list(self._asked.values()), default=math.inf)
        return self._answered and self._loop.time() - oldest < LONGEST_ANSWER

    async def retry_until_answered(
        self,
        step: Callable[[], Awaitable[T]],
        fields: Mapping[str, object],
        time_left: Callable[[], float] | None = None,
    ) -> T:
        """Do a step that may be repeated.

        Args:
            step: is cancelled and repeated if it takes longer than half of the time that is left.
            fields: extra fields of log records about it.
            time_left: seconds until the answer comes too late. Several attempts share them.

        Raises:
            StoreUnavailable, OSError, ConfigurationError: it did not work, and the worker leaves.
            JobsError: of any other kind, as the driver raises it.
        """
        pause, repair_pause = FIRST_PAUSE, FIRST_REPAIR_PAUSE
        while True:
            # Looked at before the step, so that one that fails as the worker leaves is tried once more.
            last = self.leaving.is_set()
            left = math.inf if time_left is None else time_left()
            try:
                self._asked[step] = self._loop.time()
                try:
                    answer = await (_within(step, max(left / 2, LEAST_ANSWER)) if 0 < left < math.inf else step())
                finally:
                    del self._asked[step]
            except ConfigurationError as error:
                self._answered = False
                _LOGGER.error("the worker cannot work: %s", error, extra=fields)
                if last:
                    raise
                await self._rest(_shortened(min(repair_pause, CONFIGURATION_PAUSE), time_left))
                repair_pause = min(repair_pause * 2, CONFIGURATION_PAUSE)
            except STORE_FAULTS as error:
                self._answered = False
                rest = _shortened(pause * random.uniform(0.75, 1.25), time_left)
                text = str(error) or "no answer in time"
                _LOGGER.warning("the store does not answer, trying again in %.2f s: %s", rest, text, extra=fields)
                if last:
                    raise
                await self._rest(rest)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._answered = True
                return answer

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.leaving.wait()
        except TimeoutError:
            pass


async def _within(step: Callable[[], Awaitable[T]], seconds: float) -> T:
    async with asyncio.timeout(seconds):
        return await step()


def _shortened(pause: float, time_left: Callable[[], float] | None) -> float:
    """Shorten a pause so that several fit into the time that is left; once it is over, the pause is a common one."""
    if time_left is None:
        return pause
    left = time_left()
    return min(pause, LONGEST_PAUSE if left <= 0 else max(left / 4, FIRST_PAUSE)) if left < math.inf else pause


class Worker:
    """The steps of one worker. Each is repeated, as it is, until the store answers."""

    def __init__(self, driver: QueueDriver, hold_for: timedelta, access: StoreAccess, *, about: bytes = b"") -> None:
        self.id: WorkerID = secrets.token_hex(16)
        self.fields: Mapping[str, object] = {"worker": self.id}
        """The extra fields of log records about it."""
        self._driver = driver
        self._hold_for = hold_for
        self._about = about
        self._access = access
        self._sequence = 0
        self._now = asyncio.get_running_loop().time
        self._renewed_at = -math.inf
        self.lapsed: float = 0.0
        """Seconds for which the lock had run out when the last renewal was answered."""

    @property
    def since_renewal(self) -> float:
        """Seconds since the store was asked for the lock that the worker has now."""
        return self._now() - self._renewed_at

    @property
    def lock_left(self) -> float:
        """Seconds until the lock runs out, by this process's clock; below zero if it has."""
        return self._hold_for.total_seconds() - self.since_renewal

    async def open(self) -> None:
        """Become known."""

        async def step() -> None:
            asked_at = self._now()
            await self._driver.open_worker(self.id, self._hold_for, about=self._about)
            self._renewed_at = asked_at

        await self._access.retry_until_answered(step, self.fields)

    async def exchange(
        self, settlements: Sequence[Settlement], limit: int, reports: Sequence[Report] = ()
    ) -> Exchanged:
        """Report, settle and claim, in one step. One at a time; after one that was cancelled, ask for the same again.

        Raises:
            WorkerClosed, OperationRefused: the worker is not known any more.
        """
        sequence = self._sequence + 1
        step = partial(self._driver.exchange, self.id, sequence, settlements, limit)
        if reports:
            step = partial(step, reports=reports)
        exchanged = await self._access.retry_until_answered(step, self.fields)
        self._sequence = sequence
        return exchanged

    async def renew(self, *, leaving: bool) -> Renewed:
        """Extend the lock, and say whether the worker shuts down; the claims that are still held.

        Raises:
            WorkerClosed: the worker is not known any more.
        """

        async def step() -> Renewed:
            asked_at = self._now()
            renewed = await self._driver.renew(self.id, self._hold_for, leaving=leaving)
            self.lapsed = max(0.0, -self.lock_left)
            self._renewed_at = asked_at
            return renewed

        return await self._access.retry_until_answered(step, self.fields, lambda: self.lock_left)

    async def wait(self, timeout: float, *, work: bool) -> None:
        """Wait for a hint, for `timeout` seconds at the longest: of `work`, or of claims that are held alone."""
        try:
            await self._driver.wait(self.id, timedelta(seconds=timeout), work=work)
        except (JobsError, OSError) as error:
            # The next exchange meets the same trouble and deals with it.
            _LOGGER.debug("waiting for a hint failed: %s", error, extra=self.fields)
            await asyncio.sleep(timeout)

    async def close(self) -> None:
        """Be forgotten, and release what is held. For a worker none of whose handlers runs."""
        await self._access.retry_until_answered(lambda: self._driver.close_worker(self.id), self.fields)
