"""A value is checked however many of its type were right before it."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
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


IN_BULK = [each for each in WRONG if each[0] not in (Mail, Small)] + [
    (Mail, [Mail("a", 1, 1.5)], Mail("a", 1, math.nan)),
    (Mail, [Mail("a"), Mail("a", 1, None)], Derived("a")),
    (Small, [Small(1.5)], Small(math.inf)),
]


@pytest.mark.parametrize(("kind", "right", "wrong"), IN_BULK)
async def test_in_bulk_what_types_do_not_prove_is_checked_as_well(kind: Any, right: list[Any], wrong: Any) -> None:
    queue, job = JobQueue(MemoryJobQueue()), JobName[Any]("job", kind)
    with pytest.raises(InvalidParameters):
        await queue.push_many([*map(job.with_parameters, right * 3), job.with_parameters(wrong)])
    assert sum((await queue.counts()).values()) == 0


async def test_in_bulk_the_first_of_plain_values_is_checked() -> None:
    queue, job = JobQueue(MemoryJobQueue()), JobName("job", Mail)
    wrong: Any = Mail(1)  # type: ignore[arg-type]
    with pytest.raises(InvalidParameters, match="Expected `str`"):
        await queue.push_many([job.with_parameters(wrong), job.with_parameters(Mail("a"))])
