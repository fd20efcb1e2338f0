"""Functions as jobs: what is pushed, what is given, and what a call does."""

import asyncio
import json
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, ParamSpec, TypedDict, TypeVar
from uuid import UUID

import msgspec
import pytest
from pydantic import BaseModel, PositiveInt

from jobsvalkey import (
    GIVEN,
    CompletedJob,
    DuplicateJob,
    InvalidParameters,
    JobContext,
    JobFail,
    JobName,
    JobOptions,
    JobStatus,
    JobTimeout,
    Middleware,
    NoRetry,
    PoppedJob,
    Push,
    PushedJob,
)
from jobsvalkey_memory import assert_completed, assert_failed, pushed, run_until_idle
from tests.unit.runtime.support import Queue, make_queue

PS = ParamSpec("PS")
R = TypeVar("R")


@dataclass(frozen=True)
class Point:
    x: int
    y: float = 0.0


class Invite(BaseModel):
    address: str
    seats: PositiveInt = 1


class Options(TypedDict):
    strict: bool


def stored(queue: Queue) -> list[Any]:
    """The requests of all pushes, as JSON."""
    return [json.loads(each.request or b"") for each in queue.driver.state.pushed]


async def test_it_is_pushed_by_its_arguments_and_runs_with_them() -> None:
    queue, seen = make_queue(), list[Any]()

    @queue.task
    async def resize(path: str, width: int = 100, *, context: JobContext = GIVEN) -> int:
        seen.append((path, width, context.attempt, context.job_id))
        return width

    first = await resize.push("a.png", width=200)
    second = await resize.push(path="b.png")
    assert await run_until_idle(queue) == 2
    assert seen == [("a.png", 200, 1, first), ("b.png", 100, 1, second)]
    assert queue.registered_jobs[-1] == "resize"
    assert await queue.status(first) is JobStatus.COMPLETED


async def test_what_is_stored_is_an_object_of_all_arguments_by_name() -> None:
    queue = make_queue()

    @queue.task
    async def resize(path: str, width: int = 100, *, tags: list[str] = ["a"], context: JobContext = GIVEN) -> None: ...  # noqa: B006

    await resize.push("a.png")
    await resize.push("b.png", 5, tags=[])
    assert [each["resize"]["p"] for each in stored(queue)] == [
        {"path": "a.png", "width": 100, "tags": ["a"]},
        {"path": "b.png", "width": 5, "tags": []},
    ]


@pytest.mark.parametrize("values", ["plain", "swift"])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (str, "text"),
        (list[int], [1, 2]),
        (dict[str, Point], {"a": Point(1, 2.5)}),
        (datetime, datetime(2026, 1, 1, tzinfo=UTC)),
        (timedelta, timedelta(seconds=90)),
        (UUID, UUID(int=5)),
        (Point, Point(1)),
        (Invite, Invite(address="ada@example.com", seats=2)),
        (list[Invite] | None, [Invite(address="ada@example.com")]),
        (int | str, "text"),
        (Options, {"strict": True}),
        (Literal["fast", "slow"], "fast"),
        (Annotated[int, msgspec.Meta(ge=1)], 1),
        (None, None),
    ],
    ids=str,
)
async def test_arguments_arrive_as_they_are(values: Any, kind: Any, value: Any) -> None:
    queue, seen = make_queue(values=values), list[Any]()

    async def note(value: Any) -> None:
        seen.append(value)

    note.__annotations__["value"] = kind
    await queue.task(note).push(value)
    await run_until_idle(queue)
    assert seen == [value]


@pytest.mark.parametrize("value", [0, -1, "1", None, 1.5])
async def test_an_argument_that_does_not_fit_is_refused_and_nothing_is_stored(value: Any) -> None:
    queue = make_queue()

    @queue.task
    async def resize(width: PositiveInt) -> None: ...

    with pytest.raises(InvalidParameters, match="resize"):
        await resize.push(value)
    assert stored(queue) == []


@pytest.mark.parametrize(
    ("args", "kwargs", "why"),
    [
        ((), {}, "missing a required argument: 'path'"),
        (("a", 1, 2), {}, "too many positional arguments"),
        (("a",), {"widht": 1}, "widht"),
        (("a",), {"path": "b"}, "multiple values"),
        (("a",), {"colour": "red", "images": 1}, "images"),
        (("a",), {"context": None}, "'context' is given"),
    ],
)
async def test_arguments_that_it_does_not_take_are_refused_when_it_is_pushed(
    args: tuple[Any, ...], kwargs: dict[str, Any], why: str
) -> None:
    queue = make_queue()

    async def resize(path: str, width: int = 1, *, colour: str = "", context: JobContext = GIVEN) -> None: ...

    task: Any = queue.task(resize)
    for push in (task.push, task.with_options(JobOptions()).push):
        with pytest.raises(InvalidParameters, match=why):
            await push(*args, **kwargs)
    assert stored(queue) == []


async def test_it_is_pushed_with_options_alone_and_with_others() -> None:
    queue = make_queue()

    @queue.task
    async def resize(path: str) -> None: ...

    @queue.task
    async def tidy() -> None: ...

    later = resize.with_options(JobOptions(delay=timedelta(minutes=1)))
    await later.push("a")
    assert later.with_parameters("b") == Push(resize.with_parameters("b"), JobOptions(delay=timedelta(minutes=1)))
    await queue.push_many([later.with_parameters("b"), resize.with_parameters("c")])
    await queue.push(resize.with_parameters("d"))
    await tidy.push()
    assert await run_until_idle(queue) == 3
    queue.driver.clock.advance(timedelta(minutes=1))
    assert await run_until_idle(queue) == 2
    assert [each.path for each in pushed(queue, resize)] == ["a", "b", "c", "d"]


async def test_it_is_named_retried_and_timed_as_it_says() -> None:
    queue = make_queue()

    @queue.task(name="Resize an image", retry_strategy=NoRetry(), timeout=timedelta(seconds=5))
    async def resize(path: str) -> None:
        raise TimeoutError(path)

    await resize.push("a")
    assert await run_until_idle(queue) == 1
    assert_failed(queue, resize, error="TimeoutError: a")
    assert list(stored(queue)[0]) == ["Resize an image"]


async def test_its_time_is_up() -> None:
    queue = make_queue()

    @queue.task(retry_strategy=NoRetry(), timeout=timedelta(milliseconds=1))
    async def wait() -> None:
        await asyncio.Event().wait()

    await wait.push()
    await run_until_idle(queue)
    assert_failed(queue, wait, error=JobTimeout.__name__)


async def test_a_plain_function_runs_in_a_thread() -> None:
    queue, seen = make_queue(), list[Any]()

    @queue.task
    def resize(path: str, *, context: JobContext = GIVEN) -> int:
        seen.append((path, context.attempt, threading.current_thread() is threading.main_thread()))
        return 1

    await resize.push("a")
    await run_until_idle(queue)
    assert seen == [("a", 1, False)]
    assert resize("b", context=JobContext.for_test(attempt=2)) == 1
    assert seen[1:] == [("b", 2, True)]


async def test_a_call_of_it_is_a_call_of_the_function() -> None:
    queue = make_queue()

    @queue.task
    async def resize(path: str, width: int = 1, *, context: JobContext = GIVEN, point: Point = GIVEN) -> Any:
        """Make it small."""
        return path, width, context.attempt, point

    assert await resize("a", context=JobContext.for_test(attempt=3), point=Point(1)) == ("a", 1, 3, Point(1))
    with pytest.raises(TypeError, match=r"context=JobContext\.for_test\(\)"):
        await resize("a", point=Point(1))
    with pytest.raises(TypeError, match=r"point=\.\.\."):
        await resize("a", context=JobContext.for_test())
    with pytest.raises(TypeError, match="path"):
        await resize(context=JobContext.for_test(), point=Point(1))  # pyright: ignore[reportCallIssue]
    task: Any = resize
    assert (task.__name__, task.__doc__, repr(task)) == ("resize", "Make it small.", "<Task 'resize'>")
    assert stored(queue) == []


@pytest.mark.parametrize("value", [1, None, "text", {"a": [1]}, Point(1)], ids=str)
async def test_what_it_returns_is_no_fault(value: Any) -> None:
    queue = make_queue()

    @queue.task
    async def give() -> Any:
        return value

    await give.push()
    await run_until_idle(queue)
    assert_completed(queue, give)


async def test_a_function_that_returns_what_nobody_runs_has_failed() -> None:
    queue = make_queue()

    async def inner() -> None: ...

    @queue.task
    async def outer() -> Any:
        return inner()

    await outer.push()
    await run_until_idle(queue)
    assert_failed(queue, outer, error=JobFail.__name__)


async def test_a_name_is_one_jobs() -> None:
    queue = make_queue()

    @queue.task
    async def resize(path: str) -> None: ...

    with pytest.raises(DuplicateJob, match="'resize'"):
        queue.task(resize.function)
    with pytest.raises(DuplicateJob, match="'resize'"):
        queue.register_job(JobName("resize", str), lambda text, context: None)
    queue.task(name="other")(resize.function)


async def test_it_is_registered_anew_in_a_notebook() -> None:
    queue, seen = make_queue(), list[int]()
    for number in (1, 2):

        @queue.task(replace=True)
        async def note(number: int = number) -> None:
            seen.append(number)

        await note.push()
    await run_until_idle(queue)
    assert seen == [1, 2]


async def test_middleware_hears_the_arguments() -> None:
    heard: list[Any] = []

    class Listener(Middleware):
        async def on_push(self, job: PushedJob) -> None:
            heard.append(job.parameters)

        async def on_pop(self, job: PoppedJob) -> None:
            heard.append(job.parameters)

        async def on_completed(self, job: CompletedJob) -> None:
            heard.append(job.parameters)

    queue = make_queue(middleware=[Listener()])

    @queue.task
    async def resize(path: str, width: int = 100) -> None: ...

    await resize.push("a")
    await run_until_idle(queue)
    assert [(each.path, each.width) for each in heard] == [("a", 100)] * 3
    assert repr(heard[0]) == "resize(path='a', width=100)"
