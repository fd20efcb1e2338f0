"""Looking into the queue."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobsvalkey.contract import (
    FINISHED,
    Capability,
    Fail,
    JobCleanup,
    JobID,
    JobStatus,
    Load,
    PayloadTooLarge,
    Retry,
    StoredJob,
    StoredWorker,
    new_job_id,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import RETAIN_ALL, STORED, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.harness import AnyDriver

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def all_jobs(driver: AnyDriver) -> list[StoredJob]:
    """The jobs of all states, as they are listed."""
    return [stored for status in JobStatus for stored in [each async for each in driver.jobs(status)]]


async def leafed(driver: AnyDriver, status: JobStatus) -> list[JobID]:
    """The jobs of a state, on pages of one."""
    page = await driver.page(status, limit=1)
    seen = [stored.job_id for stored in page.jobs]
    while page.cursor is not None:
        page = await driver.page(status, page.cursor, limit=1)
        seen += [stored.job_id for stored in page.jobs]
    return seen


class InspectionTests(Suite):
    """`get`, `status`, `counts`, `jobs` and `validate`."""

    @conformance_test(Capability.INSPECTION)
    async def test_inspection_an_empty_queue(self, kit: SuiteContext) -> None:
        """All reads of what is not there say so; `counts` lists all states."""
        driver = await kit.driver()
        assert await driver.get(new_job_id()) is None
        assert await driver.status(new_job_id()) is None
        assert await driver.counts() == dict.fromkeys(JobStatus, 0)
        assert await all_jobs(driver) == []
        assert await driver.validate() == []

    @pytest.mark.parametrize("status", list(JobStatus))
    @conformance_test(Capability.INSPECTION)
    async def test_inspection_a_job_in_every_state(self, kit: SuiteContext, status: JobStatus) -> None:
        """Every read shows a job in the same state, with the times that belong to the state."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.in_state(driver, status)
        stored = await driver.get(job_id)
        assert stored is not None
        assert (stored.job_id, stored.status) == (job_id, status)
        assert stored.request is not None
        assert kit.same_time(stored.stored_at, kit.now())
        runs = status is JobStatus.PROCESSING
        waits = not runs and status not in FINISHED
        assert (stored.due is not None) == (waits or runs)
        assert (stored.claimed_at is not None) == (stored.worker is not None) == runs
        assert (stored.ended_at is not None) == (status in FINISHED)
        assert stored.error == (b"error" if status is JobStatus.FAILED else None)
        assert (stored.recoveries, stored.reset_attempt) == (0, False)
        assert await driver.status(job_id) is status
        assert await driver.counts() == {each: int(each is status) for each in JobStatus}
        assert [each async for each in driver.jobs(status)] == [stored]
        assert await driver.validate() == []

    @pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PAUSED])
    @conformance_test(Capability.INSPECTION)
    async def test_inspection_what_waits_is_listed_by_due_time(self, kit: SuiteContext, status: JobStatus) -> None:
        """`jobs` and `page`: pending and paused by due time, however far away or near to each other these are."""
        driver = await kit.driver()
        if status is JobStatus.PAUSED:
            kit.needs(Capability.RESUME)
        far = [datetime(year, 3, 1, tzinfo=UTC) for year in (2, 1930, 1970, 2199, 2201, 9998)]
        soon = kit.now() + timedelta(hours=1)  # on a busy machine, too, later than the job that is due now
        near = [each + n * kit.harness.time_precision for each in (soon, EPOCH) for n in (-1, 0, 1)]
        jobs = [kit.job(due=due) for due in (*reversed(near), *far, None)]
        assert outcomes(await driver.push(jobs)) == [STORED] * len(jobs)
        for job in jobs if status is JobStatus.PAUSED else ():
            assert await driver.pause(job.job_id)
        listed = [stored.job_id async for stored in driver.jobs(status)]
        assert listed == [job.job_id for job in sorted(jobs, key=lambda job: job.due or kit.now())]
        assert [stored.job_id async for stored in driver.jobs(status, limit=2)] == listed[:2]
        assert await leafed(driver, status) == listed

    @pytest.mark.parametrize("status", sorted(FINISHED))
    @conformance_test(Capability.INSPECTION)
    async def test_inspection_what_has_ended_is_listed_latest_first(self, kit: SuiteContext, status: JobStatus) -> None:
        """`jobs`: finished by end, latest first."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        ids: list[JobID] = []
        for _ in range(4):
            ids.append(await kit.in_state(driver, status))
            await kit.advance(timedelta(milliseconds=5))
        assert [stored.job_id async for stored in driver.jobs(status)] == ids[::-1]
        assert [stored.job_id async for stored in driver.jobs(status, limit=3)] == ids[::-1][:3]
        assert [stored.job_id async for stored in driver.jobs(status, limit=0)] == []

    @pytest.mark.parametrize("status", sorted(set(JobStatus) - {JobStatus.PROCESSING}))
    @conformance_test(Capability.INSPECTION, driven_clock=True)
    async def test_inspection_equal_times_by_id(self, kit: SuiteContext, status: JobStatus) -> None:
        """`jobs` and `page`: of equal due times the lower id comes first, of equal ends the higher, latest first."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        ids = [await kit.in_state(driver, status) for _ in range(5)] if status is not JobStatus.PENDING else []
        if status is JobStatus.PENDING:
            jobs = [kit.job() for _ in range(5)]
            await driver.push(jobs[::-1])
            ids = [job.job_id for job in jobs]
        expected = ids[::-1] if status in FINISHED else ids
        assert [stored.job_id async for stored in driver.jobs(status)] == expected
        listed: list[JobID] = []
        cursor = None
        while len(listed) < 5:
            page = await driver.page(status, limit=2, cursor=cursor)
            listed += [stored.job_id for stored in page.jobs]
            cursor = page.cursor
            if cursor is None:
                break
        assert listed == expected

    @conformance_test(Capability.INSPECTION)
    async def test_inspection_what_runs_is_listed(self, kit: SuiteContext) -> None:
        """`jobs` shows all that is processing, with its worker."""
        driver = await kit.driver()
        ids = await kit.push_many(driver, 4)
        workers = [await kit.worker(driver), await kit.worker(driver)]
        for worker in workers:
            await worker.claim(2)
        listed = {stored.job_id: stored.worker async for stored in driver.jobs(JobStatus.PROCESSING)}
        assert listed == {
            ids[0]: workers[0].id,
            ids[1]: workers[0].id,
            ids[2]: workers[1].id,
            ids[3]: workers[1].id,
        }

    @conformance_test(Capability.INSPECTION)
    async def test_inspection_many_jobs_are_seen_once_each(self, kit: SuiteContext) -> None:
        """`jobs` goes in chunks; those that stay are seen once."""
        driver = await kit.driver(max_atomic_push=2000)
        ids = await kit.push_many(driver, 1500)
        assert [stored.job_id async for stored in driver.jobs(JobStatus.PENDING)] == ids
        assert [stored.job_id async for stored in driver.jobs(JobStatus.PENDING, limit=701)] == ids[:701]

    @conformance_test(Capability.INSPECTION)
    async def test_inspection_jobs_that_move_while_they_are_listed(self, kit: SuiteContext) -> None:
        """Jobs that move while `jobs` runs may be missed; those that stay are seen once."""
        driver = await kit.driver()
        ids = await kit.push_many(driver, 900)
        worker = await kit.worker(driver)
        seen: list[JobID] = []
        async for stored in driver.jobs(JobStatus.PENDING):
            seen.append(stored.job_id)
            assert stored.status is JobStatus.PENDING, "it is not on this list any more"
            if len(seen) in (1, 300, 600):
                await worker.claim(50)
        assert len(seen) == len(set(seen))
        assert set(ids[150:]) <= set(seen)

    @conformance_test(Capability.INSPECTION, Capability.RESUME)
    async def test_inspection_pages_while_jobs_move(self, kit: SuiteContext) -> None:
        """`page`: jobs that stay are on one page each, whatever becomes of others while a page is made."""
        driver, *others = [await kit.driver() for _ in range(3)]
        ids = await kit.push_many(driver, 5)

        async def move(other: AnyDriver, job_id: JobID, leafing: asyncio.Future[list[JobID]]) -> None:
            while not leafing.done():
                assert await other.pause(job_id)
                assert await other.resume(job_id)
                await asyncio.sleep(0)

        for _ in range(8):
            leafing = asyncio.ensure_future(leafed(driver, JobStatus.PENDING))
            await asyncio.gather(*(move(*each, leafing) for each in zip(others, ids[1::2], strict=True)))
            seen = await leafing
            assert [job_id for job_id in seen if job_id not in ids[1::2]] == ids[::2]
            assert len(seen) == len(set(seen))

    @pytest.mark.parametrize("status", list(JobStatus))
    @conformance_test(Capability.INSPECTION)
    async def test_inspection_pages_are_parts_of_the_list(self, kit: SuiteContext, status: JobStatus) -> None:
        """`page`: up to `limit` jobs in the order of `jobs`; each cursor goes on behind its job."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        for _ in range(5):
            await kit.in_state(driver, status)
            await kit.advance(kit.harness.time_precision)
        whole = await driver.page(status, limit=5)
        jobs = list(whole.jobs)
        listed = [stored async for stored in driver.jobs(status)]
        if status is JobStatus.PROCESSING:
            assert sorted(jobs, key=lambda job: job.job_id) == sorted(listed, key=lambda job: job.job_id)
        else:
            assert jobs == listed
        assert whole.cursor is None
        for number, cursor in enumerate(whole.cursors, start=1):
            rest = await driver.page(status, cursor, limit=2)
            assert list(rest.jobs) == jobs[number : number + 2]
            assert (rest.cursor is None) == (number + 2 >= 5)
        first = await driver.page(status, limit=2)
        assert (list(first.jobs), first.cursor) == (jobs[:2], first.cursors[1])
        assert await driver.page(status, limit=0) == ([], [], None)

    @pytest.mark.parametrize("status", list(JobStatus))
    @conformance_test(Capability.INSPECTION)
    async def test_inspection_a_cursor_whose_job_has_gone(self, kit: SuiteContext, status: JobStatus) -> None:
        """`page`: jobs that stay are on one page each, whatever becomes of the one at the cursor."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        kit.needs(Capability.CLEANUP)
        for _ in range(4):
            await kit.in_state(driver, status)
            await kit.advance(kit.harness.time_precision)
        jobs = list((await driver.page(status)).jobs)
        first = await driver.page(status, limit=2)
        assert list(first.jobs) == jobs[:2]
        if status is JobStatus.PROCESSING:
            assert await driver.cleanup_step(status, JobCleanup.remove(), max_jobs=2) == 2
        else:
            for gone in jobs[:2]:
                assert await driver.remove(gone.job_id)
        assert list((await driver.page(status, first.cursor)).jobs) == jobs[2:]

    @pytest.mark.parametrize("cursor", ["", "x", "soon 0195F3A0-5C1E-7D5A-9D8E-0A1B2C3D4E5F", "\u2603"])
    @conformance_test(Capability.INSPECTION)
    async def test_inspection_a_cursor_of_nobody(self, kit: SuiteContext, cursor: str) -> None:
        """`page` raises a `ValueError` for a cursor that is none."""
        driver = await kit.driver()
        await kit.push(driver)
        with pytest.raises(ValueError, match="cursor"):
            await driver.page(JobStatus.PENDING, cursor)

    @conformance_test(Capability.INSPECTION)
    async def test_inspection_the_load_of_a_queue(self, kit: SuiteContext) -> None:
        """`load` counts due, delayed and running jobs and live workers, and says since when the first is due."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        empty = Load(due=0, delayed=0, processing=0, oldest_due=None, workers=0, is_paused=False)
        assert await driver.load() == empty
        worker, dead = await kit.worker(driver), await kit.worker(driver, kit.unit)
        delayed = [await kit.push(driver, due=kit.unit * number) for number in (3, 5, 6)]
        assert await driver.load() == replace(empty, delayed=3, workers=2)
        await kit.push(driver)
        load = await driver.load()
        assert load == replace(empty, due=1, delayed=3, oldest_due=load.oldest_due, workers=2)
        assert load.oldest_due is not None, "one that is due at this moment is due"
        await dead.claim_one()
        assert await driver.load() == replace(empty, delayed=3, processing=1, workers=2)
        await kit.advance(kit.unit * 4)
        load = await driver.load()
        assert load == replace(empty, due=1, delayed=2, processing=1, oldest_due=load.oldest_due, workers=1)
        assert load.oldest_due is not None
        assert kit.same_time(kit.now() - load.oldest_due, kit.now() - kit.unit)
        await worker.finish(await worker.claim_one())
        await driver.close_worker(worker.id)
        assert (await driver.status(delayed[0])) is JobStatus.COMPLETED
        assert await driver.load() == replace(empty, delayed=2, processing=1)

    @conformance_test(Capability.INSPECTION, Capability.PAUSE_QUEUE)
    async def test_inspection_the_load_of_a_paused_queue(self, kit: SuiteContext) -> None:
        """`load` says whether the queue is paused, and counts as ever."""
        driver = await kit.driver()
        await kit.push(driver)
        await driver.pause_queue()
        load = await driver.load()
        assert (load.due, load.is_paused) == (1, True)
        await driver.resume_queue()
        assert not (await driver.load()).is_paused

    @conformance_test(Capability.INSPECTION)
    async def test_inspection_the_workers(self, kit: SuiteContext) -> None:
        """`workers`: those that live, by id, with what the last opening said, the end of the lock, and their claims."""
        driver = await kit.driver()
        assert await driver.workers() == []
        await kit.push_many(driver, 3)
        one, other = Worker(driver, "one"), Worker(driver, "other")
        for worker, about in ((other, b"\x00 any\xff"), (one, b"first"), (one, b"last")):
            await driver.open_worker(worker.id, kit.unit * 10, about=about)
        await driver.renew(one.id, kit.unit * 2)
        claims = await one.claim(3)
        await one.finish(claims[0])
        now, found = kit.now(), await driver.workers()
        shown = [(each.worker, each.about, each.claims) for each in found]
        assert shown == [("one", b"last", 2), ("other", b"\x00 any\xff", 0)]
        for each, units in zip(found, (2, 10), strict=True):
            assert kit.same_time(each.lock_ends, now + kit.unit * units)
        await driver.renew(one.id, kit.unit * 20)
        assert [each.worker for each in await driver.workers()] == ["one", "other"], "neither by opening nor by lock"
        await driver.close_worker(one.id)
        assert [(each.worker, each.claims) for each in await driver.workers()] == [("other", 0)]

    @conformance_test(Capability.INSPECTION)
    async def test_inspection_a_dead_worker_while_it_holds_claims(self, kit: SuiteContext) -> None:
        """`workers`: one whose lock has run out is shown until its jobs are recovered, and when it lives again."""
        driver = await kit.driver()
        await kit.push(driver)
        idle, dead = await kit.worker(driver, kit.unit), await kit.worker(driver, kit.unit)
        await dead.claim_one()
        ends = kit.now() + kit.unit
        await kit.advance(kit.unit)
        (shown,) = await driver.workers()
        assert shown == StoredWorker(dead.id, b"", shown.lock_ends, 1)
        assert kit.same_time(shown.lock_ends, ends)
        assert await driver.recover() == 1
        assert await driver.workers() == []
        await driver.renew(idle.id, kit.unit)
        assert [each.worker for each in await driver.workers()] == [idle.id]

    @conformance_test(Capability.INSPECTION)
    async def test_inspection_a_description_of_any_size(self, kit: SuiteContext) -> None:
        """`about` of a worker: 1 KiB is stored, more is `PayloadTooLarge`, and the worker is not known."""
        driver = await kit.driver()
        await driver.open_worker("one", kit.unit, about=b"x" * 1024)
        with pytest.raises(PayloadTooLarge):
            await driver.open_worker("other", kit.unit, about=b"x" * 1025)
        assert [(each.worker, len(each.about)) for each in await driver.workers()] == [("one", 1024)]

    @conformance_test(Capability.INSPECTION)
    async def test_inspection_the_envelope_is_shown(self, kit: SuiteContext) -> None:
        """`get` shows request and envelope as the last step left them."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.push(driver, b"attempt 1")
        dead = await kit.worker(driver, kit.unit)
        await dead.claim_one()
        await kit.advance(kit.unit)
        await driver.recover()
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        processing = await driver.get(job_id)
        assert processing is not None
        assert processing.recoveries == 1
        assert processing.due == claim.due
        await worker.settle(Retry(job_id, claim.token, b"attempt 2", None, b"error 1"))
        pending = await driver.get(job_id)
        assert pending is not None
        assert (pending.request, pending.error, pending.recoveries) == (b"attempt 2", b"error 1", 0)
        claim = await worker.claim_one()
        await worker.settle(Fail(job_id, claim.token, b"error 2", keep=True))
        failed = await driver.get(job_id)
        assert failed is not None
        assert (failed.request, failed.error) == (b"attempt 2", b"error 2")

    @conformance_test(Capability.INSPECTION)
    async def test_inspection_reads_change_nothing(self, kit: SuiteContext) -> None:
        """Reads are reads: whatever is asked, each job stays as it is."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        for status in (JobStatus.PROCESSING, JobStatus.PENDING):
            await kit.in_state(driver, status)

        async def look() -> list[StoredJob]:
            stored = await all_jobs(driver)
            for each in stored:
                assert await driver.get(each.job_id) == each
            assert sum((await driver.counts()).values()) == len(stored)
            assert await driver.validate() == []
            return stored

        assert await look() == await look()

    @conformance_test(Capability.INSPECTION)
    async def test_inspection_a_busy_queue_is_valid(self, kit: SuiteContext) -> None:
        """`validate` finds nothing if nothing is wrong, whatever has been done."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        await kit.push_many(driver, 30)
        dead, worker = await kit.worker(driver, kit.unit), await kit.worker(driver)
        claims = await dead.claim(10)
        await dead.finish(*claims[:3])
        await dead.settle(*(Fail(claim.job_id, claim.token, b"error") for claim in claims[3:5]))
        await dead.settle(Retry(claims[5].job_id, claims[5].token, due=kit.unit))
        await worker.claim(10)
        assert await driver.validate() == []
        await kit.advance(kit.unit)
        await driver.recover()
        assert await driver.validate() == []
        await driver.close_worker(worker.id)
        assert await driver.validate() == []

    @conformance_test(Capability.INSPECTION)
    async def test_inspection_what_is_gone_leaves_nothing_behind(self, kit: SuiteContext) -> None:
        """Absent is absent: of jobs that ended and are not retained `validate` finds no remains."""
        driver = await kit.driver()
        await kit.push_many(driver, 3)
        worker = await kit.worker(driver)
        await worker.finish(*await worker.claim(3))
        assert await driver.counts() == dict.fromkeys(JobStatus, 0)
        assert await driver.validate() == []
