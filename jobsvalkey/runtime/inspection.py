"""The methods of a queue that look at its jobs."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar
from uuid import UUID

from jobsvalkey.contract import Activity, Capability, JobID, JobStatus, Load, QueueDriver
from jobsvalkey.contract.option_types import check_option
from jobsvalkey.runtime.capabilities import ActivityQueueDriver, InspectionQueueDriver, require
from jobsvalkey.runtime.record import JobRecord
from jobsvalkey.runtime.worker_record import WorkerRecord

D_co = TypeVar("D_co", bound=QueueDriver, covariant=True)


_LOOKED_AT: Final = 1000
"""Jobs that one page of a filter looks at, at most."""
_AT_ONCE: Final = 250


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Some of the jobs in a state."""

    records: list[JobRecord]
    cursor: str | None
    """The cursor to go on with; `None` after the last of the jobs."""
    looked_at: int
    """How many jobs were looked at to find these."""


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

    async def page(
        self: "JobInspection[InspectionQueueDriver]",
        status: JobStatus,
        *,
        cursor: str | None = None,
        limit: int = 50,
        name: str | None = None,
        contains: str | None = None,
    ) -> RecordPage:
        """Return some of the jobs in a state, in the order of `jobs`, and where to go on.

        Args:
            status: the state.
            cursor: of the page before; `None` for the first page.
            limit: how many jobs, at most, from 1 to 1,000.
            name: only jobs of this name.
            contains: only jobs with this text in their parameters, in upper or lower case.

        A page of some jobs only looks at 1,000 of them at most. So it may be short, even empty, and have a cursor.

        Raises:
            ValueError: `limit` is out of range, or the cursor is not one of a page of this state.
        """
        require(self._driver, self._capabilities, Capability.INSPECTION)
        check_option("status", status, JobStatus)
        check_option("cursor", cursor, str | None)
        check_option("limit", limit, int)
        check_option("name", name, str | None)
        check_option("contains", contains, str | None)
        if not 1 <= limit <= _LOOKED_AT:
            raise ValueError(f"limit is a number of jobs from 1 to {_LOOKED_AT:,}, not {limit}")
        is_filtered = name is not None or contains is not None
        at_once, steps = (_AT_ONCE, _LOOKED_AT // _AT_ONCE) if is_filtered else (limit, 1)
        wanted, now = (contains or "").casefold(), self._driver.clock.now()
        records = list[JobRecord]()
        looked_at = 0
        for _ in range(steps):
            page = await self._driver.page(status, cursor, limit=at_once)
            for stored, behind in zip(page.jobs, page.cursors, strict=True):
                record = JobRecord.from_stored(stored, now)
                looked_at += 1
                if (name is None or record.name == name) and wanted in (record.parameters or "").casefold():
                    records.append(record)
                    if len(records) == limit:
                        is_last = page.cursor is None and behind == page.cursors[-1]
                        return RecordPage(records, None if is_last else behind, looked_at)
            cursor = page.cursor
            if cursor is None:
                break
        return RecordPage(records, cursor, looked_at)

    async def workers(self: "JobInspection[InspectionQueueDriver]") -> list[WorkerRecord]:
        """Return the workers of this queue that live, and the dead ones whose jobs are not recovered yet.

        Swift workers are not among them.
        """
        require(self._driver, self._capabilities, Capability.INSPECTION)
        found = map(WorkerRecord.from_stored, await self._driver.workers())
        return sorted(found, key=lambda each: (each.host or "", each.process or 0, each.id))

    async def load(self: "JobInspection[InspectionQueueDriver]") -> Load:
        """Return how much there is to do: for autoscalers and probes. It costs the same however many jobs there are."""
        require(self._driver, self._capabilities, Capability.INSPECTION)
        return await self._driver.load()

    async def activity(self: "JobInspection[ActivityQueueDriver]", *, since: datetime | None = None) -> list[Activity]:
        """Return what workers did, for each minute of the last 24 hours in which they did something, in order.

        Args:
            since: an aware datetime; only minutes that had not ended then. `None`: all 24 hours.

        Nothing is counted before a worker has started with `ValkeyConfiguration(activity=True)`.
        """
        require(self._driver, self._capabilities, Capability.ACTIVITY)
        check_option("since", since, datetime | None)
        return await self._driver.activity(since)
