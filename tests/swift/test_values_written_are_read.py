"""What Python writes, it reads back: values of generated types, in either form."""

import string
from dataclasses import make_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, TypeAlias, cast
from uuid import UUID

import msgspec
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobsvalkey.runtime.values import Values, make_form
from jobsvalkey.runtime.values.comparison import difference

Typed: TypeAlias = tuple[Any, list[Any]]
"""A type, and values of it."""


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 9


OFFSETS = st.integers(min_value=-24 * 60 + 1, max_value=24 * 60 - 1).map(lambda each: timezone(timedelta(minutes=each)))
TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(min_value=-(2**63), max_value=2**64 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: TEXT,
    bytes: st.binary(max_size=5),
    UUID: st.uuids(),
    datetime: st.datetimes(timezones=st.just(UTC) | OFFSETS),
    timedelta: st.timedeltas(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False) | st.just(Decimal("-0")),
    date: st.dates(),
    time: st.times(),
    Colour: st.sampled_from(Colour),
    Level: st.sampled_from(Level),
}
KEYS = {kind: SCALARS[kind] for kind in SCALARS if kind not in (bool, float)}
KEYS[Decimal] = KEYS[Decimal].filter(bool)  # 0 and -0 are one key


@st.composite
def typed(draw: st.DrawFn, depth: int = 3, *, in_model: bool = False) -> Typed:
    """A type, with some values of it."""
    ways = ["scalar"] if depth == 0 else ["scalar", "list", "set", "tuple", "dict", "optional", "class", "model"]
    way = draw(st.sampled_from(ways))
    count = 3
    if way == "scalar":
        kind = draw(st.sampled_from(list(SCALARS)))
        return kind, draw(st.lists(SCALARS[kind], min_size=count, max_size=count))
    if way == "set":
        kind = draw(st.sampled_from(list(KEYS)))
        return set[kind], [draw(st.sets(KEYS[kind], max_size=3)) for _ in range(count)]
    kind, values = draw(typed(depth - 1, in_model=in_model or way == "model"))
    if way == "list":
        return list[kind], [[], values[:1], values]
    if way == "tuple":
        return tuple[kind, str], [(value, "a") for value in values]
    if way == "optional":
        return kind | None, [None, *values[1:]]
    if way == "dict":
        key = draw(st.sampled_from(list(KEYS)))
        keys = draw(st.lists(KEYS[key], min_size=1, max_size=2, unique=True))
        return dict[key, kind], [{}, {keys[0]: values[0]}, dict(zip(keys, values, strict=False))]
    names = draw(st.lists(st.text(string.ascii_lowercase, min_size=3, max_size=5), min_size=2, max_size=2, unique=True))
    names = [f"x{name}" for name in names]
    if way == "model":
        fields: dict[str, Any] = {names[0]: (kind, ...), names[1]: (kind | None, None)}
        made: Any = pydantic.create_model("Model", **fields)
        return made, [made.model_construct(**dict.fromkeys(names, value)) for value in values]
    struct: Any = msgspec.defstruct("Made", [(names[0], kind), (names[1], kind | None, None)], rename="camel")
    either: Any = make_dataclass("Made", [(names[0], kind), (names[1], kind | None, None)])
    chosen = either if in_model else draw(st.sampled_from([struct, either]))  # pydantic knows no Struct
    return chosen, [chosen(value) for value in values]


@pytest.mark.parametrize("values", ["swift", "plain"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(drawn=typed())
def test_what_is_written_is_read_or_refused(values: Values, drawn: Typed) -> None:
    kind, samples = drawn
    try:
        form = make_form(kind, values)
    except TypeError:
        return  # a nested union, say: refused before anything is pushed
    for value in samples:
        try:
            body = form.write(value)
        except ValueError:
            assert _may_be_refused(value)
            continue
        assert difference(value, form.read(body), is_open=False) is None


def _may_be_refused(value: Any) -> bool:
    """Whether a part of it is beyond what pydantic reads back of its own: bytes that are no text, and the like."""
    if isinstance(value, pydantic.BaseModel):
        return True
    if isinstance(value, dict):
        return any(map(_may_be_refused, (*cast("Any", value), *cast("Any", value).values())))
    if isinstance(value, list | tuple):
        return any(map(_may_be_refused, cast("list[Any]", value)))
    fields = getattr(value, "__dataclass_fields__", None) or getattr(value, "__struct_fields__", ())
    return any(_may_be_refused(getattr(value, name)) for name in fields)
