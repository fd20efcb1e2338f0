"""A value is checked however many of its type were right before it."""

import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import pytest

from jobsvalkey import InvalidParameters, JobName, JobQueue
from jobsvalkey.runtime.codec import RequestEncoder
from jobsvalkey_memory import MemoryJobQueue

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Mail:
    to: str
    count: int = 0
    weight: float | None = None
    tags: list[str] = field(default_factory=list[str])
    extra: dict[str, int] = field(default_factory=dict[str, int])


@dataclass
class Small:
    weight: float


@dataclass
class Text:
    text: str


@dataclass
class Either:
    number: int | float


class Limited(msgspec.Struct):
    count: Annotated[int, msgspec.Meta(gt=0)]


@dataclass
class Tagged:
    tags: Annotated[list[str], msgspec.Meta(max_length=1)]


@dataclass
class Derived(Mail):
    more: int = 1


WRONG: list[tuple[Any, list[Any], Any]] = [
    (Mail, [Mail("a"), Mail("a", 1, 1.5, ["x"], {"a": 1})], Mail(1)),  # type: ignore[arg-type]
    (Mail, [Mail("a", 1, 1.5, ["x"], {"a": 1})], Mail("a", 1, 1.5, ["x", 1], {"a": 1})),  # type: ignore[list-item]
    (Mail, [Mail("a", 1, 1.5, ["x"], {"a": 1})], Mail("a", 1, 1.5, ["x"], {"a": 1.5})),  # type: ignore[dict-item]
    (Mail, [Mail("a", 1, 1.5, ["x"], {"a": 1})], Mail("a", 1, 1.5, "x")),  # type: ignore[arg-type]
    (Mail, [Mail("a", 1, 1.5)], Mail("a", 1, math.nan)),
    (Mail, [Mail("a", True and 1, 1.5)], Mail("a", True, 1.5)),
    (Mail, [Mail("a"), Mail("a", 1, None)], Derived("a")),
    (Small, [Small(1.5), Small(1)], Small(2**60 + 1)),
    (Small, [Small(1.5)], Small(math.inf)),
    (Text, [Text("a")], Text(Decimal(1))),  # type: ignore[arg-type]
    (Text, [Text("a")], Text(date(2026, 1, 1))),  # type: ignore[arg-type]
    (Either, [Either(1), Either(1.5)], Either(True)),
    (Limited, [Limited(1)], Limited(-1)),
    (Tagged, [Tagged(["a"])], Tagged(["a", "b"])),
    (str, ["a"], "\ud800"),
    (int, [1], True),
    (list[int], [[1]], [1.5]),
]


@pytest.mark.parametrize(("kind", "right", "wrong"), WRONG)
def test_what_is_wrong_is_refused_after_others_were_right(kind: Any, right: list[Any], wrong: Any) -> None:
    encode = RequestEncoder()
    for value in right * 2:
        encode("job", value, NOW, kind=kind)
    for _ in range(2):
        with pytest.raises(InvalidParameters):
            encode("job", wrong, NOW, kind=kind)
    for value in right:
        encode("job", value, NOW, kind=kind)


@pytest.mark.parametrize(("kind", "right", "wrong"), WRONG)
async def test_each_of_those_that_are_pushed_together_is_checked(kind: Any, right: list[Any], wrong: Any) -> None:
    queue, job = JobQueue(MemoryJobQueue()), JobName[Any]("job", kind)
    with pytest.raises(InvalidParameters):
        await queue.push_many([*map(job.with_parameters, right * 3), job.with_parameters(wrong)])
    assert sum((await queue.counts()).values()) == 0


def test_a_field_that_was_deleted_is_missed_after_others_were_right() -> None:
    encode, broken = RequestEncoder(), Small(1.5)
    encode("job", Small(1.5), NOW)
    del broken.weight
    with pytest.raises(InvalidParameters, match="weight"):
        encode("job", broken, NOW)
