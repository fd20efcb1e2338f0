"""The table, and how jobs are written into it."""

from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, Column, Insert, Integer, LargeBinary, MetaData, String, Table, Text, insert
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from jobsvalkey.contract import JobID
from jobsvalkey.integrations.outbox.rows import Rows
from jobsvalkey.integrations.relaying.entries import new_entry
from jobsvalkey.integrations.relaying.relay import OutboxRelay
from jobsvalkey.runtime import JobOptions, JobQueue

_DEFAULT_OPTIONS = JobOptions()
_SECOND = timedelta(seconds=1)


class Outbox:
    """A table of jobs to push, in your database.

    A job that is added in a transaction is pushed if that commits, and never if it is rolled back. An `OutboxRelay`
    pushes it, under an id that is given when it is added, so that a push that is repeated stores nothing new.

    Args:
        queue: the queue that the jobs are for. Nothing is sent to its server when a job is added.
        metadata: the metadata to add the table to, so that your migrations, or `create_all`, make it.
        table_name: the name of the table. Outboxes of several queues may share one.
    """

    def __init__(self, queue: JobQueue[Any], metadata: MetaData, *, table_name: str = "jobsvalkey_outbox") -> None:
        self._queue = queue
        known = metadata.tables.get(table_name)
        self.table: Table = _make_table(metadata, table_name) if known is None else known
        """The table."""

    @property
    def queue(self) -> JobQueue[Any]:
        """The queue that the jobs are for."""
        return self._queue

    def add(self, session: Session | Connection, job: Any, /, *, options: JobOptions = _DEFAULT_OPTIONS) -> JobID:
        """Write a job in the transaction of a session or a connection.

        Args:
            session: the session or connection, from SQLAlchemy.
            job: what `JobQueue.push` takes as one argument: parameters with a `job_name`,
                `JobName.with_parameters(...)`, or `TASK.with_parameters(...)`.
            options: as for a push. A delay counts from now, not from the commit.

        Returns:
            The id that the job will have.

        Raises:
            InvalidParameters: the parameters cannot be encoded, or do not name a job.
            PayloadTooLarge: the encoded request is larger than the driver's `max_payload`.
        """
        statement, job_id = self._insert(job, options)
        session.execute(statement)
        return job_id

    async def add_async(
        self, session: AsyncSession | AsyncConnection, job: Any, /, *, options: JobOptions = _DEFAULT_OPTIONS
    ) -> JobID:
        """Write a job as `add` does, with an asynchronous session or connection."""
        statement, job_id = self._insert(job, options)
        await session.execute(statement)
        return job_id

    def relay(self, engine: Engine | AsyncEngine, *, poll_time: timedelta = _SECOND, at_once: int = 100) -> OutboxRelay:
        """Make the relay that pushes the jobs.

        Args:
            engine: the engine of the database. An `Engine` is used in threads.
            poll_time: how often it looks for jobs.
            at_once: how many it pushes in one step.

        Raises:
            ValueError: a value is not above zero.
        """
        key = str(getattr(self._queue.driver.configuration, "queue_key", ""))
        return OutboxRelay(self._queue.driver, Rows(engine, self.table, key), poll_time=poll_time, at_once=at_once)

    def _insert(self, job: Any, options: JobOptions) -> tuple[Insert, JobID]:
        entry = new_entry(self._queue, job, options)
        statement = insert(self.table).values(
            queue=self._queue.driver.configuration.queue_key,
            job_id=entry.job_id,
            request=entry.request,
            fields=entry.fields,
        )
        return statement, JobID.parse(entry.job_id)


def _make_table(metadata: MetaData, name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("queue", String(255), nullable=False, index=True),
        Column("job_id", String(36), nullable=False),
        Column("request", LargeBinary, nullable=False),
        Column("fields", Text, nullable=False),
    )
