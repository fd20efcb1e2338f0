"""Registers the handlers of a queue's jobs."""

import functools
import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload

from jobsvalkey.contract import ConfigurationError, JobName, JobParameters
from jobsvalkey.contract.option_types import check_option
from jobsvalkey.runtime.context import JobContext
from jobsvalkey.runtime.job import Handler, JobDefinition, check_job
from jobsvalkey.runtime.registry import JobRegistry
from jobsvalkey.runtime.retry import RetryStrategy
from jobsvalkey.runtime.task import Task, TaskDecorator, TaskLane, TaskQueue, check_function, handler_of
from jobsvalkey.runtime.task_signature import read_signature

P = TypeVar("P")
PS = ParamSpec("PS")
C = TypeVar("C")
JP = TypeVar("JP", bound=JobParameters)
R = TypeVar("R")


class JobDecorator(Protocol[P]):
    """Registers a function that takes such parameters, and returns it as it is."""

    def __call__(self, handler: "Callable[[P, JobContext], R]", /) -> "Callable[[P, JobContext], R]":
        """Register `handler`."""
        ...


class JobRegistration:
    """The part of a queue that knows its handlers."""

    def __init__(self, registry: JobRegistry) -> None:
        self._registry = registry

    def shared_registry(self) -> JobRegistry:
        """Make the registry of one more queue, which shares the jobs that are registered here. For
        `JobQueue(jobs_of=...)`."""
        return self._registry.shared()

    @overload
    def register_job(self, job: JobDefinition[Any], /) -> None: ...

    @overload
    def register_job(
        self,
        job: type[JP],
        handler: Handler[JP],
        /,
        *,
        retry_strategy: RetryStrategy | None = None,
        timeout: timedelta | None = None,
        keep_result: timedelta | None = None,
    ) -> None: ...

    @overload
    def register_job(
        self,
        job: JobName[P],
        handler: Handler[P],
        /,
        *,
        retry_strategy: RetryStrategy | None = None,
        timeout: timedelta | None = None,
        keep_result: timedelta | None = None,
    ) -> None: ...

    def register_job(
        self,
        job: JobDefinition[Any] | type[Any] | JobName[Any],
        handler: Handler[Any] | None = None,
        /,
        *,
        retry_strategy: RetryStrategy | None = None,
        timeout: timedelta | None = None,
        keep_result: timedelta | None = None,
    ) -> None:
        """Register the handler of a job: a coroutine function, or a plain function, which gets a thread.

        Args:
            job: a `JobDefinition`; or a type of parameters that has a `job_name`, or a `JobName`.
            handler: takes (parameters, context).
            retry_strategy: `None` means the queue's default.
            timeout: how long one attempt may take; `None` means no limit.
            keep_result: how long jobs that this process pushes are kept after their end, with what the handler returns.

        Raises:
            DuplicateJob: the name is registered already.
            ConfigurationError: the handler takes other arguments, or the parameters cannot be decoded.
        """
        self._registry.add(_definition(job, handler, retry_strategy, timeout, keep_result))

    @overload
    def replace_job(self, job: JobDefinition[Any], /) -> None: ...

    @overload
    def replace_job(
        self,
        job: type[JP],
        handler: Handler[JP],
        /,
        *,
        retry_strategy: RetryStrategy | None = None,
        timeout: timedelta | None = None,
        keep_result: timedelta | None = None,
    ) -> None: ...

    @overload
    def replace_job(
        self,
        job: JobName[P],
        handler: Handler[P],
        /,
        *,
        retry_strategy: RetryStrategy | None = None,
        timeout: timedelta | None = None,
        keep_result: timedelta | None = None,
    ) -> None: ...

    def replace_job(
        self,
        job: JobDefinition[Any] | type[Any] | JobName[Any],
        handler: Handler[Any] | None = None,
        /,
        *,
        retry_strategy: RetryStrategy | None = None,
        timeout: timedelta | None = None,
        keep_result: timedelta | None = None,
    ) -> None:
        """Register a job, and replace one of the same name: for notebooks, and for modules that are loaded again.

        The arguments are those of `register_job`. Runs that have begun keep the handler that they have.

        Raises:
            ConfigurationError: the handler takes other arguments, or the parameters cannot be decoded.
        """
        self._registry.add(_definition(job, handler, retry_strategy, timeout, keep_result), replace=True)

    @overload
    def job(
        self,
        job: type[JP],
        /,
        *,
        retry_strategy: RetryStrategy | None = None,
        timeout: timedelta | None = None,
        keep_result: timedelta | None = None,
    ) -> JobDecorator[JP]: ...

    @overload
    def job(
        self,
        job: JobName[P],
        /,
        *,
        retry_strategy: RetryStrategy | None = None,
        timeout: timedelta | None = None,
        keep_result: timedelta | None = None,
    ) -> JobDecorator[P]: ...

    def job(
        self,
        job: type[Any] | JobName[Any],
        /,
        *,
        retry_strategy: RetryStrategy | None = None,
        timeout: timedelta | None = None,
        keep_result: timedelta | None = None,
    ) -> JobDecorator[Any]:
        """Register a handler as `register_job` does, as a decorator; the function stays as it is."""
        check_job(job)

        def register(handler: Callable[[Any, JobContext], R], /) -> Callable[[Any, JobContext], R]:
            either: Any = handler
            self._registry.add(_definition(job, either, retry_strategy, timeout, keep_result))
            return handler

        return register

    @overload
    def task(self, function: Callable[PS, C], /) -> Task[PS, C]: ...

    @overload
    def task(
        self,
        /,
        *,
        name: str | None = None,
        retry_strategy: RetryStrategy | None = None,
        timeout: timedelta | None = None,
        keep_result: timedelta | None = None,
        lane: TaskLane = None,
        replace: bool = False,
    ) -> TaskDecorator: ...

    def task(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        retry_strategy: RetryStrategy | None = None,
        timeout: timedelta | None = None,
        keep_result: timedelta | None = None,
        lane: TaskLane = None,
        replace: bool = False,
    ) -> Any:
        """Make a job of a function, as a decorator. Its arguments are what is pushed.

        They are stored by name, including those with defaults. A parameter is not pushed, but given to the function
        when it runs, if its type is `JobContext` or one that the lifespan's state provides, or if its default is
        `GIVEN`.

        Args:
            function: a coroutine function, or a plain function, which gets a thread.
            name: the name of the job; by default that of the function.
            retry_strategy: `None` means the queue's default.
            timeout: how long one attempt may take; `None` means no limit.
            keep_result: how long jobs that this process pushes are kept after their end, with what is returned.
            lane: the lane of jobs that this process pushes, or a function that returns one, or `None`. It gets an
                object that has the arguments as attributes.
            replace: whether it replaces a job of the same name, as `replace_job` does.

        Raises:
            DuplicateJob: the name is registered already.
            ConfigurationError: a parameter cannot be pushed; the message says what to write.
        """
        add = functools.partial(
            self._add_task,
            name=name,
            retry_strategy=retry_strategy,
            timeout=timeout,
            keep_result=keep_result,
            lane=lane,
            replace=replace,
        )
        return add if function is None else add(function)

    def _add_task(
        self,
        function: Callable[..., Any],
        /,
        *,
        name: str | None,
        retry_strategy: RetryStrategy | None,
        timeout: timedelta | None,
        keep_result: timedelta | None,
        lane: TaskLane,
        replace: bool,
    ) -> Task[..., Any]:
        check_option("name", name, str | None)
        check_function(function, is_named=name is not None)
        signature = read_signature(function, name or function.__name__, self._registry.state_types)
        handler: Any = handler_of(function, signature, is_coroutine=inspect.iscoroutinefunction(function))
        task = Task(cast("TaskQueue", self), function, signature, keep_result=keep_result, lane=lane)
        definition = _definition(task.job, handler, retry_strategy, timeout, keep_result)
        try:
            self._registry.add(definition, replace=replace, needs=signature.state)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{error}. A parameter that is not pushed, but given by the state, has the default GIVEN"
            ) from error
        return task

    @property
    def registered_jobs(self) -> tuple[str, ...]:
        """The names of the jobs that can run here, in the order in which they were registered."""
        return tuple(self._registry)


def _definition(
    job: JobDefinition[Any] | type[Any] | JobName[Any],
    handler: Handler[Any] | None,
    retry_strategy: RetryStrategy | None,
    timeout: timedelta | None,
    keep_result: timedelta | None,
) -> JobDefinition[Any]:
    if isinstance(job, JobDefinition):
        return job
    handler_or_none: Any = handler
    return JobDefinition[Any](
        job, handler_or_none, retry_strategy=retry_strategy, timeout=timeout, keep_result=keep_result
    )
