"""An event loop for simulations: virtual time, an order of tasks that a seed decides, and processes in it that may die.

The order is one that there may be: tasks that are ready at the same time, and timers of the same moment, take any
order, but a plain callback keeps its place among them, as `call_soon` promises.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, TypeVar, cast

from tests.support.virtual_time import VirtualLoop

T = TypeVar("T")


class Host:
    """A process of the simulation: all tasks that were begun in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.frozen_until = 0.0
        self.tasks: list[HostTask] = []

    @property
    def left(self) -> "list[HostTask]":
        """The tasks that have not ended."""
        return [task for task in self.tasks if not task.done()]


class HostTask(asyncio.Task[Any]):
    """A task that knows its process, and how many tasks were there before it."""

    host: Host | None = None
    number: int = 0


class SimulatedLoop(VirtualLoop):
    """Runs what is ready in an order that `random` decides.

    Args:
        random: decides the order.
        step: seconds that pass at most from one round of the loop to the next.
    """

    def __init__(self, random: Random, step: float) -> None:
        super().__init__()
        self._random = random
        self._step = step
        self._number = 0
        self._within: Host | None = None
        self.rounds = 0
        self.set_task_factory(cast("Any", self._make_task))
        self.set_exception_handler(_say_nothing)

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> HostTask:
        task = HostTask(coroutine, loop=loop, **options)
        current = asyncio.current_task(loop) if asyncio._get_running_loop() is loop else None
        task.host = current.host if self._within is None and isinstance(current, HostTask) else self._within
        self._number += 1
        task.number = self._number
        cast("Any", task)._log_destroy_pending = False  # those of the dead stay as they are
        if task.host is not None:
            task.host.tasks.append(task)
        return task

    @contextmanager
    def within(self, host: Host) -> Generator[None]:
        """Let the tasks that are made in the block be of a process."""
        self._within, before = host, self._within
        try:
            yield
        finally:
            self._within = before

    def outside(self, coroutine: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Make a task that belongs to no process, whoever asks for it: the store's and the network's."""
        task = self.create_task(coroutine)
        if isinstance(task, HostTask) and task.host is not None:
            task.host.tasks.remove(task)
            task.host = None
        return task

    def _run_once(self) -> None:
        own = cast("Any", self)
        scheduled, ready = cast("list[Any]", own._scheduled), cast("deque[Any]", own._ready)
        while scheduled and scheduled[0].cancelled():
            heapq.heappop(scheduled)._scheduled = False
        if not ready and not own._stopping:
            if not scheduled:
                raise RuntimeError("nobody will ever wake this loop")
            self.now = max(self.now, scheduled[0].when())
        # Time never stands still: who looks a microsecond early would look for ever.
        self.now += self._random.uniform(self._step / 2, self._step)
        handles = list(ready)
        ready.clear()
        while scheduled and scheduled[0].when() <= self.now:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            handles.append(handle)
        self.rounds += 1
        for handle in self._in_some_order(handles):
            if not handle.cancelled() and not self._is_held(handle):
                handle._run()

    def _in_some_order(self, handles: list[Any]) -> Iterator[Any]:
        movable: list[Any] = []
        for handle in handles:
            if _task_of(handle) is None and not isinstance(handle, asyncio.TimerHandle):
                yield from self._shuffled(movable)
                movable = []
                yield handle
            else:
                movable.append(handle)
        yield from self._shuffled(movable)

    def _shuffled(self, handles: list[Any]) -> list[Any]:
        if len(handles) > 1:
            # Sets of tasks, whose order nobody knows, must not decide: first those of timers, then by number.
            handles.sort(key=lambda handle: 0 if (task := _task_of(handle)) is None else task.number)
            self._random.shuffle(handles)
        return handles

    def _is_held(self, handle: Any) -> bool:
        task = _task_of(handle)
        host = None if task is None else task.host
        if host is None or (not host.is_dead and host.frozen_until <= self.now):
            return False
        if not host.is_dead:
            self.call_at(host.frozen_until, self._go_on, handle)
        return True

    def _write_to_self(self) -> None:
        """Nobody waits outside of the loop."""

    def _go_on(self, handle: Any) -> None:
        cast("Any", self)._ready.append(handle)


def _say_nothing(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The ledger has what went wrong."""


def _task_of(handle: Any) -> HostTask | None:
    owner = getattr(handle._callback, "__self__", None)
    return owner if isinstance(owner, HostTask) else None


async def until(condition: Callable[[], object]) -> None:
    """Look twice a second whether something has become true."""
    while True:
        if condition():
            return
        await asyncio.sleep(0.5)


def run_simulated(loop: SimulatedLoop, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `main` in the loop, to its end; tasks of the dead are dropped."""
    asyncio.set_event_loop(None)
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()
