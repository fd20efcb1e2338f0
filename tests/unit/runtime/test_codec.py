import json
import math
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypedDict

import attrs
import msgspec
import pydantic
import pytest

from jobsvalkey.contract import InvalidParameters
from jobsvalkey.runtime.codec import (
    RequestEncoder,
    from_reference_date,
    make_decoder,
    read_request,
    split_request,
    to_reference_date,
    with_attempt,
)

QUEUED_AT = datetime(2025, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)


@dataclass(frozen=True)
class Point:
    job_name: ClassVar[str] = "Point"
    x: int
    at: datetime | None = None


@attrs.define
class Attrs:
    x: int


class Struct(msgspec.Struct):
    x: int


class Typed(TypedDict):
    x: int


class Model(pydantic.BaseModel):
    x: int
    at: datetime = QUEUED_AT


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    at: datetime


@dataclass
class Nested:
    models: list[Model]


VALUES: list[tuple[Any, Any]] = [
    (Point, Point(1, QUEUED_AT)),
    (Attrs, Attrs(2)),
    (Struct, Struct(3)),
    (Typed, {"x": 4}),
    (Model, Model(x=5)),
    (Strict, Strict(at=QUEUED_AT)),
    (Nested, Nested([Model(x=6), Model(x=7)])),
    (str, "text"),
    (int, 8),
    (float, 0.5),
    (bytes, b"\0\xff"),
    (type(None), None),
    (list[int], [1, 2]),
    (dict[str, float], {"a": 1.5}),
    (Any, {"any": ["thing"]}),
]


def decode(kind: Any, request: bytes) -> Any:
    name, body = split_request(request)
    return name, make_decoder(kind)(body)


@pytest.mark.parametrize(("kind", "value"), VALUES, ids=lambda each: getattr(each, "__name__", "value"))
def test_parameters_come_back_as_they_went(kind: Any, value: Any) -> None:
    name, request = decode(kind, RequestEncoder()("Job", value, QUEUED_AT))
    assert (name, request.parameters) == ("Job", value)
    assert (request.attempt, request.trace, request.next_scheduled_at) == (1, None, None)
    assert from_reference_date(request.queued_at) == QUEUED_AT


def test_a_request_has_the_layout_of_swift() -> None:
    encode = RequestEncoder()
    later = QUEUED_AT + timedelta(days=1)
    assert json.loads(encode("Job", Point(1), QUEUED_AT)) == {
        "Job": {"p": {"x": 1, "at": None}, "q": 762525015.123456, "a": 1}
    }
    request = encode("Job", 1, QUEUED_AT, trace={"traceparent": "00-1-2-01"}, next_scheduled_at=later)
    assert json.loads(request) == {
        "Job": {"p": 1, "q": 762525015.123456, "a": 1, "t": {"traceparent": "00-1-2-01"}, "n": 762611415.123456}
    }
    name, decoded = decode(int, request)
    assert (name, decoded.trace) == ("Job", {"traceparent": "00-1-2-01"})
    assert from_reference_date(decoded.next_scheduled_at) == later


@pytest.mark.parametrize("name", ["Print String", 'quo"te', "naïve\\", "名"])
def test_any_text_is_a_name(name: str) -> None:
    assert decode(int, RequestEncoder()(name, 1, QUEUED_AT))[0] == name


def test_what_swift_wrote_is_read() -> None:
    request = b'{"SendEmail":{"a":2,"q":762525015,"p":{"x":1},"t":{},"future":[1]}}'
    name, decoded = decode(Point, request)
    assert (name, decoded.parameters, decoded.attempt) == ("SendEmail", Point(1), 2)
    assert from_reference_date(decoded.queued_at) == datetime(2025, 3, 1, 12, 30, 15, tzinfo=UTC)


def test_dates_before_2001_have_negative_seconds() -> None:
    assert to_reference_date(datetime(2000, 12, 31, tzinfo=UTC)) == -86400


@pytest.mark.parametrize("value", [object(), {1: object()}, "\ud800", {"a": {object()}}])
def test_what_cannot_be_encoded_says_so(value: Any) -> None:
    with pytest.raises(InvalidParameters, match="'Job' cannot be encoded as JSON"):
        RequestEncoder()("Job", value, QUEUED_AT)


def test_an_endless_value_cannot_be_encoded() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidParameters):
        RequestEncoder()("Job", endless, QUEUED_AT)


@pytest.mark.parametrize(
    "request_",
    [b"", b"{}", b"[]", b"\xff", b'{"A":1,"B":2}', b'{"A":{"p":1,"q":0,"a":1}', b"not json"],
)
def test_what_is_no_request_says_so(request_: bytes) -> None:
    with pytest.raises(InvalidParameters):
        split_request(request_)


@pytest.mark.parametrize(
    "body",
    [
        b"1",
        b'{"q":0,"a":1}',
        b'{"p":1,"a":1}',
        b'{"p":1,"q":0}',
        b'{"p":1,"q":0,"a":0}',
        b'{"p":1,"q":1e300,"a":1}',
        b'{"p":1,"q":0,"a":1,"n":-1e300}',
        b'{"p":1,"q":0,"a":1,"t":{"x":1}}',
    ],
)
def test_what_is_no_body_is_corrupt(body: bytes) -> None:
    with pytest.raises(InvalidParameters, match="corrupt"):
        read_request(b'{"A":' + body + b"}")


def test_a_request_is_read_without_its_type() -> None:
    name, request = read_request(RequestEncoder()("Job", Point(1), QUEUED_AT))
    assert (name, bytes(request.parameters)) == ("Job", b'{"x":1,"at":null}')


def test_another_attempt_leaves_all_else_alone() -> None:
    request = b'{"A":{"a":1,"q":5.25,"p":{"x": 1},"future":[1]}}'
    assert json.loads(with_attempt(request, 7)) == {"A": {"a": 7, "q": 5.25, "p": {"x": 1}, "future": [1]}}
    with pytest.raises(InvalidParameters):
        with_attempt(b"[]", 1)


def test_microseconds_survive() -> None:
    seconds = to_reference_date(QUEUED_AT)
    assert math.isclose(seconds, 762525015.123456, abs_tol=1e-7)
    assert from_reference_date(seconds) == QUEUED_AT


def test_pydantic_is_not_imported_for_those_who_do_not_use_it() -> None:
    program = "import sys, jobsvalkey; sys.exit('pydantic' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
