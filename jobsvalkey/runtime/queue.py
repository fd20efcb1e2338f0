"""The queue as applications use it: jobs are registered, pushed, looked at, and run by its processor."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar, overload
from uuid import UUID

from jobsvalkey.contract import (
    AbortOutcome,
    Capability,
    CleanupDriver,
    ConfigurationError,
    JobID,
    JobName,
    JobParameters,
    NamedParameters,
    NewJob,
    Pushed,
    PushedIf,
    QueueDriver,
    StoreOutcome,
)
from jobsvalkey.contract.option_types import check_option
from jobsvalkey.middleware import Middleware
from jobsvalkey.runtime.arguments import check_driver, check_jobs, check_middleware
from jobsvalkey.runtime.capabilities import (
    AbortableQueueDriver,
    CancellableQueueDriver,
    CleanupQueueDriver,
    PausableQueueDriver,
    ResultsQueueDriver,
    ResumableQueueDriver,
    SchedulingQueueDriver,
    require,
)
from jobsvalkey.runtime.codec import RequestEncoder
from jobsvalkey.runtime.context import service_handler
from jobsvalkey.runtime.flows import JobFlows
from jobsvalkey.runtime.inspection import JobInspection
from jobsvalkey.runtime.job import JobDefinition, JobOptions, Push, check_push, options_for, unpack_job, with_parameters
from jobsvalkey.runtime.lanes import JobLanes
from jobsvalkey.runtime.middleware_chain import MiddlewareChain
from jobsvalkey.runtime.options import ProcessorOptions
from jobsvalkey.runtime.processor import Processor
from jobsvalkey.runtime.producer import Producer, check_refusal
from jobsvalkey.runtime.queue_run import ServedQueue
from jobsvalkey.runtime.registration import JobRegistration
from jobsvalkey.runtime.registry import JobRegistry
from jobsvalkey.runtime.result_values import UNDECLARED
from jobsvalkey.runtime.results import JobDone, Results
from jobsvalkey.runtime.retry import ExponentialJitter, RetryStrategy, check_strategy
from jobsvalkey.runtime.runner import JobRunner
from jobsvalkey.runtime.values import Values, check_values

P = TypeVar("P")
R = TypeVar("R")
D_co = TypeVar("D_co", bound=QueueDriver, covariant=True)

_DEFAULT_OPTIONS = JobOptions()
_DEFAULT_PROCESSOR_OPTIONS = ProcessorOptions()
_DEFAULT_RETRY_STRATEGY = ExponentialJitter()


class JobQueue(JobInspection[D_co], JobFlows[D_co], JobLanes[D_co], JobRegistration, Generic[D_co]):
    """A queue of jobs on a driver.

    Some methods need a capability of the driver (`cancel`, `pause`, `get` …). If the driver lacks it, a call is a type
    error, and raises `UnsupportedOperation`.

    Args:
        driver: the store that keeps the jobs. Close it yourself when you are done.
        default_retry_strategy: for jobs without a strategy of their own.
        middleware: runs around every push and every job, the first one outermost.
        values: how parameters are written: `"plain"`, or `"swift"` for a queue that Swift services share.
        jobs_of: another queue, whose retry strategy is the default here, too. A job that is registered at one of the
            two, before or later, runs from both. A task is pushed to the queue that it was registered at.

    Raises:
        ValueError: `values` is neither.
        ConfigurationError: the queues that share jobs write values differently.
    """

    def __init__(
        self,
        driver: D_co,
        *,
        default_retry_strategy: RetryStrategy = _DEFAULT_RETRY_STRATEGY,
        middleware: Sequence[Middleware] = (),
        values: Values = "plain",
        jobs_of: "JobQueue[Any] | None" = None,
    ) -> None:
        check_driver(driver)
        check_strategy("default_retry_strategy", default_retry_strategy)
        check_middleware(middleware)
        self._driver = driver
        # Asked once: a driver does not change what it supports.
        self._capabilities = driver.capabilities
        self._chain = MiddlewareChain(middleware)
        self.tells_of_pushes: bool = self._chain.at_push
        """Whether middleware is told of each push, which takes an event loop."""
        self._values: Values = check_values(values)
        if jobs_of is not None and jobs_of.values != values:
            raise ConfigurationError(f"queues that share jobs write values alike: give values={jobs_of.values!r}")
        super().__init__(JobRegistry(default_retry_strategy, values) if jobs_of is None else jobs_of.shared_registry())
        self._producer = Producer(driver, RequestEncoder(values), self._chain, self._registry.kept)
        if Capability.CLEANUP in self._capabilities and isinstance(driver, CleanupDriver):
            for service_job in driver.service_jobs:
                self._registry.add_of_driver(JobDefinition(service_job.job, service_handler(service_job)))

    def become_partition(self, make_id: Callable[[], JobID], first: "JobQueue[Any] | None") -> JobRegistry:
        """Make ids of one part of a queue, and share the jobs of its first one. For `PartitionedQueue`."""
        if first is not None:
            self._registry.join(first.shared_registry())
        encode = RequestEncoder(self._values)
        self._producer = Producer(self._driver, encode, self._chain, self._registry.kept, make_id)
        return self._registry

    def item(self, job: Any, parameters: tuple[Any, ...], options: JobOptions) -> NewJob:
        """Make what `push` stores, for a thread that stores it itself."""
        check_push(options)
        job = with_parameters(job, parameters)
        return self._producer.item(*unpack_job(job), options_for(job, options))

    @property
    def driver(self) -> D_co:
        """The store that keeps the jobs, as a driver."""
        return self._driver

    @property
    def values(self) -> Values:
        """How the values of parameters are written."""
        return self._values

    @overload
    async def push(self, job: JobName[P], parameters: P, /, *, options: JobOptions = ...) -> JobID: ...

    @overload
    async def push(self, job: NamedParameters[Any], /, *, options: JobOptions = ...) -> JobID: ...

    @overload
    async def push(self, job: JobParameters, /, *, options: JobOptions = ...) -> JobID: ...

    async def push(self, job: Any, /, *parameters: Any, options: JobOptions = _DEFAULT_OPTIONS) -> JobID:
        """Store a job, to run as soon as a worker is free, or when `options` say. Any program may run it.

        If the id in the options is that of an existing or remembered job, nothing is stored, and the id is returned all
        the same. If another job holds the unique name in the options, that job's id is returned.

        Returns:
            The id of the stored job: the new one, or the one that was there.

        Raises:
            InvalidParameters: the parameters cannot be encoded; nothing is stored.
            PayloadTooLarge: the encoded request is larger than the driver's `max_payload`.
            UnknownParent: it should run `after` a job, or join a `batch`, that is not there; nothing is stored.
            StoreUnavailable: the store did not answer in time; its `outcome` says whether the job may be there.
        """
        return (await self.push_unless_held(job, *parameters, options=options)).job_id

    @overload
    async def push_unless_held(self, job: JobName[P], parameters: P, /, *, options: JobOptions = ...) -> Pushed: ...

    @overload
    async def push_unless_held(self, job: NamedParameters[Any], /, *, options: JobOptions = ...) -> Pushed: ...

    @overload
    async def push_unless_held(self, job: JobParameters, /, *, options: JobOptions = ...) -> Pushed: ...

    async def push_unless_held(self, job: Any, /, *parameters: Any, options: JobOptions = _DEFAULT_OPTIONS) -> Pushed:
        """Do as `push` does, and say what became of the job: for jobs with a unique name, or an id of their own.

        Returns:
            The `outcome`, which is `STORED`, `DUPLICATE` or `REPLACED`, and the `job_id` of the stored job, new or
            there before.

        Raises:
            As `push` does.
        """
        check_push(options)
        job = with_parameters(job, parameters)
        return await self._producer.push(*unpack_job(job), options_for(job, options))

    async def push_many(
        self,
        jobs: Iterable[JobParameters | NamedParameters[Any] | Push],
        /,
        *,
        options: JobOptions = _DEFAULT_OPTIONS,
        atomic: bool = True,
    ) -> list[JobID]:
        """Store many jobs: all or none of them; or, with `atomic=False`, any number, in chunks.

        Args:
            jobs: parameters with a `job_name`, `JobName.with_parameters(...)`, or either in a `Push` with its options.
            options: for jobs without options of their own.
            atomic: whether it is one step, of up to the driver's `max_atomic_push` jobs.

        Returns:
            The ids of the stored jobs, new or there before, in order.

        Raises:
            InvalidParameters, PayloadTooLarge: for any of the jobs; nothing is stored.
            PushTooLarge: too many jobs, or bytes, for one step; nothing is stored.
            PushIncomplete: with `atomic=False`, the store failed; the error carries the ids that are stored.
            StoreUnavailable: the store did not answer in time.
            ValueError: `options` give an id or a unique name, which only one job can have; or a job comes `after`
                others, and it is not one step.
        """
        check_push(options)
        if options.job_id is not None:
            raise ValueError("one job_id is not for many jobs: give each its own, with Push(..., options=...)")
        if options.unique is not None:
            raise ValueError("one unique name is not for many jobs: give each its own, with Push(..., options=...)")
        check_jobs(jobs)
        check_option("atomic", atomic, bool)
        items = [
            (*unpack_job(job.job), options_for(job.job, job.options))
            if isinstance(job, Push)
            else (*unpack_job(job), options_for(job, options))
            for job in jobs
        ]
        return await self._producer.push_many(items, atomic=atomic)

    async def push_if(
        self: "JobQueue[SchedulingQueueDriver]",
        job: Any,
        /,
        *,
        key: str,
        expected: bytes | None,
        value: bytes,
        options: JobOptions = _DEFAULT_OPTIONS,
        next_scheduled_at: datetime | None = None,
    ) -> PushedIf:
        """Store the job and set metadata `key` to `value`, if it holds `expected` (`None`: nothing), in one step.

        For schedulers: the push and the note of it cannot fall apart. With `next_scheduled_at` it is a scheduled job,
        whose own time is `options.delay_until`.

        Raises:
            InvalidParameters: the parameters cannot be encoded; nothing is stored.
            StoreUnavailable: the store did not answer in time.
        """
        require(self._driver, self._capabilities, Capability.SCHEDULING)
        check_push(options)
        check_option("key", key, str)
        check_option("expected", expected, bytes | None)
        check_option("value", value, bytes)
        item, pushed = await self._producer.prepare(*unpack_job(job), options_for(job, options), next_scheduled_at)
        done = await self._driver.push_if(item, key, expected, value)
        check_refusal(done)
        if pushed is not None and done.outcome is not StoreOutcome.UNEXPECTED:
            await self._chain.pushed(pushed, done.outcome is StoreOutcome.STORED)
        return done

    # Jobs that have not run, or have ended.

    async def cancel(self: "JobQueue[CancellableQueueDriver]", job_id: JobID | UUID | str) -> bool:
        """Cancel a job that is pending, paused or waiting; `False` if it is none of these, and nothing changes."""
        require(self._driver, self._capabilities, Capability.CANCEL)
        return await self._driver.cancel(JobID.parse(job_id))

    async def abort(self: "JobQueue[AbortableQueueDriver]", job_id: JobID | UUID | str) -> AbortOutcome:
        """Cancel a job that has not run, or ask a running one to end, on whatever machine.

        A coroutine gets an `asyncio.CancelledError`; a handler in a thread has to look at `context.cancelled`. If it
        returns all the same, the job has completed; if it raises an error, the job is cancelled. It does not run again,
        even if its worker dies.

        Returns:
            `CANCELLED`, `REQUESTED`, or `NOTHING` if the job has ended or is not there, or a Swift worker runs it.
        """
        require(self._driver, self._capabilities, Capability.ABORT)
        return await self._driver.abort(JobID.parse(job_id))

    async def pause(self: "JobQueue[ResumableQueueDriver]", job_id: JobID | UUID | str) -> bool:
        """Set a pending job aside; `False` if it is not pending."""
        require(self._driver, self._capabilities, Capability.RESUME)
        return await self._driver.pause(JobID.parse(job_id))

    async def resume(self: "JobQueue[ResumableQueueDriver]", job_id: JobID | UUID | str) -> bool:
        """Put a paused job back, with its due time, or let a waiting job run without the rest of its parents.

        `False` if it is neither.
        """
        require(self._driver, self._capabilities, Capability.RESUME)
        return await self._driver.resume(JobID.parse(job_id))

    async def rerun(self: "JobQueue[CleanupQueueDriver]", job_id: JobID | UUID | str) -> bool:
        """Run a finished job again, now, from attempt 1; `False` if it has not ended, or its request is lost."""
        require(self._driver, self._capabilities, Capability.CLEANUP)
        return await self._driver.rerun(JobID.parse(job_id))

    async def remove(self: "JobQueue[CleanupQueueDriver]", job_id: JobID | UUID | str) -> bool:
        """Remove a job that is not running; `False` if it runs, or is not there."""
        require(self._driver, self._capabilities, Capability.CLEANUP)
        return await self._driver.remove(JobID.parse(job_id))

    # The queue as a whole.

    async def pause_queue(self: "JobQueue[PausableQueueDriver]") -> None:
        """Let no worker claim a job from now on. Running jobs go on; pushes are stored as usual."""
        require(self._driver, self._capabilities, Capability.PAUSE_QUEUE)
        await self._driver.pause_queue()

    async def resume_queue(self: "JobQueue[PausableQueueDriver]") -> None:
        """Let workers claim jobs again."""
        require(self._driver, self._capabilities, Capability.PAUSE_QUEUE)
        await self._driver.resume_queue()

    async def is_queue_paused(self: "JobQueue[PausableQueueDriver]") -> bool:
        """Say whether the queue is paused."""
        require(self._driver, self._capabilities, Capability.PAUSE_QUEUE)
        return await self._driver.is_queue_paused()

    # Results.

    @overload
    async def result(
        self: "JobQueue[ResultsQueueDriver]",
        job: JobID | UUID | str,
        *,
        timeout: timedelta | None = None,
        type: type[R],
    ) -> R: ...

    @overload
    async def result(
        self: "JobQueue[ResultsQueueDriver]",
        job: JobID | UUID | str,
        *,
        timeout: timedelta | None = None,
        type: Any = ...,
    ) -> Any: ...

    async def result(
        self: "JobQueue[ResultsQueueDriver]",
        job: JobID | UUID | str,
        *,
        timeout: timedelta | None = None,
        type: Any = UNDECLARED,  # noqa: A002 - the name that it has wherever values are read
    ) -> Any:
        """Wait for a job to complete, and return what its handler returned.

        The job has to be kept after its end: by `keep_for`, `keep_result` or the retention policy.

        Args:
            job: its id.
            timeout: how long to wait; `None` means until it has ended.
            type: the type to read the result as; by default the type that the handler declares, if it is registered
                here, otherwise plain JSON values.

        Raises:
            JobFailed, JobCancelled: the job has failed, or was cancelled.
            JobGone: it is not there.
            TimeoutError: it has not ended in time.
            ConfigurationError: its result is not of that type.
            StoreUnavailable: the store did not answer in time.
        """
        require(self._driver, self._capabilities, Capability.RESULTS)
        check_option("timeout", timeout, timedelta | None)
        return await Results(self._driver, self._registry, self._values).result(JobID.parse(job), timeout, type)

    async def results(
        self: "JobQueue[ResultsQueueDriver]",
        jobs: Iterable[JobID | UUID | str],
        *,
        timeout: timedelta | None = None,
        type: Any = UNDECLARED,  # noqa: A002 - the name that it has wherever values are read
    ) -> AsyncIterator[JobDone]:
        """Wait for jobs to end, and yield each of them once, as it ends, however it ends.

        Raises:
            TimeoutError: one has not ended in time.
            ConfigurationError: a result is not of the type that it is read as.
            StoreUnavailable: the store did not answer in time.
        """
        require(self._driver, self._capabilities, Capability.RESULTS)
        check_option("timeout", timeout, timedelta | None)
        waits = Results(self._driver, self._registry, self._values)
        async with aclosing(waits.results([JobID.parse(job) for job in jobs], timeout, type)) as ended:
            async for done in ended:
                yield done

    # Run.

    def processor(self, options: ProcessorOptions = _DEFAULT_PROCESSOR_OPTIONS, *, state: object = None) -> Processor:
        """Make a processor that runs the jobs of this queue in this event loop; `await processor.run()` starts it.

        Handlers get the `state` by its type, or one of its fields by the field's type.
        """
        check_option("options", options, ProcessorOptions)
        return Processor([ServedQueue(self._driver, self.runner(options, state=state), options)], options)

    def runner(self, options: ProcessorOptions = _DEFAULT_PROCESSOR_OPTIONS, *, state: object = None) -> JobRunner:
        """Make a runner of single claims, for tools that claim jobs themselves, such as a test's `run_until_idle`."""
        check_option("options", options, ProcessorOptions)
        return JobRunner(self._registry, self._driver, self._chain, options, state)
