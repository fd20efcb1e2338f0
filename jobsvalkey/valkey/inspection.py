"""Looks into the queue: single jobs, counts, lists."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from jobsvalkey.contract import FINISHED, JobID, JobPage, JobStatus, Load, StoredJob, StoredWorker
from jobsvalkey.valkey import wire
from jobsvalkey.valkey.arguments import Argument
from jobsvalkey.valkey.base import ValkeyBase
from jobsvalkey.valkey.scripting import COUNTS, LOAD, PAGE, READ, WORKERS
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

    async def load(self) -> Load:
        """Return how much there is to do, as it was at one moment."""
        reply: list[int] = await self._read(LOAD, [])
        due, delayed, waiting, processing, oldest, workers, paused = map(int, reply)
        waits = timedelta(microseconds=oldest) if due > 0 else None
        return Load(
            due=due,
            delayed=delayed,
            waiting=waiting,
            processing=processing,
            oldest_due=waits,
            workers=workers,
            is_paused=paused == 1,
        )

    async def workers(self) -> list[StoredWorker]:
        """Return the workers whose lock has not run out, and those that hold claims, in the order of their ids.

        Swift workers are none of them.
        """
        return wire.stored_workers(await self._read(WORKERS, []))

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

    async def page(self, status: JobStatus, cursor: str | None = None, *, limit: int = 50) -> JobPage:
        """Return up to `limit` jobs in a state, from the first one or after `cursor`, in the order of `jobs`.

        Jobs that run come in the order of their ids.

        Raises:
            ValueError: the cursor is not from a page of this state.
        """
        score, last = (b"", b"") if cursor is None else wire.place_of(cursor)
        if limit < 1:
            return JobPage([], [], None)
        found = await self._places(status, limit + 1, score, last)
        if status is JobStatus.PROCESSING:
            found.sort()
            found = found[bisect_right(found, (last, score)) :]
        places = found[:limit]
        listed = await self._jobs([job_id for job_id, _ in places], complete=True) if places else []
        cursors = [wire.cursor_of(job_id, score) for job_id, score in places]
        here = [place for place in zip(listed, cursors, strict=True) if place[0] and place[0].status is status]
        jobs = [job for job, _ in here if job is not None]
        return JobPage(jobs, [cursor for _, cursor in here], cursors[-1] if len(found) > limit else None)

    async def _jobs(self, ids: Sequence[Argument], *, complete: bool) -> list[StoredJob | None]:
        replies = await self._read(READ, [*Read(with_requests="1" if complete else ""), *ids])
        return [wire.stored_job(reply) for reply in replies]

    async def _pages(self, status: JobStatus) -> AsyncIterator[list[bytes]]:
        score, last = b"", b""
        while True:
            places = await self._places(status, PAGE_SIZE, score, last)
            if places:
                yield [job_id for job_id, _ in places]
            if len(places) < PAGE_SIZE or status is JobStatus.PROCESSING:
                return
            last, score = places[-1]

    async def _places(self, status: JobStatus, size: int, score: bytes, last: bytes) -> list[tuple[bytes, bytes]]:
        """Ids with their scores, at most `size` from behind a place; all ids at once of jobs that run."""
        order = "last" if status in FINISHED else "first"
        page = Page(state=status, order=order, size=size, after_score=score, after_id=last)
        reply: list[bytes] = await self._read(PAGE, page)
        return list(zip(reply[::2], reply[1::2], strict=True))
