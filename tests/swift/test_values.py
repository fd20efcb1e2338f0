"""What Swift's `JSONEncoder` has written of 39 values is read, and written alike, at any depth of any kind of type."""

import json
from dataclasses import dataclass, make_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from pathlib import Path
from types import NoneType
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
import pytest

from jobsvalkey.runtime.values import Form, make_form
from tests.swift.holders import DAY, HOLDERS, Holder

RECORDED: dict[str, str] = {
    row["kind"]: row["p"] for row in json.loads((Path(__file__).parent / "values.json").read_text())
}


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 9


@dataclass(frozen=True)
class Empty: ...


@dataclass(frozen=True)
class Optionals:
    a: int | None
    b: int | None
    c: list[int | None]


@dataclass(frozen=True)
class DateInterval:
    start: datetime
    duration: float


@dataclass(frozen=True)
class TimeZone:
    identifier: str


class DateComponents(msgspec.Struct, frozen=True, omit_defaults=True):
    year: int | None = None
    month: int | None = None


class One(msgspec.Struct, frozen=True):
    value: int = msgspec.field(name="_0")


class Two(msgspec.Struct, frozen=True):
    first: int = msgspec.field(name="_0")
    second: str = msgspec.field(name="_1")


class Named(msgspec.Struct, frozen=True, omit_defaults=True):
    x: int
    y: str | None = None


class Case(msgspec.Struct, frozen=True, omit_defaults=True):
    """An enum whose cases carry values: the one field that is set is the case."""

    one: One | None = None
    two: Two | None = None
    named: Named | None = None
    none: Empty | None = None


class Forbidding(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class OneModel(Forbidding):
    value: int = pydantic.Field(alias="_0")


class TwoModel(Forbidding):
    first: int = pydantic.Field(alias="_0")
    second: str = pydantic.Field(alias="_1")


class NamedModel(Forbidding):
    x: int
    y: str | None = None


class CaseOne(Forbidding):
    one: OneModel


class CaseTwo(Forbidding):
    two: TwoModel


class CaseNamed(Forbidding):
    named: NamedModel


class CaseNone(Forbidding):
    none: Empty


class ComponentsModel(Forbidding):
    year: int | None = None
    month: int | None = None


ANY_CASE = CaseOne | CaseTwo | CaseNamed | CaseNone
IN_MODELS: dict[str, tuple[Any, Any]] = {
    "caseone": (ANY_CASE, CaseOne(one=OneModel(_0=5))),
    "casetwo": (ANY_CASE, CaseTwo(two=TwoModel(_0=1, _1="b"))),
    "casenamed": (ANY_CASE, CaseNamed(named=NamedModel(x=1))),
    "casenone": (ANY_CASE, CaseNone(none=Empty())),
    "components": (ComponentsModel, ComponentsModel(year=2025, month=3)),
}
"""Rows for which the others use a Struct, which pydantic does not know."""

VALUES: dict[str, tuple[Any, Any]] = {
    "int": (int, 42),
    "int64min": (int, -(2**63)),
    "uint64max": (int, 2**64 - 1),
    "double3": (float, 3.0),
    "double": (float, 0.1),
    "big": (float, 1e300),
    "float": (float, 0.1),
    "bool": (bool, True),
    "string": (str, "é/\u2028\0"),
    "nil": (NoneType, None),
    "date": (datetime, datetime(2023, 3, 8, 20, 26, 40, 125000, tzinfo=UTC)),
    "olddate": (datetime, datetime(1969, 12, 31, 23, 59, 58, 500000, tzinfo=UTC)),
    "distant": (datetime, datetime(4001, 1, 1, tzinfo=UTC)),
    "duration": (timedelta, timedelta(seconds=1.5)),
    "negduration": (timedelta, timedelta(seconds=-2)),
    "hour": (timedelta, timedelta(hours=1)),
    "week": (timedelta, timedelta(weeks=1)),
    "data": (bytes, b"\0\xff\1"),
    "uuid": (UUID, DAY),
    "url": (str, "https://example.com/a?b=c"),
    "decimal": (Decimal, Decimal("1.1")),
    "strings": (list[str], ["a", "b"]),
    "set": (set[int], {1}),
    "map": (dict[str, int], {"k": 1}),
    "intmap": (dict[int, str], {7: "x"}),
    "uuidmap": (dict[UUID, int], {DAY: 1}),
    "enummap": (dict[Colour, int], {Colour.RED: 1}),
    "range": (tuple[int, int], (1, 5)),
    "colour": (Colour, Colour.RED),
    "level": (Level, Level.HIGH),
    "caseone": (Case, Case(one=One(5))),
    "casetwo": (Case, Case(two=Two(1, "b"))),
    "casenamed": (Case, Case(named=Named(1))),
    "casenone": (Case, Case(none=Empty())),
    "empty": (Empty, Empty()),
    "optional": (Optionals, Optionals(None, 2, [None, 1])),
    "interval": (DateInterval, DateInterval(datetime(2001, 1, 1, 0, 0, 10, tzinfo=UTC), 5.0)),
    "zone": (TimeZone, TimeZone("Europe/Berlin")),
    "components": (DateComponents, DateComponents(2025, 3)),
}
NOT_HASHABLE = {"strings", "set", "map", "intmap", "uuidmap", "enummap", "optional"}


def test_there_is_a_python_type_for_each_row() -> None:
    assert list(VALUES) == list(RECORDED)


def parsed(text: str | bytes) -> Any:
    """JSON with its numbers as they are in value, and without what is `null` in objects: Swift leaves that out."""

    def with_values(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {key: value for key, value in pairs if value is not None}

    return json.loads(text, parse_float=Decimal, parse_int=Decimal, object_pairs_hook=with_values)


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: holder.__name__)
@pytest.mark.parametrize("row", VALUES)
def test_each_value_goes_both_ways(row: str, holder: Holder) -> None:
    held = IN_MODELS.get(row, VALUES[row]) if "model" in holder.__name__ else VALUES[row]
    kind, value, text = holder(*held, RECORDED[row])
    form = make_form(kind, "swift")
    assert form.read(text.encode()) == value
    assert parsed(form.write(value)) == parsed(text)


@pytest.mark.parametrize("row", sorted(VALUES.keys() - NOT_HASHABLE - {"nil"}))
def test_each_hashable_value_is_a_key(row: str) -> None:
    kind, value = VALUES[row]
    if msgspec.json.encode(value)[:1] == b"{":
        with pytest.raises(TypeError, match="list of pairs"):
            make_form(dict[kind, int], "swift")
        return
    text = RECORDED[row]
    form = make_form(dict[kind, int], "swift")
    assert form.read(f"[{text},1]".encode()) == {value: 1}
    assert form.read(
        form.write(
            {
                value: 1,
            }
        )
    ) == {value: 1}
    written = parsed(form.write({value: 1}))
    is_name = isinstance(value, str | int) and not isinstance(value, bool)
    assert written == ({str(value if isinstance(value, str) else int(value)): 1} if is_name else [parsed(text), 1])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (dict[UUID, int], "[]"),
        (dict[datetime, int], "[]"),
        (dict[str, int], "{}"),
        (dict[int, int], "{}"),
        (dict[bool, int], "[]"),
        (dict[UUID, int] | None, "[]"),
    ],
)
def test_an_empty_dictionary_is_written_as_its_keys_are(kind: Any, text: str) -> None:
    assert make_form(kind, "swift").write({}) == text.encode()


DISTANT_PAST = b"-63114076800"


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        (datetime, DISTANT_PAST, "Python cannot hold, such as Swift's Date.distantPast"),
        (datetime, b"1e30", "Python cannot hold"),
        (list[datetime], b"[" + DISTANT_PAST + b"]", "Python cannot hold"),
        (timedelta, b"[5000000000000,0]", "a duration that Python cannot hold"),
        (timedelta, b"[0]", "no duration of Swift's"),
        (timedelta, b"[0,-1]", "no duration of Swift's"),
        (float, b"1e999", "larger than any float"),
        (dict[UUID, int], b"[1]", "keys and values in turn"),
    ],
)
def test_what_python_cannot_hold_says_so(kind: Any, text: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        make_form(kind, "swift").read(text)


@pytest.mark.parametrize("text", ["1.10", "1.1", "-0", "0", "1E+5", "1e-30", "12345678901234567890.0123456789", "0E-7"])
def test_the_digits_of_a_decimal_are_kept(text: str) -> None:
    form = make_form(list[Decimal], "swift")
    (read,) = form.read(form.write([Decimal(text)]))
    assert read.as_tuple() == Decimal(text).as_tuple()
    assert isinstance(json.loads(form.write([Decimal(text)]))[0], int | float)


@pytest.mark.parametrize(
    "kind",
    [
        *(datetime | int, datetime | float, Decimal | float, Decimal | int, timedelta | list[int]),
        *(dict[UUID, int] | list[int], timedelta | tuple[int, int]),
    ],
)
def test_a_union_of_what_swift_writes_alike_is_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"Holds\.at is a union .* alike"):
        make_form(make_dataclass("Holds", [("at", kind)]), "swift")
    with pytest.raises(TypeError, match=r"Holds\.at is a union .* alike"):
        make_form(pydantic.create_model("Holds", at=(kind, ...)), "swift")


class Opaque:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return handler(int)


class Serialized(pydantic.BaseModel):
    at: datetime

    @pydantic.field_serializer("at")
    def as_text(self, at: datetime) -> str:
        return str(at)


class Hiding(pydantic.BaseModel):
    holds: Opaque


class Annotations(pydantic.BaseModel):
    at: Annotated[datetime, pydantic.PlainSerializer(lambda at: str(at))]


@pytest.mark.parametrize("kind", [Serialized, Hiding, Annotations])
def test_a_field_that_hides_its_type_is_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match=rf"{kind.__name__}\.\w+ .*values='plain'"):
        make_form(kind, "swift")
    make_form(kind, "plain")


class Circle(pydantic.BaseModel):
    kind: str = "circle"
    since: datetime


class Square(pydantic.BaseModel):
    kind: str = "square"
    side: float
    since: float


class Shapes(pydantic.BaseModel):
    shapes: list[Circle | Square]


def test_members_of_a_union_of_models_are_told_apart_by_their_fields() -> None:
    form: Form = make_form(Shapes, "swift")
    value = Shapes(shapes=[Square(side=1, since=5), Circle(since=datetime(2024, 1, 1, tzinfo=UTC))])
    assert form.read(form.write(value)) == value


@pytest.mark.parametrize("kind", [datetime, timedelta, Decimal])
def test_the_plain_form_is_still_read(kind: Any) -> None:
    value = {datetime: datetime(2024, 1, 1, tzinfo=UTC), timedelta: timedelta(1), Decimal: Decimal("1.5")}[kind]
    for holder in (kind, list[kind], dict[str, kind]):
        held = {kind: value, list[kind]: [value], dict[str, kind]: {"a": value}}[holder]
        assert make_form(holder, "swift").read(msgspec.json.encode(held)) == held
