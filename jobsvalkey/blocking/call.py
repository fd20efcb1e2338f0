"""A call of a thread, which is done in the background loop."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

R = TypeVar("R")


class Call(Generic[R]):
    """A call under way.

    The thread and the loop share one lock, which only the loop releases, so that a thread can be interrupted at any
    point and the loop goes on. A `concurrent.futures.Future` may stay locked then.

    Args:
        work: gives the coroutine that is run in the loop, in the context of the thread.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, R]]) -> None:
        self._work = work
        self._task: asyncio.Task[R] | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def submit(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have it begin in the loop."""
        loop.call_soon_threadsafe(self._begin)

    def cancel(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have it cancelled, if it was submitted and is not done."""
        loop.call_soon_threadsafe(self._cancel)

    def result(self) -> R:
        """Wait for its end and return its result, once.

        Raises:
            asyncio.CancelledError: it was cancelled. Others: as it did.
        """
        self._done.acquire()
        task, self._task = self._task, None
        try:
            assert task is not None  # noqa: S101 - it is done
            return task.result()
        finally:
            del task  # together with its error it would be a circle, which lives until garbage is collected

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work())
        self._task.add_done_callback(self._end)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _end(self, task: asyncio.Task[R]) -> None:
        if not task.cancelled():
            task.exception()  # nobody may be there to take it, which is nothing to log
        self._done.release()
