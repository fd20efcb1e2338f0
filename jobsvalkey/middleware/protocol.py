"""The hook protocol: what runs with every job, when it is pushed and around its handler."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from jobsvalkey.contract import Due, JobID

CallNext: TypeAlias = Callable[[], Awaitable[None]]
"""Calls the next middleware, or the handler if there is none."""


@dataclass(slots=True, kw_only=True)
class PushedJob:
    """A job on its way into the queue."""

    job_id: JobID
    name: str
    parameters: Any
    due: Due
    """When it may run; `None` means now."""
    scheduled_at: datetime | None = None
    """The time of its schedule that it is for; `None` if no schedule pushes it."""
    trace: dict[str, str]
    """Travels with the job: what `on_push` adds here, the middleware of the worker reads."""


@dataclass(slots=True, kw_only=True)
class PoppedJob:
    """A job that a worker has claimed and is about to run."""

    job_id: JobID
    name: str
    parameters: Any
    attempt: int
    """Counts from 1."""
    is_last_attempt: bool
    """Whether the job fails for good if this attempt fails; `False` if its retry strategy cannot tell before."""
    queued_at: datetime
    """When it was pushed, by the producer's clock; for a scheduled job, `scheduled_at`."""
    scheduled_at: datetime | None
    """The time of its schedule that it is for, however late it runs; `None` if no schedule pushed it."""
    due: datetime
    """When it was due, by the store's clock."""
    waited: float
    """Seconds between `due` and now."""
    trace: Mapping[str, str]
    """The trace context that the middleware of the producer added."""


class JobOutcome(StrEnum):
    """How a claim ended."""

    SUCCEEDED = "succeeded"
    RETRIED = "retried"
    """It failed and will be tried again."""
    SLEPT = "slept"
    """It asked to run again later, by `JobSleep`."""
    FAILED = "failed"
    """It failed for good."""
    CANCELLED = "cancelled"
    """It was aborted, or its worker shut down, so that the job runs again, or its claim was lost.

    The run of a handler in a thread that its worker leaves behind ends in this way, too, although the thread goes on.
    """
    DISCARDED = "discarded"
    """It did not run: its request is missing or corrupt, names an unknown job, or killed too many workers."""


@dataclass(slots=True, kw_only=True)
class CompletedJob:
    """A claim that has come to its end. It is settled with the store right after this.

    Nothing is settled if a worker shuts down and leaves a thread behind, or if the task that runs the job is cancelled.
    """

    job_id: JobID
    name: str | None
    """`None` if the request is missing or corrupt."""
    attempt: int
    """0 if the request is missing or corrupt."""
    parameters: Any = None
    """`None` if the request is missing or corrupt, or the job is not registered."""
    outcome: JobOutcome
    error: BaseException | None
    duration: float
    """Seconds from the start of the handler to its end, 0 if it did not run."""
    trace: Mapping[str, str]


class Middleware(Protocol):
    """Runs with every job. Subclass it and override the hooks that you need: only those are called.

    The first middleware of a queue is the outermost one. An error in `on_push` is raised by the push, and nothing is
    stored. An error in `handle` fails the job, like an error of the handler. Errors in the other hooks are logged.
    """

    async def on_push(self, job: PushedJob) -> None:
        """Run before a job is encoded and stored. May add to `job.trace`."""

    async def on_pushed(self, job: PushedJob, stored: bool) -> None:
        """Run after the store has acknowledged a job; `stored` is `False` if no new job was made."""

    async def on_pop(self, job: PoppedJob) -> None:
        """Run before the handler, in its task."""

    async def handle(self, job: PoppedJob, call_next: CallNext) -> None:
        """Run around the handler: call `call_next` once, and let its errors pass."""
        await call_next()

    async def on_completed(self, job: CompletedJob) -> None:
        """Run after the outcome of a job is decided, even if its handler did not run.

        It may be called without `on_pop`, if the job was cancelled in the `on_pop` of another middleware.
        """
