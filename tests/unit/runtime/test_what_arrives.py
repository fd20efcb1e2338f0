"""What can be pushed is what arrives."""

import collections
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Flag
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import msgspec
import pydantic
import pydantic.dataclasses
import pytest

from jobsvalkey import (
    new_job_id,
)
from tests.unit.runtime.arrivals import arrives

T = TypeVar("T")
BERLIN = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True)
class Base:
    x: int = 1


@dataclass(eq=False)
class WithoutEq:
    moment: datetime


class Aliased(pydantic.BaseModel):
    one: int = pydantic.Field(alias="ONE")
    two: int = pydantic.Field(2, validation_alias=pydantic.AliasChoices("two", "zwei"))
    three: int = pydantic.Field(3, serialization_alias="THREE", validation_alias="THREE")


class ByName(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(populate_by_name=True)
    one: int = pydantic.Field(1, validation_alias="ONE")


class Calculating(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    x: int

    @pydantic.computed_field
    @property
    def double(self) -> int:
        return 2 * self.x


class ShownSecret(pydantic.BaseModel):
    note: pydantic.SecretStr

    @pydantic.field_serializer("note", when_used="json")
    def reveal(self, note: pydantic.SecretStr) -> str:
        return note.get_secret_value()


class Extra(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    x: int


class Box(msgspec.Struct, Generic[T]):
    value: T


class Tree(msgspec.Struct):
    children: "list[Tree]" = []


@pydantic.dataclasses.dataclass
class Checked:
    count: pydantic.PositiveInt
    name: Annotated[str, pydantic.Field(max_length=5)] = "a"
    inner: "Checked | None" = None


class Bits(Flag):
    A = 1
    B = 2


@dataclass
class Abstract:
    rows: Sequence[int]
    by_name: Mapping[str, int]
    bits: Bits


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Aliased, Aliased.model_validate({"ONE": 1, "THREE": 7})),
        (ByName, ByName(one=5)),
        (Calculating, Calculating(x=1)),
        (ShownSecret, ShownSecret(note=pydantic.SecretStr("swordfish"))),
        (Extra, Extra.model_validate({"x": 1, "y": [1]})),
        (Box[int], Box(1)),
        (Box[list[UUID]], Box([uuid4()])),
        (Tree, Tree([Tree(), Tree([Tree()])])),
        (Checked, Checked(1, inner=Checked(2))),
        (list[Checked], [Checked(1)]),
        (UUID, uuid4()),
        (Decimal, Decimal("1.10")),
        (datetime, datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=BERLIN).astimezone(UTC)),
        (timedelta, timedelta.max),
        (timedelta, timedelta.min),
        (datetime, datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))),
        (datetime, datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))),
        (time, time(1, 2, 3, 4, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))),
        (int, 10**30),
        (float, 5e-324),
        (dict[int, str], {1: "a"}),
        (dict[UUID, str], {uuid4(): "a"}),
        (dict[str, Any], {"a": [1, None, {"b": 1.5}]}),
        (frozenset[int], frozenset({1})),
    ],
)
async def test_what_arrives_is_what_was_pushed(kind: Any, value: Any) -> None:
    received = await arrives(kind, value)
    assert (type(received), received) == (type(value), value)


async def test_a_moment_in_a_fold_and_a_type_without_eq_arrive() -> None:
    moment = datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=BERLIN)
    assert (await arrives(datetime, moment)) - moment == timedelta(0)
    received = await arrives(WithoutEq, WithoutEq(moment))
    assert received.moment - moment == timedelta(0)
    # Rows and mappings arrive as the kinds that their types stand for.
    value = Abstract((1, 2), collections.ChainMap({"a": 1}) and {"a": 1}, Bits.A | Bits.B)
    assert await arrives(Abstract, value) == Abstract([1, 2], {"a": 1}, Bits.A | Bits.B)
    assert await arrives(UUID, new_job_id())


@pytest.mark.parametrize(
    ("value", "received"),
    [
        ((1, 2), [1, 2]),
        ({1}, [1]),
        (Decimal("1.10"), "1.10"),
        (datetime(2024, 1, 1, tzinfo=UTC), "2024-01-01T00:00:00Z"),
        (timedelta(seconds=90), "PT90S"),
        (b"\0", "AA=="),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({1: "a"}, {"1": "a"}),
        (Bits.A, 1),
        (Base(), {"x": 1}),
    ],
)
async def test_without_a_type_values_arrive_as_the_kinds_that_json_has(value: Any, received: Any) -> None:
    for kind, wrapped, expected in (
        (Any, value, received),
        (list, [value], [received]),
        (dict, {"a": value}, {"a": received}),
    ):
        assert await arrives(kind, wrapped) == expected
