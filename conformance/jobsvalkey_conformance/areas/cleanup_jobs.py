"""Whole cleanups, and cleanups as jobs of the queue that they clean up."""

import pytest

from jobsvalkey.contract import Capability, CleanupParameters, Fail, JobCleanup, JobID, JobStatus
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import RETAIN_ALL, SuiteContext


class CleanupJobTests(Suite):
    """`cleanup`, `cleanup_job` and its handler."""

    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_cleanup_the_cleanup_job(self, kit: SuiteContext) -> None:
        """The driver brings its cleanup as a job: its handler cleans up as its parameters say, but for itself."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        await kit.in_state(driver, JobStatus.COMPLETED)
        failed = await kit.in_state(driver, JobStatus.FAILED)
        handlers = {service.job.name: service.handler for service in driver.service_jobs}
        assert driver.cleanup_job.name in handlers
        assert driver.cleanup_job.parameters is CleanupParameters
        itself = await kit.push(driver)
        claim = await (await kit.worker(driver)).claim_one()
        remove = JobCleanup.remove()
        await handlers[driver.cleanup_job.name](CleanupParameters(completed_jobs=remove, processing_jobs=remove), claim)
        here = (JobStatus.FAILED, JobStatus.PROCESSING)
        assert await driver.counts() == {each: int(each in here) for each in JobStatus}
        assert await driver.status(failed) is JobStatus.FAILED
        assert await driver.status(itself) is JobStatus.PROCESSING

    @pytest.mark.parametrize("lost", [False, True])
    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_cleanup_the_cleanup_job_takes_what_was_there(self, kit: SuiteContext, lost: bool) -> None:
        """A cleanup job passes over what came after its claim, and does nothing if its claim is lost."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        before = await kit.in_state(driver, JobStatus.PROCESSING)
        await kit.push(driver)
        claim = await (await kit.worker(driver)).claim_one()
        await kit.advance(kit.unit)
        after = await kit.in_state(driver, JobStatus.PROCESSING)
        if lost:
            await driver.cleanup_step(JobStatus.PROCESSING, JobCleanup.remove(), max_jobs=3, except_for=after)
            before = await kit.in_state(driver, JobStatus.PROCESSING)
        handlers = {service.job.name: service.handler for service in driver.service_jobs}
        await handlers[driver.cleanup_job.name](CleanupParameters(processing_jobs=JobCleanup.remove()), claim)
        assert await driver.status(before) is (JobStatus.PROCESSING if lost else None)
        assert await driver.status(after) is JobStatus.PROCESSING

    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_cleanup_a_cleanup_job_that_was_rerun(self, kit: SuiteContext) -> None:
        """A cleanup job that was rerun itself reruns nothing, and removes as ever: cleanups never go in a circle."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        completed = await kit.in_state(driver, JobStatus.COMPLETED)
        failed = await kit.in_state(driver, JobStatus.FAILED)
        handlers = {service.job.name: service.handler for service in driver.service_jobs}
        parameters = CleanupParameters(completed_jobs=JobCleanup.RERUN, failed_jobs=JobCleanup.remove())
        await kit.push(driver)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        await worker.settle(Fail(claim.job_id, claim.token, b"error"))
        assert await driver.rerun(claim.job_id)
        claim = await worker.claim_one()
        assert claim.reset_attempt
        await handlers[driver.cleanup_job.name](parameters, claim)
        assert await driver.status(completed) is JobStatus.COMPLETED
        assert await driver.status(failed) is None

    @conformance_test(Capability.CLEANUP, Capability.INSPECTION)
    async def test_cleanup_takes_no_more_than_there_were(self, kit: SuiteContext) -> None:
        """A cleanup takes no more jobs of a state than were in it when it began: others come in while it goes on."""
        driver, other = [await kit.driver(retention_policy=RETAIN_ALL) for _ in range(2)]
        before = [await kit.in_state(driver, JobStatus.COMPLETED) for _ in range(2)]
        counts = driver.counts

        async def counts_and_then_more(_: object) -> dict[JobStatus, int]:
            present = await counts()
            await kit.advance(kit.unit)
            after.append(await kit.in_state(other, JobStatus.COMPLETED))
            return present

        after: list[JobID] = []
        # Of its class, as an instance may have slots. A driver that does not count sees nothing of this.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(driver), "counts", counts_and_then_more, raising=False)
            cleaned = await driver.cleanup(completed_jobs=JobCleanup.remove())
        assert cleaned[JobStatus.COMPLETED] == 2
        assert [await driver.status(job_id) for job_id in before] == [None, None]
        assert all([await driver.status(job_id) is JobStatus.COMPLETED for job_id in after])
