"""Callers and workers of one driver, which may share steps, connections and hints."""

import asyncio
from datetime import timedelta

import pytest

from jobsvalkey.contract import AbortOutcome, Capability, JobStatus
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, PATIENCE, STORED, SuiteContext, outcomes
from jobsvalkey_conformance.hints import LONG, take_old_hints

HOUR = timedelta(hours=1)


class SharingTests(Suite):
    """Nothing that one caller of a driver does, or gives up, is felt by another one."""

    @pytest.mark.parametrize("given_up", [1, 4])
    @conformance_test()
    async def test_sharing_a_push_is_given_up_on_its_way(self, kit: SuiteContext, given_up: int) -> None:
        """push answers for each job: also to those whose step is on its way when a caller of it is cancelled."""
        driver = await kit.driver()
        for turns in range(4):
            old = await kit.push(driver)
            jobs = [kit.job() if number % 2 else kit.job(job_id=old) for number in range(6)]
            pushes = [asyncio.ensure_future(driver.push([job])) for job in jobs]
            await pushes[0]  # the others come while it is under way
            for _ in range(turns):
                await asyncio.sleep(0)
            pushes[given_up].cancel()
            answers = await asyncio.gather(*pushes, return_exceptions=True)
            for number, (job, answer) in enumerate(zip(jobs, answers, strict=True)):
                if isinstance(answer, BaseException):
                    assert number == given_up
                else:
                    assert [pushed.job_id for pushed in answer] == [job.job_id]
                    assert outcomes(answer) == [STORED if number % 2 else DUPLICATE]

    @conformance_test(Capability.ABORT, hints=True)
    async def test_sharing_each_worker_hears_its_news(self, kit: SuiteContext) -> None:
        """wait returns at news of one of this worker's claims, whatever others of its driver do."""
        driver, other = await kit.driver(), await kit.driver()
        workers = [await kit.worker(driver) for _ in range(4)]
        ids = [await kit.push(driver) for _ in workers]
        for worker in workers:
            await worker.claim_one()
        first, second, full, late = workers
        await take_old_hints(first)
        waits = [asyncio.ensure_future(driver.wait(worker.id, LONG, work=worker is not full)) for worker in workers[:3]]
        try:
            await asyncio.sleep(0.03)
            assert await other.abort(ids[1]) is AbortOutcome.REQUESTED
            await asyncio.wait_for(waits[1], PATIENCE)
            # News that come while a worker does not wait are there when it does, if others have heard of them as well.
            assert await other.abort(ids[3]) is AbortOutcome.REQUESTED
            await driver.wait(second.id, timedelta(milliseconds=60))
            await asyncio.wait_for(driver.wait(late.id, LONG), PATIENCE)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    @conformance_test(hints=True)
    async def test_sharing_a_full_worker_leaves_hints_to_others(self, kit: SuiteContext) -> None:
        """wait with `work=False` takes no hint of work, also beside a worker of its driver that takes them."""
        driver, other = await kit.driver(), await kit.driver()
        idle, full, elsewhere = [await kit.worker(each) for each in (driver, driver, other)]
        for worker in (idle, full, elsewhere):
            await take_old_hints(worker)
        wait = asyncio.ensure_future(driver.wait(idle.id, LONG))
        await asyncio.sleep(0.02)
        full_wait = asyncio.ensure_future(driver.wait(full.id, LONG, work=False))
        try:
            await asyncio.sleep(0.02)
            await kit.push(other)
            await asyncio.wait_for(wait, PATIENCE)
            await kit.push(other)
            await asyncio.sleep(0.02)
            assert not full_wait.done(), "a worker that waits for no work was woken by a push"
            await asyncio.wait_for(other.wait(elsewhere.id, LONG), PATIENCE)
            assert not full_wait.done(), "a worker that waits for no work was woken by a push"
        finally:
            for each in (wait, full_wait):
                each.cancel()
            await asyncio.gather(wait, full_wait, return_exceptions=True)

    @conformance_test(Capability.RESULTS, hints=True)
    async def test_sharing_one_waits_on_when_another_gives_up(self, kit: SuiteContext) -> None:
        """ended waits until the job has ended: also if others that waited for it in the same driver have given up."""
        driver, waiting = await kit.driver(), await kit.driver(poll_time=HOUR)
        worker = await kit.worker(driver)
        for first in (True, False):
            job_id = await kit.push(driver, keep_for=HOUR)
            waiter = asyncio.ensure_future(waiting.ended([job_id], LONG))
            if first:
                await asyncio.sleep(0.02)
            await waiting.ended([job_id], timedelta(milliseconds=20))
            given_up = asyncio.ensure_future(waiting.ended([job_id, job_id], LONG))
            await asyncio.sleep(0.02)
            given_up.cancel()
            await asyncio.gather(given_up, return_exceptions=True)
            assert not waiter.done()
            await worker.finish(await worker.claim_one())
            (job,) = await asyncio.wait_for(waiter, PATIENCE)
            assert job is not None
            assert job.status is JobStatus.COMPLETED
