"""Cancelling jobs."""

import pytest

from jobsvalkey.contract import (
    RETAIN,
    Capability,
    JobStatus,
    Release,
    RetentionPolicy,
    SettleOutcome,
    new_job_id,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, RETAIN_ALL, STORED, SuiteContext, outcomes


class CancelTests(Suite):
    """`cancel`: pending, paused → cancelled if retained, else absent."""

    @pytest.mark.parametrize("delayed", [False, True])
    @conformance_test(Capability.CANCEL)
    async def test_cancel_a_cancelled_job_is_not_claimed(self, kit: SuiteContext, *, delayed: bool) -> None:
        """cancel: pending → absent, due or delayed if cancelled jobs are not retained."""
        driver = await kit.driver()
        other = await kit.push(driver)
        job_id = await kit.push(driver, due=kit.unit if delayed else None)
        assert await driver.cancel(job_id) is True
        await kit.advance(kit.unit)
        assert await kit.claimed(driver) == [other]
        assert outcomes(await driver.push([kit.job(job_id=job_id)])) == [STORED]

    @pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PAUSED])
    @conformance_test(Capability.CANCEL, Capability.INSPECTION)
    async def test_cancel_a_cancelled_job_is_retained(self, kit: SuiteContext, status: JobStatus) -> None:
        """cancel: pending, paused → cancelled if cancelled jobs are retained."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.in_state(driver, status)
        before = await driver.get(job_id)
        await kit.advance(kit.unit)
        assert await driver.cancel(job_id) is True
        stored = await driver.get(job_id)
        assert stored is not None
        assert before is not None
        assert stored.status is JobStatus.CANCELLED
        assert stored.request == before.request
        assert stored.due is None
        assert kit.same_time(stored.ended_at, kit.now())
        assert await kit.claimed(driver) == []

    @conformance_test(Capability.CANCEL, Capability.RESUME)
    async def test_cancel_a_paused_job_is_gone(self, kit: SuiteContext) -> None:
        """cancel: paused → absent if cancelled jobs are not retained; nothing resumes it, and its id is free."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        await driver.pause(job_id)
        assert await driver.cancel(job_id) is True
        assert await driver.resume(job_id) is False
        assert await driver.cancel(job_id) is False
        assert outcomes(await driver.push([kit.job(job_id=job_id)])) == [STORED]

    @conformance_test(Capability.CANCEL)
    async def test_cancel_what_is_kept_stays(self, kit: SuiteContext) -> None:
        """cancel of a job that has ended is `False`, and nothing changes: it is kept, and its id is taken."""
        driver = await kit.driver(retention_policy=RetentionPolicy(completed_jobs=RETAIN))
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        assert await driver.cancel(job_id) is False
        assert outcomes(await driver.push([kit.job(job_id=job_id)])) == [DUPLICATE]

    @conformance_test(Capability.CANCEL)
    async def test_cancel_a_running_job_keeps_its_data(self, kit: SuiteContext) -> None:
        """cancel of a processing job is `False` and changes nothing: the job runs on, keeps its data and is settled."""
        driver = await kit.driver()
        job_id = await kit.push(driver, b"request")
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert await driver.cancel(job_id) is False
        assert await worker.settle(Release(job_id, claim.token)) == [SettleOutcome.SETTLED]
        again = await worker.claim_one()
        assert (again.job_id, again.request) == (job_id, b"request")

    @pytest.mark.parametrize(
        "status", [JobStatus.PROCESSING, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED]
    )
    @conformance_test(Capability.CANCEL, Capability.INSPECTION)
    async def test_cancel_what_ran_is_left_as_it_is(self, kit: SuiteContext, status: JobStatus) -> None:
        """cancel otherwise is `False`, nothing changes: a running or finished job keeps its data."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.in_state(driver, status)
        before = await driver.get(job_id)
        await kit.advance(kit.unit)
        assert await driver.cancel(job_id) is False
        assert before is not None
        assert await driver.get(job_id) == before

    @conformance_test(Capability.CANCEL)
    async def test_cancel_a_job_that_is_not_there(self, kit: SuiteContext) -> None:
        """cancel of an absent job is `False`; cancelling twice finds nothing the second time."""
        driver = await kit.driver()
        assert await driver.cancel(new_job_id()) is False
        job_id = await kit.push(driver)
        assert await driver.cancel(job_id) is True
        assert await driver.cancel(job_id) is False

    @conformance_test(Capability.CANCEL)
    async def test_cancel_an_id_of_the_user_is_remembered(self, kit: SuiteContext) -> None:
        """An id that the user gave is remembered after its job became absent, by a cancel too."""
        driver = await kit.driver(idempotency_window=kit.unit)
        job = kit.job(remember=True)
        await driver.push([job])
        assert await driver.cancel(job.job_id)
        assert outcomes(await driver.push([job])) == [DUPLICATE]
        await kit.advance(kit.unit)
        assert outcomes(await driver.push([job])) == [STORED]
