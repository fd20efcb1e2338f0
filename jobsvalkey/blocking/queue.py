"""The queue as threads use it."""

import weakref
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, cast, overload
from uuid import UUID

from jobsvalkey.blocking.background import Tenant
from jobsvalkey.blocking.methods import Blocking, D_co, iterates_over, waits_for
from jobsvalkey.blocking.process import call, leave, let_go
from jobsvalkey.blocking.pushing import push
from jobsvalkey.contract import ConfigurationError, JobID, JobName, JobParameters, NamedParameters, Pushed, QueueDriver
from jobsvalkey.middleware import Middleware
from jobsvalkey.runtime import ExponentialJitter, JobOptions, JobQueue, RetryStrategy, Values
from jobsvalkey.runtime.capabilities import FlowQueueDriver, ResultsQueueDriver
from jobsvalkey.runtime.result_values import UNDECLARED
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.valkey.clients import client_from_url

P = TypeVar("P")
R = TypeVar("R")

_DEFAULT_OPTIONS = JobOptions()
_DEFAULT_RETRY_STRATEGY = ExponentialJitter()


class BlockingJobQueue(Blocking[D_co]):
    """A queue for code without `await`: each call waits for its answer. Any thread may call.

    It has those methods of `JobQueue` that push jobs and look at them, with the same arguments and errors. All such
    queues of a process share one event loop in a thread of its own, which runs from the first call to the last `close`,
    and pushes of many threads share round trips. Each process that is forked has a loop and connections of its own.

    A call that is interrupted, for example by Ctrl-C, may have been done.

    Args:
        make: is called in that loop at the first call, and once in each forked process. It returns a `JobQueue` or a
            driver, or is an async function that does. The driver is closed with this queue.

    Raises:
        TypeError: `make` cannot be called.
    """

    def __init__(
        self,
        make: Callable[[], JobQueue[D_co] | D_co | Awaitable[JobQueue[D_co] | D_co]],
        /,
    ) -> None:
        if not callable(make):
            raise TypeError(
                "a BlockingJobQueue takes a function that makes the queue, such as `lambda: JobQueue(driver)`, "
                f"or BlockingJobQueue.from_url(...), not {type(make).__name__}"
            )
        self._tenant: Tenant = Tenant(make)
        weakref.finalize(self, let_go, self._tenant).atexit = False

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        queue_key: str | None = None,
        configuration: ValkeyConfiguration | None = None,
        default_retry_strategy: RetryStrategy = _DEFAULT_RETRY_STRATEGY,
        middleware: Sequence[Middleware] = (),
        values: Values = "plain",
    ) -> "BlockingJobQueue[ValkeyJobQueue]":
        """Make one for a queue on a server. It connects at the first call.

        Args:
            url: `valkey://HOST:PORT`, `valkeys://HOST:PORT` for TLS, `unix:///PATH`, `valkey+cluster://HOST:PORT`, or
                `valkey+sentinel://HOST:PORT,HOST:PORT/SERVICE`, all with options of the client.
            queue_key: the queue's key; `None` means that of `configuration`.
            configuration: the driver's settings.
            default_retry_strategy, middleware, values: as for `JobQueue`.

        Raises:
            ConfigurationError: it is not the URL of a server.
            ValueError: a setting is out of range.
        """
        settings = configuration or ValkeyConfiguration()
        if queue_key is not None:
            settings = replace(settings, queue_key=queue_key)
        make = partial(
            _queue_at,
            url,
            settings,
            default_retry_strategy=default_retry_strategy,
            middleware=middleware,
            values=values,
        )
        make()  # nothing connects, and what is wrong is said here
        return cast("BlockingJobQueue[ValkeyJobQueue]", cls(cast(Any, make)))

    def close(self) -> None:
        """End this queue and its connections. The last queue of a process also ends the loop and its thread.

        Calls of other threads that are under way fail with `StoreUnavailable`. Closing twice is fine; a later call
        raises `ConfigurationError`.
        """
        leave(self._tenant)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        # For processes that are spawned with it: the other one opens connections of its own.
        return type(self), (self._tenant.make,)

    # By hand, if there are several signatures: a decorator keeps but one.

    @overload
    def push(self, job: JobName[P], parameters: P, /, *, options: JobOptions = ...) -> JobID: ...

    @overload
    def push(self, job: NamedParameters[Any], /, *, options: JobOptions = ...) -> JobID: ...

    @overload
    def push(self, job: JobParameters, /, *, options: JobOptions = ...) -> JobID: ...

    def push(self, job: Any, /, *parameters: Any, options: JobOptions = _DEFAULT_OPTIONS) -> JobID:
        """Store a job, to run as soon as a worker is free, or when `options` say.

        Raises:
            As `JobQueue.push` does.
        """
        return push(self._tenant, job, parameters, options).job_id

    @overload
    def push_unless_held(self, job: JobName[P], parameters: P, /, *, options: JobOptions = ...) -> Pushed: ...

    @overload
    def push_unless_held(self, job: NamedParameters[Any], /, *, options: JobOptions = ...) -> Pushed: ...

    @overload
    def push_unless_held(self, job: JobParameters, /, *, options: JobOptions = ...) -> Pushed: ...

    def push_unless_held(self, job: Any, /, *parameters: Any, options: JobOptions = _DEFAULT_OPTIONS) -> Pushed:
        """Do as `push` does, and say what became of the job.

        Raises:
            As `JobQueue.push` does.
        """
        return push(self._tenant, job, parameters, options)

    @overload
    def result(
        self: "BlockingJobQueue[ResultsQueueDriver]",
        job: JobID | UUID | str,
        *,
        timeout: timedelta | None = None,
        type: type[R],
    ) -> R: ...

    @overload
    def result(
        self: "BlockingJobQueue[ResultsQueueDriver]",
        job: JobID | UUID | str,
        *,
        timeout: timedelta | None = None,
        type: Any = ...,
    ) -> Any: ...

    def result(
        self: "BlockingJobQueue[ResultsQueueDriver]",
        job: JobID | UUID | str,
        *,
        timeout: timedelta | None = None,
        type: Any = UNDECLARED,  # noqa: A002 - the name that it has wherever values are read
    ) -> Any:
        """Wait for a job to complete, and return what its handler returned.

        Raises:
            As `JobQueue.result` does.
        """
        return call(self._tenant, lambda queue: queue.result(job, timeout=timeout, type=type))

    @overload
    def open_batch(
        self: "BlockingJobQueue[FlowQueueDriver]", job: JobName[P], parameters: P, /, *, options: JobOptions = ...
    ) -> JobID: ...

    @overload
    def open_batch(
        self: "BlockingJobQueue[FlowQueueDriver]", job: NamedParameters[Any], /, *, options: JobOptions = ...
    ) -> JobID: ...

    @overload
    def open_batch(
        self: "BlockingJobQueue[FlowQueueDriver]", job: JobParameters, /, *, options: JobOptions = ...
    ) -> JobID: ...

    def open_batch(
        self: "BlockingJobQueue[FlowQueueDriver]", job: Any, /, *parameters: Any, options: JobOptions = _DEFAULT_OPTIONS
    ) -> JobID:
        """Store a job that runs once the batch is closed and its members have ended; return the id of the batch.

        Raises:
            As `JobQueue.open_batch` does.
        """
        return call(self._tenant, lambda queue: queue.open_batch(job, *parameters, options=options))

    @iterates_over(JobQueue.results, at_once=1)
    def results(self) -> None: ...

    # The others. All but their names is in `JobQueue`, and what is new there is named here.

    @waits_for(JobQueue[QueueDriver].push_many)
    def push_many(self) -> None: ...

    @waits_for(JobQueue.push_if)
    def push_if(self) -> None: ...

    @waits_for(JobQueue.push_flow)
    def push_flow(self) -> None: ...

    @waits_for(JobQueue.close_batch)
    def close_batch(self) -> None: ...

    @waits_for(JobQueue.cancel)
    def cancel(self) -> None: ...

    @waits_for(JobQueue.abort)
    def abort(self) -> None: ...

    @waits_for(JobQueue.pause)
    def pause(self) -> None: ...

    @waits_for(JobQueue.resume)
    def resume(self) -> None: ...

    @waits_for(JobQueue.rerun)
    def rerun(self) -> None: ...

    @waits_for(JobQueue.remove)
    def remove(self) -> None: ...

    @waits_for(JobQueue.pause_queue)
    def pause_queue(self) -> None: ...

    @waits_for(JobQueue.resume_queue)
    def resume_queue(self) -> None: ...

    @waits_for(JobQueue.is_queue_paused)
    def is_queue_paused(self) -> None: ...

    @waits_for(JobQueue.set_lane_limit)
    def set_lane_limit(self) -> None: ...

    @waits_for(JobQueue.lane_limits)
    def lane_limits(self) -> None: ...

    @iterates_over(JobQueue.lanes)
    def lanes(self) -> None: ...

    @waits_for(JobQueue.get)
    def get(self) -> None: ...

    @waits_for(JobQueue.status)
    def status(self) -> None: ...

    @waits_for(JobQueue.counts)
    def counts(self) -> None: ...

    @waits_for(JobQueue.page)
    def page(self) -> None: ...

    @waits_for(JobQueue.workers)
    def workers(self) -> None: ...

    @waits_for(JobQueue.activity)
    def activity(self) -> None: ...

    @waits_for(JobQueue.load)
    def load(self) -> None: ...

    @iterates_over(JobQueue.jobs)
    def jobs(self) -> None: ...


def _queue_at(url: str, configuration: ValkeyConfiguration, **options: Any) -> JobQueue[ValkeyJobQueue]:
    try:
        client = client_from_url(url)
    except (AttributeError, TypeError, ValueError):
        # Not from it, and without the URL: either may hold a piece of a password.
        raise ConfigurationError(
            "this is not the URL of a server: write valkey://HOST:PORT, valkeys://HOST:PORT for TLS, unix:///PATH, "
            "valkey+cluster://HOST:PORT, or valkey+sentinel://HOST:PORT,HOST:PORT/SERVICE, and percent-encode user and "
            "password"
        ) from None
    return JobQueue(ValkeyJobQueue(client, configuration), **options)
