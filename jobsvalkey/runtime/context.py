"""The context that tells a handler about the job that it runs."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Self, TypeVar, cast, overload
from uuid import UUID

from jobsvalkey.contract import (
    AnyServiceJob,
    BatchCounts,
    Claim,
    DriverConfiguration,
    Input,
    JobID,
    JobStatus,
    aware,
    new_job_id,
)
from jobsvalkey.contract.option_types import check_option
from jobsvalkey.runtime.codec import Request, from_reference_date, to_reference_date
from jobsvalkey.runtime.inputs import JobInput
from jobsvalkey.runtime.job_run import JobRun
from jobsvalkey.runtime.outbox import KeptOutbox
from jobsvalkey.runtime.progress import Progress
from jobsvalkey.runtime.reports import Reports, ReportSettings
from jobsvalkey.runtime.result_values import UNDECLARED, ResultCodec
from jobsvalkey.runtime.retry import ExponentialJitter, RetryStrategy
from jobsvalkey.runtime.state import State
from jobsvalkey.runtime.step import BlockingStep, Step
from jobsvalkey.runtime.values.swift.scalars import REFERENCE_DATE

T = TypeVar("T")

_LOGGER = logging.getLogger("jobsvalkey.job")
_NO_TRACE: Mapping[str, str] = MappingProxyType({})
_BEGINNING = threading.Lock()
"""Held while a run begins to report, which several of its threads may do at the same time."""


class _JobLogger(logging.LoggerAdapter[logging.Logger]):
    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        # The adapter of the standard library drops the extra fields of the call (before Python 3.13).
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


class JobContext:
    """Tells a handler about its job. Made by the library; safe to read from a handler's thread."""

    __slots__ = ("_logger", "_reporting", "_request", "_retry_strategy", "_run", "_state", "attempt", "job_id", "name")

    def __init__(
        self,
        job_id: JobID,
        name: str,
        attempt: int,
        request: Request[Any],
        retry_strategy: RetryStrategy,
        run: JobRun,
        state: State,
        reporting: ReportSettings,
    ) -> None:
        self.job_id: JobID = job_id
        """The job's id."""
        self.name: str = name
        """The job's name."""
        self.attempt: int = attempt
        """Which run of the job this is; counts from 1."""
        self._request = request
        self._retry_strategy = retry_strategy
        self._run = run
        self._state = state
        self._reporting = reporting
        self._logger: logging.LoggerAdapter[logging.Logger] | None = None

    @classmethod
    def for_test(
        cls,
        name: str = "job",
        *,
        job_id: JobID | UUID | str | None = None,
        attempt: int = 1,
        max_attempts: int = 4,
        queued_at: datetime = REFERENCE_DATE,
        scheduled_at: datetime | None = None,
        next_scheduled_at: datetime | None = None,
        trace: Mapping[str, str] | None = None,
        cancelled: bool = False,
        claim_lost: bool = False,
        state: object = None,
        aborted: bool = False,
        saved: object = None,
        steps: Mapping[str, object] | None = None,
        inputs: Sequence[object] = (),
        members: BatchCounts | None = None,
    ) -> Self:
        """Make a context for a test that calls a handler by itself, without a queue.

        Args:
            name: the job's name.
            job_id: its id; by default a new one.
            attempt: which run it is.
            max_attempts: how many there are, for `is_last_attempt`.
            queued_at: when it was pushed; for a scheduled job `scheduled_at` counts.
            scheduled_at: the time of its schedule.
            next_scheduled_at: when its schedule runs it next; by default `scheduled_at`, if that is given.
            trace: the trace context that comes with it.
            cancelled: whether the handler should end.
            claim_lost: whether the job was taken away, which cancels it too.
            state: what a lifespan would yield, for `state_of`.
            aborted: whether somebody has asked for the end of the job, which cancels it too.
            saved: the value that an earlier run has saved; `None` if there is none.
            steps: the values of the steps that earlier runs have finished, by their names.
            inputs: the return values of its parents, all of which have completed.
            members: what has become of the members of its batch.

        The context keeps what the handler saves and reports: look at `saved` and `last_progress`.

        Raises:
            TypeError: a value is of another type, or cannot be saved.
            ValueError: the id is not a UUID, a date is naive, or the attempt is not above zero.
        """
        for option, value, kind in (
            ("name", name, str),
            ("attempt", attempt, int),
            ("max_attempts", max_attempts, int),
            ("queued_at", queued_at, datetime),
            ("scheduled_at", scheduled_at, datetime | None),
            ("next_scheduled_at", next_scheduled_at, datetime | None),
        ):
            check_option(option, value, kind)
        if attempt < 1:
            raise ValueError(f"attempt counts from 1: it is not {attempt}")
        following = scheduled_at if next_scheduled_at is None else next_scheduled_at
        request = Request[Any](
            parameters=None,
            queued_at=to_reference_date(aware(scheduled_at or queued_at, "queued_at")),
            attempt=attempt,
            trace=dict(trace) if trace else None,
            next_scheduled_at=None if following is None else to_reference_date(aware(following, "next_scheduled_at")),
        )
        run = JobRun(new_job_id() if job_id is None else JobID.parse(job_id))
        run.job_name, run.attempt = name, attempt
        run.cancelled, run.claim_lost, run.aborted = cancelled or claim_lost or aborted, claim_lost, aborted
        strategy = ExponentialJitter(max_attempts=max_attempts)
        settings = ReportSettings("plain", DriverConfiguration().max_payload, True, "")
        context = cls(cast("JobID", run.job_id), name, attempt, request, strategy, run, State(state), settings)
        now = aware(queued_at, "queued_at")
        told = tuple(
            Input(new_job_id(), JobStatus.COMPLETED, ResultCodec(UNDECLARED, "plain").write(value)) for value in inputs
        )
        run.claim = Claim(cast("JobID", run.job_id), b"", None, now, now, inputs=told, members=members)
        run.outbox = KeptOutbox()
        if saved is not None:
            context._reports.save(saved)
        for step, value in (steps or {}).items():
            context._reports.finish_step(step, value, UNDECLARED)
        return context

    @property
    def is_last_attempt(self) -> bool:
        """Whether the job fails for good if this attempt fails, whatever its error is.

        Its retry strategy decides that. It is `False` if the strategy raises an error, because it has to see the job's
        error first.
        """
        try:
            return not self._retry_strategy.should_retry(self.attempt, None)
        except Exception:
            # Asked again when the attempt has failed; if the strategy is broken, it shows then.
            return False

    @property
    def queued_at(self) -> datetime:
        """When the job was pushed, in UTC, by the producer's clock; for a scheduled job, `scheduled_at`."""
        return from_reference_date(self._request.queued_at)

    @property
    def scheduled_at(self) -> datetime | None:
        """The time of its schedule that this job is for, in UTC, however late it runs; `None` without a schedule."""
        date = self._request.scheduled_at
        return None if date is None else from_reference_date(date)

    @property
    def next_scheduled_at(self) -> datetime | None:
        """When its schedule runs this job next, in UTC; `None` if no schedule pushed it."""
        date = self._request.next_scheduled_at
        return None if date is None else from_reference_date(date)

    @property
    def trace(self) -> Mapping[str, str]:
        """The trace context that came with the job."""
        return self._request.trace or _NO_TRACE

    @property
    def claim_lost(self) -> bool:
        """Whether the job was taken from this worker, so that another one may already run it: stop, and change nothing
        more.

        A coroutine is cancelled as well. A handler in a thread has to look here, or at `cancelled`.
        """
        return self._run.claim_lost

    @property
    def aborted(self) -> bool:
        """Whether somebody has asked for the end of the job. If so, it does not run again.

        A coroutine is cancelled as well. A handler in a thread has to look here, or at `cancelled`.
        """
        return self._run.aborted

    @property
    def cancelled(self) -> bool:
        """Whether the handler should end: it is aborted, its claim is lost, its time is up, or its worker shuts down.

        A coroutine is cancelled as well. A long handler in a thread should look here now and then.
        """
        return self._run.cancelled

    def state_of(self, kind: type[T]) -> T:
        """Return the object of this type that the lifespan has yielded, or the field of that object that has this type.

        Raises:
            ConfigurationError: there is none, or several fields are.
        """
        return self._state.find(kind)

    @property
    def inputs(self) -> "tuple[JobInput, ...]":
        """The parents of the job, in the order of `after`, with how they ended and what they returned.

        If the job was resumed while it waited, those parents that had ended by then.
        """
        return tuple(JobInput(told, self._reporting.values) for told in self._run.claim.inputs)

    @property
    def members(self) -> BatchCounts | None:
        """How many members of the batch have completed, failed, and were cancelled, if this is its callback."""
        return self._run.claim.members

    # Reports.

    def progress(self, done: float, total: float | None = None, text: str = "") -> None:
        """Note how far the job has come, for those who look at it. May be called as often as you like, from any thread.

        It never waits. A few times a second the latest progress goes to the store, and the last one always does, unless
        the job ends right after it: a job that has ended shows none.

        Args:
            done: how much is done, in whatever unit you count.
            total: how much there is to do, in the same unit.
            text: a short description; all three have 1 KiB together, and a longer text is cut.

        Raises:
            UnsupportedOperation: the driver does not support `REPORTS`.
            TypeError, ValueError: it is not a number, or cannot be stored.
        """
        self._reports.progress(done, total, text)

    @property
    def last_progress(self) -> Progress | None:
        """The progress that this run has noted last."""
        return None if self._run.reports is None else self._run.reports.last_progress

    async def save(self, value: object) -> None:
        """Store a value for the next run of the job, which replaces the last one; returns when it is stored.

        `saved` returns it in the next run, be that after an error, a `JobSleep`, a shutdown, or the death of the
        worker. It is removed at the end of the job, and by a rerun.

        Raises:
            ClaimLost: the job is no longer this worker's, so that the value cannot be stored.
            PayloadTooLarge: with the values of steps it is larger than `max_payload`; the last value stays.
            TypeError: the value cannot be stored, or would not arrive unchanged.
            UnsupportedOperation: the driver does not support `REPORTS`.
        """
        await asyncio.wrap_future(self._reports.save(value))

    def saved(self, kind: type[T]) -> T | None:
        """Return the value that was saved last, by this run or an earlier one; `None` if there is none.

        Raises:
            ConfigurationError: it is not of that type.
            UnsupportedOperation: the driver does not support `REPORTS`.
        """
        return self._reports.saved(kind)

    @overload
    def step(self, name: str, *, type: type[T]) -> Step[T]: ...

    @overload
    def step(self, name: str, *, type: Any = ...) -> Step[Any]: ...

    def step(self, name: str, *, type: Any = UNDECLARED) -> Step[Any]:  # noqa: A002 - as wherever values are read
        """Enter a part of the job that is done once, however often the job runs: `async with context.step(…) as step`.

        If `step.done`, an earlier run has done it, and `step.value` is the value that it finished with. Otherwise do
        it, and then `await step.finish(value)`.

        Args:
            name: names the step within the job.
            type: the type to read its value as; by default plain JSON values.

        Raises:
            ValueError: the name is empty; or, when it is entered, this run has entered a step of that name before.
            ConfigurationError: when it is entered: its value is not of that type.
            UnsupportedOperation: the driver does not support `REPORTS`.
        """
        return Step(self._reports, name, type, self.logger)

    @property
    def blocking(self) -> "BlockingContext":
        """The same for plain functions, which run in threads and cannot await: `save` and `step`."""
        return BlockingContext(self._reports, self.logger)

    @property
    def _reports(self) -> Reports:
        run = self._run
        if run.reports is None:
            with _BEGINNING:
                if run.reports is None:
                    run.reports = self._reporting.reports(run.claim, run.outbox, self.name)
        return run.reports

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """Logs to `jobsvalkey.job`, with `job_id`, `job_name`, `attempt` and `worker` as extra fields."""
        if self._logger is None:
            self._logger = _JobLogger(_LOGGER, self._run.fields())
        return self._logger


class BlockingContext:
    """Saves from a plain function: each call waits until it is stored. Made by `context.blocking`."""

    def __init__(self, reports: Reports, logger: logging.LoggerAdapter[logging.Logger]) -> None:
        self._reports = reports
        self._logger = logger

    def save(self, value: object) -> None:
        """Store a value, as `JobContext.save` does."""
        self._reports.check_may_block()
        self._reports.save(value).result()

    @overload
    def step(self, name: str, *, type: type[T]) -> BlockingStep[T]: ...

    @overload
    def step(self, name: str, *, type: Any = ...) -> BlockingStep[Any]: ...

    def step(self, name: str, *, type: Any = UNDECLARED) -> BlockingStep[Any]:  # noqa: A002 - as wherever values are read
        """Enter a part of the job that is done once, as `JobContext.step` does, by `with`."""
        return BlockingStep(self._reports, name, type, self._logger)


def claim_of(context: JobContext) -> Claim:
    """Return the claim that a handler runs under, for the jobs that a driver brings along."""
    return context._run.claim  # pyright: ignore[reportPrivateUsage] # noqa: SLF001 - no user needs it


def service_handler(job: AnyServiceJob) -> "Callable[[Any, JobContext], Awaitable[None]]":
    """Make the handler of a job that a driver runs."""

    async def handler(parameters: Any, context: JobContext) -> None:
        await job.handler(parameters, claim_of(context))

    return handler
