"""Checks of what a caller passes that are the same for every driver, made before the store is asked."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from jobsvalkey.contract.claims import Due, Finish, NewJob, Release, Retry, Settlement
from jobsvalkey.contract.clock import aware
from jobsvalkey.contract.errors import PayloadTooLarge, PushTooLarge
from jobsvalkey.contract.job_id import JobID
from jobsvalkey.contract.options import DriverConfiguration


def check_due(due: Due) -> Due:
    """`due`, where it says a time that every store can hold.

    Raises:
        ValueError: it is a naive datetime or a negative time.
    """
    if isinstance(due, datetime):
        return aware(due, "due")
    if isinstance(due, timedelta) and due < timedelta(0):
        raise ValueError(f"due is {due} before now: a delay is not negative")
    return due


def check_request(request: bytes, job_id: JobID, configuration: DriverConfiguration) -> int:
    """The size of a request, in bytes.

    Raises:
        PayloadTooLarge: it is larger than `max_payload`.
    """
    size = len(request)
    if size > configuration.max_payload:
        raise PayloadTooLarge(
            f"the request of job {job_id} has {size:,} bytes, more than max_payload ({configuration.max_payload:,}): "
            "store large data elsewhere and pass a reference, or raise max_payload"
        )
    return size


def check_push(items: Sequence[NewJob], configuration: DriverConfiguration) -> int:
    """The size of an atomic push, in bytes.

    Raises:
        PayloadTooLarge: a request is larger than `max_payload`.
        PushTooLarge: there are more jobs, or bytes, than an atomic push takes.
        ValueError: a due time is naive or negative.
    """
    size = 0
    largest = configuration.max_payload
    for item in items:
        size += len(item.request)
        if len(item.request) > largest:
            check_request(item.request, item.job_id, configuration)
        if item.due is not None:
            check_due(item.due)
    if len(items) > configuration.max_atomic_push or size > configuration.max_atomic_push_bytes:
        raise PushTooLarge(
            f"{len(items):,} jobs with {size:,} bytes are more than one atomic push takes "
            f"({configuration.max_atomic_push:,} jobs, {configuration.max_atomic_push_bytes:,} bytes): "
            "use atomic=False, or smaller pushes"
        )
    return size


def check_settlements(settlements: Iterable[Settlement]) -> None:
    """Nothing, where every store can take these settlements.

    The size of a request is not asked for: what a queue has taken in must be able to go back, even if it grows by a
    digit of its attempt, or its worker has a lower limit than its producer.

    Raises:
        ValueError: a due time is naive or negative, or an error is empty.
    """
    for settlement in settlements:
        if isinstance(settlement, Finish | Release):
            continue
        if settlement.error == b"":
            raise ValueError(f"the error of job {settlement.job_id} is empty: a failure says why")
        if isinstance(settlement, Retry):
            check_due(settlement.due)


def check_metadata_key(key: str) -> str:
    """`key`, where it is one that a user may use.

    Raises:
        ValueError: it is empty or one of ours.
    """
    if not key or key.startswith(("_", "worker.")):
        raise ValueError(f"{key!r} is not a metadata key: it must not be empty or begin with '_' or 'worker.'")
    return key
