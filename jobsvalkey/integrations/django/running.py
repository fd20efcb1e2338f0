"""Runs tasks as jobs: whatever a request names, if it is a task of Django's."""

import inspect
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import connections
from django.tasks import TaskContext, TaskResultStatus
from django.tasks.signals import task_finished, task_started

from jobsvalkey.contract import Claim, JobName, Settlement, SystemClock, UnknownJob
from jobsvalkey.integrations.django.results import AnyTask, find_task, new_result, set_on, task_error
from jobsvalkey.integrations.django.stored import (
    History,
    TaskCall,
    TaskReturn,
    as_json,
    history_in,
    next_run,
    to_django,
    with_history,
)
from jobsvalkey.middleware import Middleware
from jobsvalkey.runtime import JobContext, JobDefinition, JobFail, JobQueue, JobRunner, JobSleep, ProcessorOptions
from jobsvalkey.runtime.context import claim_of
from jobsvalkey.runtime.failure import JobError, message_of, traceback_of, type_of
from jobsvalkey.runtime.job_run import JobRun
from jobsvalkey.runtime.registry import JobRegistry, RegisteredJob
from jobsvalkey.runtime.retry import RetryStrategy
from jobsvalkey.valkey import ValkeyJobQueue

_HISTORY: Final = ContextVar[History]("history")
_DEFAULT_OPTIONS = ProcessorOptions()


@dataclass(frozen=True, slots=True)
class Place:
    """The backend and the queue that tasks come from."""

    sender: type[Any]
    """Sends the signals."""
    backend: str
    queue: str


class TaskQueue(JobQueue[ValkeyJobQueue]):
    """A queue whose jobs are tasks, named by their paths."""

    def __init__(
        self, driver: ValkeyJobQueue, place: Place, strategy: RetryStrategy, middleware: tuple[Middleware, ...]
    ) -> None:
        super().__init__(driver, default_retry_strategy=strategy, middleware=middleware)
        self._place = place
        self._strategy = strategy

    def runner(self, options: ProcessorOptions = _DEFAULT_OPTIONS, *, state: object = None) -> JobRunner:
        """Make a runner of single claims."""
        registry = _TaskRegistry(self._registry, self._place, self._strategy)
        return _TaskRunner(registry, self._driver, self._chain, options, state)


class _TaskRegistry(JobRegistry):
    """Finds tasks when they are asked for; beside them there are the driver's own jobs."""

    def __init__(self, others: JobRegistry, place: Place, strategy: RetryStrategy) -> None:
        super().__init__(strategy, "plain")
        self._others = others
        self._place = place
        self._strategy = strategy

    def find(self, name: str) -> RegisteredJob:
        found = self.get(name) or self._others.get(name)
        if found is not None:
            return found
        try:
            runs = _Runs(find_task(name), self._place, self._strategy)
        except LookupError as error:
            raise UnknownJob(str(error)) from error
        handler = runs.in_the_loop if inspect.iscoroutinefunction(runs.task.func) else runs.in_a_thread
        self.add(JobDefinition(JobName(name, TaskCall), handler))
        return super().find(name)


class _TaskRunner(JobRunner):
    async def run(self, claim: Claim, job_run: JobRun | None = None) -> Settlement:
        worker = "" if job_run is None or job_run.worker is None else job_run.worker
        history = next_run(history_in(claim.error), self._clock.now(), worker)
        token = _HISTORY.set(history)
        try:
            return with_history(await super().run(claim, job_run), history)
        finally:
            _HISTORY.reset(token)


class _Runs:
    """Runs one task, any number of times."""

    def __init__(self, task: AnyTask, place: Place, strategy: RetryStrategy) -> None:
        self.task = task
        self._place = place
        self._strategy = strategy

    def in_a_thread(self, call: TaskCall, context: JobContext) -> TaskReturn:
        run = _Run(self.task, self._place, self._strategy, call, context)
        try:
            task_started.send_robust(self._place.sender, task_result=run.result)
            try:
                returned = run.returned(self.task.func(*run.args, **call.kwargs))
            except BaseException as error:
                if run.has_failed(error):
                    task_finished.send_robust(self._place.sender, task_result=run.result)
                raise
            task_finished.send_robust(self._place.sender, task_result=run.result)
            return returned
        finally:
            connections.close_all()  # those of this thread, which ends

    async def in_the_loop(self, call: TaskCall, context: JobContext) -> TaskReturn:
        run = _Run(self.task, self._place, self._strategy, call, context)
        async with ThreadSensitiveContext():  # a thread for what the task does with the database, and connections in it
            try:
                await task_started.asend_robust(self._place.sender, task_result=run.result)
                try:
                    returned = run.returned(await self.task.func(*run.args, **call.kwargs))
                except BaseException as error:
                    if run.has_failed(error):
                        await task_finished.asend_robust(self._place.sender, task_result=run.result)
                    raise
                await task_finished.asend_robust(self._place.sender, task_result=run.result)
                return returned
            finally:
                await sync_to_async(connections.close_all)()


class _Run:
    """One run, as signals and the task itself see it."""

    def __init__(
        self, task: AnyTask, place: Place, strategy: RetryStrategy, call: TaskCall, context: JobContext
    ) -> None:
        self._strategy = strategy
        self._context = context
        self._history = history = _HISTORY.get()
        claim = claim_of(context)
        self.result = new_result(
            task.using(
                backend=place.backend,
                queue_name=place.queue,
                run_after=to_django(call.run_after),
                priority=claim.priority,
            ),
            context.job_id,
            call,
            status=TaskResultStatus.RUNNING,
            enqueued_at=context.queued_at,
            history=history,
            error=claim.error,
        )
        self.args = [TaskContext(task_result=self.result), *call.args] if task.takes_context else call.args

    def returned(self, value: Any) -> TaskReturn:
        """Note what the task returned.

        Raises:
            TypeError, ValueError: JSON cannot hold it.
        """
        returned = TaskReturn(value=as_json(value), history=self._history)
        self._end(TaskResultStatus.SUCCESSFUL, _return_value=returned.value, errors=[])
        return returned

    def has_failed(self, error: BaseException) -> bool:
        """Note that the task raised an error; whether that is its end."""
        if isinstance(error, JobSleep) or (self._context.cancelled and not self._context.aborted):
            return False  # it runs again
        if not isinstance(error, JobFail) and self._strategy.should_retry(self._context.attempt, error):
            return False
        record = JobError(type_of(error), message_of(error), traceback_of(error), self._context.attempt)
        self._end(TaskResultStatus.FAILED, errors=[task_error(record)])
        return True

    def _end(self, status: TaskResultStatus, **changes: Any) -> None:
        set_on(self.result, status=status, finished_at=to_django(SystemClock().now()), **changes)
