"""Looks into the queue: single jobs, counts, lists."""

from collections.abc import AsyncIterator, Sequence

from jobsvalkey.contract import FINISHED, JobID, JobStatus, StoredJob
from jobsvalkey.valkey import wire
from jobsvalkey.valkey.arguments import Argument
from jobsvalkey.valkey.base import ValkeyBase
from jobsvalkey.valkey.scripting import COUNTS, PAGE, READ
from jobsvalkey.valkey.words import Page, Read

PAGE_SIZE = 250
"""Jobs in one step of a list."""


class ValkeyInspection(ValkeyBase):
    """The capability `INSPECTION`, but for `validate`."""

    async def get(self, job_id: JobID) -> StoredJob | None:
        """Return the job as it is stored, or `None`."""
        return (await self._jobs([str(job_id)], complete=True))[0]

    async def status(self, job_id: JobID) -> JobStatus | None:
        """Return the job's state, or `None`."""
        job = (await self._jobs([str(job_id)], complete=False))[0]
        return job and job.status

    async def counts(self) -> dict[JobStatus, int]:
        """Count the jobs in each state; all states are listed."""
        found: list[int] = await self._read(COUNTS, [])
        return dict(zip(JobStatus, found, strict=True))

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        """Iterate over the jobs in a state, in chunks: pending and paused by due time, finished by end, latest first.

        Jobs that move while it runs may be missed, or seen in their new place; those that stay are seen once.
        """
        left = limit
        if left is not None and left < 1:
            return
        async for ids in self._pages(status):
            for from_ in range(0, len(ids), PAGE_SIZE):
                for job in await self._jobs(ids[from_ : from_ + PAGE_SIZE], complete=True):
                    if job is None or job.status is not status:
                        continue
                    yield job
                    if left is not None:
                        left -= 1
                        if left == 0:
                            return

    async def _jobs(self, ids: Sequence[Argument], *, complete: bool) -> list[StoredJob | None]:
        replies = await self._read(READ, [*Read(with_requests="1" if complete else ""), *ids])
        return [wire.stored_job(reply) for reply in replies]

    async def _pages(self, status: JobStatus) -> AsyncIterator[list[bytes]]:
        order = "last" if status in FINISHED else "first"
        page = Page(state=status, order=order, size=PAGE_SIZE, after_score=b"", after_id=b"")
        while True:
            reply: list[bytes] = await self._read(PAGE, page)
            ids = reply[::2]
            if ids:
                yield ids
            if len(ids) < PAGE_SIZE or status is JobStatus.PROCESSING:
                return
            page = page._replace(after_score=reply[-1], after_id=ids[-1])
