"""What can be pushed is what arrives; else it is refused by a sentence that names the type and the field."""

import collections
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import attrs
import msgspec
import pydantic
import pydantic.dataclasses
import pytest

from jobsvalkey import (
    ConfigurationError,
    InvalidParameters,
    JobContext,
    JobName,
    JobQueue,
    ProcessorOptions,
    new_job_id,
)
from jobsvalkey.runtime.values import Values
from jobsvalkey_memory import MemoryJobQueue

T = TypeVar("T")


async def arrives(kind: Any, value: Any, values: Values = "plain") -> Any:
    """What a handler gets of `value`."""
    received: list[Any] = []

    async def handler(parameters: Any, context: JobContext) -> None:
        received.append(parameters)

    queue = JobQueue(MemoryJobQueue(), values=values)
    queue.register_job(JobName[Any]("job", kind), handler)
    job_id = await queue.push(JobName[Any]("job", kind), value)
    await queue.processor(ProcessorOptions(burst=True)).run()
    record = await queue.get(job_id)
    assert received, record
    return received[0]


async def refusal_at_registration(kind: Any) -> str:
    """Why a job with such parameters is not registered; a push of one says the same."""

    async def handler(parameters: Any, context: JobContext) -> None: ...

    with pytest.raises(ConfigurationError, match="the parameters of job 'job'") as caught:
        JobQueue(MemoryJobQueue()).register_job(JobName[Any]("job", kind), handler)
    return str(caught.value)


async def refusal_at_push(kind: Any, value: Any, values: Values = "plain") -> str:
    driver = MemoryJobQueue()
    with pytest.raises(InvalidParameters, match="the parameters of job 'job'") as caught:
        await JobQueue(driver, values=values).push(JobName[Any]("job", kind), value)
    assert sum((await driver.counts()).values()) == 0
    return str(caught.value)


# Types that are refused when they are registered.


class Excluded(pydantic.BaseModel):
    note: int = pydantic.Field(1, exclude=True)


class WrittenOtherwise(pydantic.BaseModel):
    note: int = pydantic.Field(1, serialization_alias="NOTE")


class ReadOtherwise(pydantic.BaseModel):
    note: int = pydantic.Field(1, validation_alias="NOTE")


class ReadAnywhereElse(pydantic.BaseModel):
    note: int = pydantic.Field(1, validation_alias=pydantic.AliasChoices("a", pydantic.AliasPath("note", 0)))


class Secret(pydantic.BaseModel):
    note: pydantic.SecretStr


class SecretOrNone(pydantic.BaseModel):
    note: pydantic.SecretBytes | None = None


class Deep(pydantic.BaseModel):
    many: list[dict[str, Secret | None]]


@dataclass
class SecretInADataclass:
    note: pydantic.SecretStr


@dataclass
class ModelInADataclass:
    many: list[Excluded]


@attrs.define
class Private:
    _note: int = 1


@attrs.define
class VeryPrivate:
    __note: int = 1


@dataclass
class WithCounter:
    note: Counter[str]


@dataclass
class WithDefaultDict:
    note: defaultdict[str, int]


@dataclass
class WithOrderedDict:
    note: list[OrderedDict[str, int]]


@dataclass
class WithDeque:
    note: deque[int] | None


@dataclass
class WithPath:
    note: Path


class StructWithPath(msgspec.Struct):
    note: dict[str, Path]


class TupleWithPath(NamedTuple):
    note: Path


class DictWithPath(TypedDict):
    note: Path


@dataclass
class WithComplex:
    note: complex


@dataclass
class WithObject:
    note: object


@dataclass
class WithLock:
    note: threading.Thread


@dataclass
class KeysOfTuples:
    note: dict[tuple[int, int], str]


@dataclass
class KeysOfBools:
    note: dict[bool, str]


class Mixed(Enum):
    ONE = 1.5


@dataclass
class WithMixed:
    note: Mixed


@dataclass
class Outer:
    inner: list[WithMixed]


@dataclass
class WithInitVar:
    value: int
    note: InitVar[int] = 0


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        (Excluded, "Excluded.note is excluded"),
        (WrittenOtherwise, "WrittenOtherwise.note is written as 'NOTE'"),
        (ReadOtherwise, "ReadOtherwise.note is written as 'note' and read as 'NOTE'"),
        (ReadAnywhereElse, "ReadAnywhereElse.note is written as 'note'"),
        (Secret, "Secret.note is a SecretStr"),
        (SecretOrNone, "SecretOrNone.note is a SecretBytes"),
        (Deep, "Secret.note is a SecretStr"),
        (SecretInADataclass, "SecretInADataclass.note is a SecretStr"),
        (ModelInADataclass, "Excluded.note is excluded"),
        (list[Secret], "Secret.note is a SecretStr"),
        (Private, "Private._note is a private field"),
        (VeryPrivate, "VeryPrivate._VeryPrivate__note is a private field"),
        (WithCounter, "WithCounter.note is a Counter, .* use dict"),
        (WithDefaultDict, "WithDefaultDict.note is a defaultdict, .* use dict"),
        (WithOrderedDict, "WithOrderedDict.note is a OrderedDict, .* use dict"),
        (WithDeque, "WithDeque.note is a deque, .* use list"),
        (Counter[str], "the type .*Counter.* use dict"),
        (WithPath, "WithPath.note is a Path, .* use str"),
        (StructWithPath, "StructWithPath.note is a Path"),
        (TupleWithPath, "TupleWithPath.note is a Path"),
        (DictWithPath, "DictWithPath.note is a Path"),
        (list[WithPath], "WithPath.note is a Path"),
        (WithComplex, "WithComplex.note is a complex"),
        (WithObject, "WithObject.note is a object, .* use Any"),
        (WithLock, "WithLock.note is a Thread, .* use a dataclass"),
        (KeysOfTuples, "KeysOfTuples.note has a dictionary .* list of pairs"),
        (KeysOfBools, "KeysOfBools.note has a dictionary .* list of pairs"),
        (WithMixed, "WithMixed.note"),
        (Outer, "WithMixed.note"),
        (WithInitVar, "WithInitVar"),
        (int | str, "union .*wrap it in a model"),
        (int | str | None, "union .*wrap it in a model"),
        (Annotated[Colour := Literal["a"] | int, "x"], "union .*wrap it in a model"),
        (Excluded | Secret, "union .*wrap it in a model"),
    ],
)
async def test_a_type_that_cannot_arrive_is_refused_by_name(kind: Any, place: str) -> None:
    import re

    found = await refusal_at_registration(kind)
    assert re.search(place, found), found
    value = kind if not isinstance(kind, type) else None
    assert re.search(place, await refusal_at_push(kind, value))


@pytest.mark.parametrize(("kind", "value"), [(int | None, None), (int | None, 1), (None | str, "a")])
async def test_a_value_or_none_is_the_whole_of_a_jobs_parameters(kind: Any, value: Any) -> None:
    assert await arrives(kind, value) == value


# Values that are refused when they are pushed.


@dataclass(frozen=True)
class Base:
    x: int = 1


@dataclass(frozen=True)
class Derived(Base):
    y: int = 2


@dataclass
class Holder:
    base: Base
    many: list[float]
    by_name: dict[str, int]
    payload: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass
class Computes:
    value: int
    double: int = field(init=False)

    def __post_init__(self) -> None:
        self.double = 2 * self.value


def tampered() -> Computes:
    value = Computes(1)
    value.double = 99
    return value


@dataclass
class LeftOut:
    moment: datetime = field(compare=False)


@dataclass(eq=False)
class WithoutEq:
    moment: datetime


class HasPrivate(pydantic.BaseModel):
    x: int = 1
    _note: int = 1


def with_private() -> HasPrivate:
    value = HasPrivate()
    value._note = 2
    return value


class Total(TypedDict):
    x: int


BERLIN = ZoneInfo("Europe/Berlin")
ODD = timezone(timedelta(hours=1, seconds=28))
EXTRA: Any = {"x": 1, "y": 2}
MISTYPED: Any = {"x": "1"}


@pytest.mark.parametrize(
    ("kind", "value", "place"),
    [
        (Holder, Holder(Derived(), [], {}), "Holder.base would arrive as Base"),
        (Base, Derived(), "would arrive as Base"),
        (Base, Base("text"), r"Expected `int`, got `str` - at `\$\.x`"),  # type: ignore[arg-type]
        (Base, 1, "object"),
        (int, True, "Expected `int`"),
        (Holder, Holder(Base(), [2**60 + 1], {}), r"Holder.many\[0\] would arrive as float"),
        (Holder, Holder(Base(), [float("nan")], {}), r"Holder.many\[0\] is NaN"),
        (Holder, Holder(Base(), [], {}, {"a": {1: "x", "1": "y"}}), r"Holder.payload\['a'\] would lose .*1, '1'"),
        (Holder, Holder(Base(), [], {}, {"a": [object()]}), r"Holder.payload\['a'\]\[0\] is a object"),
        (Holder, Holder(Base(), [], {}, {"a": Path()}), r"Holder.payload\['a'\] is a PosixPath"),
        (Holder, Holder(Base(), [], {}, {"a": float("inf")}), "NaN and infinity|is NaN or infinite"),
        (Holder, Holder(Base(), [], {"\ud800": 1}), "Holder.by_name"),
        (str, "\ud800", "surrogates"),
        (dict, {1: 1, "1": 2}, "lose entries: of the keys 1, '1'"),
        (dict[int | str, int], {1: 1, "1": 2}, "keys"),
        (Any, [{1: 1, "1": 2}], "lose entries"),
        (list, [{"a": {1.0: 1, "1.0": 2}}], "lose entries"),
        (Computes, tampered(), "Computes.double would arrive as int 2, not int 99"),
        (datetime, datetime(2024, 1, 1, tzinfo=ODD), "would arrive as datetime"),
        (LeftOut, LeftOut(datetime(2024, 1, 1, tzinfo=ODD)), "LeftOut.moment"),
        (WithoutEq, WithoutEq(datetime(1880, 1, 1, tzinfo=BERLIN)), "WithoutEq.moment"),
        (time, time(1, tzinfo=BERLIN), "would arrive as time"),
        (time, time(1, tzinfo=ODD), "would arrive as time"),
        (HasPrivate, with_private(), "HasPrivate._note would arrive as int 1, not int 2"),
        (Total, EXTRA, "of the keys 'y'"),
        (Total, MISTYPED, "Expected `int`"),
    ],
)
async def test_a_value_that_would_not_arrive_is_refused_by_name(kind: Any, value: Any, place: str) -> None:
    import re

    found = await refusal_at_push(kind, value)
    assert re.search(place, found), found


async def test_it_is_refused_in_swifts_form_too() -> None:
    assert "Holder.base" in await refusal_at_push(Holder, Holder(Derived(), [], {}), "swift")
    assert "lose entries" in await refusal_at_push(dict[str, Any], {"a": {1: 1, "1": 2}}, "swift")
    assert "naive" in await refusal_at_push(datetime, datetime(2024, 1, 1), "swift")  # noqa: DTZ001


# What arrives.


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
        (Aliased, Aliased(ONE=1, THREE=7)),
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


# Constraints are checked where the job is read.

Positive = JobName("positive", pydantic.PositiveInt)


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
