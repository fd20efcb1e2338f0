"""A job as it waits in an outbox: as it will be given to the driver, but for the time, which is an absolute one."""

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

import msgspec

from jobsvalkey.contract import ConfigurationError, Durability, JobID, NewJob, Unique, check_request
from jobsvalkey.contract.option_types import check_option
from jobsvalkey.runtime import JobOptions, JobQueue
from jobsvalkey.runtime.job import options_for, unpack_job

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the outbox."""

    id: int
    job_id: str
    request: bytes
    fields: str
    """The rest that the driver is told of the job, as JSON."""


def new_entry(queue: JobQueue[Any], job: Any, options: JobOptions) -> Entry:
    """Make the entry of a job, whose `id` the database gives.

    Raises:
        InvalidParameters: the parameters cannot be encoded, or do not name a job.
        PayloadTooLarge: the request is larger than the driver's `max_payload`.
        UnsupportedOperation: the options ask for what the driver does not support.
        ConfigurationError: a middleware waits for something when it is told of the push.
    """
    check_option("options", options, JobOptions)
    producer: Any = queue._producer  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what a push does, but for the driver
    item, _ = _at_once(producer.prepare(*unpack_job(job), options_for(job, options)))
    check_request(item.request, item.job_id, queue.driver.configuration)
    now = queue.driver.clock.now()
    absolute = {name: now + value for name in ("due", "expires") if isinstance(value := getattr(item, name), timedelta)}
    # Remembered, so that a relay may push it again.
    item = msgspec.structs.replace(item, remember=True, **absolute)
    given = {
        field.name: _to_json(value)
        for field in msgspec.structs.fields(item)
        if field.name not in {"job_id", "request"} and (value := getattr(item, field.name)) != field.default
    }
    return Entry(0, str(item.job_id), item.request, json.dumps(given))


def job_of(entry: Entry) -> NewJob:
    """Return the job that an entry is for.

    Raises:
        ConfigurationError: it was written by a newer version, or by somebody else.
    """
    try:
        given = {name: _from_json(value) for name, value in json.loads(entry.fields).items()}
        return NewJob(JobID.parse(entry.job_id), bytes(entry.request), **given)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(f"entry {entry.id} of the outbox cannot be read: {error!r}") from error


def _to_json(value: Any) -> Any:
    """Return a value of a job's field as JSON, together with its type if JSON has none for it."""
    match value:
        case None | bool() | int() | str():
            return value
        case datetime():
            return {"time": value.isoformat()}
        case timedelta():
            return {"span": [value.days, value.seconds, value.microseconds]}
        case JobID():
            return {"job": str(value)}
        case Unique():
            return {"unique": [_to_json(part) for part in (value.key, value.until, value.otherwise)]}
        case Durability():
            return {"durable": [value.replicas, value.append_only_file, _to_json(value.timeout)]}
        case tuple():
            return {"all": [_to_json(part) for part in cast("tuple[Any, ...]", value)]}
        case _:
            raise TypeError(f"an outbox cannot hold {value!r}")


def _from_json(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = cast("dict[str, Any]", value).items()
    return _READ[kind](content)


_READ: dict[str, Callable[[Any], Any]] = {
    "time": datetime.fromisoformat,
    "span": lambda parts: timedelta(*parts),
    "job": JobID.parse,
    "unique": lambda parts: Unique(*map(_from_json, parts)),
    "durable": lambda parts: Durability(replicas=parts[0], append_only_file=parts[1], timeout=_from_json(parts[2])),
    "all": lambda parts: tuple(map(_from_json, parts)),
}


def _at_once(work: Coroutine[Any, Any, R]) -> R:
    """Return what a coroutine returns that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    work.close()
    raise ConfigurationError(
        "a middleware waits for something in `on_push`, which an outbox cannot do inside your transaction: "
        "give the outbox a JobQueue without it"
    )
