import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypedDict

import msgspec
import pytest

from jobsvalkey.contract import JobName
from jobsvalkey.runtime import JobContext, JobQueue, ProcessorOptions
from jobsvalkey.runtime.values.swift import SwiftCodec
from jobsvalkey_memory import MemoryJobQueue

DATE = datetime(2001, 1, 2, tzinfo=UTC)
SECONDS = 86400.0


class Cat(msgspec.Struct, tag=True):
    born: datetime


class Dog(msgspec.Struct, tag=True):
    born: float


class Pair(NamedTuple):
    first: datetime
    second: int


class Typed(TypedDict):
    at: datetime


@dataclass
class Everything:
    at: datetime
    maybe: datetime | None
    many: list[datetime]
    by_name: dict[str, datetime]
    pair: Pair
    mixed: tuple[int, datetime]
    pet: Cat | Dog
    typed: Typed
    number: float
    either: int | str
    deeper: "list[Everything]"


def everything(deeper: list[Everything]) -> Everything:
    typed: Typed = {"at": DATE}
    return Everything(
        DATE, None, [DATE, DATE], {"a": DATE}, Pair(DATE, 1), (1, DATE), Cat(DATE), typed, SECONDS, 5, deeper
    )


def test_dates_are_seconds_since_2001_wherever_they_are() -> None:
    value = everything([everything([])])
    encoded = json.loads(SwiftCodec(Everything).write(value))
    assert encoded["at"] == SECONDS
    assert encoded["many"] == [SECONDS, SECONDS]
    assert encoded["by_name"] == {"a": SECONDS}
    assert encoded["pet"] == {"type": "Cat", "born": SECONDS}
    assert encoded["deeper"][0]["typed"] == {"at": SECONDS}
    assert SwiftCodec(Everything).read(json.dumps(encoded).encode()) == value


def test_a_union_follows_its_tag() -> None:
    value = everything([])
    value.pet = Dog(SECONDS)
    assert SwiftCodec(Everything).read(SwiftCodec(Everything).write(value)) == value


def test_the_zone_does_not_matter() -> None:
    from zoneinfo import ZoneInfo

    assert SwiftCodec(datetime).write(DATE.astimezone(ZoneInfo("Asia/Tokyo"))) == b"86400.0"
    assert SwiftCodec(datetime).read(b"0") == DATE - timedelta(days=1)


def test_text_is_still_a_date() -> None:
    assert SwiftCodec(datetime).read(b'"2001-01-02T00:00:00Z"') == DATE


def test_wrong_shapes_are_refused() -> None:
    wrong: list[Any] = [[], {"at": "no date"}, None]
    for value in wrong:
        with pytest.raises(msgspec.ValidationError):
            SwiftCodec(Typed).read(json.dumps(value).encode())


async def test_the_queue_writes_and_reads_them() -> None:
    seen: list[Typed] = []

    async def handler(parameters: Typed, context: JobContext) -> None:
        seen.append(parameters)

    queue = JobQueue(MemoryJobQueue(), values="swift")
    queue.register_job(JobName("typed", Typed), handler)
    job_id = await queue.push(JobName("typed", Typed), {"at": DATE})
    record = await queue.get(job_id)
    assert record is not None
    assert record.parameters == '{"at":86400.0}'
    await queue.processor(ProcessorOptions(burst=True)).run()
    assert seen == [{"at": DATE}]
