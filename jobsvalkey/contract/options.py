"""The settings that every driver takes: limits and retention."""

from dataclasses import dataclass
from datetime import timedelta

from jobsvalkey.contract.option_types import check_types
from jobsvalkey.contract.states import JobStatus

_ZERO = timedelta(0)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long jobs of one state are kept once they have ended.

    A job older than `max_age`, or with `max_count` or more jobs that ended after it, is gone. `None` means no limit.
    """

    max_age: timedelta | None = None
    max_count: int | None = None

    def __post_init__(self) -> None:
        check_types(self)
        if self.max_age is not None and self.max_age <= _ZERO:
            raise ValueError(
                f"retain_for takes a time above zero, not {self.max_age}: to keep nothing, use DO_NOT_RETAIN"
            )
        if self.max_count is not None and self.max_count < 0:
            raise ValueError(f"retain_last takes a number from 0, not {self.max_count}")

    @property
    def keeps(self) -> bool:
        """Whether a job that ends now is kept at all."""
        return self.max_count != 0


RETAIN = Retention()
"""Keep for ever."""
DO_NOT_RETAIN = Retention(max_count=0)
"""Drop at once."""


def retain_for(age: timedelta) -> Retention:
    """Keep each job for `age` after its end."""
    return Retention(max_age=age)


def retain_last(count: int) -> Retention:
    """Keep the `count` jobs that ended last."""
    return Retention(max_count=count)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """Says which jobs are kept once they have ended, state by state. By default only the failed ones."""

    completed_jobs: Retention = DO_NOT_RETAIN
    failed_jobs: Retention = RETAIN
    cancelled_jobs: Retention = DO_NOT_RETAIN

    def of(self, status: JobStatus) -> Retention:
        """Return the retention of jobs in one of the three finished states."""
        match status:
            case JobStatus.COMPLETED:
                return self.completed_jobs
            case JobStatus.FAILED:
                return self.failed_jobs
            case JobStatus.CANCELLED:
                return self.cancelled_jobs
            case _:
                raise KeyError(status)

    def __post_init__(self) -> None:
        check_types(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverConfiguration:
    """The settings of a queue that do not depend on the store.

    Raises:
        ValueError: a value is out of range.
    """

    queue_key: str = "jobQueue"
    """Names the queue; on Valkey the prefix of all its keys."""
    poll_time: timedelta = timedelta(seconds=1)
    """How often an idle worker looks for work if no hint has woken it."""
    retention_policy: RetentionPolicy = RetentionPolicy()
    """The policy that says which jobs are kept once they have ended."""
    max_payload: int = 1024 * 1024
    """The largest encoded request, in bytes."""
    max_atomic_push: int = 1000
    """The largest number of jobs in one atomic push."""
    max_atomic_push_bytes: int = 4 * 1024 * 1024
    """The largest sum of encoded requests in one atomic push, in bytes."""
    idempotency_window: timedelta = timedelta(hours=24)
    """How long an id that a user gave is remembered once its job is gone."""
    activity: bool = False
    """Whether the work of workers is counted by the minute. Once one worker was opened with it, all workers of the
    queue are counted."""

    def __post_init__(self) -> None:
        check_types(self)
        if not self.queue_key or self.queue_key != self.queue_key.strip():
            raise ValueError(f"queue_key is a name without white space around it, not {self.queue_key!r}")
        for name in ("poll_time", "idempotency_window"):
            if getattr(self, name) <= _ZERO:
                raise ValueError(f"{name} is a time above zero, not {getattr(self, name)}")
        for name in ("max_payload", "max_atomic_push", "max_atomic_push_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")
