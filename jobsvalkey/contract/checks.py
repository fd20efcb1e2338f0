"""Checks of arguments that are the same for every driver, made before the store is asked."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from jobsvalkey.contract.claims import Cancel, Due, Finish, NewJob, Release, Report, Retry, Settlement
from jobsvalkey.contract.clock import aware
from jobsvalkey.contract.driver import Capability
from jobsvalkey.contract.errors import PayloadTooLarge, PushTooLarge, UnsupportedOperation
from jobsvalkey.contract.flows import MOST_PARENTS
from jobsvalkey.contract.job_id import JobID
from jobsvalkey.contract.lanes import check_lane, check_priority
from jobsvalkey.contract.options import DriverConfiguration
from jobsvalkey.contract.spans import LONGEST_DELAY, check_span

LARGEST_PROGRESS = 1024
"""Bytes that a progress may have."""
LARGEST_ABOUT = 1024
"""Bytes that the description of a worker may have."""
# A year from what a datetime can hold, on either side: stores round, and whoever reads a time may show it as local.
_FIRST_DUE, _END_OF_DUE = datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def check_due(due: Due, what: str = "due") -> Due:
    """Return `due` if it is a time that every store can hold: in the years 2 to 9998, or up to 36,500 days from now.

    Raises:
        ValueError: it is another time, a naive datetime, or negative; the message calls it `what`.
    """
    if isinstance(due, timedelta) and due < timedelta(0):
        raise ValueError(f"{what} is {due}, but a delay is not negative: for a time in the past, use a datetime")
    if isinstance(due, datetime):
        is_held = _FIRST_DUE <= aware(due, what) < _END_OF_DUE
    else:
        is_held = due is None or due <= LONGEST_DELAY
    if not is_held:
        raise ValueError(
            f"{what} is {due}: a delay is up to {LONGEST_DELAY.days:,} days, and a datetime in the years 2 to 9998. "
            "To let a job wait until it is told to run, use queue.pause and queue.resume"
        )
    return due


def resolve_due(due: Due, now: datetime) -> datetime:
    """Return the time at which a job is due, in UTC, on a store whose clock says `now`."""
    if due is None:
        return now
    return due.astimezone(UTC) if isinstance(due, datetime) else now + due


def check_request(request: bytes, job_id: JobID, configuration: DriverConfiguration) -> int:
    """Return the size of a request, in bytes.

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


def check_bytes(value: bytes, what: str) -> bytes:
    """Return `value` if it is bytes. Other types may change, or have yet to be encoded, so they are not for a store.

    Raises:
        TypeError: it is something else; the message calls it `what`.
    """
    if not isinstance(value, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{what} is of type {type(value).__name__}, not bytes: pass bytes(…), or encode a text")
    return value


def check_push(items: Sequence[NewJob], configuration: DriverConfiguration) -> int:
    """Return the size of an atomic push, in bytes.

    Raises:
        PayloadTooLarge: a request is larger than `max_payload`.
        PushTooLarge: there are more jobs, or bytes, than an atomic push takes.
        TypeError: a request is not bytes, or an id is not a `JobID`.
        ValueError: `check_due` refuses a `due` or `expires`, or `check_span` a `keep_for`; a `priority` or a `lane` is
            not valid; a job has too many parents, or is the callback of a batch and has parents.
    """
    size = 0
    largest = configuration.max_payload
    for item in items:
        # The exact type first, since that is quick; a subclass is as good.
        if type(item.request) is not bytes:
            check_bytes(item.request, f"the request of job {item.job_id}")
        if type(item.job_id) is not JobID and not isinstance(item.job_id, JobID):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"the id of job {item.job_id!r} is of type {type(item.job_id).__name__}: use JobID.parse")
        length = len(item.request)
        size += length
        if length > largest:
            check_request(item.request, item.job_id, configuration)
        if item.due is not None:
            check_due(item.due)
        if item.keep_for is not None:
            check_span(item.keep_for, "keep_for")
        if item.expires is not None:
            check_due(item.expires, "expires")
        if item.priority != 0:
            check_priority(item.priority)
        if item.lane is not None:
            check_lane(item.lane)
        if item.after:
            _check_parents(item)
    if len(items) > configuration.max_atomic_push or size > configuration.max_atomic_push_bytes:
        raise PushTooLarge(
            f"{len(items):,} jobs with {size:,} bytes are more than one atomic push takes "
            f"({configuration.max_atomic_push:,} jobs, {configuration.max_atomic_push_bytes:,} bytes): "
            "use atomic=False, or smaller pushes"
        )
    return size


def _check_parents(item: NewJob) -> None:
    if len(item.after) > MOST_PARENTS:
        raise ValueError(
            f"job {item.job_id} is to run after {len(item.after):,} jobs, and {MOST_PARENTS:,} is the most: put them "
            "into a batch, or let jobs come between"
        )
    if item.batch == item.job_id:
        raise ValueError(f"job {item.job_id} is the callback of a batch, and cannot run after other jobs as well")


def check_settlements(settlements: Iterable[Settlement]) -> None:
    """Check that every store can take these settlements.

    The size of a request is not checked: a job that a queue has accepted must be able to go back, even if its attempt
    needs one more digit, or its worker has a lower limit than its producer.

    Raises:
        TypeError: a request, a result or an error is not bytes.
        ValueError: `check_due` refuses a due time, or an error is empty.
    """
    for settlement in settlements:
        if type(settlement) is Finish:
            if settlement.result is not None:
                check_bytes(settlement.result, f"the result of job {settlement.job_id}")
            continue
        if isinstance(settlement, Finish | Release):
            continue
        if isinstance(settlement, Cancel):
            check_bytes(settlement.reason, f"the reason of job {settlement.job_id}")
            continue
        if settlement.error is not None:
            check_bytes(settlement.error, f"the error of job {settlement.job_id}")
        if settlement.error == b"":
            raise ValueError(f"the error of job {settlement.job_id} is empty: a failure says why")
        if isinstance(settlement, Retry):
            if settlement.request is not None:
                check_bytes(settlement.request, f"the request of job {settlement.job_id}")
            check_due(settlement.due)


def check_reports(
    reports: Sequence[Report], configuration: DriverConfiguration, capabilities: Collection[Capability]
) -> None:
    """Check that there are no reports, or that the driver takes these.

    Raises:
        UnsupportedOperation: there are reports, and the driver does not take them.
        PayloadTooLarge: a progress is larger than 1 KiB, or a state larger than `max_payload`.
        TypeError: one of them is not bytes.
        ValueError: a report has neither.
    """
    if reports and Capability.REPORTS not in capabilities:
        raise UnsupportedOperation("the driver does not support reports: use one with the capability 'reports'")
    for report in reports:
        if report.progress is None and report.state is None:
            raise ValueError(f"the report of job {report.job_id} has neither a progress nor a state: it says nothing")
        for what, value, largest in (
            ("progress", report.progress, LARGEST_PROGRESS),
            ("state", report.state, configuration.max_payload),
        ):
            if value is not None and len(check_bytes(value, f"the {what} of job {report.job_id}")) > largest:
                raise PayloadTooLarge(
                    f"the {what} of job {report.job_id} has {len(value):,} bytes, more than the {largest:,} that it "
                    "may have: store large data elsewhere and report a reference"
                )


def check_about(about: bytes) -> bytes:
    """Return `about` if it can be the description of a worker.

    Raises:
        PayloadTooLarge: it is larger than 1 KiB.
        TypeError: it is not bytes.
    """
    if len(check_bytes(about, "the description of a worker")) > LARGEST_ABOUT:
        raise PayloadTooLarge(
            f"the description of a worker has {len(about):,} bytes, more than the {LARGEST_ABOUT:,} that it may have: "
            "name what it runs on, and no more"
        )
    return about


OWN_KEYS = (
    *("worker.", "_children.", "_claims.", "_input.", "_job.", "_line.", "_members.", "_news."),
    *("_offers.", "_producer.", "_rate.", "_slots.", "_worker."),
)
"""The beginnings of drivers' own keys that end in the name of something else."""


def check_sequence(sequence: int) -> int:
    """Return `sequence`, if every store can hold it and compare it as the number of a step.

    Raises:
        ValueError: it is not a whole number, or is below 0, or 2^53 or more.
    """
    if type(sequence) is not int or not 0 <= sequence < 1 << 53:
        raise ValueError(f"the sequence {sequence} is no number of a step: begin with 0 or 1, and count up")
    return sequence


def check_metadata_key(key: str, queue_key: str, **stored: bytes) -> str:
    """Return `key` if a user may use it, and `stored` may be the value there.

    A scheduler may be named after its queue, whatever the queue's key begins with.

    Raises:
        TypeError: `stored` is not bytes.
        ValueError: `key` is empty or one of ours.
    """
    for what, value in stored.items():
        check_bytes(value, what)
    is_schedulers = key.startswith(f"{queue_key}.") and key.endswith((".jobSchedulerLock", ".jobScheduleLastDate"))
    if not key or key.startswith(OWN_KEYS if is_schedulers else ("_", "worker.")):
        raise ValueError(f"{key!r} is not a metadata key: it must not be empty or begin with '_' or 'worker.'")
    return key


def check_expiry(expires_in: timedelta) -> timedelta:
    """Return `expires_in` if a lock can be held for that time.

    Raises:
        ValueError: it is not above zero, or beyond 36,500 days.
    """
    return check_span(expires_in, "expires_in")
