"""A handler of which something has still to be run when it returns has not done its job."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import pytest

from jobsvalkey import JobContext
from jobsvalkey.contract import Fail, Finish
from jobsvalkey.runtime.failure import decode_error
from tests.support.work import Work
from tests.unit.runtime.support import make_queue, settle

RAN: list[str] = []


async def coroutine() -> None:
    RAN.append("coroutine")


def generator() -> Generator[None]:
    RAN.append("generator")
    yield


async def async_generator() -> AsyncGenerator[None]:
    RAN.append("async generator")
    yield


@contextmanager
def context_manager() -> Generator[None]:
    RAN.append("context manager")
    yield


@asynccontextmanager
async def async_context_manager() -> AsyncGenerator[None]:
    RAN.append("async context manager")
    yield


class Later:
    def __await__(self) -> Generator[Any, None, None]:
        RAN.append("awaitable")
        yield


def function() -> None:
    RAN.append("function")


def future() -> "asyncio.Future[None]":
    return asyncio.get_event_loop().create_future()


RESULTS: dict[str, Callable[[], Any]] = {
    "coroutine": coroutine,
    "awaitable": Later,
    "generator": generator,
    "async generator": async_generator,
    "context manager": context_manager,
    "async context manager": async_context_manager,
    "function": lambda: function,
    "method": lambda: Later().__await__,
    "partial": lambda: partial(function),
}


@pytest.mark.parametrize("name", [*RESULTS, "future"])
async def test_a_coroutine_that_returns_what_nobody_runs_has_failed(name: str) -> None:
    RAN.clear()
    queue = make_queue()

    async def handler(parameters: Work, context: JobContext) -> Any:
        return future() if name == "future" else RESULTS[name]()

    queue.register_job(Work, handler)
    fail = await settle(queue)
    assert isinstance(fail, Fail)
    assert "which nobody runs" in decode_error(fail.error).message
    assert RAN == []


@pytest.mark.parametrize("name", sorted(RESULTS.keys() - {"coroutine", "awaitable"}))
async def test_a_plain_function_that_returns_what_nobody_runs_has_failed(name: str) -> None:
    RAN.clear()
    queue = make_queue()

    def handler(parameters: Work, context: JobContext) -> Any:
        return RESULTS[name]()

    queue.register_job(Work, handler)
    fail = await settle(queue)
    assert isinstance(fail, Fail)
    assert "which nobody runs" in decode_error(fail.error).message
    assert RAN == []


@pytest.mark.parametrize("name", RESULTS)
async def test_what_a_coroutine_behind_a_plain_function_returns_is_looked_at_too(name: str) -> None:
    RAN.clear()
    queue = make_queue()

    async def inner() -> Any:
        return RESULTS[name]()

    def handler(parameters: Work, context: JobContext) -> Awaitable[Any]:
        return inner()

    queue.register_job(Work, handler)
    assert isinstance(await settle(queue), Fail)
    assert RAN == []


@pytest.mark.parametrize("kind", ["coroutine", "plain"])
@pytest.mark.parametrize("result", [None, 5, "text", [1], {"a": 1}, Work(1), object(), ValueError(), iter([1])])
async def test_any_other_result_is_fine(kind: str, result: Any) -> None:
    queue = make_queue()

    def plain(parameters: Work, context: JobContext) -> Any:
        return result

    async def as_coroutine(parameters: Work, context: JobContext) -> Any:
        return result

    queue.register_job(Work, plain if kind == "plain" else as_coroutine)
    assert isinstance(await settle(queue), Finish)
