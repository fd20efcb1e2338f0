"""Pushes of one event loop share round trips: what comes while one is under way goes with the next."""

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from itertools import chain

from jobsvalkey.contract import DriverConfiguration, NewJob, Pushed, StoreUnavailable
from jobsvalkey.valkey.numbering import NumberedWriter
from jobsvalkey.valkey.scripting import PUSH
from jobsvalkey.valkey.tasks import TaskSet
from jobsvalkey.valkey.wire import push_arguments, pushed


class _Waiting:
    __slots__ = ("alone", "done", "end", "items", "size", "was_sent")

    def __init__(self, items: Sequence[NewJob], size: int, patience: float, loop: asyncio.AbstractEventLoop) -> None:
        self.items = items
        self.size = size
        self.alone = any(item.after or item.batch for item in items)
        """Whether it may be refused for what is to hold its jobs: no other push is to be refused with it."""
        self.end = loop.time() + patience if patience else math.inf
        self.was_sent = False
        self.done: asyncio.Future[list[Pushed]] = loop.create_future()

    def give_up(self, reason: str) -> None:
        """Tell the caller that there will be no answer."""
        if self.done.done():
            return
        error = (
            StoreUnavailable(f"{reason}: the push may have been done", outcome="unknown")
            if self.was_sent
            else StoreUnavailable(f"{reason}: nothing was pushed", outcome="not_done")
        )
        self.done.set_exception(error)


class Pusher:
    """Gathers pushes into steps of at most the size of one atomic push; no push is divided."""

    def __init__(
        self, writer: NumberedWriter, tasks: TaskSet, configuration: DriverConfiguration, patience: float
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._writer = writer
        self._patience = patience
        self._tasks = tasks
        self._most_jobs = configuration.max_atomic_push
        self._most_bytes = configuration.max_atomic_push_bytes
        self._queue: deque[_Waiting] = deque()
        self._under_way: list[_Waiting] = []
        self._running = False
        self._alarm: asyncio.TimerHandle | None = None

    async def push(self, items: Sequence[NewJob], size: int) -> list[Pushed]:
        """Store `items`, of `size` bytes, together with what else is pushed now.

        A caller that is cancelled leaves the others' round trip alone; what it pushed may or may not be stored.
        """
        if not self._running:
            return await self._push_alone(items)
        waiting = _Waiting(items, size, self._patience, self._loop)
        self._queue.append(waiting)
        return await waiting.done

    async def _push_alone(self, items: Sequence[NewJob]) -> list[Pushed]:
        """Nothing is under way: go at once, in the caller's own task; what comes meanwhile goes next, in ours."""
        self._running = True
        try:
            return pushed(items, await self._writer.run(PUSH, push_arguments(items)))
        finally:
            self._running = False
            if self._queue:
                self._running = True
                self._tasks.start(self._run())

    async def _run(self) -> None:
        try:
            while batch := self._next_batch():
                self._under_way = batch
                self._watch()
                try:
                    await self._send(batch)
                except Exception as error:
                    for waiting in batch:
                        if not waiting.done.done():
                            waiting.done.set_exception(_another(error))
                self._under_way = []
        finally:
            self._running = False
            if self._alarm is not None:
                self._alarm.cancel()
            for waiting in chain(self._under_way, self._queue):
                waiting.give_up("the driver was closed")
            self._under_way = []
            self._queue.clear()

    def _watch(self) -> None:
        """Give up what has waited for as long as a call may take; look again when that is true of the next one."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        loop = self._loop
        alarm = math.inf
        for waitings in (self._under_way, self._queue):
            for waiting in waitings:
                if waiting.done.done():
                    continue
                # Bytes that move are an answer under way.
                end = max(waiting.end, self._writer.moving_until) if waiting.was_sent else waiting.end
                if end > loop.time():
                    alarm = min(alarm, end)
                    break
                waiting.give_up("the server did not answer in time")
        if alarm < math.inf:
            self._alarm = loop.call_at(alarm, self._watch)

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        jobs = size = 0
        while self._queue:
            first = self._queue[0]
            if first.done.done():
                self._queue.popleft()  # given up, or cancelled, before it was sent
                continue
            jobs, size = jobs + len(first.items), size + first.size
            is_full = jobs > self._most_jobs or size > self._most_bytes
            if batch and (is_full or first.alone or batch[-1].alone):
                break
            batch.append(self._queue.popleft())
        return batch

    async def _send(self, batch: list[_Waiting]) -> None:
        items = [item for waiting in batch for item in waiting.items]
        for waiting in batch:
            waiting.was_sent = True
        # The last one may wait for the longest; `_watch` sees to the others.
        left = max(batch[-1].end - self._loop.time(), 0.001) if self._patience else 0
        done = pushed(items, await self._writer.run(PUSH, push_arguments(items), patience=left))
        at = 0
        for waiting in batch:
            end = at + len(waiting.items)
            if not waiting.done.done():
                waiting.done.set_result(done[at:end])
            at = end


def _another(error: Exception) -> Exception:
    """Return the same error for one more caller: raising it adds to its traceback, for whoever holds it."""
    kind = type(error)
    another = kind.__new__(kind, *error.args)
    another.__dict__.update(error.__dict__)
    another.__cause__, another.__suppress_context__ = error.__cause__, error.__suppress_context__
    return another.with_traceback(error.__traceback__)
