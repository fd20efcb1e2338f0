"""What is fuzzed: each target takes any bytes, and raises `AssertionError`, or what it must not, if it finds a bug."""

import io
import math
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from jobsvalkey.cli.durations import parse_duration
from jobsvalkey.cli.errors import WrongUsage
from jobsvalkey.cli.main import main
from jobsvalkey.cli.server_url import check_url, redacted, redacted_text
from jobsvalkey.contract import FINISHED, InvalidParameters, JobID, NewJob, SettleOutcome
from jobsvalkey.runtime.codec import RequestEncoder, make_decoder, read_request, split_request, with_attempt
from jobsvalkey.runtime.failure import MAX_MESSAGE, MAX_TRACEBACK, JobError, decode_error, encode_error
from jobsvalkey.runtime.progress import decode_progress
from jobsvalkey.runtime.record import JobRecord
from jobsvalkey.runtime.values import Values
from jobsvalkey.valkey.clients import client_from_url
from jobsvalkey.valkey.wire import OUTCOMES, exchanged, place_of, pushed, stored_job, stored_workers
from jobsvalkey_memory.clock import START
from tests.fuzzing.source import Source

SECRET = "xSECRETx"
"""Is a password, and is never shown."""


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Part:
    name: str
    at: datetime | None = None
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Everything:
    """Parameters of all kinds that both forms can have."""

    job_name: ClassVar[str] = "everything"
    text: str
    number: int = 0
    share: float = 0.0
    is_on: bool = False
    data: bytes = b""
    id: UUID | None = None
    color: Color = Color.RED
    parts: list[Part] | None = None
    by_name: dict[str, Part] | None = None


class Plain(msgspec.Struct):
    """Those of the plain form alone."""

    day: date | None = None
    span: timedelta | None = None
    price: Decimal | None = None
    any: Any = None
    either: int | str | None = None


KINDS: tuple[tuple[Any, Values], ...] = (
    (Everything, "plain"),
    (Everything, "swift"),
    (Plain, "plain"),
    (dict[str, Any], "plain"),
)
CODECS = [(kind, make_decoder(kind, values), RequestEncoder(values)) for kind, values in KINDS]


def requests(data: bytes) -> None:
    """A stored request is read, or it is `InvalidParameters`; what was read can be written, and is the same then."""
    _read(data)
    source = Source(data)
    fields = b",".join(b'"%b":%b' % (source.choice(NAMES), _json(source, 3)) for _ in range(source.number(6)))
    tail = source.choice([b"", b',"t":{"a":"b"}', b',"n":1e300', b',"x":[]'])
    attempt = source.choice([b"1", b"0", b"-1", b"1.5", b"99999999999999999999"])
    _read(
        b'{"everything":{"p":{%b},"q":%b,"a":%b%b}}' % (fields, source.choice([b"0", b"7.5e8", b"1e99"]), attempt, tail)
    )


NAMES = (
    *tuple(
        name.encode()
        for name in (
            "text",
            "number",
            "share",
            "is_on",
            "data",
            "id",
            "color",
            "parts",
            "by_name",
            "name",
            "at",
            "sizes",
        )
    ),
    b"day",
    b"span",
    b"price",
    b"any",
    b"either",
    b"isOn",
    b"byName",
)
VALUES = (
    *(b"null", b"true", b"0", b"-1", b"1.5", b"1e400", b"9007199254740993", b"123456789012345678901234567890", b'""'),
    *(b'"red"', b'"2025-01-01T12:00:00Z"', b'"0001-01-01T00:00:00+23:59"', b'"P1D"', b'"PT999999999999S"', b'"1.10"'),
    *(b'"\\ud800"', b'"AAAA"', b'"6F2B5A0E-5D0C-4C47-9B0E-3A7F0D6F8E21"', b'"NaN"', b"-63113904000", b"[]", b"{}"),
)


def _json(source: Source, depth: int) -> bytes:
    kind = source.number(6) if depth else 0
    if kind == 5:
        return b"[" + b",".join(_json(source, depth - 1) for _ in range(source.number(3))) + b"]"
    if kind == 6:
        pairs = (b'"%b":%b' % (source.choice(NAMES), _json(source, depth - 1)) for _ in range(source.number(4)))
        return b"{" + b",".join(pairs) + b"}"
    return source.choice(VALUES) if kind < 4 else source.some(12)


def _read(data: bytes) -> None:
    with suppress(InvalidParameters):
        read_request(data)
    try:
        name, body = split_request(data)
    except InvalidParameters:
        return
    for kind, decode, encode in CODECS:
        try:
            request = decode(body)
        except Exception:  # noqa: S112 - the worker makes a failed job of it, whatever it is
            continue
        try:
            written = encode(name, request.parameters, START, kind)
        except InvalidParameters:
            continue  # a value that others have written, and that would not arrive as it is
        again = decode(split_request(written)[1])
        assert _same(again.parameters, request.parameters), (request, again)
    try:
        changed = with_attempt(data, 7)
    except InvalidParameters:
        return
    with suppress(InvalidParameters):
        assert read_request(changed)[1].attempt == 7


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return one == other or repr(one) == repr(other)


def wire(data: bytes) -> None:
    """The answers of the scripts are read, whatever others have left in a job's metadata."""
    source = Source(data)
    flat: list[Any] = []
    for _ in range(source.number(3)):
        request = source.choice([None, source.some()])
        flat += [_id(source), source.some(8), request, _score(source)]
    claims = len(flat) // 4
    exceptions = [
        (number, source.some(), source.some(), source.some(2), source.choice([None, source.some()]), *_fields(source))
        for number in range(claims)
        if source.number(1)
    ]
    lines = [word for _ in range(claims) for word in (source.some(2), source.some())]
    more = source.choice([[], [[b"token"]], [None, lines], [[b"token"], lines]])
    letters = "".join(source.choice(list(OUTCOMES.values())) for _ in range(source.number(3))).encode()
    until = source.choice([None, b"expired", b"0", b"1234567"])
    dropped = [source.some() for _ in range(source.number(2))]
    answer = exchanged([letters, until, flat, exceptions, dropped, *more])
    assert len(answer.claims) == claims
    assert all(isinstance(outcome, SettleOutcome) for outcome in answer.outcomes)
    workers = [[source.some(), source.some(), source.some(), b"1"] for _ in range(source.number(2))]
    assert len(stored_workers([word for worker in workers for word in worker])) == len(workers)
    job_id = JobID.from_wire(_id(source))
    assert pushed([NewJob(job_id, b"")], source.choice([b"1", b"0"]))[0].job_id == job_id
    with suppress(ValueError):
        place_of(source.text())


def envelopes(data: bytes) -> None:
    """What is stored of a job can be looked at, whatever others have made of it."""
    source = Source(data)
    state = source.choice([b"pending", b"paused", b"waiting", b"processing", b"completed", b"failed", b"cancelled"])
    where = source.some() if state == b"processing" else _score(source)
    words = [_id(source), state, source.choice([None, source.some(255)]), where]
    words += [source.choice([b"", _score(source)]), source.some(), source.some(), source.some(), source.some(2)]
    words += [source.choice([None, source.some(255)]), source.choice([None, source.some()]), *_fields(source)]
    job = stored_job(words)
    assert job is not None
    record = JobRecord.from_stored(job, START)
    assert (record.ended_at is not None) == (record.status in FINISHED)
    msgspec.json.encode(record.parameters)
    repr(record)


def errors(data: bytes) -> None:
    """Any record of an error can be read, and any error recorded."""
    source = Source(data)
    fields = b",".join(
        b'"%b":%b' % (name, _json(source, 2)) for name in (b"type", b"message", b"traceback", b"attempt")
    )
    for stored in (data, b"line\n" + data, b"line\n{" + fields + b"}"):
        assert isinstance(decode_error(stored), JobError)
    decode_progress(b"[%b,%b,%b]" % (_json(source, 1), _json(source, 1), _json(source, 1)))
    error = ValueError(data.decode("utf-8", "surrogateescape"))
    try:
        raise error
    except ValueError:
        record = encode_error(error, 3)
    read = decode_error(record)
    assert (read.type, read.attempt) == ("ValueError", 3)
    assert len(read.message) <= MAX_MESSAGE
    assert len(read.traceback) <= MAX_TRACEBACK
    assert msgspec.json.decode(record.partition(b"\n")[2])["attempt"] == 3
    decode_progress(data)


COMMANDS = (
    *(["info"], ["push"], ["jobs", "list"], ["jobs", "show"], ["jobs", "errors"], ["queue", "pause"], ["cleanup"]),
    *(["validate"], ["schedule", "next"], ["flow", "show"], ["workers", "list"], ["jobs", "abort"], ["--version"]),
)
OPTIONS = (
    "--help",
    "--queue",
    "--json",
    "--status",
    "--limit",
    "--older-than",
    "-",
    "--",
    "--delay",
    "--name",
    "--app",
)
NOWHERE = "unix:///nonexistent/socket"


def command_line(data: bytes) -> None:
    """Whatever is written, a command ends with 0, 1 or 2, and says in one line what was wrong."""
    source = Source(data)
    words = [*source.choice(COMMANDS)]
    words += [source.choice([source.choice(OPTIONS), source.text(20)]) for _ in range(source.number(4))]
    words += ["--url", NOWHERE] if source.number(1) else []
    if "--url" not in words and words[0] != "--version":
        words = [*words, "--help"]
    out, said = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(said):
        code = main(words)
    assert code in (0, 1, 2), (words, code)
    assert "Traceback" not in said.getvalue(), (words, said.getvalue())
    assert said.getvalue().count("\n") == (code != 0), (words, said.getvalue())


def urls(data: bytes) -> None:
    """Any URL is taken or refused, and a password in it is never shown."""
    source = Source(data)
    scheme = source.choice(["valkey", "valkeys", "redis", "unix", "valkey+cluster", "valkey+sentinel", source.text(8)])
    login = source.choice([f"me:{SECRET}@", f":{SECRET}@", f"{SECRET}@", ""])
    option = source.choice(["", f"?password={SECRET}", f"?ssl_password={SECRET}&db=1", f"?db=1&pass={SECRET}"])
    url = f"{scheme}://{login}{source.text(24)}{option}{source.text(8)}"
    shown = [redacted(url)]
    if login and "@" in url:
        shown.append(redacted_text(f"cannot connect to {url}: refused"))
    try:
        check_url(url)
        if not scheme.endswith(("cluster", "sentinel")):
            client_from_url(url)
    except WrongUsage as error:
        shown.append(str(error))
    except (AttributeError, TypeError, ValueError):
        pass  # the command makes a `WrongUsage` of it
    for text in shown:
        assert SECRET not in text, (url, text)


def small_texts(data: bytes) -> None:
    """Times and ids as users write them."""
    text = data.decode("utf-8", "surrogateescape")
    with suppress(WrongUsage):
        assert parse_duration(text) >= timedelta(0)
    with suppress(ValueError):
        assert JobID.parse(JobID.parse(text)) == JobID.parse(text)


def _id(source: Source) -> bytes:
    return str(JobID(int=int.from_bytes(source.some(16)))).encode()


def _score(source: Source) -> bytes:
    return source.choice([b"0", b"1735732800.123456", b"-1e300", b"inf", b"-inf", b"1e17", b"%d" % source.number(9999)])


FIELDS = (
    *(b"keep_for", b"expires", b"unique", b"until", b"otherwise", b"priority", b"lane", b"state", b"progress", b"runs"),
    *(b"if_failed", b"after", b"inputs", b"batch", b"members", b"told", b"parents"),
)


def _fields(source: Source) -> list[bytes]:
    chosen = {source.choice(FIELDS): source.some() for _ in range(source.number(6))}
    return [word for pair in chosen.items() for word in pair]


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (requests, wire, envelopes, errors, command_line, urls, small_texts)
}
