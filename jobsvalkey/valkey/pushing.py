"""Pushes of one event loop share round trips: what comes while one is under way goes with the next.

So do those of threads, which wait for the loop. What both use is read and changed in single steps of the interpreter,
and in this order: a thread adds its push, then sees whether steps are made; the loop ceases to make steps, then sees
whether there are pushes. So none is overlooked, wherever a thread is interrupted.
"""

import asyncio
import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from jobsvalkey.contract import DriverConfiguration, NewJob, Pushed, StoreUnavailable
from jobsvalkey.valkey.numbering import NumberedWriter
from jobsvalkey.valkey.scripting import PUSH
from jobsvalkey.valkey.tasks import TaskSet
from jobsvalkey.valkey.wire import push_arguments, pushed


class Answer:
    """As much of a future as is used here, for a thread that waits. It is set in the loop."""

    __slots__ = ("_error", "_is_done", "_lock", "_result")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self._result: list[Pushed] = []
        self._error: Exception | None = None
        self._is_done = False

    def done(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._is_done

    def set_result(self, result: list[Pushed]) -> None:
        """Let the thread go on."""
        self._result = result
        self.cancel()

    def set_exception(self, error: Exception) -> None:
        """Let the thread go on, with an error."""
        self._error = error
        self.cancel()

    def cancel(self) -> None:
        """Have it taken as given, whatever it is."""
        self._is_done = True
        with suppress(RuntimeError):  # the loop and an interrupted thread may do so at the same time
            self._lock.release()

    def result(self) -> list[Pushed]:
        """Wait for it."""
        self._lock.acquire()
        error, self._error = self._error, None
        if error is None:
            return self._result
        try:
            raise error
        finally:
            del error  # with its traceback it would be a circle


class _Waiting:
    __slots__ = ("alone", "done", "end", "items", "size", "was_sent")

    def __init__(
        self,
        items: Sequence[NewJob],
        size: int,
        end: float,
        done: "asyncio.Future[list[Pushed]] | Answer",
    ) -> None:
        self.items = items
        self.size = size
        self.alone = any(item.after or item.batch for item in items)
        """Whether it may be refused for what is to hold its jobs: no other push is to be refused with it."""
        self.end = end
        """By the loop's time."""
        self.was_sent = False
        self.done = done

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
        done: asyncio.Future[list[Pushed]] = self._loop.create_future()
        self._queue.append(_Waiting(items, size, self._end(), done))
        return await done

    @property
    def is_busy(self) -> bool:
        """Whether a push would have to wait for others. A thread may ask."""
        return self._running or bool(self._queue)

    def push_of_thread(
        self, items: Sequence[NewJob], size: int, begin: Callable[[Callable[[], None]], None]
    ) -> list[Pushed]:
        """Do as `push` does, for a thread that waits. `begin` has something done in the loop."""
        done = Answer()
        self._queue.append(_Waiting(items, size, self._end(), done))
        try:
            if not self._running:
                begin(self._begin)
            return done.result()
        except BaseException:
            if not done.done():  # it is refused, or the thread is interrupted
                done.cancel()
            raise

    def _end(self) -> float:
        """When a push that comes now is given up."""
        return self._loop.time() + self._patience if self._patience else math.inf

    def _begin(self) -> None:
        if self._queue and not self._running:
            self._running = True
            # It may be cancelled before it begins.
            self._tasks.start(self._run()).add_done_callback(self._ended)

    async def _push_alone(self, items: Sequence[NewJob]) -> list[Pushed]:
        """Nothing is under way: go at once, in the caller's own task; what comes meanwhile goes next, in ours."""
        self._running = True
        try:
            return pushed(items, await self._writer.run(PUSH, push_arguments(items)))
        finally:
            self._running = False
            self._begin()

    async def _run(self) -> None:
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

    def _ended(self, run: asyncio.Task[None]) -> None:
        self._running = False
        if self._alarm is not None:
            self._alarm.cancel()
        if not run.cancelled() and run.exception() is None:
            self._begin()
            return
        for waiting in self._under_way:
            waiting.give_up("the driver was closed")
        self._under_way = []
        while self._queue:
            self._queue.popleft().give_up("the driver was closed")

    def _watch(self) -> None:
        """Give up what has waited for as long as a call may take; look again when that is true of the next one."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        loop = self._loop
        alarm = math.inf
        for waitings in (self._under_way, tuple(self._queue)):
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
