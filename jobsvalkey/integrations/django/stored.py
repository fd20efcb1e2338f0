"""A task as it is stored: what was asked for, and what has become of it so far."""

import json
from datetime import datetime
from typing import Any

import msgspec
from django.conf import settings
from django.utils import timezone
from django.utils.json import normalize_json

from jobsvalkey.contract import Fail, Retry, Settlement


class TaskCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The parameters of a job that is a task; the job's name is the task's `module_path`."""

    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    run_after: datetime | None = None


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of a task so far. Stored with its result, and with the record of its last failure."""

    started_at: datetime
    """The start of the first run."""
    last_attempted_at: datetime
    worker_ids: list[str]
    """A worker for each run that came to an end, and for the one that runs."""


class TaskReturn(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a job that is a task."""

    value: Any
    history: History


class _Failure(msgspec.Struct):
    """The part of the record of a failure that is ours; see `JobError`."""

    history: History | None = None


def as_json(value: Any) -> Any:
    """Return a value as Django's tasks take and return it: made of what JSON knows, and nothing else.

    Raises:
        TypeError, ValueError: JSON cannot hold it.
    """
    return json.loads(json.dumps(normalize_json(value), allow_nan=False))


def history_in(record: bytes | None) -> History | None:
    """Return the history that the record of a failure holds."""
    try:
        return None if record is None else msgspec.json.decode(_split(record)[1], type=_Failure).history
    except (msgspec.DecodeError, ValueError):
        return None  # of another library


def next_run(before: History | None, now: datetime, worker: str) -> History:
    """Return the history with one more run, which begins."""
    if before is None:
        return History(started_at=now, last_attempted_at=now, worker_ids=[worker])
    return History(started_at=before.started_at, last_attempted_at=now, worker_ids=[*before.worker_ids, worker])


def with_history(settlement: Settlement, history: History) -> Settlement:
    """Put the history into the record of the failure that a settlement has, if it has one."""
    if not isinstance(settlement, Fail | Retry) or settlement.error is None:
        return settlement
    line, document = _split(settlement.error)
    record = msgspec.json.decode(document)
    return msgspec.structs.replace(settlement, error=line + msgspec.json.encode({**record, "history": history}))


def _split(record: bytes) -> tuple[bytes, bytes]:
    """The line that the record of a failure begins with, if it has one, and its JSON."""
    start = record.find(b"\n") + 1
    return record[:start], record[start:]


def to_django(time: datetime | None) -> datetime | None:
    """Return a time as the project has its times: aware, or naive if `USE_TZ` is false."""
    return time if time is None or settings.USE_TZ else timezone.make_naive(time)


def from_django(time: datetime | None) -> datetime | None:
    """Return a time of the project as an aware one."""
    return timezone.make_aware(time) if time is not None and timezone.is_naive(time) else time
