"""The settings of a scheduler."""

from dataclasses import dataclass, field
from datetime import timedelta

from jobsvalkey.contract.option_types import check_types


@dataclass(frozen=True, slots=True, kw_only=True)
class ExclusiveLock:
    """The lock by which one of several schedulers works while the others watch. It only saves work.

    When the scheduler with the lock has died, another one takes over within `hold_for` + `every`. If a scheduler with
    the lock does not know a job, another one pushes it, the first trigger up to `hold_for` + `every` late.

    Raises:
        ValueError: `every` is not above zero, or `hold_for` is not longer.
    """

    every: timedelta = timedelta(seconds=10)
    """How often it is taken or renewed, which is also the longest sleep of a scheduler."""
    hold_for: timedelta = timedelta(seconds=30)
    """For how long it holds, and how long a job is overdue before a scheduler without the lock looks after it."""

    def __post_init__(self) -> None:
        check_types(self)
        if not timedelta(0) < self.every < self.hold_for:
            raise ValueError(
                f"every is a time above zero and below hold_for, not {self.every} with hold_for {self.hold_for}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerOptions:
    """The settings of a scheduler.

    Raises:
        ValueError: a value is out of range.
    """

    name: str | None = None
    """Names the scheduler, if `scheduler(name=...)` does not; `None` means the queue's key, as for Swift's services."""
    lock: ExclusiveLock = field(default_factory=ExclusiveLock)
    """The lock between the schedulers of one name."""
    batch_size: int = 500
    """How many missed triggers of one job are pushed before the other jobs have their turn."""

    def __post_init__(self) -> None:
        check_types(self)
        if self.batch_size < 1:
            raise ValueError(f"batch_size is at least 1, not {self.batch_size}")
