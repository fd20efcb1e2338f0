"""From a stored job to Django's `TaskResult`."""

from datetime import datetime
from typing import Any, Final, TypeAlias, cast

import msgspec
from django.core.exceptions import ImproperlyConfigured
from django.tasks import Task, TaskResult, TaskResultStatus
from django.tasks.base import TaskError
from django.tasks.exceptions import InvalidTask
from django.utils.module_loading import import_string

from jobsvalkey.contract import InvalidParameters, JobID, JobStatus, StoredJob
from jobsvalkey.integrations.django.stored import History, TaskCall, TaskReturn, history_in, next_run, to_django
from jobsvalkey.runtime import JobCancelled, JobError
from jobsvalkey.runtime.codec import from_reference_date, read_request
from jobsvalkey.runtime.failure import decode_error

AnyTask: TypeAlias = "Task[..., Any]"
AnyTaskResult: TypeAlias = "TaskResult[..., Any]"

SEPARATOR: Final = ":"
"""Stands between the name of the queue and the id of the job, in the id of a result."""

_STATUSES = {
    JobStatus.PENDING: TaskResultStatus.READY,
    JobStatus.PAUSED: TaskResultStatus.READY,
    JobStatus.WAITING: TaskResultStatus.READY,
    JobStatus.PROCESSING: TaskResultStatus.RUNNING,
    JobStatus.COMPLETED: TaskResultStatus.SUCCESSFUL,
    JobStatus.FAILED: TaskResultStatus.FAILED,
    JobStatus.CANCELLED: TaskResultStatus.FAILED,
}


def find_task(module_path: str) -> AnyTask:
    """Import the task of that path.

    Raises:
        LookupError: there is none, or it is something else; the message says which.
    """
    try:
        found: object = import_string(module_path)
    except Exception as error:  # the module's own code runs here
        raise LookupError(f"{module_path} cannot be imported: {type(error).__name__}: {error}") from error
    if not isinstance(found, Task):
        raise LookupError(f"{module_path} is not a task: it needs the decorator @task of django.tasks")
    return cast("AnyTask", found)


def read_result(job: StoredJob, *, backend: str, queue: str) -> AnyTaskResult:
    """Return a stored job as the result of a task.

    Raises:
        LookupError: it is not that of a task.
    """
    try:
        name, request = read_request(job.request or b"")
        call = msgspec.json.decode(request.parameters, type=TaskCall)
    except (InvalidParameters, msgspec.DecodeError, ValueError) as error:
        raise LookupError(f"job {job.job_id} is not a task: {error}") from error
    try:
        task = find_task(name).using(
            backend=backend, queue_name=queue, run_after=to_django(call.run_after), priority=job.priority
        )
    except (InvalidTask, ImproperlyConfigured) as error:
        raise LookupError(f"{name} is not a task of backend {backend!r}: {error}") from error
    returned = None if job.result is None else msgspec.json.decode(job.result, type=TaskReturn)
    history = history_in(job.error) if returned is None else returned.history
    if job.status is JobStatus.PROCESSING and job.claimed_at is not None:
        history = next_run(history, job.claimed_at, job.worker or "")
    result = new_result(
        task,
        job.job_id,
        call,
        status=_STATUSES[job.status],
        enqueued_at=from_reference_date(request.queued_at),
        history=history,
        error=job.error,
    )
    set_on(result, finished_at=to_django(job.ended_at))
    if returned is not None:
        set_on(result, _return_value=returned.value)
    if job.status is JobStatus.CANCELLED and job.error is None:
        kind = f"{JobCancelled.__module__}.{JobCancelled.__qualname__}"
        result.errors.append(TaskError(exception_class_path=kind, traceback=f"job {job.job_id} was cancelled\n"))
    return result


def new_result(
    task: AnyTask,
    job_id: JobID,
    call: TaskCall,
    *,
    status: TaskResultStatus,
    enqueued_at: datetime,
    history: History | None = None,
    error: bytes | None = None,
) -> AnyTaskResult:
    """Make a result of a task that has not ended. Times are aware."""
    return TaskResult(
        task=task,
        id=f"{task.queue_name}{SEPARATOR}{job_id}",
        status=status,
        enqueued_at=to_django(enqueued_at),
        started_at=None if history is None else to_django(history.started_at),
        last_attempted_at=None if history is None else to_django(history.last_attempted_at),
        finished_at=None,
        args=call.args,
        kwargs=call.kwargs,
        backend=task.backend,
        errors=[] if error is None else [task_error(decode_error(error))],
        worker_ids=[] if history is None else list(history.worker_ids),
    )


def set_on(result: AnyTaskResult, **values: Any) -> None:
    """Change a result, whose class lets nobody do so."""
    for name, value in values.items():
        object.__setattr__(result, name, value)


def task_error(error: JobError) -> TaskError:
    """Return the record of a failure as Django has it."""
    kind = error.type or "Exception"
    return TaskError(
        exception_class_path=kind if "." in kind else f"builtins.{kind}",
        traceback=error.traceback or f"{error.type}: {error.message}\n",
    )
