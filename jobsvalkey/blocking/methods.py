# pyright: reportPrivateUsage=false
# The functions here become methods of the class whose attribute they use.
"""From a method of `JobQueue` to one that waits, with the same arguments for type checkers and for readers."""

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import update_wrapper
from types import GenericAlias
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeAlias, TypeVar

from jobsvalkey.blocking.background import BackgroundLoop, Tenant
from jobsvalkey.blocking.process import call, running_loop
from jobsvalkey.contract import QueueDriver
from jobsvalkey.runtime import JobQueue

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D", bound=QueueDriver)
D_co = TypeVar("D_co", bound=QueueDriver, covariant=True)

Declared: TypeAlias = Callable[..., None]
"""An empty method, whose place the real one takes: all but its name is that of the method in `JobQueue`."""
AT_ONCE: Final = 100
"""How many things an iteration fetches at once, as drivers do."""


class Blocking(Generic[D_co]):
    """Something with a queue in the background."""

    _tenant: Tenant
    """Its part in the background."""


def waits_for(
    method: Callable[Concatenate[JobQueue[D], P], Coroutine[Any, Any, R]],
) -> Callable[[Declared], Callable[Concatenate[Blocking[D], P], R]]:
    """Make a method that calls `method` in the background, and waits for what it returns."""
    name = method.__name__

    def wait(self: Blocking[D], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return call(self._tenant, lambda queue: getattr(queue, name)(*args, **kwargs))

    return lambda declared: _like(method, wait)


def iterates_over(
    method: Callable[Concatenate[JobQueue[D], P], AsyncIterator[R]], at_once: int = AT_ONCE
) -> Callable[[Declared], Callable[Concatenate[Blocking[D], P], Iterator[R]]]:
    """Make a method that gives, one by one, what `method` does; `at_once` are fetched together."""
    name = method.__name__

    def iterate(self: Blocking[D], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        async def begin(queue: JobQueue[Any]) -> _Stream[R]:
            return _Stream(getattr(queue, name)(*args, **kwargs), at_once)

        stream = call(self._tenant, begin)
        try:
            while True:
                items: list[R] = call(self._tenant, stream.take, within=stream.background)
                yield from items
                if len(items) < at_once:
                    break
        finally:
            stream.end()

    return lambda declared: _like(method, iterate)


class _Stream(Generic[R]):
    """An iteration in the background loop."""

    def __init__(self, source: AsyncIterator[R], at_once: int) -> None:
        self._source = source
        self._at_once = at_once
        self.background: BackgroundLoop | None = running_loop()

    async def take(self, _queue: JobQueue[Any]) -> list[R]:
        items = list[R]()
        async for item in self._source:
            items.append(item)
            if len(items) == self._at_once:
                break
        return items

    def end(self) -> None:
        """End it, without waiting: the iterator may be garbage by now."""
        background = self.background
        if background is not None and background is running_loop():
            background.discard(self._source)


def _like(method: Callable[..., Any], wrapper: Callable[..., Any]) -> Any:
    """Give `wrapper` the name, the docstring and the signature of `method`, but for what it returns."""
    like: Any = update_wrapper(wrapper, method)
    del like.__wrapped__  # that returns a coroutine or an async iterator, and this does not
    signature = inspect.signature(method)
    if inspect.isgeneratorfunction(wrapper):
        (item,) = signature.return_annotation.__args__
        signature = signature.replace(return_annotation=GenericAlias(Iterator, item))
    like.__signature__ = signature
    return like
