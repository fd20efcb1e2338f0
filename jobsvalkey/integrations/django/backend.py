"""The backend for `TASKS`."""

from collections.abc import Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.apps import apps
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.tasks import TaskResultStatus
from django.tasks.backends.base import BaseTaskBackend
from django.tasks.exceptions import TaskResultDoesNotExist
from django.tasks.signals import task_enqueued

from jobsvalkey.contract import JobID, JobName, JobsError, StoredJob, SystemClock
from jobsvalkey.integrations.django.options import BackendOptions, read_options
from jobsvalkey.integrations.django.queues import BlockingTaskQueue, blocking_queue, make_outbox
from jobsvalkey.integrations.django.results import SEPARATOR, AnyTask, AnyTaskResult, new_result, read_result
from jobsvalkey.integrations.django.running import Place
from jobsvalkey.integrations.django.stored import TaskCall, as_json, from_django
from jobsvalkey.runtime import JobOptions


class JobsValkeyBackend(BaseTaskBackend):
    """Keeps tasks on a Valkey server until `manage.py jobsvalkey_worker` runs them, and their results for a day.

    Each name in `QUEUES` is a queue of its own. `OPTIONS` has the `url` of the server, and may have `queue_key`,
    `keep_result`, `retry_strategy`, `processor`, `configuration`, `middleware` and `outbox`.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        self._read: BackendOptions | None = None

    @property
    def read_options(self) -> BackendOptions:
        """The `OPTIONS`, read.

        Raises:
            ImproperlyConfigured: they cannot be used.
        """
        if self._read is None:
            try:
                options = read_options(self.options)
                for queue in self.queues:
                    options.configuration_of(queue)
                self._read = options
            except (TypeError, ValueError, JobsError) as error:
                raise ImproperlyConfigured(f"TASKS[{self.alias!r}]['OPTIONS']: {error}") from error
        return self._read

    def place(self, queue: str) -> Place:
        """Return the place of one of the queues."""
        return Place(type(self), self.alias, queue)

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> AnyTaskResult:
        """Store a task, to run as soon as a worker is free, or at its `run_after`.

        Raises:
            InvalidTask: the backend does not take the task.
            TypeError, ValueError: JSON cannot hold the arguments.
            StoreUnavailable: the server did not answer in time; its `outcome` says whether the task may be there.
        """
        result = self._push(task, args, kwargs)
        task_enqueued.send(type(self), task_result=result)
        return result

    async def aenqueue(self, task: Any, args: Any, kwargs: Any) -> AnyTaskResult:
        """Store a task as `enqueue` does, without blocking other requests."""
        result = await sync_to_async(self._push, thread_sensitive=self._uses_database)(task, args, kwargs)
        await task_enqueued.asend(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> AnyTaskResult:
        """Return a task as it is now.

        Raises:
            TaskResultDoesNotExist: there is no task of that id, or its time is over.
            StoreUnavailable: the server did not answer in time.
        """
        queue, _, text = str(result_id).rpartition(SEPARATOR)
        try:
            job_id = JobID.parse(text)
        except ValueError:
            raise TaskResultDoesNotExist(result_id) from None
        if not queue or (self.queues and queue not in self.queues):
            raise TaskResultDoesNotExist(result_id)
        job = self._stored(queue, job_id)
        if job is None:
            raise TaskResultDoesNotExist(result_id)
        try:
            return read_result(job, backend=self.alias, queue=queue)
        except LookupError as error:
            raise TaskResultDoesNotExist(result_id) from error

    async def aget_result(self, result_id: str) -> AnyTaskResult:
        """Return a task as `get_result` does, without blocking other requests."""
        return await sync_to_async(self.get_result, thread_sensitive=self._uses_database)(result_id)

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Look at the settings, for `manage.py check`. Asks no server."""
        found: list[checks.CheckMessage] = list(super().check(**kwargs))
        try:
            _ = self.read_options
        except ImproperlyConfigured as error:
            found.append(checks.Error(str(error), id="jobsvalkey.E001"))
        else:
            found.extend(self._check_outbox())
        if not apps.is_installed("jobsvalkey.integrations.django"):
            found.append(
                checks.Warning(
                    "manage.py has no command jobsvalkey_worker, which runs the tasks.",
                    hint="Add 'jobsvalkey.integrations.django' to INSTALLED_APPS.",
                    id="jobsvalkey.W001",
                )
            )
        return found

    def _push(self, task: AnyTask, args: Any, kwargs: Any) -> AnyTaskResult:
        self.validate_task(task)
        options = self.read_options
        run_after = from_django(task.run_after)
        wanted = TaskCall(args=as_json(list(args)), kwargs=as_json(dict(kwargs)), run_after=run_after)
        enqueued_at = SystemClock().now()
        job = JobName(task.module_path, TaskCall).with_parameters(wanted)
        of_job = JobOptions(delay_until=run_after, keep_for=options.keep_result, priority=task.priority)
        outbox = make_outbox(options, self.place(task.queue_name))
        if outbox is not None:
            job_id = outbox.add(job, options=of_job)
        else:
            job_id = self._queue(task.queue_name).push(job, options=of_job)
        return new_result(task, job_id, wanted, status=TaskResultStatus.READY, enqueued_at=enqueued_at)

    @property
    def _uses_database(self) -> bool:
        """Whether a call uses the caller's connection to a database, which is that of its thread."""
        return self.read_options.outbox is not None

    def _check_outbox(self) -> Iterator[checks.CheckMessage]:
        alias, app = self.read_options.outbox, "jobsvalkey.integrations.django.outbox"
        name = f"TASKS[{self.alias!r}]['OPTIONS']['outbox']"
        if alias is not None and alias not in connections:
            yield checks.Error(f"{name}: there is no database {alias!r} in DATABASES", id="jobsvalkey.E002")
        if alias is not None and not apps.is_installed(app):
            yield checks.Error(f"{name} needs the app {app!r} in INSTALLED_APPS", id="jobsvalkey.E003")

    def _stored(self, queue: str, job_id: JobID) -> StoredJob | None:
        stored = self._queue(queue).stored(job_id)
        outbox = make_outbox(self.read_options, self.place(queue))
        if stored is not None or outbox is None:
            return stored
        # It may be pushed just now: a row that has gone is in the queue.
        return outbox.waiting(job_id) or self._queue(queue).stored(job_id)

    def _queue(self, name: str) -> BlockingTaskQueue:
        return blocking_queue(self.read_options, self.place(name))
