"""A queue that was made in the background loop, and the calls that use it there."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import Context
from typing import Any, Final, TypeVar, cast

from jobsvalkey.runtime import JobQueue

R = TypeVar("R")

GRACE: Final = 1.0
"""Seconds that calls are given to end by themselves after their driver was closed."""

_LOGGER: Final = logging.getLogger("jobsvalkey.blocking")


class Exit(Exception):
    """`SystemExit` or `KeyboardInterrupt` on its way to the caller: it would end the loop, with all other calls."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


class Room:
    """A queue and its calls; all of it belongs to the background loop.

    Args:
        make: gives a `JobQueue` or a driver, or an awaitable of one. It is called when the first call needs it.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._opening = asyncio.Lock()
        self._queue: JobQueue[Any] | None = None
        self._calls = set[asyncio.Task[Any]]()

    async def call(self, function: Callable[[JobQueue[Any]], Awaitable[R]]) -> R:
        """Return what `function` does for the queue."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        del task  # with an error it would be a circle
        queue = self._queue or await self._open()
        with _contained():
            return await function(queue)

    async def close(self) -> None:
        """Close the driver; calls that are under way end as the driver says, or are cancelled."""
        await self._close_driver()
        calls = self._calls - {asyncio.current_task()}
        if not calls:
            return
        _, left = await asyncio.wait(calls, timeout=GRACE)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
            await self._close_driver()  # they may have connected again

    async def _open(self) -> JobQueue[Any]:
        # Whoever comes meanwhile tries again if it fails, so that each caller has an error of its own.
        async with self._opening:
            if self._queue is None:
                # The driver lives on, so it is not made in what is around the first caller, such as a span.
                self._queue = await asyncio.create_task(self._made(), context=Context())
            return self._queue

    async def _made(self) -> JobQueue[Any]:
        with _contained():
            made: Any = self._make()
            if inspect.isawaitable(made):
                made = await made
        return cast("JobQueue[Any]", made) if isinstance(made, JobQueue) else JobQueue(made)

    async def _close_driver(self) -> None:
        if self._queue is None:
            return
        try:
            with _contained():
                await self._queue.driver.aclose()
        except Exception:
            _LOGGER.exception("a driver could not be closed")


@contextmanager
def _contained() -> Generator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        raise Exit(error) from error
