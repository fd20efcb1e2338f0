"""Bugs of looking into the queue."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

from jobsvalkey.contract import (
    FINISHED,
    Inconsistency,
    InconsistencyKind,
    JobID,
    JobPage,
    JobStatus,
    Load,
    StoredJob,
    StoredWorker,
    WorkerID,
)
from tests.mutants.mutant import Search, Twin, mutant


@mutant("test_inspection_a_job_in_every_state", found_by=[Search.MACHINE])
class WrongStatus(Twin):
    """A paused job says that it is pending."""

    async def status(self, job_id: JobID) -> JobStatus | None:
        status = await super().status(job_id)
        return JobStatus.PENDING if status is JobStatus.PAUSED else status


@mutant("test_inspection_a_job_in_every_state")
class WrongCounts(Twin):
    """Paused jobs are counted as pending ones."""

    async def counts(self) -> dict[JobStatus, int]:
        counts = await super().counts()
        return counts | {JobStatus.PENDING: counts[JobStatus.PENDING] + counts[JobStatus.PAUSED], JobStatus.PAUSED: 0}


@mutant("test_inspection_what_has_ended_is_listed_latest_first")
class OldestListedFirst(Twin):
    """Jobs that have ended are listed in the order of their ends."""

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        listed = [job async for job in super().jobs(status, limit=limit)]
        for job in listed[::-1] if status in FINISHED else listed:
            yield job


@mutant("test_inspection_what_waits_is_listed_by_due_time")
class ListLimitIgnored(Twin):
    """A listing goes on beyond its limit."""

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        async for job in super().jobs(status):
            yield job


@mutant("test_inspection_many_jobs_are_seen_once_each")
class ChunksOverlap(Twin):
    """A job is listed twice if one chunk of a listing ends at it and the next begins."""

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        number = 0
        async for job in super().jobs(status, limit=limit):
            number += 1
            yield job
            if number % 500 == 0:
                yield job


@mutant("test_inspection_a_busy_queue_is_valid")
class ValidateSeesGhosts(Twin):
    """`validate` believes that a running job is on no list."""

    async def validate(self) -> list[Inconsistency]:
        running = [job.job_id async for job in self.jobs(JobStatus.PROCESSING)]
        ghosts = [Inconsistency(InconsistencyKind.UNLISTED_PAYLOAD, job_id) for job_id in running]
        return await super().validate() + ghosts


@mutant("test_inspection_pages_are_parts_of_the_list")
class PageLimitIgnored(Twin):
    """A page has one job more than was asked for."""

    async def page(self, status: JobStatus, cursor: str | None = None, *, limit: int = 50) -> JobPage:
        return await super().page(status, cursor, limit=limit + 1)


@mutant("test_inspection_pages_are_parts_of_the_list")
class CursorRepeatsItsJob(Twin):
    """The page behind a cursor begins with the job at the cursor."""

    async def page(self, status: JobStatus, cursor: str | None = None, *, limit: int = 50) -> JobPage:
        page = await super().page(status, cursor, limit=limit)
        at = None if cursor is None else await self.get(JobID(cursor.partition(" ")[2]))
        return page if at is None else JobPage([at, *page.jobs], [cursor or "", *page.cursors], page.cursor)


@mutant("test_inspection_pages_are_parts_of_the_list")
class LastPageHasACursor(Twin):
    """The last page says that there is more."""

    async def page(self, status: JobStatus, cursor: str | None = None, *, limit: int = 50) -> JobPage:
        page = await super().page(status, cursor, limit=limit)
        return page._replace(cursor=page.cursors[-1] if page.cursors else None)


@mutant("test_inspection_a_cursor_whose_job_has_gone")
class CursorIsAPlaceInTheList(Twin):
    """A cursor is a number of jobs, so that a page leaves out as many as have gone before it."""

    async def page(self, status: JobStatus, cursor: str | None = None, *, limit: int = 50) -> JobPage:
        page = await super().page(status, limit=1000)
        from_ = int(cursor or 0)
        cursors = [str(number) for number in range(from_ + 1, from_ + 1 + limit)]
        jobs = page.jobs[from_ : from_ + limit]
        return JobPage(jobs, cursors[: len(jobs)], str(from_ + limit) if len(page.jobs) > from_ + limit else None)


@mutant("test_inspection_a_cursor_of_nobody")
class AnyCursorIsTheFirstPage(Twin):
    """An invalid cursor counts as the beginning."""

    async def page(self, status: JobStatus, cursor: str | None = None, *, limit: int = 50) -> JobPage:
        try:
            return await super().page(status, cursor, limit=limit)
        except ValueError:
            return await super().page(status, limit=limit)


@mutant("test_inspection_the_load_of_a_queue")
class LoadTakesDelayedJobsForDue(Twin):
    """`load` counts jobs as due before their time has come."""

    async def load(self) -> Load:
        load = await super().load()
        return replace(load, due=load.due + load.delayed, delayed=0)


@mutant("test_inspection_the_load_of_a_queue")
class LoadCountsDeadWorkers(Twin):
    """`load` counts workers whose lock has run out."""

    async def load(self) -> Load:
        return replace(await super().load(), workers=len(self.state.workers))


@mutant("test_inspection_the_load_of_a_queue")
class LoadIsOldAtOnce(Twin):
    """`load` says that the first of the due jobs has been due since the queue was made."""

    async def load(self) -> Load:
        load = await super().load()
        return replace(load, oldest_due=load.oldest_due and load.oldest_due + timedelta(seconds=1))


@mutant("test_inspection_a_dead_worker_while_it_holds_claims")
class WorkersShowTheDead(Twin):
    """`workers` shows each worker that is known."""

    async def workers(self) -> list[StoredWorker]:
        known = sorted(self.state.workers.items())
        return [StoredWorker(worker, each.about, each.expires, len(each.claims)) for worker, each in known]


@mutant("test_inspection_a_dead_worker_while_it_holds_claims", found_by=[Search.MACHINE])
class WorkersHideTheDead(Twin):
    """`workers` does not show a dead worker whose jobs have not been recovered."""

    async def workers(self) -> list[StoredWorker]:
        now = self.now()
        return [each for each in await super().workers() if each.lock_ends > now]


@mutant("test_inspection_the_workers", found_by=[Search.MACHINE])
class WorkersHaveNothing(Twin):
    """`workers` does not count claims."""

    async def workers(self) -> list[StoredWorker]:
        return [replace(each, claims=0) for each in await super().workers()]


@mutant("test_inspection_the_workers", found_by=[Search.MACHINE])
class FirstDescriptionStays(Twin):
    """A worker that is opened again keeps its description."""

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        there = self.state.workers.get(worker)
        await super().open_worker(worker, hold_for, about=there.about if there else about)


@mutant("test_inspection_a_description_of_any_size")
class DescriptionsAreCut(Twin):
    """If a description is too large, its beginning is stored."""

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        await super().open_worker(worker, hold_for, about=about[:1024])


@mutant("test_inspection_the_load_of_a_paused_queue")
class LoadHidesAPause(Twin):
    """`load` does not say that the queue is paused."""

    async def load(self) -> Load:
        return replace(await super().load(), is_paused=False)


def _rounded(cursor: str, digits: int) -> str:
    """A cursor of the twin with so many digits of a second."""
    time, _, job_id = cursor.partition(" ")
    moment = datetime.fromisoformat(time)
    unit = 10 ** (6 - digits)
    return f"{moment.replace(microsecond=moment.microsecond // unit * unit).isoformat()} {job_id}"


@mutant("test_inspection_pages_are_parts_of_the_list")
class CursorsInMilliseconds(Twin):
    """Cursors have milliseconds, so that jobs of one millisecond are on two pages, or on none."""

    async def page(self, status: JobStatus, cursor: str | None = None, *, limit: int = 50) -> JobPage:
        page = await super().page(status, cursor, limit=limit)
        cursors = [_rounded(each, 3) for each in page.cursors]
        return JobPage(page.jobs, cursors, cursors[-1] if page.cursor else None)


@mutant("test_inspection_what_waits_is_listed_by_due_time")
class CursorsOfNoPast(Twin):
    """Cursors of times before 1970 have whole seconds."""

    async def page(self, status: JobStatus, cursor: str | None = None, *, limit: int = 50) -> JobPage:
        page = await super().page(status, cursor, limit=limit)
        cursors = [_rounded(each, 0) if each < "1970" else each for each in page.cursors]
        return JobPage(page.jobs, cursors, cursors[-1] if page.cursor else None)


@mutant("test_inspection_jobs_that_move_while_they_are_listed")
class ListsWhatHasLeft(Twin):
    """A listing shows jobs that have left its state when their turn comes, in the state that they are in by then."""

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        for job_id in [job.job_id async for job in super().jobs(status, limit=limit)]:
            if job := await self.get(job_id):
                yield job
