"""The group of background tasks that a driver owns."""

import asyncio
import logging
from collections.abc import Coroutine
from contextvars import Context
from typing import Any

_logger = logging.getLogger(__name__)


class TaskSet:
    """Background tasks of one owner: started here, cancelled and awaited together at its end.

    Not a `TaskGroup`, which belongs to the task that opened it: a driver is opened by whichever call comes first.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` until it ends or the owner does, without the context variables of whoever calls first."""
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def aclose(self) -> None:
        """Cancel what still runs, and wait for its end."""
        while tasks := list(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("a background task of the driver failed", exc_info=error)
