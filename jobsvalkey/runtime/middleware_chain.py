"""Calls the hooks of the middleware: of each, those that override it, in order."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from jobsvalkey.middleware import CallNext, CompletedJob, Middleware, PoppedJob, PushedJob
from jobsvalkey.runtime.failure import is_a, log_error

_LOGGER = logging.getLogger("jobsvalkey.middleware")


class MiddlewareChain:
    """The middleware of one queue, sorted by hook, so that a hook which nobody overrides costs nothing."""

    def __init__(self, middleware: Sequence[Middleware]) -> None:
        def overriding(hook: str) -> list[Middleware]:
            return [each for each in middleware if getattr(type(each), hook) is not getattr(Middleware, hook)]

        self._on_push = overriding("on_push")
        self._on_pushed = overriding("on_pushed")
        self._on_pop = overriding("on_pop")
        self._handle = overriding("handle")
        self._on_completed = overriding("on_completed")
        self.at_push: bool = bool(self._on_push or self._on_pushed)
        """Whether a push has anything to tell."""
        self.at_run: bool = bool(self._on_pop or self._handle or self._on_completed)
        """Whether the run of a job has."""

    async def push(self, job: PushedJob) -> None:
        """Call `on_push`; errors are raised."""
        for each in self._on_push:
            await each.on_push(job)

    async def pushed(self, job: PushedJob, stored: bool) -> None:
        """Call `on_pushed`."""
        for each in self._on_pushed:
            await _quietly(each.on_pushed, job, stored)

    async def pop(self, job: PoppedJob) -> None:
        """Call `on_pop`; a cancellation is raised, whoever it came from: the job does not run then."""
        for each in self._on_pop:
            await _quietly(each.on_pop, job, may_cancel=True)

    async def completed(self, job: CompletedJob) -> None:
        """Call `on_completed`, the innermost first."""
        for each in reversed(self._on_completed):
            await _quietly(each.on_completed, job)

    def around(self, job: PoppedJob, handler: CallNext) -> CallNext:
        """`handler` with the `handle` hooks around it; the first middleware is the outermost."""
        for each in reversed(self._handle):
            handler = _bind(each, job, handler)
        return handler


def _bind(middleware: Middleware, job: PoppedJob, call_next: CallNext) -> CallNext:
    return lambda: middleware.handle(job, call_next)


async def _quietly(
    hook: Callable[..., Awaitable[None]],
    job: PushedJob | PoppedJob | CompletedJob,
    *more: Any,
    may_cancel: bool = False,
) -> None:
    # The job matters more than what is said about it.
    task = asyncio.current_task()
    try:
        await hook(job, *more)
    except BaseException as error:
        if is_a(error, GeneratorExit) and not is_current(task):
            raise  # nobody goes on with this coroutine: its event loop was closed
        if is_a(error, asyncio.CancelledError) and (may_cancel or (task is not None and task.cancelling())):
            raise
        fields = {"job_id": str(job.job_id), "job_name": job.name}
        name = getattr(hook, "__qualname__", hook)
        log_error(_LOGGER, logging.ERROR, "%s failed; the job goes on", name, error=error, fields=fields)


def is_current(task: "asyncio.Task[Any] | None") -> bool:
    """Whether `task` is the one that runs now."""
    try:
        return asyncio.current_task() is task
    except RuntimeError:
        return False
