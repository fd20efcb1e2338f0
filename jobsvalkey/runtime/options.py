"""The settings of a worker."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from jobsvalkey.contract.option_types import check_types

_ZERO = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveLock:
    """How a worker shows that it lives: every `every` it renews a lock that holds for `hold_for`.

    Jobs of a worker that died are pending again after at most `hold_for` + `every`.

    Raises:
        ValueError: `every` is not above zero, or `hold_for` is not longer.
    """

    every: timedelta = timedelta(seconds=15)
    hold_for: timedelta = timedelta(seconds=45)

    def __post_init__(self) -> None:
        check_types(self)
        if not _ZERO < self.every < self.hold_for:
            raise ValueError(
                f"a lock is renewed before it runs out: every ({self.every}) is above zero and below "
                f"hold_for ({self.hold_for}), a third of it, say"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorOptions:
    """How a processor runs jobs.

    Raises:
        ValueError: a value is out of range.
    """

    num_workers: int = 16
    """How many jobs run at the same time."""
    graceful_shutdown_timeout: timedelta = timedelta(seconds=30)
    """How long running jobs may go on once the processor is to stop."""
    cancel_grace: timedelta = timedelta(seconds=5)
    """How long they may take to end once they are cancelled, after that time."""
    worker_active_lock: ActiveLock = ActiveLock()
    """How the worker shows that it lives, and how often it looks for the jobs of dead workers."""
    max_recoveries: int | None = 5
    """How many workers may die while they run a job before it is given up as `JobAbandoned`; `None`: any number.

    A worker runs at most one job at a time that is on its last chance, and claims nothing while that runs. So if it
    kills one more worker, no other job on its last chance is given up because of it.
    """
    unknown_job: Literal["fail", "retry"] = "fail"
    """Says what happens to a job of an unknown name: it fails and is kept, or it goes back with a growing delay
    of up to a minute, for workers of a newer version that know it."""
    burst: bool = False
    """Whether to return as soon as no job is due and no job of this processor runs, instead of waiting for more."""
    recycle_after: int | None = None
    """The number of jobs after which the processor stops, for a program that then starts a fresh process; `None` means
    never. It stops gracefully, so that a few more may run."""
    handle_signals: bool = False
    """Whether SIGTERM, SIGINT and SIGHUP stop the processor; a second one stops it without waiting for its jobs."""

    def __post_init__(self) -> None:
        check_types(self)
        if self.num_workers < 1:
            raise ValueError(f"num_workers is at least 1, not {self.num_workers}")
        if self.recycle_after is not None and self.recycle_after < 1:
            raise ValueError(f"recycle_after is at least 1, not {self.recycle_after}")
        for name in ("graceful_shutdown_timeout", "cancel_grace"):
            if getattr(self, name) < _ZERO:
                raise ValueError(f"{name} is not negative, as {getattr(self, name)} is")
        if self.max_recoveries is not None and self.max_recoveries < 0:
            raise ValueError(f"max_recoveries is not negative, as {self.max_recoveries} is")
