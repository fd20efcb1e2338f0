"""The fate of jobs that have expired, and of the expiry of those that have not."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    EXPIRED,
    PARENT_FAILED,
    Capability,
    Fail,
    JobCleanup,
    JobID,
    JobStatus,
    Release,
    StoreOutcome,
    Unique,
)
from jobsvalkey_conformance.areas.expiry import assert_expired, exchanged
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, PATIENCE, RETAIN_ALL, STORED, SuiteContext, outcomes
from jobsvalkey_conformance.harness import AnyDriver


async def _cancel(driver: AnyDriver, job_id: JobID) -> None:
    assert await driver.cancel(job_id)


async def _cancel_paused(driver: AnyDriver, job_id: JobID) -> None:
    assert await driver.pause(job_id)
    assert await driver.cancel(job_id)


async def _remove(driver: AnyDriver, job_id: JobID) -> None:
    assert await driver.remove(job_id)


async def _abort(driver: AnyDriver, job_id: JobID) -> None:
    await driver.abort(job_id)


async def _clean(driver: AnyDriver, job_id: JobID) -> None:
    assert await driver.cleanup_step(JobStatus.PENDING, JobCleanup.remove(), max_jobs=10) == 1


class ExpiredTests(Suite):
    """A job that has expired is a cancelled one, and an expiry dies with its job."""

    @pytest.mark.parametrize("why", [EXPIRED, PARENT_FAILED], ids=["expired", "doomed"])
    @conformance_test(Capability.EXPIRY, Capability.FLOWS, Capability.INSPECTION)
    async def test_expired_or_doomed(self, kit: SuiteContext, why: bytes) -> None:
        """Cancelled, with the reason `EXPIRED` or `PARENT_FAILED`: the one that it was, of a job that has both."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        parent = kit.job()
        child = kit.job(after=[parent.job_id], expires=kit.unit)
        assert outcomes(await driver.push([parent, child])) == [STORED] * 2
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        if why == EXPIRED:
            await kit.advance(kit.unit)
        else:
            await worker.settle(Fail(claim.job_id, claim.token, b"error"))
        await worker.exchange()
        stored = await driver.get(child.job_id)
        assert stored is not None
        assert (stored.status, stored.error) == (JobStatus.CANCELLED, why)

    @pytest.mark.parametrize("how", ["not kept", "kept by the policy", "kept by itself"])
    @conformance_test(Capability.EXPIRY, Capability.INSPECTION)
    async def test_expired_keeps_what_a_cancellation_keeps(self, kit: SuiteContext, how: str) -> None:
        """A job that has expired is kept as a cancelled one, or is absent, and then its id is remembered."""
        policy = RETAIN_ALL if how == "kept by the policy" else kit.configuration.retention_policy
        driver = await kit.driver(retention_policy=policy)
        keep_for = None
        if how == "kept by itself":
            kit.needs(Capability.RESULTS)
            keep_for = kit.unit
        job = kit.job(remember=True, expires=kit.unit, keep_for=keep_for)
        await driver.push([job])
        await kit.advance(kit.unit)
        await exchanged(kit, driver)
        if how == "not kept":
            assert await driver.get(job.job_id) is None
        else:
            await assert_expired(driver, job.job_id)
        if how == "kept by itself":
            await kit.advance(kit.unit)
            assert await driver.get(job.job_id) is None
        assert await driver.validate() == []
        assert outcomes(await driver.push([job])) == [DUPLICATE]

    @conformance_test(Capability.EXPIRY, Capability.RESULTS)
    async def test_expired_tells_who_waits(self, kit: SuiteContext) -> None:
        """Who waits for the end of a job is told that it has expired."""
        driver, waiting = await kit.driver(), await kit.driver()
        job_id = await kit.push(driver, expires=kit.unit, keep_for=kit.unit * 9)
        waiter = asyncio.create_task(waiting.ended([job_id], timedelta(seconds=PATIENCE * 2)))
        await kit.advance(kit.unit)
        await asyncio.sleep(0.02)
        assert not waiter.done(), "it is pending until an exchange ends it"
        await exchanged(kit, driver)
        (job,) = await asyncio.wait_for(waiter, PATIENCE)
        assert job is not None
        assert (job.status, job.error) == (JobStatus.CANCELLED, EXPIRED)

    @conformance_test(Capability.EXPIRY, Capability.INSPECTION)
    async def test_expired_until_then_it_is_as_any_other(self, kit: SuiteContext) -> None:
        """Until an exchange or a recovery ends it, a job whose expiry has come waits as any other does."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        ids = [await kit.push(driver, due=kit.unit * 9, expires=kit.unit) for _ in range(4)]
        await kit.advance(kit.unit * 2)
        assert (await driver.counts())[JobStatus.PENDING] == 4
        assert [job.job_id async for job in driver.jobs(JobStatus.PENDING)] == ids
        assert (await driver.load()).delayed == 4
        assert outcomes(await driver.push([kit.job(job_id=ids[0])])) == [DUPLICATE]
        overdue = set(ids)
        if Capability.RESUME in kit.capabilities:
            assert await driver.pause(ids[1])
            assert await driver.status(ids[1]) is JobStatus.PAUSED
        if Capability.CANCEL in kit.capabilities:
            assert await driver.cancel(ids[2])
            stored = await driver.get(ids[2])
            assert stored is not None
            assert (stored.status, stored.error) == (JobStatus.CANCELLED, None)
            overdue -= {ids[2]}
        if Capability.CLEANUP in kit.capabilities:
            assert await driver.remove(ids[3])
            overdue -= {ids[3]}
        await exchanged(kit, driver)
        for job_id in overdue:
            await assert_expired(driver, job_id)

    @pytest.mark.parametrize(
        ("status", "by"),
        [
            *[(status, by) for status in (JobStatus.COMPLETED, JobStatus.CANCELLED) for by in ("rerun", "cleanup")],
            (JobStatus.PROCESSING, "cleanup"),
        ],
    )
    @conformance_test(Capability.EXPIRY, Capability.CLEANUP, Capability.INSPECTION)
    async def test_expired_runs_again_without_expiry(self, kit: SuiteContext, status: JobStatus, by: str) -> None:
        """A job that is rerun does not expire, if it had expired, ended before or runs: somebody wants it again."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.push(driver, expires=kit.unit)
        before = await driver.get(job_id)
        assert before is not None
        worker = await kit.worker(driver)
        if status is not JobStatus.CANCELLED:
            claim = await worker.claim_one()
            if status is JobStatus.COMPLETED:
                await worker.finish(claim)
        await kit.advance(kit.unit)
        await exchanged(kit, driver)
        if by == "rerun":
            assert await driver.rerun(job_id)
        else:
            assert await driver.cleanup_step(status, JobCleanup.RERUN, max_jobs=5) == 1
        for _ in range(2):
            stored = await driver.get(job_id)
            assert stored is not None
            assert (stored.status, stored.error, stored.expires) == (JobStatus.PENDING, None, None)
            assert stored.stored_at == before.stored_at
            claim = await worker.claim_one()
            assert (claim.job_id, claim.expires) == (job_id, None)
            await worker.settle(Release(job_id, claim.token))

    @pytest.mark.parametrize(
        ("end", "needed"),
        [
            (_cancel, [Capability.CANCEL]),
            (_cancel_paused, [Capability.CANCEL, Capability.RESUME]),
            (_abort, [Capability.ABORT]),
            (_remove, [Capability.CLEANUP]),
            (_clean, [Capability.CLEANUP]),
        ],
        ids=["cancel", "cancel paused", "abort", "remove", "cleanup"],
    )
    @conformance_test(Capability.EXPIRY, Capability.INSPECTION)
    async def test_expired_leaves_nothing_behind(
        self, kit: SuiteContext, end: Callable[[AnyDriver, JobID], Awaitable[None]], needed: list[Capability]
    ) -> None:
        """The expiry of a job that has ended otherwise is no later job's of the same id, and keeps nobody awake."""
        kit.needs(*needed)
        keeping = await kit.driver(retention_policy=RETAIN_ALL)
        await end(keeping, await kit.push(keeping, expires=kit.unit))
        assert await exchanged(kit, keeping) is None
        driver = await kit.driver()
        job_id = await kit.push(driver, expires=kit.unit)
        await end(driver, job_id)
        assert await exchanged(kit, driver) is None
        assert outcomes(await driver.push([kit.job(job_id=job_id, expires=kit.unit * 99)])) == [STORED]
        await kit.advance(kit.unit)
        assert await kit.claimed(driver) == [job_id]

    @pytest.mark.parametrize("is_paused", [False, True], ids=["pending", "paused"])
    @conformance_test(Capability.EXPIRY, Capability.UNIQUE, Capability.INSPECTION)
    async def test_expired_or_replaced(self, kit: SuiteContext, is_paused: bool) -> None:
        """A push that replaces a job gives it its own expiry, or none."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        names = {name: Unique(name, otherwise="replace") for name in ("sooner", "never")}
        before = kit.unit * 9, kit.unit
        ids = [await kit.push(driver, unique=names[name], expires=at) for name, at in zip(names, before, strict=True)]
        if is_paused:
            kit.needs(Capability.RESUME)
            assert [await driver.pause(job_id) for job_id in ids] == [True, True]
        again = [kit.job(unique=names["sooner"], expires=kit.unit), kit.job(unique=names["never"])]
        assert [each.outcome for each in await driver.push(again)] == [StoreOutcome.REPLACED] * 2
        await kit.advance(kit.unit)
        assert await exchanged(kit, driver) == (None if is_paused else 0)
        await assert_expired(driver, ids[0])
        assert await driver.status(ids[1]) is (JobStatus.PAUSED if is_paused else JobStatus.PENDING)

    @conformance_test(Capability.EXPIRY)
    async def test_expired_is_not_by_a_duplicate(self, kit: SuiteContext) -> None:
        """A push of an id that is there does not change when its job expires."""
        driver = await kit.driver()
        sooner, never = await kit.push(driver, expires=kit.unit), await kit.push(driver)
        again = [kit.job(job_id=sooner), kit.job(job_id=never, expires=kit.unit)]
        assert outcomes(await driver.push(again)) == [DUPLICATE] * 2
        await kit.advance(kit.unit)
        assert await kit.claimed(driver) == [never]
