"""Waiting for the ends of jobs."""

import asyncio
import time
from datetime import timedelta

import pytest

from jobsvalkey.contract import Capability, Fail, Finish, JobID, JobStatus, new_job_id
from jobsvalkey_conformance.areas.results import returned
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import PATIENCE, SuiteContext
from jobsvalkey_conformance.harness import Hook

LONG = timedelta(seconds=PATIENCE * 2)
"""A timeout of `ended` that no test sits out."""
AT_ONCE = timedelta(0)


class EndedTests(Suite):
    """`ended` returns when a job has ended or is absent, or at the timeout, and changes nothing."""

    @conformance_test(Capability.RESULTS)
    async def test_ended_after_the_end(self, kit: SuiteContext) -> None:
        """ended: a job that has ended, or is absent, is answered at once, however long the timeout."""
        driver = await kit.driver()
        job_id, absent, pending = await returned(kit, driver, kit.unit), new_job_id(), await kit.push(driver)
        for asked in ([job_id], [absent], [pending, job_id], [absent, pending], []):
            jobs = await asyncio.wait_for(driver.ended(asked, LONG), PATIENCE)
            assert [job and (job.job_id, job.status, job.result) for job in jobs] == [
                {
                    job_id: (job_id, JobStatus.COMPLETED, b"1"),
                    absent: None,
                    pending: (pending, JobStatus.PENDING, None),
                }[each]
                for each in asked
            ]

    @pytest.mark.parametrize("how", ["finish", "fail", "cancel", "remove"])
    @pytest.mark.parametrize("is_kept", [True, False])
    @conformance_test(Capability.RESULTS, Capability.CANCEL, Capability.CLEANUP)
    async def test_ended_a_waiter_sees_the_end(self, kit: SuiteContext, how: str, is_kept: bool) -> None:
        """ended: returns once the job has ended, in whichever way; one that is not kept is absent."""
        driver, waiting = await kit.driver(), await kit.driver()
        job_id = await kit.push(driver, keep_for=LONG if is_kept else None)
        other = await kit.push(driver, due=timedelta(days=1))
        waiter = asyncio.create_task(waiting.ended([other, job_id], LONG))
        await asyncio.sleep(0.02)
        assert not waiter.done()
        if how in ("finish", "fail"):
            worker = await kit.worker(driver)
            claim = await worker.claim_one()
            end = Finish(job_id, claim.token, b"1") if how == "finish" else Fail(job_id, claim.token, b"error")
            await worker.settle(end)
        elif how == "cancel":
            assert await driver.cancel(job_id)
        else:
            assert await driver.remove(job_id)
        unended, ended = await asyncio.wait_for(waiter, PATIENCE)
        assert unended is not None
        assert unended.ended_at is None
        if how == "remove" or (not is_kept and how != "fail"):
            assert ended is None
        else:
            assert ended is not None
            assert ended.ended_at is not None

    @conformance_test(Capability.RESULTS, hints=True)
    async def test_ended_without_a_poll(self, kit: SuiteContext) -> None:
        """ended: a hint tells of the end, so that nobody waits for the next poll; of the second end as of the first."""
        driver, waiting = await kit.driver(), await kit.driver(poll_time=timedelta(hours=1))
        worker = await kit.worker(driver)
        for _ in range(3):
            job_id = await kit.push(driver, keep_for=LONG)
            waiter = asyncio.create_task(waiting.ended([job_id], LONG))
            await asyncio.sleep(0.05)
            assert not waiter.done()
            await worker.finish(await worker.claim_one())
            (job,) = await asyncio.wait_for(waiter, PATIENCE)
            assert job is not None
            assert job.status is JobStatus.COMPLETED

    @conformance_test(Capability.RESULTS)
    async def test_ended_the_poll_is_the_guarantee(self, kit: SuiteContext) -> None:
        """ended: an end without a hint is seen within a poll time, also after nobody has waited for a while."""
        driver, waiting = await kit.driver(), await kit.driver(poll_time=timedelta(milliseconds=10))
        worker = await kit.worker(driver)
        for _ in range(2):
            job_id = await kit.push(driver)  # nothing is kept of it: not all stores tell of its end
            waiter = asyncio.create_task(waiting.ended([job_id], LONG))
            await asyncio.sleep(0.015)  # it has looked once, in vain; if not, the end is seen all the same
            await worker.finish(await worker.claim_one())
            assert await asyncio.wait_for(waiter, PATIENCE) == [None]
            await asyncio.sleep(0.03)  # a poll passes for which nobody waits: nothing tells of it

    @conformance_test(Capability.RESULTS)
    async def test_ended_returns_at_its_timeout(self, kit: SuiteContext) -> None:
        """ended: waits for `timeout`, and no longer; the jobs are as they are then."""
        driver = await kit.driver()
        job_id = await kit.push(driver, keep_for=kit.unit)
        started = time.monotonic()
        for timeout in (AT_ONCE, timedelta(milliseconds=80)):
            began = time.monotonic()
            (job,) = await asyncio.wait_for(driver.ended([job_id], timeout), PATIENCE)
            assert time.monotonic() - began >= timeout.total_seconds() * 0.9
            assert job is not None
            assert job.status is JobStatus.PENDING
        assert time.monotonic() - started < PATIENCE / 2

    @conformance_test(Capability.RESULTS, Capability.INSPECTION)
    async def test_ended_waiting_changes_nothing(self, kit: SuiteContext) -> None:
        """ended: changes nothing and leaves nothing behind, also if it is cancelled."""
        driver = await kit.driver()
        job_id = await kit.push(driver, keep_for=kit.unit)
        before = await kit.harness.fingerprint(kit.configuration) if Hook.FINGERPRINT in kit.harness.hooks else None
        await driver.ended([job_id, new_job_id()], AT_ONCE)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(driver.ended([job_id], LONG), 0.02)
        if before is not None:
            assert await kit.harness.fingerprint(kit.configuration) == before
        assert await kit.claimed(driver) == [job_id]

    @conformance_test(Capability.RESULTS)
    async def test_ended_many_waiters(self, kit: SuiteContext) -> None:
        """ended: a hundred that wait in ten drivers each get their own job."""
        driver = await kit.driver()
        drivers = [await kit.driver() for _ in range(10)]
        jobs = [kit.job(keep_for=LONG) for _ in range(100)]
        await driver.push(jobs)

        async def wait(number: int) -> bytes | None:
            (job,) = await drivers[number % 10].ended([jobs[number].job_id], LONG)
            return job and job.result

        waiters = [asyncio.create_task(wait(number)) for number in range(100)]
        await asyncio.sleep(0.02)
        assert not any(waiter.done() for waiter in waiters)
        worker = await kit.worker(driver)
        claims = await worker.claim(100)
        for claim in claims:
            await worker.settle(Finish(claim.job_id, claim.token, str(claim.job_id).encode()))
        results = await asyncio.wait_for(asyncio.gather(*waiters), PATIENCE)
        assert results == [str(job.job_id).encode() for job in jobs]

    @pytest.mark.parametrize("how", ["exchange", "expiry", "steps"])
    @conformance_test(Capability.RESULTS, Capability.EXPIRY, hints=True)
    async def test_ended_a_hint_for_each_of_many(self, kit: SuiteContext, how: str) -> None:
        """ended: of many jobs that end in one step, or at the same time, each is told: nobody waits for a poll."""
        driver, waiting = await kit.driver(), await kit.driver(poll_time=timedelta(hours=1))
        expires = kit.now() + kit.unit if how == "expiry" else None
        jobs = [kit.job(keep_for=LONG, expires=expires) for _ in range(30)]
        await driver.push(jobs)
        waiters = [asyncio.create_task(waiting.ended([job.job_id], LONG)) for job in jobs]
        await asyncio.sleep(0.05)
        assert not any(waiter.done() for waiter in waiters)
        worker = await kit.worker(driver)
        if how == "expiry":
            await kit.advance(kit.unit)
            await worker.exchange()
        elif how == "exchange":
            await worker.finish(*await worker.claim(30))
        else:
            workers = [await kit.worker(await kit.driver()) for _ in range(5)]
            for _ in range(6):
                claims = [await worker.claim_one() for worker in workers]
                await asyncio.gather(*(worker.finish(claim) for worker, claim in zip(workers, claims, strict=True)))
        ended = await asyncio.wait_for(asyncio.gather(*waiters), PATIENCE)
        state = JobStatus.CANCELLED if how == "expiry" else JobStatus.COMPLETED
        assert [(job and job.job_id, job and job.status) for (job,) in ended] == [(job.job_id, state) for job in jobs]

    @pytest.mark.parametrize("size", [10, 251, 1001])
    @conformance_test(Capability.RESULTS)
    async def test_ended_any_number_of_jobs(self, kit: SuiteContext, size: int) -> None:
        """ended: returns all of the jobs that were asked for, in that order, however many; one named twice as well."""
        driver = await kit.driver()
        ids: list[JobID] = []
        for start in range(0, size, 1000):
            ids += await kit.push_many(driver, min(size - start, 1000))
        asked = [*reversed(ids), new_job_id(), ids[0]]
        jobs = await asyncio.wait_for(driver.ended(asked, LONG), PATIENCE)
        assert [job and job.job_id for job in jobs] == [*reversed(ids), None, ids[0]]
