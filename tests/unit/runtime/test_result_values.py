"""The values that handlers return: each arrives as it is, or its job fails."""

from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Annotated, Any, NamedTuple, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest

from jobsvalkey import (
    DO_NOT_RETAIN,
    ConfigurationError,
    JobContext,
    JobFailed,
    JobGone,
    JobOptions,
    JobQueue,
    JobStatus,
    RetentionPolicy,
)
from jobsvalkey.contract import DriverConfiguration
from jobsvalkey_memory import MemoryJobQueue
from tests.support.waiting import PATIENCE
from tests.support.work import Work
from tests.unit.runtime.support import make_queue, run_all
from tests.unit.runtime.test_results import returning

HOUR = timedelta(hours=1)
KEPT = JobOptions(keep_for=HOUR)
KEEP_NONE = RetentionPolicy(failed_jobs=DO_NOT_RETAIN)
SOON = timedelta(seconds=PATIENCE)


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: float = 0.5


class Struct(msgspec.Struct):
    when: datetime
    points: list[Point]


class Model(pydantic.BaseModel):
    name: str
    parts: dict[str, int]


@attrs.define
class Attrs:
    number: int


class Pair(NamedTuple):
    left: int
    right: str


class Typed(TypedDict):
    number: int


VALUES: list[tuple[Any, Any]] = [
    (int, 7),
    (str, "héllo \u2028"),
    (float, 1.5),
    (bool, False),
    (bytes, b"\x00\xff"),
    (list[int], []),
    (dict[str, list[int]], {"a": [1]}),
    (tuple[int, str], (1, "a")),
    (set[int], {1, 2}),
    (int | None, None),
    (int | None, 0),
    (UUID, UUID(int=5)),
    (Decimal, Decimal("1.10")),
    (datetime, datetime(2025, 1, 2, tzinfo=UTC)),
    (date, date(2025, 1, 2)),
    (timedelta, timedelta(seconds=90)),
    (Colour, Colour.RED),
    (Point, Point(1)),
    (list[Point], [Point(1), Point(2, 3)]),
    (Struct, Struct(datetime(2025, 1, 2, tzinfo=UTC), [Point(1)])),
    (Model, Model(name="a", parts={"b": 1})),
    (Attrs, Attrs(3)),
    (Pair, Pair(1, "b")),
    (Typed, {"number": 1}),
    (Any, {"a": [1, None, "b"]}),
]


@pytest.mark.parametrize(("kind", "value"), VALUES, ids=lambda part: str(part)[:40])
async def test_a_result_arrives_as_the_type_that_the_handler_declares(kind: Any, value: Any) -> None:
    queue = make_queue()
    queue.register_job(Work, returning(kind, value))
    job_id = await queue.push(Work(1), options=KEPT)
    await run_all(queue)
    found = await queue.result(job_id, timeout=SOON)
    assert (type(found), found) == (type(value), value)
    elsewhere = JobQueue(queue.driver)
    assert await elsewhere.result(job_id, timeout=SOON, type=kind) == value


@pytest.mark.parametrize("kind", ["swift", "plain"])
async def test_results_have_the_form_of_the_queues_values(kind: Any) -> None:
    queue = make_queue(values=kind)
    queue.register_job(Work, returning(Struct, Struct(datetime(2025, 1, 2, tzinfo=UTC), [Point(1)])))
    job_id = await queue.push(Work(1), options=KEPT)
    await run_all(queue)
    stored = await queue.driver.get(job_id)
    assert stored is not None
    assert (b"2025-01-02" in (stored.result or b"")) is (kind == "plain")
    assert (await queue.result(job_id, timeout=SOON)).when == datetime(2025, 1, 2, tzinfo=UTC)


class PointMaker:
    def __call__(self, parameters: Work, context: JobContext) -> Point:
        return Point(parameters.number)


async def _point(parameters: Work, context: JobContext, *, more: int = 0) -> "Point":
    return Point(parameters.number)


def _awaitable(parameters: Work, context: JobContext) -> Awaitable[Point]:
    return _point(parameters, context)


def _coroutine(parameters: Work, context: JobContext) -> Coroutine[Any, Any, Point]:
    return _point(parameters, context)


async def _annotated(parameters: Work, context: JobContext) -> Annotated[Point, "a note"]:
    return Point(parameters.number)


@pytest.mark.parametrize(
    "handler",
    [PointMaker(), _point, partial(_point, more=1), _awaitable, _coroutine, _annotated],
    ids=["object", "function", "partial", "awaitable", "coroutine", "annotated"],
)
async def test_the_declared_type_is_found_behind_any_handler(handler: Any) -> None:
    queue = make_queue()
    queue.register_job(Work, handler)
    job_id = await queue.push(Work(3), options=KEPT)
    await run_all(queue)
    assert await queue.result(job_id, timeout=SOON) == Point(3)


async def test_without_a_type_a_result_is_what_json_says() -> None:
    queue = make_queue()

    async def handler(parameters: Work, context: JobContext):  # type: ignore[no-untyped-def]
        return Point(1)

    queue.register_job(Work, handler)
    job_id = await queue.push(Work(1), options=KEPT)
    await run_all(queue)
    assert await queue.result(job_id, timeout=SOON) == {"x": 1, "y": 0.5}
    assert await queue.result(job_id, timeout=SOON, type=Point) == Point(1)
    with pytest.raises(ConfigurationError, match=f"the result of job {job_id} cannot be read as Colour"):
        await queue.result(job_id, timeout=SOON, type=Colour)


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (int, "a text", "as int"),
        (float, float("nan"), "NaN"),
        (Any, object(), "object"),
        (dict[str, int], {"a": "b"}, "dict"),
        (str, "x" * 3000, "has 3,002 bytes, more than max_payload"),
        (str, "\ud800", "str"),
    ],
    ids=["type", "nan", "object", "part", "large", "surrogate"],
)
async def test_a_result_that_cannot_be_stored_fails_the_job_without_a_retry(kind: Any, value: Any, reason: str) -> None:
    configuration = DriverConfiguration(max_payload=2000)
    queue = JobQueue(MemoryJobQueue(configuration))
    queue.register_job(Work, returning(kind, value))
    kept, plain = await queue.push(Work(1), options=KEPT), await queue.push(Work(2))
    await run_all(queue)  # pyright: ignore[reportArgumentType]
    with pytest.raises(JobFailed, match=r"(?s)jobsvalkey.*JobFail: the result of job 'Work'") as caught:
        await queue.result(kept, timeout=SOON)
    assert reason in caught.value.error.message
    # Nobody asked for the other one's.
    with pytest.raises(JobGone):
        await queue.result(plain, timeout=SOON)


async def test_what_nobody_asked_for_fails_no_job_though_it_is_retained() -> None:
    queue = make_queue()
    queue.register_job(Work, returning(Any, object()))
    job_id = await queue.push(Work(1))
    await run_all(queue)
    assert await queue.status(job_id) is JobStatus.COMPLETED
    assert await queue.result(job_id, timeout=SOON) is None
