"""The protocol of a driver whose queue can be looked into."""

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

from jobsvalkey.contract.job_id import JobID
from jobsvalkey.contract.overview import JobPage, Load, StoredWorker
from jobsvalkey.contract.records import Inconsistency, StoredJob
from jobsvalkey.contract.states import JobStatus


@runtime_checkable
class InspectionDriver(Protocol):
    """The queue can be looked into. A job beyond its retention is not there, whether or not it was trimmed yet."""

    async def get(self, job_id: JobID) -> StoredJob | None:
        """Return the job as it is stored, or `None`."""
        ...

    async def status(self, job_id: JobID) -> JobStatus | None:
        """Return the job's state, or `None`."""
        ...

    async def counts(self) -> dict[JobStatus, int]:
        """Count the jobs in each state; all states are listed."""
        ...

    def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        """Iterate over the jobs in a state, in chunks: pending and paused by due time, finished by end, latest first.

        Jobs that move while it runs may be missed, or seen in their new place; those that stay are seen once.
        """
        ...

    async def page(self, status: JobStatus, cursor: str | None = None, *, limit: int = 50) -> JobPage:
        """Return up to `limit` jobs in a state, from the first one or after `cursor`, in the order of `jobs`.

        Running jobs are in an order that the driver chooses. Jobs that stay in the state are on one page each, whatever
        happens to others, including the one at the cursor.

        Raises:
            ValueError: the cursor is not from a page of this state.
        """
        ...

    async def load(self) -> Load:
        """Return how much there is to do, as it was at one moment. It costs O(log n) in the number of jobs."""
        ...

    async def workers(self) -> list[StoredWorker]:
        """Return the workers whose lock has not run out, and those that hold claims, in the order of their ids."""
        ...

    async def validate(self) -> list[Inconsistency]:
        """Find inconsistencies in the store, in chunks. May run beside workers."""
        ...
