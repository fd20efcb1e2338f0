"""The request: a job as JSON, in the form that Swift services read and write.

`{"NAME": {"p": parameters, "q": queued at, "a": attempt, "t": {trace context}, "n": next scheduled at}}`, with dates as
seconds since 2001-01-01T00:00:00Z, and without `t` and `n` if there is none. Every job goes through this code, so the
pieces that do not change are made once.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Annotated, Any, Generic, TypeAlias, TypeVar, cast

import msgspec

from jobsvalkey.contract import InvalidParameters
from jobsvalkey.runtime.values import Form, Values, make_form
from jobsvalkey.runtime.values.plain import decode_other
from jobsvalkey.runtime.values.swift.scalars import REFERENCE_DATE

P = TypeVar("P")

# What a datetime can hold, so that a date that is none is found when the request is decoded.
_Date = Annotated[float, msgspec.Meta(ge=-63_000_000_000, le=252_000_000_000)]


class Request(msgspec.Struct, Generic[P], kw_only=True):
    """The stored part of a job, below its name."""

    parameters: P = msgspec.field(name="p")
    queued_at: _Date = msgspec.field(name="q")
    attempt: Annotated[int, msgspec.Meta(ge=1)] = msgspec.field(name="a")
    trace: dict[str, str] | None = msgspec.field(name="t", default=None)
    next_scheduled_at: _Date | None = msgspec.field(name="n", default=None)

    @property
    def scheduled_at(self) -> float | None:
        """The trigger, instead of the time of the push; `None` if no schedule pushed the job."""
        return None if self.next_scheduled_at is None else self.queued_at


RequestDecoder: TypeAlias = Callable[[msgspec.Raw], Request[Any]]
"""Decodes the body of a request. Raises whatever its types raise; `decode_request` turns that into one error."""


def to_reference_date(date: datetime) -> float:
    """Seconds from 2001-01-01T00:00:00Z to `date`."""
    return (date - REFERENCE_DATE).total_seconds()


def from_reference_date(seconds: float) -> datetime:
    """The date, in UTC, that is `seconds` after 2001-01-01T00:00:00Z."""
    return REFERENCE_DATE + timedelta(seconds=seconds)


_encode = msgspec.json.encode
_decode_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_fields = msgspec.json.Decoder(dict[str, dict[str, msgspec.Raw]]).decode
_decode_stored = msgspec.json.Decoder(Request[msgspec.Raw]).decode


class RequestEncoder:
    """Encodes requests, with the values of parameters in one form."""

    def __init__(self, values: Values = "plain") -> None:
        self._values: Values = values
        self._forms: dict[Any, Form] = {}
        """By the type of the parameters."""
        self._heads: dict[str, bytes] = {}
        self._dated: tuple[datetime | None, bytes] = (None, b"")
        """The end of a request, for the time of the last push: jobs that are pushed together have the same end."""

    def __call__(
        self,
        name: str,
        parameters: Any,
        queued_at: datetime,
        kind: Any = None,
        *,
        trace: Mapping[str, str] | None = None,
        next_scheduled_at: datetime | None = None,
    ) -> bytes:
        """Return the request of a job that has not run yet.

        `kind` is the type that the parameters are decoded to; by default that of the value.

        Raises:
            InvalidParameters: the parameters cannot be encoded, or would not arrive unchanged.
        """
        head = self._heads.get(name)
        if head is None:
            head = self._heads[name] = b'{%b:{"p":' % _encode(name)
        if kind is None:
            kind = cast("Any", type(parameters))
        try:
            try:
                form = self._forms[kind]
            except (KeyError, TypeError):
                form = self._make_form(kind)
            body = form.write(parameters)
        except (TypeError, ValueError) as error:
            raise InvalidParameters(
                f"the parameters of job {name!r} cannot be encoded as JSON and arrive as they are: {error}"
            ) from error
        date, tail = self._dated
        if date is not queued_at:
            tail = f',"q":{to_reference_date(queued_at)!r},"a":1'.encode()
            self._dated = (queued_at, tail)
        if trace:
            tail += b',"t":' + _encode(dict(trace))
        if next_scheduled_at is not None:
            tail += f',"n":{to_reference_date(next_scheduled_at)!r}'.encode()
        return head + body + tail + b"}}"

    def _make_form(self, kind: Any) -> Form:
        form = make_form(kind, self._values)
        with suppress(TypeError):  # an annotation that cannot be hashed
            self._forms[kind] = form
        return form


def make_decoder(parameters: type[Any], values: Values = "plain") -> RequestDecoder:
    """Return what decodes the bodies of requests with these parameters.

    Raises:
        TypeError: the type cannot be decoded, or its values would not arrive unchanged.
    """
    form = make_form(parameters, values)
    if values == "plain":
        decode = msgspec.json.Decoder(Request[parameters], dec_hook=decode_other).decode
        return decode if form.check is None else _checked(decode, form.check)

    def decode_for_swift(body: msgspec.Raw) -> Request[Any]:
        request: Request[Any] = _decode_stored(body)
        request.parameters = form.read(request.parameters)
        return request

    return decode_for_swift


def _checked(decode: RequestDecoder, check: Callable[[Any], object]) -> RequestDecoder:
    def decode_and_check(body: msgspec.Raw) -> Request[Any]:
        request = decode(body)
        check(request.parameters)
        return request

    return decode_and_check


def split_request(request: bytes) -> tuple[str, msgspec.Raw]:
    """The name of the job, and the rest as it is.

    Raises:
        InvalidParameters: the request is not one of a job.
    """
    try:
        ((name, body),) = _decode_names(request).items()
    except Exception as error:
        raise InvalidParameters(f"the request is not an object with one key, the job's name: {error}") from error
    return name, body


def read_request(request: bytes) -> tuple[str, Request[msgspec.Raw]]:
    """A request for display, of a job that need not be registered.

    Raises:
        InvalidParameters: the request is not one of a job.
    """
    name, body = split_request(request)
    try:
        return name, _decode_stored(body)
    except Exception as error:
        raise InvalidParameters(f"the request of job {name!r} is corrupt: {error}") from error


def with_attempt(request: bytes, attempt: int) -> bytes:
    """The same request, including fields that we do not know, with another attempt.

    Raises:
        InvalidParameters: the request is not one of a job.
    """
    try:
        ((name, fields),) = _decode_fields(request).items()
    except Exception as error:
        raise InvalidParameters(f"the request is not one of a job: {error}") from error
    fields["a"] = msgspec.Raw(b"%d" % attempt)
    return _encode({name: fields})
