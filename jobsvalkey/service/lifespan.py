"""The lifespan around a run of a service: it sets up the state that handlers are given, and clears it away."""

import asyncio
import inspect
import logging
import typing
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from jobsvalkey.runtime.failure import log_error
from jobsvalkey.runtime.state import declared_fields
from jobsvalkey.runtime.task_signature import types_of_state

R = TypeVar("R")

_LOGGER = logging.getLogger("jobsvalkey.service")


def check_lifespan(lifespan: Any) -> None:
    """Check that a lifespan makes an async context manager from a service.

    Raises:
        TypeError: it is something else.
    """
    if lifespan is None:
        return
    if inspect.isasyncgenfunction(lifespan) or inspect.iscoroutinefunction(lifespan):
        raise TypeError(f"the lifespan {lifespan.__qualname__} is no context manager: write @asynccontextmanager above")
    if not callable(lifespan):
        raise TypeError(f"a lifespan is an async context manager that takes the service, not {lifespan!r}")
    try:
        inspect.signature(lifespan).bind(None)
    except TypeError as error:
        raise TypeError(f"a lifespan is called with the service: {error}") from None
    except ValueError:
        pass  # It does not tell; the call will.


def types_given_by(lifespan: Any) -> frozenset[Any]:
    """Return the types that a lifespan is declared to yield."""
    try:
        yielded = typing.get_args(typing.get_type_hints(inspect.unwrap(lifespan)).get("return"))
    except (NameError, TypeError, ValueError):
        return frozenset()  # What it yields is known when it does; tasks mark what they are given.
    return types_of_state(yielded[0], declared_fields(yielded[0])) if yielded else frozenset()


class LifespanRun:
    """One time through a lifespan, in one task from beginning to end. `None` is no lifespan."""

    def __init__(self, lifespan: Callable[[], AbstractAsyncContextManager[object]] | None) -> None:
        self._lifespan = lifespan
        self._entering: asyncio.Timeout | None = None
        self._stopped = False

    async def around(self, body: Callable[[object], Awaitable[R]]) -> R | None:
        """Enter, await the body with the state, and leave; return what the body returned.

        Returns:
            `None` if it was stopped before it was entered.

        Raises whatever the lifespan and the body raise. The lifespan cannot suppress an error of the body.
        """
        if self._stopped:
            return None
        if self._lifespan is None:
            return await body(None)
        manager = self._lifespan()
        if not _is_manager(manager):
            raise TypeError(f"the lifespan makes {manager!r}, which is no async context manager")
        try:
            async with asyncio.timeout(None) as self._entering:
                state = await manager.__aenter__()
        except TimeoutError:
            if not self._stopped:
                raise
            return None
        finally:
            self._entering = None
        try:
            result = await body(state)
        except BaseException as error:
            await _leave(manager, error)
            raise
        await _leave(manager, None)
        return result

    def stop(self) -> None:
        """Give up entering, if that is still going on; nothing was claimed yet."""
        self._stopped = True
        if self._entering is not None and not self._entering.expired():
            self._entering.reschedule(asyncio.get_running_loop().time())


def _is_manager(manager: object) -> bool:
    return isinstance(manager, AbstractAsyncContextManager)


async def _leave(manager: AbstractAsyncContextManager[object], error: BaseException | None) -> None:
    try:
        await manager.__aexit__(None if error is None else type(error), error, error.__traceback__ if error else None)
    except Exception as failure:
        if failure is not error:
            text = "the lifespan failed on leaving; the jobs that ran are settled"
            log_error(_LOGGER, logging.ERROR, text, error=failure, fields={})
        raise
