"""The methods of a queue that look at its jobs."""

import time
from collections.abc import AsyncIterator, Callable
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
_LOOKS_FOR: Final = 0.1
"""Seconds after which such a page asks for no more jobs."""
_AT_ONCE: Final = 250
_FIRST: Final = 16
"""Jobs that it asks for first, since each of them may be large."""


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

        Jobs that change their state meanwhile may be missed; the others are seen once.
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
        lane: str | None = None,
        contains: str | None = None,
    ) -> RecordPage:
        """Return some of the jobs in a state, in the order of `jobs`, and where to go on.

        Args:
            status: the state.
            cursor: the cursor of the page before; `None` for the first page.
            limit: how many jobs, at most, from 1 to 1,000.
            name: only jobs of this name.
            lane: only jobs of this lane.
            contains: only jobs with this text in their parameters, in upper or lower case.

        With `name`, `lane` or `contains`, a page looks at 1,000 jobs at most, for a tenth of a second at most. So it
        may be short, even empty, and still have a cursor.

        Raises:
            ValueError: `limit` is out of range, or the cursor is not from a page of this state.
        """
        require(self._driver, self._capabilities, Capability.INSPECTION)
        check_option("status", status, JobStatus)
        check_option("cursor", cursor, str | None)
        check_option("limit", limit, int)
        check_option("name", name, str | None)
        check_option("lane", lane, str | None)
        check_option("contains", contains, str | None)
        if not 1 <= limit <= _LOOKED_AT:
            raise ValueError(f"limit is a number of jobs from 1 to {_LOOKED_AT:,}, not {limit}")
        if name is None and lane is None and contains is None:
            page = await self._driver.page(status, cursor, limit=limit)
            now = self._driver.clock.now()
            return RecordPage([JobRecord.from_stored(each, now) for each in page.jobs], page.cursor, len(page.jobs))
        wanted = (contains or "").casefold()

        def matches(record: JobRecord) -> bool:
            is_named = (name is None or record.name == name) and (lane is None or record.lane == lane)
            return is_named and wanted in (record.parameters or "").casefold()

        return await self._page_of_some(status, cursor, limit, matches)

    async def _page_of_some(
        self: "JobInspection[InspectionQueueDriver]",
        status: JobStatus,
        cursor: str | None,
        limit: int,
        matches: Callable[[JobRecord], bool],
    ) -> RecordPage:
        records, looked_at, at_once = list[JobRecord](), 0, _FIRST
        until, now = time.monotonic() + _LOOKS_FOR, self._driver.clock.now()
        while True:
            asked = time.monotonic()
            page = await self._driver.page(status, cursor, limit=min(at_once, _LOOKED_AT - looked_at))
            for stored, behind in zip(page.jobs, page.cursors, strict=True):
                record = JobRecord.from_stored(stored, now)
                looked_at += 1
                if matches(record):
                    records.append(record)
                    if len(records) == limit:
                        is_last = page.cursor is None and behind == page.cursors[-1]
                        return RecordPage(records, None if is_last else behind, looked_at)
            cursor, ended = page.cursor, time.monotonic()
            if cursor is None or looked_at >= _LOOKED_AT or ended >= until:
                return RecordPage(records, cursor, looked_at)
            if ended - asked < _LOOKS_FOR / 4:
                at_once = min(2 * at_once, _AT_ONCE)

    async def workers(self: "JobInspection[InspectionQueueDriver]") -> list[WorkerRecord]:
        """Return the living workers of this queue, and the dead ones whose jobs are not recovered yet.

        Swift workers are not among them.
        """
        require(self._driver, self._capabilities, Capability.INSPECTION)
        found = map(WorkerRecord.from_stored, await self._driver.workers())
        return sorted(found, key=lambda each: (each.host or "", each.process or 0, each.id))

    async def load(self: "JobInspection[InspectionQueueDriver]") -> Load:
        """Return how much there is to do, for autoscalers and probes. It costs O(log n) in the number of jobs."""
        require(self._driver, self._capabilities, Capability.INSPECTION)
        return await self._driver.load()

    async def activity(self: "JobInspection[ActivityQueueDriver]", *, since: datetime | None = None) -> list[Activity]:
        """Return what workers did, for each minute of the last 24 hours in which they did something, in order.

        Args:
            since: an aware datetime, to get only minutes that had not ended then; `None`: all 24 hours.

        Nothing is counted until a worker has started with `ValkeyConfiguration(activity=True)`.
        """
        require(self._driver, self._capabilities, Capability.ACTIVITY)
        check_option("since", since, datetime | None)
        return await self._driver.activity(since)
