"""Pausing and resuming jobs."""

import pytest

from jobsvalkey.contract import Capability, JobStatus, new_job_id
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import RETAIN_ALL, SuiteContext


class ResumeTests(Suite):
    """`pause`: pending → paused; `resume`: paused → pending, at its kept due time."""

    @conformance_test(Capability.RESUME)
    async def test_resume_a_paused_job_is_not_claimed(self, kit: SuiteContext) -> None:
        """pause: pending → paused; only what is pending is claimed."""
        driver = await kit.driver()
        one, two, three = await kit.push_many(driver, 3)
        assert await driver.pause(two) is True
        await kit.advance(kit.unit)
        assert await kit.claimed(driver) == [one, three]

    @conformance_test(Capability.RESUME)
    async def test_resume_a_resumed_job_is_claimed(self, kit: SuiteContext) -> None:
        """resume: paused → pending, with the request that it had."""
        driver = await kit.driver()
        job_id = await kit.push(driver, b"request")
        await driver.pause(job_id)
        assert await driver.resume(job_id) is True
        claim = await (await kit.worker(driver)).claim_one()
        assert (claim.job_id, claim.request) == (job_id, b"request")

    @conformance_test(Capability.RESUME)
    async def test_resume_a_delay_is_not_forgotten(self, kit: SuiteContext) -> None:
        """resume: pending, at its kept due time: one that is ahead is still waited for."""
        driver = await kit.driver()
        due = kit.now() + kit.unit
        job_id = await kit.push(driver, due=due)
        await driver.pause(job_id)
        assert await driver.resume(job_id) is True
        assert await kit.claimed(driver) == []
        await kit.advance(kit.unit)
        claim = await (await kit.worker(driver)).claim_one()
        assert claim.job_id == job_id
        assert abs(claim.due - due) <= kit.harness.time_precision

    @conformance_test(Capability.RESUME)
    async def test_resume_a_place_is_not_lost(self, kit: SuiteContext) -> None:
        """resume: pending, at its kept due time: its place in the order is what it was."""
        driver = await kit.driver()
        start = kit.now() - kit.unit
        first, second, third = [await kit.push(driver, due=start + kit.unit * part / 10) for part in (1, 2, 3)]
        for job_id in (second, first):
            await driver.pause(job_id)
        await kit.advance(kit.unit)
        for job_id in (second, first):
            assert await driver.resume(job_id) is True
        assert await kit.claimed(driver) == [first, second, third]

    @conformance_test(Capability.RESUME)
    async def test_resume_a_due_time_that_came_while_it_was_paused(self, kit: SuiteContext) -> None:
        """A paused job is not pending when its due time comes; resumed later, it is due at once."""
        driver = await kit.driver()
        job_id = await kit.push(driver, due=kit.unit)
        await driver.pause(job_id)
        await kit.advance(kit.unit * 2)
        assert await kit.claimed(driver) == []
        await driver.resume(job_id)
        assert await kit.claimed(driver) == [job_id]

    @conformance_test(Capability.RESUME)
    async def test_resume_what_runs_or_has_ended_is_left_alone(self, kit: SuiteContext) -> None:
        """pause and resume otherwise are `False`, and nothing changes: the claim is held, an ended job stays."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.push(driver)
        assert await driver.resume(job_id) is False
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert [await driver.pause(job_id), await driver.resume(job_id)] == [False, False]
        await worker.finish(claim)
        assert [await driver.pause(job_id), await driver.resume(job_id)] == [False, False]
        assert await kit.claimed(driver) == []

    @pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.PENDING])
    @conformance_test(Capability.RESUME, Capability.INSPECTION)
    async def test_resume_only_what_is_pending_is_paused(self, kit: SuiteContext, status: JobStatus) -> None:
        """pause otherwise is `False`, and nothing changes."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.in_state(driver, status)
        before = await driver.get(job_id)
        assert await driver.pause(job_id) is False
        assert before is not None
        assert await driver.get(job_id) == before

    @pytest.mark.parametrize(
        "status", [status for status in JobStatus if status not in (JobStatus.PAUSED, JobStatus.WAITING)]
    )
    @conformance_test(Capability.RESUME, Capability.INSPECTION)
    async def test_resume_only_what_is_paused_is_resumed(self, kit: SuiteContext, status: JobStatus) -> None:
        """resume otherwise is `False`, and nothing changes."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.in_state(driver, status)
        before = await driver.get(job_id)
        assert await driver.resume(job_id) is False
        assert before is not None
        assert await driver.get(job_id) == before

    @conformance_test(Capability.RESUME)
    async def test_resume_a_job_that_is_not_there(self, kit: SuiteContext) -> None:
        """pause and resume of an absent job are `False`, and no error."""
        driver = await kit.driver()
        assert await driver.pause(new_job_id()) is False
        assert await driver.resume(new_job_id()) is False
        assert await kit.claimed(driver) == []

    @conformance_test(Capability.RESUME, Capability.INSPECTION)
    async def test_resume_a_paused_job_as_it_is_stored(self, kit: SuiteContext) -> None:
        """pause: paused, keeps its due time, request and time stored."""
        driver = await kit.driver()
        job_id = await kit.push(driver, b"request", due=kit.unit * 5)
        before = await driver.get(job_id)
        await kit.advance(kit.unit)
        await driver.pause(job_id)
        paused = await driver.get(job_id)
        assert before is not None
        assert paused is not None
        assert paused.status is JobStatus.PAUSED
        assert (paused.due, paused.stored_at, paused.request) == (before.due, before.stored_at, before.request)
        await driver.resume(job_id)
        assert await driver.get(job_id) == before
