"""Everything in one: a queue, its processor, its scheduler and its cleanup."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
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
from jobsvalkey.runtime.multi_queue import check_weights
from jobsvalkey.runtime.queue_run import ServedQueue
from jobsvalkey.scheduling import Accuracy, JobSchedule, Schedule, SchedulerOptions
from jobsvalkey.scheduling.scheduler import SchedulerDriver
from jobsvalkey.service.group import ServiceGroup
from jobsvalkey.service.health import ServiceHealth
from jobsvalkey.service.lifespan import LifespanRun, check_lifespan, types_given_by
from jobsvalkey.service.options import CleanupOptions
from jobsvalkey.service.probes import HttpOptions
from jobsvalkey.service.service_run import ServicePart, ServiceRun

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
    application. Both close the driver's connections at the end. Run as many processes of it as you like.

    With several drivers it serves the queues of all of them with one pool of slots. Its own methods, and its scheduled
    jobs, mean the first queue; `service.queues` has all. A job that is registered at one of them runs from each. A task
    is pushed to the queue that it was registered at.

    Args:
        driver: the store that keeps the jobs, or a list of them.
        processor: how jobs are run.
        scheduler: how scheduled jobs are pushed.
        cleanup: what is cleaned up, and when; `None` means nothing beyond the driver's retention policy.
        middleware: runs around every push and every job, the first one outermost.
        default_retry_strategy: for jobs without a strategy of their own.
        values: how parameters are written: `"plain"`, or `"swift"` for a queue that Swift services share.
        weights: a number for each driver: the share of its jobs among those that start under load. `None` means a
            strict order: a slot goes to the first queue that has a job due.
        lifespan: an async context manager that takes the service; each run enters it before the first job is claimed,
            and leaves it after the last handler has ended. Handlers get what it yields by type, whole or as one of its
            fields.
        http: the address where it answers probes while it runs, and says how much there is to do; `None` for none.

    Raises:
        TypeError: the lifespan is not such a context manager.
        ValueError: there is no driver, one is given twice, or the weights do not fit.
        UnsupportedOperation: there should be a cleanup, but a driver cannot clean up, or not on a schedule.
    """

    def __init__(
        self,
        driver: D_co | Sequence[D_co],
        *,
        processor: ProcessorOptions = _DEFAULT_PROCESSOR,
        scheduler: SchedulerOptions = _DEFAULT_SCHEDULER,
        cleanup: CleanupOptions | None = None,
        middleware: Sequence[Middleware] = (),
        default_retry_strategy: RetryStrategy = _DEFAULT_RETRY_STRATEGY,
        values: Values = "plain",
        weights: Sequence[float] | None = None,
        lifespan: Lifespan | None = None,
        http: HttpOptions | None = None,
    ) -> None:
        first, *others = check_drivers(driver)
        super().__init__(first, default_retry_strategy=default_retry_strategy, middleware=middleware, values=values)
        check_option("processor", processor, ProcessorOptions)
        check_option("scheduler", scheduler, SchedulerOptions)
        check_option("cleanup", cleanup, CleanupOptions | None)
        check_lifespan(lifespan)
        check_option("http", http, HttpOptions | None)
        self._http = http
        self._lifespan = lifespan
        self._registry.state_types = frozenset() if lifespan is None else types_given_by(lifespan)
        self._queues: tuple[JobQueue[D_co], ...] = (
            self,
            *(JobQueue(each, middleware=middleware, values=values, jobs_of=self) for each in others),
        )
        self._weights = check_weights(weights, len(self._queues))
        self._processor_options = processor
        self._scheduler_options = scheduler
        self._schedules = [JobSchedule() for _ in self._queues]
        self._group = ServiceGroup([self])
        self._run: ServiceRun | None = None
        self._background = AsyncExitStack()
        if cleanup is not None:
            for queue, schedule in zip(self._queues, self._schedules, strict=True):
                require(queue.driver, queue.driver.capabilities, Capability.CLEANUP)
                _require_scheduling(queue)
                job = cast("CleanupDriver", queue.driver).cleanup_job
                schedule.add_job(job, cleanup.parameters, cleanup.schedule)

    @property
    def queue(self) -> JobQueue[D_co]:
        """The service as a queue, for code that need not know that it is more."""
        return self

    @property
    def queues(self) -> tuple[JobQueue[D_co], ...]:
        """The queues of all its drivers, in their order; the first one is the service itself."""
        return self._queues

    @property
    def weights(self) -> Sequence[float] | None:
        """The shares of its queues; `None` means a strict order."""
        return self._weights

    @property
    def http(self) -> HttpOptions | None:
        """The address where it answers probes; `None` if it answers none."""
        return self._http

    @property
    def processor_options(self) -> ProcessorOptions:
        """The settings with which it runs jobs."""
        return self._processor_options

    @property
    def schedule(self) -> JobSchedule:
        """The scheduled jobs, which are pushed to the first of its queues."""
        return self._schedules[0]

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
        """Run a job on a schedule, as `JobSchedule.add_job` does. Call it before the service runs.

        Raises:
            DuplicateSchedule: the id, by default the job's name, is taken.
            InvalidParameters: the parameters do not name a job.
            UnsupportedOperation: the driver cannot schedule.
            ConfigurationError: the service runs already.
        """
        _require_scheduling(self)
        if self._run is not None:
            raise ConfigurationError("the service runs already: add scheduled jobs before it does")
        self.schedule.add_job(job, parameters, schedule, accuracy=accuracy, id=id)

    # Run.

    async def run(self, *, burst: bool = False, handle_signals: bool = True, recycle_after: int | None = None) -> bool:
        """Run jobs, and push scheduled ones, until stopped by SIGTERM, SIGINT, SIGHUP or `stop`.

        Running jobs then get the processor's `graceful_shutdown_timeout`; a second signal cuts that short.

        Args:
            burst: whether to return as soon as no job is due, instead of waiting for more. Scheduled jobs that are due
                are pushed first.
            handle_signals: whether signals stop it; if not, `stop` does.
            recycle_after: the number of jobs after which it stops; `None` means as the processor's options say.

        Returns:
            Whether it stopped because `recycle_after` jobs have run.

        Raises:
            ConfigurationError: the service runs already, this is not the main thread, where signals arrive, or the
                state lacks something that tasks need.
            StoreUnavailable: the store did not answer in time when a burst had to push its scheduled jobs.
        """
        return await self._group.run(burst=burst, handle_signals=handle_signals, recycle_after=recycle_after)

    def stop(self) -> None:
        """Push and claim nothing more, and end after the running jobs; a second call does not wait for them."""
        if self._run is not None:
            self._run.stop()

    async def __aenter__(self) -> Self:
        """Enter the lifespan, and run in the background.

        Raises:
            ConfigurationError: the service runs already, or the state lacks something that tasks need.
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
        run = self._group.begin(burst=False)
        try:
            async with asyncio.TaskGroup() as group:
                work = group.create_task(self._group.work(run))
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
            self._group.end()

    def part(self) -> ServicePart:
        """Make what a run needs of it. For runs with other services.

        Raises:
            ConfigurationError: it runs already.
        """
        if self._run is not None:
            raise ConfigurationError("the service runs already: one object is one service")
        options = self._processor_options
        served = [ServedQueue(queue.driver, queue.runner(options), options) for queue in self._queues]
        schedulers = [
            # What the driver can do was looked at when the jobs were added.
            schedule.scheduler(cast("JobQueue[SchedulerDriver]", queue), options=self._scheduler_options)
            for queue, schedule in zip(self._queues, self._schedules, strict=True)
            if len(schedule)
        ]
        return ServicePart(
            served, schedulers, LifespanRun(None if self._lifespan is None else partial(self._lifespan, self))
        )

    def joined(self, run: ServiceRun | None) -> None:
        """Note the run that it takes part in; `None` when that is over."""
        self._run = run

    def health(self) -> ServiceHealth:
        """Report how the service is doing; in a run with other services, how all of them are."""
        return ServiceHealth.of(self._run.processor.states if self._run else ())


def check_drivers(drivers: Any) -> list[Any]:
    """Return the drivers of a service.

    Raises:
        ValueError: there is none, or one is there twice.
    """
    found = list(cast("Sequence[Any]", drivers)) if isinstance(drivers, list | tuple) else [drivers]
    if not found:
        raise ValueError("a service needs a driver: its list is empty")
    if len({id(driver) for driver in found}) < len(found):
        raise ValueError("a driver is given twice: a weight is how to serve a queue more often")
    return found


def _require_scheduling(queue: JobQueue[Any]) -> None:
    for capability in (Capability.SCHEDULING, Capability.METADATA):
        require(queue.driver, queue.driver.capabilities, capability)
