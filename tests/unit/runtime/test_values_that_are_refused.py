"""A value that would not arrive as it is is refused when it is pushed, by a sentence that names the field."""

import re
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any, TypedDict
from zoneinfo import ZoneInfo

import msgspec
import pydantic
import pytest

from jobsvalkey import InvalidParameters
from tests.unit.runtime.arrivals import arrives, refusal_at_push


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
    value._note = 2  # pyright: ignore[reportPrivateUsage]
    return value


class HasBytes(pydantic.BaseModel):
    x: int = 1
    note: bytes


class Login(pydantic.BaseModel):
    password: pydantic.SecretStr = pydantic.SecretStr("secret")


@dataclass
class Open:
    value: Any


class OpenModel(pydantic.BaseModel):
    value: Any

    def __init__(self, value: Any) -> None:
        super().__init__(value=value)


@dataclass
class Nested:
    value: int
    inner: "Nested | None" = None


def nested(depth: int) -> Nested:
    value = Nested(0)
    for each in range(depth):
        value = Nested(each, value)
    return value


def in_a_circle() -> Nested:
    value = Nested(1)
    value.inner = value
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
        (Holder, Holder(Base(), [], {}, {"a": [object()]}), r"Holder.payload\['a'\]\[0\] is an object"),
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
        (HasBytes, HasBytes(note=b"\xff"), "HasBytes.note is a bytes"),
        (list[HasBytes], [HasBytes(note=b"\xff")], "HasBytes.note is a bytes"),
        (Total, EXTRA, "of the keys 'y'"),
        (Total, MISTYPED, "Expected `int`"),
    ],
)
async def test_a_value_that_would_not_arrive_is_refused_by_name(kind: Any, value: Any, place: str) -> None:
    found = await refusal_at_push(kind, value)
    assert re.search(place, found), found


async def test_it_is_refused_in_swifts_form_too() -> None:
    assert "Holder.base" in await refusal_at_push(Holder, Holder(Derived(), [], {}), "swift")
    assert "lose entries" in await refusal_at_push(dict[str, Any], {"a": {1: 1, "1": 2}}, "swift")
    assert "naive" in await refusal_at_push(datetime, datetime(2024, 1, 1), "swift")  # noqa: DTZ001


SECRET = pydantic.SecretStr("secret")


@pytest.mark.parametrize("holder", [Open, OpenModel])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (SECRET, "SecretStr"),
        ({"a": [SECRET]}, "SecretStr"),
        ((SECRET,), "SecretStr"),
        ({SECRET: 1}, "SecretStr"),
        (Open(SECRET), "SecretStr"),
        (Login(), "SecretStr"),
        ([Open(Login())], "SecretStr"),
        (datetime(2024, 1, 1, tzinfo=ODD), "offsets with seconds"),
        ({"a": [time(1, tzinfo=ODD)]}, "offsets with seconds"),
        (Open(datetime(2024, 1, 1, tzinfo=ODD)), "offsets with seconds"),
        ({datetime(2024, 1, 1, tzinfo=ODD): 1}, "offsets with seconds"),
        (frozenset((datetime(2024, 1, 1, tzinfo=ODD),)), "offsets with seconds"),
        (OpenModel(float("nan")), "NaN|NoneType None"),
        ({float("nan"): 1}, "nan"),
        (OpenModel({1: 1, "1": 2}), "lose entries"),
        ({(1, 2): 3}, "tuple|keys"),
        (Path(), "Path"),
        (iter([1]), "list_iterator"),
        ((each for each in "a"), "generator"),
    ],
)
async def test_where_anything_may_be_what_is_hidden_moved_or_used_up_is_refused(
    holder: Any, value: Any, reason: str
) -> None:
    found = await refusal_at_push(holder, holder(value))
    assert re.search(reason, found), found
    assert "asterisks" in found or reason != "SecretStr"


@pytest.mark.parametrize("value", [SECRET, {"a": [SECRET]}, Login(), iter([1]), Path()])
async def test_that_is_so_in_swifts_form_too(value: Any) -> None:
    await refusal_at_push(Any, value, "swift")
    await refusal_at_push(Open, Open(value), "swift")


@pytest.mark.parametrize("value", [nested(3000), in_a_circle()])
async def test_what_is_nested_too_deeply_is_refused_by_a_sentence(value: Any) -> None:
    assert "nested too deeply, or holds itself" in await refusal_at_push(Nested, value)


async def test_what_is_nested_as_deeply_as_this_python_may_read_is_refused_or_arrives() -> None:
    numbers: list[int] = []
    refusal = ""
    try:
        found: Nested | None = await arrives(Nested, nested(900))
        while found is not None:  # to compare them whole would be too deep as well
            numbers.append(found.value)
            found = found.inner
    except InvalidParameters as error:
        refusal = str(error)
    assert "nested too deeply, or holds itself" in refusal or numbers == [*reversed(range(900)), 0]


@pytest.mark.parametrize("text", [b"", b"{", b'{"a":1}}', b"nope"])
async def test_raw_text_that_is_no_json_is_refused(text: bytes) -> None:
    await refusal_at_push(msgspec.Raw, msgspec.Raw(text))


async def test_of_a_pydantic_model_each_field_is_named_with_what_is_wrong() -> None:
    found = await refusal_at_push(HasBytes, HasBytes.model_construct(x="one", note=b""))
    assert "HasBytes.x: Input should be a valid integer" in found
    assert "\n" not in found
    assert "https" not in found


@pytest.mark.parametrize(
    ("value", "words"),
    [(iter([1]), "is a list_iterator, which"), (..., "is an ellipsis, which"), ([1j], "[0] is a complex, which")],
)
async def test_what_cannot_be_written_is_named_once_in_english(value: Any, words: str) -> None:
    assert words in await refusal_at_push(Any, value)
