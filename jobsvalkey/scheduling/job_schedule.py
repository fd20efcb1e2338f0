"""Jobs that run again and again."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, TypeVar, cast, overload

from jobsvalkey.contract import JobName, JobParameters, NamedParameters, Unique
from jobsvalkey.runtime import JobQueue, Task
from jobsvalkey.runtime.job import FunctionJob, unpack_job
from jobsvalkey.scheduling.options import SchedulerOptions
from jobsvalkey.scheduling.schedule import Schedule
from jobsvalkey.scheduling.scheduled_job import Accuracy, DuplicateSchedule, ScheduledJob
from jobsvalkey.scheduling.scheduler import Scheduler, SchedulerDriver

P = TypeVar("P")


class JobSchedule:
    """Jobs with the times at which they run. Iterating gives each as a `ScheduledJob`, in the order they were added."""

    def __init__(self) -> None:
        self._jobs: dict[str, ScheduledJob] = {}

    @overload
    def add_job(
        self,
        job: JobName[P],
        /,
        parameters: P,
        schedule: Schedule,
        *,
        accuracy: Accuracy = ...,
        unique: Unique | None = ...,
        expires_in: timedelta | None = ...,
        id: str | None = ...,
    ) -> None: ...

    @overload
    def add_job(
        self,
        job: JobParameters | NamedParameters[Any] | Task[..., Any],
        schedule: Schedule,
        /,
        *,
        accuracy: Accuracy = ...,
        unique: Unique | None = ...,
        expires_in: timedelta | None = ...,
        id: str | None = ...,
    ) -> None: ...

    def add_job(
        self,
        job: Any,
        /,
        parameters: Any = None,
        schedule: Any = None,
        *,
        accuracy: Accuracy = Accuracy.LATEST,
        unique: Unique | None = None,
        expires_in: timedelta | None = None,
        id: str | None = None,  # noqa: A002 - it is one
    ) -> None:
        """Run a job on a schedule: `add_job(parameters, schedule)` or `add_job(job_name, parameters, schedule)`.

        A task is added as `task.with_parameters(...)`, or as it is if it needs none.

        If a job has several schedules, each needs an `id` of its own; by default it is the job's name. The last date of
        a schedule is kept under the id: under a new one it starts afresh.

        With `unique`, a trigger pushes nothing while another job holds that name, or replaces that job. So if a run
        goes on beyond the next trigger, no second run begins. With `expires_in`, a job is cancelled if no worker has it
        that long after its trigger.

        Raises:
            DuplicateSchedule: the id is taken.
            InvalidParameters: the parameters do not name a job.
            ValueError: `expires_in` is not above zero.
        """
        if isinstance(job, JobName):
            named = cast("JobName[Any]", job).with_parameters(parameters)
        else:
            schedule = parameters if schedule is None else schedule
            job = job.with_parameters() if isinstance(job, FunctionJob) else job
            name, parameters, kind = unpack_job(job)
            named = NamedParameters(JobName(name, cast("type[Any]", kind)), parameters)
            named = cast("NamedParameters[Any]", job) if isinstance(job, NamedParameters) else named
        if not isinstance(schedule, Schedule):
            raise TypeError(f"job {named.job.name!r} needs a Schedule, not {schedule!r}")
        key = named.job.name if id is None else id
        if not key:
            raise ValueError(f"the id of a schedule of job {named.job.name!r} is not empty")
        if key in self._jobs:
            raise DuplicateSchedule(f"there is a schedule {key!r} already: give each schedule of a job its own id=")
        self._jobs[key] = ScheduledJob(
            id=key, job=named, schedule=schedule, accuracy=accuracy, unique=unique, expires_in=expires_in
        )

    def __iter__(self) -> Iterator[ScheduledJob]:
        return iter(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)

    def scheduler(
        self, queue: JobQueue[SchedulerDriver], name: str | None = None, options: SchedulerOptions | None = None
    ) -> Scheduler:
        """Make a scheduler that pushes these jobs to `queue` as they come due; `await scheduler.run()` runs it.

        Schedulers of one name on one queue, in any number of processes, do the work of one. The name is `name`; without
        it, the one in the options, the queue's key, or `default`.

        Raises:
            ValueError: the name is empty, or would clash with keys of the driver: `worker`, `worker.…`, or `_…` if it
                is not the queue's key.
            UnsupportedOperation: the driver cannot schedule, or a job has a unique name or an expiry that the driver
                does not support.
        """
        return Scheduler(self, queue, name=name, options=options or SchedulerOptions())
