"""Which functions can be tasks: with decorators, of objects, and with parameters of all kinds."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from jobsvalkey import (
    GIVEN,
    JobContext,
    JobQueue,
)
from jobsvalkey_memory import run_until_idle
from tests.unit.runtime.support import make_driver, make_queue

PS = ParamSpec("PS")
R = TypeVar("R")


async def test_closures_methods_of_objects_and_lambdas_with_a_name_are_functions() -> None:
    queue, seen = make_queue(), list[Any]()

    class Mailer:
        def __init__(self, sender: str) -> None:
            self.sender = sender

        async def send(self, to: str, *, context: JobContext = GIVEN) -> None:
            seen.append((self.sender, to, context.attempt))

        @staticmethod
        async def receive(number: int) -> None:
            seen.append(number)

    send = queue.task(Mailer("ada").send)
    receive = queue.task(Mailer.receive)
    nothing = queue.task(name="nothing")(lambda: seen.append("nothing"))
    await send.push("bob")
    await receive.push(1)
    await nothing.push()
    await run_until_idle(queue)
    assert seen == [("ada", "bob", 1), 1, "nothing"]


def logged(seen: list[Any]) -> Callable[[Callable[PS, R]], Callable[PS, R]]:
    def decorate(function: Callable[PS, R]) -> Callable[PS, R]:
        @functools.wraps(function)
        def wrapper(*args: PS.args, **kwargs: PS.kwargs) -> R:
            seen.append(function.__name__)
            return function(*args, **kwargs)

        return wrapper

    return decorate


async def test_decorated_functions_keep_their_parameters() -> None:
    queue, seen = make_queue(), list[Any]()

    @queue.task
    @logged(seen)
    async def first(to: str, *, context: JobContext = GIVEN) -> None:
        seen.append((to, context.attempt))

    @queue.task
    @logged(seen)
    def second(to: str) -> None:
        seen.append(to)

    await first.push("ada")
    await second.push("bob")
    await run_until_idle(queue)
    assert seen == ["first", ("ada", 1), "second", "bob"]


async def test_parameters_by_position_alone_and_an_optional_context() -> None:
    queue, seen = make_queue(), list[Any]()

    @queue.task
    async def note(a: int, b: int = 2, /, c: int = 3, *, context: JobContext | None = None) -> None:
        seen.append((a, b, c, context and context.attempt))

    await note.push(1)
    await note.push(1, 5, c=6)
    await run_until_idle(queue)
    assert seen == [(1, 2, 3, 1), (1, 5, 6, 1)]
    await note(1)
    assert seen[-1] == (1, 2, 3, None)
    request = queue.driver.state.pushed[0].request
    assert request is not None
    assert b'"p":{"a":1,"b":2,"c":3}' in request


async def test_a_context_without_default_is_given_wherever_it_stands() -> None:
    queue, seen = make_queue(), list[Any]()

    async def first(context: JobContext, path: str, width: int = 1) -> None:
        seen.append((context.attempt, path, width))

    async def last(path: str, *, context: JobContext) -> None:
        seen.append((context.attempt, path))

    one: Any = queue.task(first)
    two: Any = queue.task(last)
    await one.push("a", 2)
    await two.push("b")
    await run_until_idle(queue)
    assert seen == [(1, "a", 2), (1, "b")]


async def test_during_a_deployment_a_job_runs_with_what_was_pushed() -> None:
    """The one that pushes decides on defaults; what it does not know yet, or no more, is left to the other."""
    driver, seen = make_driver(), list[Any]()
    old, new = JobQueue(driver), JobQueue(driver)

    @old.task(name="resize")
    async def resize(path: str, width: int = 100, colour: str = "red") -> None:
        seen.append((path, width, colour))

    @new.task(name="resize")
    async def resize_2(path: str, width: int = 200, *, depth: int = 8) -> None:
        seen.append((path, width, depth))

    await resize.push("a")
    await run_until_idle(new)
    await resize_2.push("b")
    await run_until_idle(old)
    assert seen == [("a", 100, 8), ("b", 200, "red")]
