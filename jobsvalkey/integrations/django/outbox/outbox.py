"""How jobs are written into the table."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from jobsvalkey.contract import JobID, JobStatus, StoredJob
from jobsvalkey.integrations.relaying.entries import Entry, job_of, new_entry
from jobsvalkey.integrations.relaying.relay import OutboxRelay
from jobsvalkey.runtime import JobOptions, JobQueue

if TYPE_CHECKING:
    from jobsvalkey.integrations.django.outbox.models import OutboxEntry

_DEFAULT_OPTIONS = JobOptions()
_SECOND = timedelta(seconds=1)


class Outbox:
    """A table of jobs to push, in a database of your project.

    A job that is added in a transaction is pushed if that commits, and never if it is rolled back. An `OutboxRelay`
    pushes it, under an id that is given when it is added, so that a push that is repeated stores nothing new.

    Args:
        queue: the queue that the jobs are for. Nothing is sent to its server when a job is added.
        using: the alias of the database, in `DATABASES`. It has to be the database of your transactions.
    """

    def __init__(self, queue: JobQueue[Any], *, using: str = "default") -> None:
        self._queue = queue
        self._using = using

    @property
    def queue(self) -> JobQueue[Any]:
        """The queue that the jobs are for."""
        return self._queue

    def add(self, job: Any, /, *, options: JobOptions = _DEFAULT_OPTIONS) -> JobID:
        """Write a job in the transaction that is open: within `transaction.atomic()`.

        Outside of one it is committed at once, and pushed.

        Args:
            job: what `JobQueue.push` takes as one argument: parameters with a `job_name`,
                `JobName.with_parameters(...)`, or `TASK.with_parameters(...)`.
            options: as for a push. A delay counts from now, not from the commit.

        Returns:
            The id that the job will have.

        Raises:
            InvalidParameters: the parameters cannot be encoded, or do not name a job.
            PayloadTooLarge: the encoded request is larger than the driver's `max_payload`.
        """
        entry = new_entry(self._queue, job, options)
        key = self._queue.driver.configuration.queue_key
        _model()._base_manager.using(self._using).create(  # noqa: SLF001 - no manager of somebody else
            queue=key, job_id=entry.job_id, request=entry.request, fields=entry.fields
        )
        return JobID.parse(entry.job_id)

    def waiting(self, job_id: JobID) -> StoredJob | None:
        """Return a job that was committed, or added in the open transaction, and is not pushed yet; or `None`."""
        key = self._queue.driver.configuration.queue_key
        found = _model()._base_manager.using(self._using).filter(queue=key, job_id=str(job_id)).first()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        if found is None:
            return None
        job = job_of(Entry(found.pk, found.job_id, bytes(found.request), found.fields))
        now, due = self._queue.driver.clock.now(), job.due
        return StoredJob(
            job_id=job_id,
            status=JobStatus.PENDING,
            request=job.request,
            stored_at=now,
            due=due if isinstance(due, datetime) else now,
            keep_for=job.keep_for,
            priority=job.priority,
            lane=job.lane,
        )

    def relay(self, *, poll_time: timedelta = _SECOND, at_once: int = 100) -> OutboxRelay:
        """Make the relay that pushes the jobs.

        Args:
            poll_time: how often it looks for jobs.
            at_once: how many it pushes in one step.

        Raises:
            ValueError: a value is not above zero.
        """
        from jobsvalkey.integrations.django.outbox.rows import Rows

        rows = Rows(self._using, self._queue.driver.configuration.queue_key)
        return OutboxRelay(self._queue.driver, rows, poll_time=poll_time, at_once=at_once)


def _model() -> "type[OutboxEntry]":
    """The model, which cannot be imported before Django has loaded its apps."""
    from jobsvalkey.integrations.django.outbox.models import OutboxEntry

    return OutboxEntry
