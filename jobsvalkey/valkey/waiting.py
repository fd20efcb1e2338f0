"""Waiting for hints: of work, which any worker may take, and of news of claims that are held here.

A script leaves a hint of work on a list of the queue, and one of news on the list of the driver that has the worker.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import NamedTuple

from jobsvalkey.contract import JobsError, WorkerID
from jobsvalkey.valkey.channel import Channel
from jobsvalkey.valkey.listening import Listener
from jobsvalkey.valkey.tasks import TaskSet


class WaitKeys(NamedTuple):
    """The lists that hints are left on."""

    work: str
    news: str


class Waiter:
    """Hands hints to the workers of one event loop that wait: those of work first come, first served; news to all.

    Who waits for work hears both on one connection. Who has no use for work must not take hints of it, so that a full
    worker listens on a connection of its own.
    """

    def __init__(self, read_timeout: float, keys: WaitKeys, waits: Channel, news: Channel, tasks: TaskSet) -> None:
        self._keys = keys
        self._waits = waits
        self._tasks = tasks
        self._waiting: deque[asyncio.Future[bool]] = deque()
        """Those who look for work."""
        self._others: set[asyncio.Future[bool]] = set()
        """Those who only wait for news of what they hold."""
        self._news = 0
        """How many news there were."""
        self._told: dict[WorkerID, int] = {}
        """How many there were when each worker last looked."""
        self._work_listener = Listener(
            read_timeout,
            waits,
            (keys.news, keys.work),
            tasks,
            "jobs are found by polling only",
            is_wanted=lambda: bool(self._waiting),
            on_hint=self._heard,
            on_gap=self._wake_all,
        )
        self._news_listener = Listener(
            read_timeout,
            news,
            (keys.news,),
            tasks,
            "workers hear at their renewals only that a job is to end",
            is_wanted=lambda: bool(self._others),
            on_hint=self._heard,
            on_gap=self._tell,
        )

    async def wait(self, worker: WorkerID, timeout: float, *, work: bool = True) -> None:
        """Return at news, at a hint if it is `work` that is waited for, or after `timeout` seconds."""
        if timeout <= 0:
            return
        self.know(worker)
        if self._told[worker] < self._news:
            self._told[worker] = self._news
            return
        loop = asyncio.get_running_loop()
        hint: asyncio.Future[bool] = loop.create_future()
        if work:
            self._waiting.append(hint)
            self._work_listener.start()
        else:
            self._others.add(hint)
            self._news_listener.start()
        alarm = loop.call_later(timeout, _wake, hint)
        try:
            await hint
        except asyncio.CancelledError:
            if hint.done() and not hint.cancelled() and hint.result():
                self._tasks.start(self._leave_to_others())  # nobody has looked yet because of this hint
            raise
        finally:
            alarm.cancel()
            self._told[worker] = self._news
            self._others.discard(hint)
            if hint in self._waiting:
                self._waiting.remove(hint)

    def know(self, worker: WorkerID) -> None:
        """Let a worker hear of all news from now on, also of those that come before its first wait."""
        self._told.setdefault(worker, self._news)

    def forget(self, worker: WorkerID) -> None:
        """Remember nothing of a worker that was closed."""
        self._told.pop(worker, None)

    def close(self) -> None:
        """Let everybody return who waits."""
        self._work_listener.close()
        self._news_listener.close()
        self._wake_all()
        self._tell()

    async def _heard(self, key: str) -> None:
        if key == self._keys.news:
            self._news += 1
            self._wake_all()
            self._tell()
            return
        while self._waiting:
            hint = self._waiting.popleft()
            if not hint.done():  # one that is given up is done before its task has left
                hint.set_result(True)
                return
        # Nobody here has use for it any more: somebody elsewhere may.
        await self._waits.command("LPUSH", key, "1", patience=0)

    async def _leave_to_others(self) -> None:
        with suppress(JobsError):  # without a server: whoever polls finds the job
            await self._heard(self._keys.work)

    def _tell(self) -> None:
        for hint in self._others:
            _wake(hint)

    def _wake_all(self) -> None:
        while self._waiting:
            _wake(self._waiting.popleft())


def _wake(hint: "asyncio.Future[bool]") -> None:
    """Let a wait end for which no hint of work was taken from the server."""
    if not hint.done():
        hint.set_result(False)
