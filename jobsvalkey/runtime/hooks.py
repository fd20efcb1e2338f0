"""Calls the hooks of the middleware: of each, those that override it, in order."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from jobsvalkey.middleware import CallNext, CompletedJob, Middleware, PoppedJob, PushedJob

_LOGGER = logging.getLogger("jobsvalkey.middleware")


class Hooks:
    """The middleware of one queue, sorted by hook, so that a hook which nobody overrides costs nothing."""

    def __init__(self, middleware: Sequence[Middleware]) -> None:
        self.on_push = [each.on_push for each in middleware if _overrides(each, "on_push")]
        self.on_pushed = [each.on_pushed for each in middleware if _overrides(each, "on_pushed")]
        self.on_pop = [each.on_pop for each in middleware if _overrides(each, "on_pop")]
        self.handle = [each.handle for each in middleware if _overrides(each, "handle")]
        self.on_completed = [each.on_completed for each in middleware if _overrides(each, "on_completed")]
        self.at_push = bool(self.on_push or self.on_pushed)
        """Whether a push has anything to tell."""
        self.at_run = bool(self.on_pop or self.handle or self.on_completed)
        """Whether the run of a job has."""

    async def push(self, job: PushedJob) -> None:
        """Call `on_push`; errors are raised."""
        for hook in self.on_push:
            await hook(job)

    async def pushed(self, job: PushedJob, stored: bool) -> None:
        """Call `on_pushed`."""
        for hook in self.on_pushed:
            await _quietly(hook, job, stored)

    async def pop(self, job: PoppedJob) -> None:
        """Call `on_pop`."""
        for hook in self.on_pop:
            await _quietly(hook, job)

    async def completed(self, job: CompletedJob) -> None:
        """Call `on_completed`, the innermost first."""
        for hook in reversed(self.on_completed):
            await _quietly(hook, job)

    def around(self, job: PoppedJob, handler: CallNext) -> CallNext:
        """`handler` with the `handle` hooks around it; the first middleware is the outermost."""
        for hook in reversed(self.handle):
            handler = _bind(hook, job, handler)
        return handler


def _overrides(middleware: Middleware, hook: str) -> bool:
    return getattr(type(middleware), hook) is not getattr(Middleware, hook)


def _bind(hook: Callable[[PoppedJob, CallNext], Awaitable[None]], job: PoppedJob, call_next: CallNext) -> CallNext:
    return lambda: hook(job, call_next)


async def _quietly(hook: Callable[..., Awaitable[None]], *arguments: Any) -> None:
    # The job matters more than what is said about it.
    try:
        await hook(*arguments)
    except Exception:
        _LOGGER.exception("%s failed; the job goes on", getattr(hook, "__qualname__", hook))
