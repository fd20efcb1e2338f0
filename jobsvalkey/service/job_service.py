"""Everything in one: a queue, its processor, its scheduler and its cleanup."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar, cast, overload

from jobsvalkey.contract import (
    Capability,
    CleanupDriver,
    ConfigurationError,
    JobName,
    JobParameters,
    NamedParameters,
    QueueDriver,
)
from jobsvalkey.contract.option_types import check_option
from jobsvalkey.middleware import Middleware
from jobsvalkey.runtime import ExponentialJitter, JobQueue, ProcessorOptions, RetryStrategy, Task, Values
from jobsvalkey.runtime.capabilities import require
from jobsvalkey.runtime.signals import stop_signals
from jobsvalkey.scheduling import Accuracy, JobSchedule, Schedule, SchedulerOptions
from jobsvalkey.scheduling.scheduler import SchedulerDriver
from jobsvalkey.service.health import ServiceHealth
from jobsvalkey.service.lifespan import LifespanRun, check_lifespan, types_given_by
from jobsvalkey.service.options import CleanupOptions
from jobsvalkey.service.service_run import ServiceRun

P = TypeVar("P")
D_co = TypeVar("D_co", bound=QueueDriver, covariant=True)

_DEFAULT_PROCESSOR = ProcessorOptions()
_DEFAULT_SCHEDULER = SchedulerOptions()
_DEFAULT_RETRY_STRATEGY = ExponentialJitter()


Lifespan: TypeAlias = Callable[["JobService[Any]"], AbstractAsyncContextManager[object]]
"""Takes the service, and is an async context manager that gives the state of its handlers."""


class JobService(JobQueue[D_co]):
    """A `JobQueue` that also runs its jobs and pushes the scheduled ones.

    `await service.run()` is a program of its own; `async with service:` runs it inside another one, such as a web
    application. Either closes the driver's connections at the end. Run as many processes of it as you like.

    Args:
        driver: the store that keeps the jobs.
        processor: how jobs are run.
        scheduler: how scheduled jobs are pushed.
        cleanup: what is cleaned up, and when; `None` is nothing beyond the driver's retention policy.
        middleware: runs beside every job, the first one outermost.
        default_retry_strategy: for jobs that have none of their own.
        values: how parameters are written: `"plain"`, or `"swift"` for a queue that Swift services share.
        lifespan: an async context manager that takes the service; each run enters it before the first job is claimed,
            and leaves it after the last handler has ended. Handlers are given what it yields by its type, or by
            those of its fields.

    Raises:
        TypeError: the lifespan is something else.
        UnsupportedOperation: there is to be a cleanup, and the driver can do none, or none on a schedule.
    """

    def __init__(
        self,
        driver: D_co,
        *,
        processor: ProcessorOptions = _DEFAULT_PROCESSOR,
        scheduler: SchedulerOptions = _DEFAULT_SCHEDULER,
        cleanup: CleanupOptions | None = None,
        middleware: Sequence[Middleware] = (),
        default_retry_strategy: RetryStrategy = _DEFAULT_RETRY_STRATEGY,
        values: Values = "plain",
        lifespan: Lifespan | None = None,
    ) -> None:
        super().__init__(driver, default_retry_strategy=default_retry_strategy, middleware=middleware, values=values)
        check_option("processor", processor, ProcessorOptions)
        check_option("scheduler", scheduler, SchedulerOptions)
        check_option("cleanup", cleanup, CleanupOptions | None)
        check_lifespan(lifespan)
        self._lifespan = lifespan
        self._state_types = frozenset() if lifespan is None else types_given_by(lifespan)
        self._processor_options = processor
        self._scheduler_options = scheduler
        self._schedule = JobSchedule()
        self._run: ServiceRun | None = None
        self._background = AsyncExitStack()
        if cleanup is not None:
            require(driver, driver.capabilities, Capability.CLEANUP)
            self._require_scheduling()
            job = cast("CleanupDriver", driver).cleanup_job
            self._schedule.add_job(job, cleanup.parameters, cleanup.schedule)

    @property
    def queue(self) -> JobQueue[D_co]:
        """The service as a queue, for code that need not know that it is more."""
        return self

    @property
    def processor_options(self) -> ProcessorOptions:
        """The settings by which it runs jobs."""
        return self._processor_options

    @property
    def schedule(self) -> JobSchedule:
        """The scheduled jobs."""
        return self._schedule

    @overload
    def add_scheduled_job(
        self: "JobService[SchedulerDriver]",
        job: JobName[P],
        /,
        parameters: P,
        schedule: Schedule,
        *,
        accuracy: Accuracy = ...,
        id: str | None = ...,
    ) -> None: ...

    @overload
    def add_scheduled_job(
        self: "JobService[SchedulerDriver]",
        job: JobParameters | NamedParameters[Any] | Task[..., Any],
        schedule: Schedule,
        /,
        *,
        accuracy: Accuracy = ...,
        id: str | None = ...,
    ) -> None: ...

    def add_scheduled_job(
        self: "JobService[SchedulerDriver]",
        job: Any,
        /,
        parameters: Any = None,
        schedule: Any = None,
        *,
        accuracy: Accuracy = Accuracy.LATEST,
        id: str | None = None,  # noqa: A002 - it is one
    ) -> None:
        """Run a job on a schedule, as `JobSchedule.add_job` does; before the service runs.

        Raises:
            DuplicateSchedule: the id, by default the job's name, is taken.
            InvalidParameters: the parameters name no job.
            UnsupportedOperation: the driver cannot schedule.
            ConfigurationError: the service runs already.
        """
        self._require_scheduling()
        if self._run is not None:
            raise ConfigurationError("the service runs already: add scheduled jobs before it does")
        self._schedule.add_job(job, parameters, schedule, accuracy=accuracy, id=id)

    def _require_scheduling(self) -> None:
        for capability in (Capability.SCHEDULING, Capability.METADATA):
            require(self.driver, self.driver.capabilities, capability)

    # Run.

    async def run(self, *, burst: bool = False, handle_signals: bool = True, recycle_after: int | None = None) -> bool:
        """Run jobs, and push scheduled ones, until stopped by SIGTERM, SIGINT, SIGHUP or `stop`.

        Running jobs then get the processor's `graceful_shutdown_timeout`; a second signal cuts that short.

        Args:
            burst: whether to return as soon as no job is due, instead of waiting for more. Scheduled jobs that are
                due are pushed first.
            handle_signals: whether signals stop it; if not, `stop` does.
            recycle_after: the number of jobs after which it stops; `None` is as the processor's options say.

        Returns:
            Whether it stopped because `recycle_after` jobs have run.

        Raises:
            ConfigurationError: the service runs already, this is not the main thread, where signals arrive, or the
                state has not all that tasks are to be given.
            StoreUnavailable: the store did not answer in time when a burst was to push its scheduled jobs.
        """
        run = self._begin(burst=burst, recycle_after=recycle_after)
        try:
            with stop_signals(self.stop) if handle_signals else nullcontext():
                return await self._work(run)
        finally:
            self._run = None

    def stop(self) -> None:
        """Push and claim nothing more, and end when the running jobs have; a second call does not wait for them."""
        if self._run is not None:
            self._run.stop()

    async def __aenter__(self) -> Self:
        """Run in the background, when the lifespan is entered.

        Raises:
            ConfigurationError: the service runs already, or the state has not all that tasks are to be given.
        """
        await self._background.enter_async_context(self._in_background())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and wait for the running jobs, for up to the processor's `graceful_shutdown_timeout`."""
        await self._background.__aexit__(kind, error, trace)

    @asynccontextmanager
    async def _in_background(self) -> AsyncGenerator[None]:
        run = self._begin(burst=False)
        try:
            async with asyncio.TaskGroup() as group:
                work = group.create_task(self._work(run))
                work.add_done_callback(lambda _: run.begun.set())
                try:
                    await run.begun.wait()
                    yield
                finally:
                    run.stop()
                    await asyncio.wait([work])
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            self._run = None

    def _begin(self, *, burst: bool, recycle_after: int | None = None) -> ServiceRun:
        if self._run is not None:
            raise ConfigurationError("the service runs already: one object is one service")
        options = replace(self._processor_options, handle_signals=False)
        if burst:
            options = replace(options, burst=True)
        if recycle_after is not None:
            options = replace(options, recycle_after=recycle_after)
        queue = cast("JobQueue[SchedulerDriver]", self)  # looked at when the jobs were added
        scheduler = self._schedule.scheduler(queue, options=self._scheduler_options) if len(self._schedule) else None
        lifespan = LifespanRun(None if self._lifespan is None else partial(self._lifespan, self))
        self._run = ServiceRun(self.processor(options), scheduler, lifespan, burst=options.burst)
        return self._run

    async def _work(self, run: ServiceRun) -> bool:
        try:
            return await run.run()
        finally:
            await self.driver.aclose()

    def health(self) -> ServiceHealth:
        """Report how the service is doing."""
        return ServiceHealth.of(self._run.processor.state if self._run else None)
