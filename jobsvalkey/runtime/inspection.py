"""The methods of a queue that look at its jobs."""

from collections.abc import AsyncIterator
from typing import Generic, TypeVar
from uuid import UUID

from jobsvalkey.contract import Capability, JobID, JobStatus, QueueDriver
from jobsvalkey.contract.option_types import check_option
from jobsvalkey.runtime.capabilities import InspectionQueueDriver, require
from jobsvalkey.runtime.record import JobRecord

D_co = TypeVar("D_co", bound=QueueDriver, covariant=True)


class JobInspection(Generic[D_co]):
    """A queue whose jobs can be looked at. Nothing here changes one."""

    _driver: D_co
    _capabilities: frozenset[Capability]

    async def get(self: "JobInspection[InspectionQueueDriver]", job_id: JobID | UUID | str) -> JobRecord | None:
        """Return the job as it is now, or `None`."""
        require(self._driver, self._capabilities, Capability.INSPECTION)
        stored = await self._driver.get(JobID.parse(job_id))
        return None if stored is None else JobRecord.from_stored(stored, self._driver.clock.now())

    async def status(self: "JobInspection[InspectionQueueDriver]", job_id: JobID | UUID | str) -> JobStatus | None:
        """Return the job's state, or `None` if there is no such job."""
        require(self._driver, self._capabilities, Capability.INSPECTION)
        return await self._driver.status(JobID.parse(job_id))

    async def counts(self: "JobInspection[InspectionQueueDriver]") -> dict[JobStatus, int]:
        """Count the jobs in each state; all states are listed."""
        require(self._driver, self._capabilities, Capability.INSPECTION)
        return await self._driver.counts()

    async def jobs(
        self: "JobInspection[InspectionQueueDriver]", status: JobStatus, *, limit: int | None = None
    ) -> AsyncIterator[JobRecord]:
        """Iterate over the jobs in a state: pending and paused by due time, finished ones by their end, latest first.

        Jobs that move meanwhile may be missed; those that stay are seen once.
        """
        require(self._driver, self._capabilities, Capability.INSPECTION)
        check_option("status", status, JobStatus)
        check_option("limit", limit, int | None)
        if limit is not None and limit < 0:
            raise ValueError(f"limit is a number of jobs, or None for all, not {limit}")
        async for stored in self._driver.jobs(status, limit=limit):
            yield JobRecord.from_stored(stored, self._driver.clock.now())
