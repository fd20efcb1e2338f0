"""Registers what runs the jobs of a queue."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol, TypeVar, overload

from jobsvalkey.contract import JobName, JobParameters
from jobsvalkey.runtime.context import JobContext
from jobsvalkey.runtime.job import Handler, JobDefinition, check_job
from jobsvalkey.runtime.registry import JobRegistry
from jobsvalkey.runtime.retry import RetryStrategy

P = TypeVar("P")
JP = TypeVar("JP", bound=JobParameters)
R = TypeVar("R")


class JobDecorator(Protocol[P]):
    """Registers a function that takes such parameters, and returns it as it is."""

    def __call__(self, handler: "Callable[[P, JobContext], R]", /) -> "Callable[[P, JobContext], R]":
        """Register `handler`."""
        ...


class JobRegistration:
    """The part of a queue that says what runs its jobs."""

    def __init__(self, registry: JobRegistry) -> None:
        self._registry = registry

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
    ) -> None: ...

    def register_job(
        self,
        job: JobDefinition[Any] | type[Any] | JobName[Any],
        handler: Handler[Any] | None = None,
        /,
        *,
        retry_strategy: RetryStrategy | None = None,
        timeout: timedelta | None = None,
    ) -> None:
        """Say what runs a job: a coroutine function, or a plain one, which gets a thread.

        Args:
            job: a `JobDefinition`; or a type of parameters that has a `job_name`, or a `JobName`.
            handler: takes (parameters, context).
            retry_strategy: `None` is the queue's default.
            timeout: how long one attempt may take; `None` is as long as it likes.

        Raises:
            DuplicateJob: the name is registered already.
            ConfigurationError: the handler takes something else, or the parameters cannot be decoded.
        """
        self._registry.add(_definition(job, handler, retry_strategy, timeout))

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
    ) -> None: ...

    def replace_job(
        self,
        job: JobDefinition[Any] | type[Any] | JobName[Any],
        handler: Handler[Any] | None = None,
        /,
        *,
        retry_strategy: RetryStrategy | None = None,
        timeout: timedelta | None = None,
    ) -> None:
        """Register a job anew, in place of one of that name: for notebooks, and modules that are loaded again.

        The arguments are those of `register_job`. Runs that have begun end with the handler that they have.

        Raises:
            ConfigurationError: the handler takes something else, or the parameters cannot be decoded.
        """
        self._registry.add(_definition(job, handler, retry_strategy, timeout), replace=True)

    @overload
    def job(
        self, job: type[JP], /, *, retry_strategy: RetryStrategy | None = None, timeout: timedelta | None = None
    ) -> JobDecorator[JP]: ...

    @overload
    def job(
        self, job: JobName[P], /, *, retry_strategy: RetryStrategy | None = None, timeout: timedelta | None = None
    ) -> JobDecorator[P]: ...

    def job(
        self,
        job: type[Any] | JobName[Any],
        /,
        *,
        retry_strategy: RetryStrategy | None = None,
        timeout: timedelta | None = None,
    ) -> JobDecorator[Any]:
        """Register a handler as `register_job` does, as a decorator; the function stays as it is."""
        check_job(job)

        def register(handler: Callable[[Any, JobContext], R], /) -> Callable[[Any, JobContext], R]:
            either: Any = handler
            self._registry.add(JobDefinition[Any](job, either, retry_strategy=retry_strategy, timeout=timeout))
            return handler

        return register

    @property
    def registered_jobs(self) -> tuple[str, ...]:
        """The names of the jobs that can run here, in the order in which they were registered."""
        return tuple(self._registry)


def _definition(
    job: JobDefinition[Any] | type[Any] | JobName[Any],
    handler: Handler[Any] | None,
    retry_strategy: RetryStrategy | None,
    timeout: timedelta | None,
) -> JobDefinition[Any]:
    if isinstance(job, JobDefinition):
        return job
    handler_or_none: Any = handler
    return JobDefinition[Any](job, handler_or_none, retry_strategy=retry_strategy, timeout=timeout)
