"""The request: a job as JSON, in the form that Swift services read and write.

`{"NAME": {"p": parameters, "q": queued at, "a": attempt, "t": {trace context}, "n": next scheduled at}}`, with
dates as seconds since 2001-01-01T00:00:00Z, and without `t` and `n` where there is none. All of this is on the path
of every job, so the pieces that do not change are made once.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar

import msgspec

from jobsvalkey.contract import InvalidParameters
from jobsvalkey.runtime.finite import check_finite
from jobsvalkey.runtime.swift_dates import REFERENCE_DATE, encode_swift, swift_decoder

P = TypeVar("P")

Dates: TypeAlias = Literal["rfc3339", "swift"]
"""How dates inside parameters are written: as RFC 3339 text, or as Swift does, in seconds since 2001."""

# What a datetime can hold, so that a date that is none is found when the request is decoded.
_Date = Annotated[float, msgspec.Meta(ge=-63_000_000_000, le=252_000_000_000)]


class Request(msgspec.Struct, Generic[P], kw_only=True):
    """What is stored of a job, below its name."""

    parameters: P = msgspec.field(name="p")
    queued_at: _Date = msgspec.field(name="q")
    attempt: Annotated[int, msgspec.Meta(ge=1)] = msgspec.field(name="a")
    trace: dict[str, str] | None = msgspec.field(name="t", default=None)
    next_scheduled_at: _Date | None = msgspec.field(name="n", default=None)

    @property
    def scheduled_at(self) -> float | None:
        """The trigger, in place of the time of the push; `None` if no schedule pushed the job."""
        return None if self.next_scheduled_at is None else self.queued_at


RequestDecoder: TypeAlias = Callable[[msgspec.Raw], Request[Any]]
"""Decodes the body of a request. Raises whatever its types raise; `decode_request` makes one error of it."""


def to_reference_date(date: datetime) -> float:
    """Seconds from 2001-01-01T00:00:00Z to `date`."""
    return (date - REFERENCE_DATE).total_seconds()


def from_reference_date(seconds: float) -> datetime:
    """The date, in UTC, that is `seconds` after 2001-01-01T00:00:00Z."""
    return REFERENCE_DATE + timedelta(seconds=seconds)


def _encode_other(value: Any) -> Any:
    # A pydantic model is known by its methods, so that pydantic need not be there.
    dump = getattr(value, "model_dump_json", None)
    if dump is None:
        raise NotImplementedError
    return msgspec.Raw(dump(by_alias=True))


def _decode_other(kind: type[Any], value: Any) -> Any:
    validate = getattr(kind, "model_validate_json", None)
    if validate is None:
        raise NotImplementedError
    # Once more through JSON, since a strict model takes a date from JSON text but not from a str.
    return validate(msgspec.json.encode(value))


_encode: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=_encode_other).encode
_decode_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_fields = msgspec.json.Decoder(dict[str, dict[str, msgspec.Raw]]).decode
_decode_stored = msgspec.json.Decoder(Request[msgspec.Raw]).decode


class RequestEncoder:
    """Encodes requests, with the dates inside parameters in one form."""

    def __init__(self, dates: Dates = "rfc3339") -> None:
        self._encode = _encode if dates == "rfc3339" else encode_swift
        self._heads: dict[str, bytes] = {}
        self._dated: tuple[datetime | None, bytes] = (None, b"")
        """The end of a request, for the time of the last one: jobs that are pushed together have the same."""

    def __call__(
        self,
        name: str,
        parameters: Any,
        queued_at: datetime,
        *,
        trace: Mapping[str, str] | None = None,
        next_scheduled_at: datetime | None = None,
    ) -> bytes:
        """The request of a job that was not tried yet.

        Raises:
            InvalidParameters: the parameters cannot be encoded.
        """
        head = self._heads.get(name)
        if head is None:
            head = self._heads[name] = b'{%b:{"p":' % _encode(name)
        try:
            body = self._encode(parameters)
            if b"null" in body:
                check_finite(parameters)
        except Exception as error:
            raise InvalidParameters(
                f"the parameters of job {name!r} cannot be encoded as JSON ({error}): use a dataclass, an attrs class, "
                "a msgspec Struct, a pydantic model, or plain values"
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


def make_decoder(parameters: type[Any], dates: Dates = "rfc3339") -> RequestDecoder:
    """What decodes the bodies of requests with these parameters.

    Raises:
        TypeError: the type cannot be decoded.
    """
    if dates == "rfc3339":
        return msgspec.json.Decoder(Request[parameters], dec_hook=_decode_other).decode
    decode_any = msgspec.json.Decoder(Request[Any]).decode
    decode_parameters = swift_decoder(parameters)

    def decode(body: msgspec.Raw) -> Request[Any]:
        request = decode_any(body)
        request.parameters = decode_parameters(request.parameters)
        return request

    return decode


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
    """The same request, fields that we do not know included, with another attempt.

    Raises:
        InvalidParameters: the request is not one of a job.
    """
    try:
        ((name, fields),) = _decode_fields(request).items()
    except Exception as error:
        raise InvalidParameters(f"the request is not one of a job: {error}") from error
    fields["a"] = msgspec.Raw(b"%d" % attempt)
    return _encode({name: fields})
