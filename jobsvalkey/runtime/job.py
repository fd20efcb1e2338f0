"""Jobs as a user writes them: options of a push, the definition of a job, and what a handler may raise."""

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, TypeAlias, TypeVar, cast
from uuid import UUID

from jobsvalkey.contract import (
    ConfigurationError,
    Due,
    Durability,
    InvalidParameters,
    JobID,
    JobName,
    NamedParameters,
    Unique,
    check_due,
)
from jobsvalkey.contract.lanes import check_lane, check_priority
from jobsvalkey.contract.option_types import check_option, check_types
from jobsvalkey.contract.spans import check_span
from jobsvalkey.runtime.context import JobContext
from jobsvalkey.runtime.retry import RetryStrategy, check_strategy
from jobsvalkey.runtime.values.annotations import name_of_type

P = TypeVar("P")

Handler: TypeAlias = Callable[[P, JobContext], Awaitable[object]] | Callable[[P, JobContext], object]
"""Runs a job: a coroutine function, or a plain one, which runs in a thread of its own. Its return value is the result
of the job, if that is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """When a job runs, and under which id it is stored.

    Raises:
        ValueError: both delays are given, or both expiries, one is out of its bounds, the datetime is naive, the job
            would expire before it may run, an id is not a UUID, or the priority or the lane is not valid.
    """

    delay: timedelta | None = None
    """The job may run after this time, by the store's clock: from zero to 36,500 days."""
    delay_until: datetime | None = None
    """The job may run from this time on, in the years 2 to 9998. A time in the past puts the job before those that are
    due now."""
    job_id: JobID | UUID | str | None = None
    """An id of your own makes the push idempotent: as long as the job is there, and for the driver's
    `idempotency_window` after that, another push of the id does nothing."""
    keep_for: timedelta | None = None
    """How long the job is kept after its end, with its result, at least, whatever the retention policy says: more than
    zero, up to 36,500 days."""
    durability: Durability | None = None
    """The demand to meet before the push returns; by default that of the driver's configuration."""
    unique: Unique | None = None
    """A name that one job holds at a time: while another has it, this one is not stored, or replaces the other job."""
    expires_in: timedelta | None = None
    """After this time, by the store's clock, the job is cancelled unless a worker has it, even if it ran before: more
    than zero, up to 36,500 days."""
    expires_at: datetime | None = None
    """The same, as a time in the years 2 to 9998."""
    priority: int = 0
    """From -100 to 100: no job runs while one with a higher priority is due."""
    lane: str | None = None
    """Names the lane in which the job waits. Lanes of one priority take turns, one job each. 1 to 256 bytes in UTF-8,
    without `*`."""
    after: Sequence[JobID | UUID | str] = ()
    """The ids of up to 1,000 jobs that have to end before this one may run. They have to be kept when they end."""
    if_failed: Literal["cancel", "run"] = "cancel"
    """Says what happens if one of those does not complete: it is cancelled at once, or runs when all have ended."""
    batch: JobID | UUID | str | None = None
    """The batch that the job belongs to: the return value of `open_batch`."""

    def __post_init__(self) -> None:
        check_types(self)
        if self.keep_for is not None:
            check_span(self.keep_for, "keep_for")
        if self.delay is not None and self.delay_until is not None:
            raise ValueError("give delay or delay_until, not both")
        check_due(self.delay, "delay")
        check_due(self.delay_until, "delay_until")
        self._check_expiry()
        check_priority(self.priority)
        if self.lane is not None:
            check_lane(self.lane)
        if self.job_id is not None:
            object.__setattr__(self, "job_id", JobID.parse(self.job_id))
        if self.after:
            object.__setattr__(self, "after", parse_parents(self.after))
        if self.batch is not None:
            object.__setattr__(self, "batch", JobID.parse(self.batch))

    def with_parents(self, parents: Iterable[JobID]) -> "JobOptions":
        """Return the same options, with these parents. For flows."""
        after = tuple(parents)
        return self if after == self.after else replace(self, after=after)

    @property
    def due(self) -> Due:
        """When the job may run, as drivers take it."""
        return self.delay if self.delay_until is None else self.delay_until

    @property
    def expires(self) -> Due:
        """When the job expires, as drivers take it."""
        return self.expires_in if self.expires_at is None else self.expires_at

    def _check_expiry(self) -> None:
        if self.expires_in is not None and self.expires_at is not None:
            raise ValueError("give expires_in or expires_at, not both")
        if self.expires_in is not None:
            check_span(self.expires_in, "expires_in")
        check_due(self.expires_at, "expires_at")
        delayed, expiring = (self.delay, self.expires_in), (self.delay_until, self.expires_at)
        for due, expires in (delayed, expiring):
            if due is not None and expires is not None and expires <= due:  # pyright: ignore[reportOperatorIssue]
                raise ValueError(f"the job could never run: it expires ({expires}) before it is due ({due})")


def parse_parents(parents: Iterable[JobID | UUID | str]) -> tuple[JobID, ...]:
    """Return the ids that a job comes after.

    Raises:
        TypeError: it is not a list.
        ValueError: an item is not an id.
    """
    if isinstance(parents, str | bytes):
        raise TypeError(f"after is a list of ids, such as [{parents!r}], not {parents!r}")
    return tuple(map(JobID.parse, parents))


@dataclass(frozen=True, slots=True)
class Push:
    """One job of a `push_many` with options of its own."""

    job: Any
    """Parameters that have a `job_name`, or `JobName.with_parameters(...)`."""
    options: JobOptions

    def __post_init__(self) -> None:
        check_option("options", self.options, JobOptions)


class FunctionJob:
    """A function that is a job, for code that takes jobs of any kind; see `Task`."""

    @property
    def job(self) -> JobName[Any]:
        """The job's name, and the type of its parameters, which has a field for each argument."""
        raise NotImplementedError

    def with_parameters(self, *args: Any, **kwargs: Any) -> NamedParameters[Any]:
        """Return these arguments together with the job that they are for."""
        raise NotImplementedError


@dataclass(frozen=True)  # no slots: with them JobDefinition[P](...) fails
class JobDefinition(Generic[P]):
    """A job that can run: its name and type of parameters, its handler, and what happens if it fails or takes too long.

    Raises:
        ConfigurationError: the handler does not take (parameters, context) or is a generator, or the type does not name
            a job.
        ValueError: the timeout is not above zero.
    """

    job: type[P] | JobName[P]
    """The type of the parameters, if it has a `job_name`, or a `JobName`."""
    handler: Handler[P]
    retry_strategy: RetryStrategy | None = None
    """`None` means the queue's default."""
    timeout: timedelta | None = None
    """How long one attempt may take; `None` means no limit. A handler in a thread cannot be stopped: it keeps its slot
    until it ends, and the attempt has then failed."""
    keep_result: timedelta | None = None
    """How long jobs that this process pushes are kept after their end, unless their options have a `keep_for`."""

    def __post_init__(self) -> None:
        check_job(self.job)
        check_option("timeout", self.timeout, timedelta | None)
        check_option("keep_result", self.keep_result, timedelta | None)
        if self.keep_result is not None:
            check_span(self.keep_result, "keep_result")
        if self.retry_strategy is not None:
            check_strategy("retry_strategy", self.retry_strategy)
        if self.timeout is not None and self.timeout <= timedelta(0):
            raise ValueError(f"the timeout of job {self.name!r} is a time above zero, not {self.timeout}")
        _check_handler(self.name, self.handler)

    @property
    def name(self) -> str:
        """The name under which the job is stored."""
        return self.job.name if isinstance(self.job, JobName) else name_of(self.job)

    @property
    def parameters(self) -> type[P]:
        """The type of the parameters."""
        return self.job.parameters if isinstance(self.job, JobName) else self.job


class JobSleep(Exception):
    """Raised by a handler: the job goes back into the queue and runs again later. It has not failed.

    `attempts` says how this run counts: `"keep"` not at all, `"increment"` as an attempt, and `"reset"` makes the
    next run attempt 1. A sleep never makes a job fail; after the last attempt, the next failure does.

    Raises:
        ValueError: not exactly one of `until` and `for_` is given, or it is not valid as a delay in `JobOptions`.
    """

    def __init__(
        self,
        *,
        until: datetime | None = None,
        for_: timedelta | None = None,
        attempts: Literal["keep", "reset", "increment"] = "keep",
    ) -> None:
        if (until is None) == (for_ is None):
            raise ValueError("JobSleep takes either until, an aware datetime, or for_, a timedelta")
        check_option("attempts", attempts, Literal["keep", "reset", "increment"])
        check_option("until", until, datetime | None)
        check_option("for_", for_, timedelta | None)
        self.due: Due = check_due(for_, "for_") if until is None else check_due(until, "until")
        self.attempts = attempts
        super().__init__(f"sleeps for {for_}" if until is None else f"sleeps until {until}")


class JobFail(Exception):
    """Raised by a handler: the job has failed for good and is not tried again, whatever its retry strategy says."""


def name_of(parameters: type[Any]) -> str:
    """The job that parameters of this type are for.

    Raises:
        ConfigurationError: the type does not name a job.
    """
    name: object = getattr(parameters, "job_name", None)
    if not isinstance(name, str) or not name:
        raise ConfigurationError(
            f"{name_of_type(parameters)} names no job: give it `job_name: ClassVar[str] = ...`, "
            f'or use JobName("...", {name_of_type(parameters)})'
        )
    return name


def check_push(options: object) -> None:
    """Raise `TypeError` if the options of a push are something else."""
    if type(options) is not JobOptions:
        check_option("options", options, JobOptions)


def options_for(job: object, options: JobOptions) -> JobOptions:
    """Return the options of a push. A task, or the parameters themselves, set what the options do not: the lane and the
    priority of the job, and how long it is kept.

    Raises:
        ValueError: the `job_lane` or the `job_priority` of the parameters is not valid.
        TypeError: it is of another type.
    """
    parameters: object = job
    if type(job) is NamedParameters:
        named = cast("NamedParameters[Any]", job)
        parameters = named.parameters
        if options.keep_for is None and named.keep_for is not None:
            options = replace(options, keep_for=named.keep_for)
        if options.lane is None and named.lane is not None:
            options = replace(options, lane=named.lane)
    return _set_by(parameters, options) if _sets_options(type(parameters)) else options


@functools.lru_cache(maxsize=1024)  # asked at each push
def _sets_options(kind: type[object]) -> bool:
    return hasattr(kind, "job_lane") or hasattr(kind, "job_priority") or issubclass(kind, FunctionJob)


def _set_by(parameters: Any, options: JobOptions) -> JobOptions:
    if isinstance(parameters, FunctionJob):
        return options_for(parameters.with_parameters(), options)
    lane: str | None = getattr(parameters, "job_lane", None) if options.lane is None else options.lane
    priority: int = options.priority or getattr(parameters, "job_priority", 0)
    return replace(options, lane=lane, priority=priority)


def with_parameters(job: Any, parameters: tuple[Any, ...]) -> Any:
    """Return a `JobName` and its parameters as one value.

    Raises:
        InvalidParameters: there are parameters, and `job` is not a `JobName`.
    """
    if not parameters:
        return job
    if not isinstance(job, JobName):
        raise InvalidParameters(
            f"only a JobName is pushed together with parameters, not {job!r}: write "
            "JobName(NAME, TYPE), or push what TASK.with_parameters(...) returns"
        )
    return cast("JobName[Any]", job).with_parameters(*parameters)


def unpack_job(job: object) -> tuple[str, Any, Any]:
    """Return the name, the parameters, and the type of the parameters, of one value that is pushed.

    Raises:
        InvalidParameters: it does not name a job.
    """
    kind = type(job)
    if kind is NamedParameters:
        named = cast("NamedParameters[Any]", job)
        return named.job.name, named.parameters, named.job.parameters
    named_by_type: object = getattr(kind, "job_name", None)
    if isinstance(named_by_type, str) and named_by_type:
        return named_by_type, job, kind
    if isinstance(job, FunctionJob):
        return unpack_job(job.with_parameters())
    if isinstance(job, JobName):
        name = cast("JobName[Any]", job).name
        raise InvalidParameters(f"job {name!r} is pushed without parameters: use push(name, parameters)")
    if isinstance(job, Push):
        raise InvalidParameters("a Push goes into push_many; elsewhere use push(job, options=...)")
    if isinstance(job, type):
        raise InvalidParameters(f"{job.__qualname__} is a type: push a value of it, such as {job.__qualname__}(...)")
    try:
        return name_of(kind), job, kind
    except ConfigurationError as error:
        raise InvalidParameters(str(error)) from None


def check_job(job: object) -> None:
    """Check that `job` names a job and the type of its parameters.

    Raises:
        ConfigurationError: it does not; the message says what to write.
    """
    if isinstance(job, JobName):
        return
    if isinstance(job, str):
        raise ConfigurationError(
            f"{job!r} is a name without a type of parameters: use JobName({job!r}, TYPE), or a type with a job_name"
        )
    if inspect.isroutine(job) or isinstance(job, functools.partial):
        raise ConfigurationError(
            f"{job!r} is given in place of a job: write @queue.job(TYPE), with the type of its parameters, above a "
            "handler, or queue.register_job(TYPE, handler)"
        )
    if isinstance(job, FunctionJob):
        raise ConfigurationError(f"{job!r} runs its own function: it needs no other handler")
    if isinstance(job, NamedParameters) or not (isinstance(job, type) or hasattr(job, "__origin__")):
        raise ConfigurationError(f"a job is a type of parameters that has a job_name, or a JobName, not {job!r}")
    name_of(cast("type[Any]", job))


def _check_handler(name: str, handler: object) -> None:
    if isinstance(handler, type):
        raise ConfigurationError(
            f"the handler of job {name!r} is the class {handler.__qualname__}, and a call of it only makes an object: "
            f"use an object that can be called, such as {handler.__qualname__}(), or a function"
        )
    if not callable(handler):
        raise ConfigurationError(f"the handler of job {name!r} is not callable: {handler!r}")
    if is_generator(handler):
        raise ConfigurationError(
            f"the handler of job {name!r} is a generator function, and a call of one runs nothing of it: "
            "take the `yield` out, or loop over the generator in a handler that has none"
        )
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        return  # Some builtins do not tell; the call will.
    try:
        signature.bind(None, None)
    except TypeError:
        raise ConfigurationError(
            f"the handler of job {name!r} is called with (parameters, context), but takes {signature}"
        ) from None


def is_generator(handler: object) -> bool:
    """Whether a call of the function runs nothing, because somebody has to iterate over what it returns."""
    while isinstance(handler, functools.partial):
        handler = cast("functools.partial[Any]", handler).func
    return any(
        inspect.isgeneratorfunction(each) or inspect.isasyncgenfunction(each)
        for each in (handler, getattr(type(handler), "__call__", None))  # noqa: B004 - an object's own
    )
