"""Constraints are checked where a job is read, those of pydantic and `annotated_types` too."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import pydantic
import pydantic.dataclasses
import pytest

from jobsvalkey import (
    JobContext,
    JobName,
    JobQueue,
    ProcessorOptions,
)
from jobsvalkey.runtime.values import Values
from jobsvalkey_memory import MemoryJobQueue


@pydantic.dataclasses.dataclass
class Checked:
    count: pydantic.PositiveInt
    name: Annotated[str, pydantic.Field(max_length=5)] = "a"
    inner: "Checked | None" = None


@dataclass
class Counts:
    count: pydantic.PositiveInt


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (pydantic.PositiveInt, b"1", b"-1"),
        (list[pydantic.PositiveInt], b"[1]", b"[1,-1]"),
        (dict[str, pydantic.PositiveInt | None], b'{"a":1,"b":null}', b'{"a":-1}'),
        (tuple[str, pydantic.PositiveInt], b'["a",1]', b'["a",-1]'),
        (Counts, b'{"count":1}', b'{"count":0}'),
        (Checked, b'{"count":1}', b'{"count":0}'),
        (Checked, b'{"count":1,"name":"short"}', b'{"count":1,"name":"too long"}'),
        (Checked, b'{"count":1,"inner":{"count":1}}', b'{"count":1,"inner":{"count":-1}}'),
        (list[Checked], b'[{"count":1}]', b'[{"count":-1}]'),
        (Annotated[int, msgspec.Meta(gt=0)], b"1", b"-1"),
    ],
)
@pytest.mark.parametrize("values", ["plain", "swift"])
async def test_constraints_are_checked_where_a_job_is_read(
    kind: Any, right: bytes, wrong: bytes, values: Values
) -> None:
    received: list[Any] = []

    async def handler(parameters: Any, context: JobContext) -> None:
        received.append(parameters)

    queue = JobQueue(MemoryJobQueue(), values=values)
    queue.register_job(JobName[Any]("job", kind), handler)
    raw = JobName("job", msgspec.Raw)
    good, bad = [await queue.push(raw, msgspec.Raw(body)) for body in (right, wrong)]
    await queue.processor(ProcessorOptions(burst=True)).run()
    assert len(received) == 1
    assert await queue.get(good) is None
    record = await queue.get(bad)
    assert record is not None
    assert record.error is not None
    assert "does not fit its parameters: " in record.error.message
