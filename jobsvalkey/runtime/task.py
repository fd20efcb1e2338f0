"""Functions as jobs, whose arguments are pushed."""

import functools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Generic, ParamSpec, Protocol, TypeAlias, TypeVar, overload
from uuid import UUID

from jobsvalkey.contract import ConfigurationError, JobID, JobName, NamedParameters
from jobsvalkey.contract.lanes import check_lane
from jobsvalkey.contract.option_types import check_option
from jobsvalkey.runtime.context import JobContext
from jobsvalkey.runtime.job import FunctionJob, JobOptions, Push, is_generator
from jobsvalkey.runtime.task_signature import TaskSignature

PS = ParamSpec("PS")
C_co = TypeVar("C_co", covariant=True)
T = TypeVar("T")

TaskLane: TypeAlias = str | Callable[[Any], str | None] | None
"""A lane, or a function of an object that has the arguments as attributes."""

_KEPT_FOR_THE_CALL = JobOptions(keep_for=timedelta(minutes=5))


class TaskQueue(Protocol):
    """The part of a queue that a task needs."""

    async def push(self, job: NamedParameters[Any], /, *, options: JobOptions = ...) -> JobID:
        """Store a job."""
        ...

    async def result(self, job: JobID | UUID | str, *, timeout: timedelta | None = None) -> Any:
        """Wait for a job to complete."""
        ...


class Task(FunctionJob, Generic[PS, C_co]):
    """A function that is a job: `push` takes its arguments. Made by `JobQueue.task`.

    Calling the task calls the function itself, without a queue; for unit tests.
    """

    def __init__(
        self,
        queue: TaskQueue,
        function: Callable[PS, C_co],
        signature: TaskSignature,
        *,
        keep_result: timedelta | None = None,
        lane: TaskLane = None,
    ) -> None:
        if isinstance(lane, str):
            check_lane(lane)
        elif lane is not None and not callable(lane):
            raise TypeError(f"lane is the name of a lane, or a function of the arguments, not {lane!r}")
        functools.update_wrapper(self, function, updated=())
        self._queue = queue
        self._function = function
        self._signature = signature
        self._keep_result = keep_result
        self._lane = lane
        self._job: JobName[Any] = JobName(signature.name, signature.struct)

    @property
    def job(self) -> JobName[Any]:
        """The job's name, and the type of its parameters, which has a field for each argument."""
        return self._job

    @property
    def function(self) -> Callable[PS, C_co]:
        """The function itself."""
        return self._function

    async def push(self, *args: PS.args, **kwargs: PS.kwargs) -> JobID:
        """Store a job with these arguments, to run as soon as a worker is free.

        For arguments that are left out, the defaults of this program are stored.

        Returns:
            The job's id.

        Raises:
            InvalidParameters: the function does not take them, or they cannot be encoded; nothing is stored.
            PayloadTooLarge: the encoded request is larger than the driver's `max_payload`.
            StoreUnavailable: the store did not answer in time; its `outcome` says whether the job may be there.
        """
        return await self._queue.push(self.with_parameters(*args, **kwargs))

    def with_parameters(self, *args: PS.args, **kwargs: PS.kwargs) -> NamedParameters[Any]:
        """Return these arguments together with the job that they are for: for `push_many` and schedules.

        Raises:
            InvalidParameters: the function does not take them.
            ValueError: the task's `lane` returns something that cannot name a lane.
        """
        parameters = self._signature.pack(args, kwargs)
        lane = self._lane(parameters) if callable(self._lane) else self._lane
        return NamedParameters(self._job, parameters, self._keep_result, lane)

    def with_options(self, options: JobOptions, /) -> "TaskWithOptions[PS]":
        """Return the task for pushes with these options: when the job runs, and under which id it is stored."""
        check_option("options", options, JobOptions)
        return TaskWithOptions(self._queue, self.with_parameters, options)

    @overload
    async def result(
        self: "Task[..., Awaitable[T]]", job: JobID | UUID | str, /, *, timeout: timedelta | None = None
    ) -> T: ...

    @overload
    async def result(self: "Task[..., T]", job: JobID | UUID | str, /, *, timeout: timedelta | None = None) -> T: ...

    async def result(self, job: JobID | UUID | str, /, *, timeout: timedelta | None = None) -> Any:
        """Wait for a job of this task to complete, and return what the function returned; see `JobQueue.result`."""
        return await self._queue.result(job, timeout=timeout)

    @overload
    async def call(self: "Task[PS, Awaitable[T]]", *args: PS.args, **kwargs: PS.kwargs) -> T: ...

    @overload
    async def call(self: "Task[PS, T]", *args: PS.args, **kwargs: PS.kwargs) -> T: ...

    async def call(self, *args: PS.args, **kwargs: PS.kwargs) -> Any:
        """Push a job with these arguments, wait until a worker has run it, and return what the function returned.

        The job is kept for five minutes after its end, or for its `keep_result`. `asyncio.timeout` limits the wait; the
        job itself goes on.

        Raises whatever `push` and `JobQueue.result` raise.
        """
        options = _KEPT_FOR_THE_CALL if self._keep_result is None else JobOptions()
        return await self.result(await self._queue.push(self.with_parameters(*args, **kwargs), options=options))

    def __call__(self, *args: PS.args, **kwargs: PS.kwargs) -> C_co:
        """Call the function. Pass what a worker would give to it."""
        self._signature.check_call(args, kwargs)
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Task {self._job.name!r}>"


class TaskWithOptions(Generic[PS]):
    """A task for pushes with the same options. Made by `Task.with_options`."""

    def __init__(self, queue: TaskQueue, pack: Callable[PS, NamedParameters[Any]], options: JobOptions) -> None:
        self._queue = queue
        self._pack = pack
        self._options = options

    async def push(self, *args: PS.args, **kwargs: PS.kwargs) -> JobID:
        """Store a job with these arguments, and these options; see `Task.push`."""
        return await self._queue.push(self._pack(*args, **kwargs), options=self._options)

    def with_parameters(self, *args: PS.args, **kwargs: PS.kwargs) -> Push:
        """Return these arguments together with the job and its options, for `push_many`."""
        return Push(self._pack(*args, **kwargs), self._options)


class TaskDecorator(Protocol):
    """Makes a task of a function."""

    def __call__(self, function: Callable[PS, C_co], /) -> Task[PS, C_co]:
        """Register `function`."""
        ...


def handler_of(function: Callable[..., Any], signature: TaskSignature, *, is_coroutine: bool) -> Callable[..., Any]:
    """Return what calls a task's function with what was pushed, and what is given."""

    async def call_coroutine(parameters: Any, context: JobContext) -> Any:
        args, kwargs = signature.unpack(parameters, context)
        return await function(*args, **kwargs)

    def call(parameters: Any, context: JobContext) -> Any:
        args, kwargs = signature.unpack(parameters, context)
        return function(*args, **kwargs)

    handler = call_coroutine if is_coroutine else call
    handler.__annotations__ = {"return": signature.returns}  # by which results are written and read
    return handler


def check_function(function: object, *, is_named: bool) -> None:
    """Check that a task can be made of something.

    Raises:
        ConfigurationError: it is not a function; the message says what to write.
    """
    if isinstance(function, Task):
        raise ConfigurationError(f"{function!r} is a task already: for another queue, register its `function`")
    name: object = getattr(function, "__name__", None)
    if not callable(function) or isinstance(function, type) or not isinstance(name, str):
        raise ConfigurationError(f"a task is a function, not {function!r}: write @queue.task above one")
    if is_generator(function):
        raise ConfigurationError(
            f"the function of task {name!r} is a generator function, and a call of one runs nothing of it: "
            "take the `yield` out"
        )
    if name == "<lambda>" and not is_named:
        raise ConfigurationError("a lambda has no name for a job: use a function, or give it one, queue.task(name=...)")
