"""All that a job keeps on its ways back to pending: there are many, and each is another piece of a driver's code."""

from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace

from jobsvalkey.contract import (
    BatchCounts,
    Capability,
    Claim,
    Fail,
    Finish,
    Input,
    JobCleanup,
    JobID,
    JobStatus,
    Release,
    Retry,
    SettleOutcome,
    Unique,
    new_job_id,
)
from jobsvalkey_conformance.areas.expiry import assert_expired, exchanged
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import RETAIN_ALL, STORED, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.harness import AnyDriver

Way = Callable[[SuiteContext, AnyDriver, Worker, Claim], Awaitable[None]]


async def _retry(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim) -> None:
    assert await worker.settle(Retry(claim.job_id, claim.token, error=b"error")) == [SettleOutcome.SETTLED]


async def _release(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim) -> None:
    assert await worker.settle(Release(claim.job_id, claim.token)) == [SettleOutcome.SETTLED]


async def _close(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim) -> None:
    await driver.close_worker(worker.id)


async def _recover(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim) -> None:
    await driver.renew(worker.id, kit.unit)
    await kit.advance(kit.unit)
    assert await driver.recover() == 1


async def _pause(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim) -> None:
    kit.needs(Capability.RESUME)
    await _release(kit, driver, worker, claim)
    assert await driver.pause(claim.job_id)
    assert await driver.resume(claim.job_id)


async def _rerun(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim) -> None:
    kit.needs(Capability.CLEANUP)
    await worker.finish(claim)
    assert await driver.rerun(claim.job_id)


async def _clean_up(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim) -> None:
    kit.needs(Capability.CLEANUP)
    await worker.settle(Fail(claim.job_id, claim.token, b"error"))
    assert await driver.cleanup_step(JobStatus.FAILED, JobCleanup.RERUN, max_jobs=9) == 1


async def _take_away(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim) -> None:
    kit.needs(Capability.CLEANUP)
    assert await driver.cleanup_step(JobStatus.PROCESSING, JobCleanup.RERUN, max_jobs=9) == 1


WAYS: dict[str, Way] = {
    "retry": _retry,
    "release": _release,
    "closing": _close,
    "recovery": _recover,
    "pause": _pause,
    "rerun": _rerun,
    "cleanup": _clean_up,
    "taken": _take_away,
}


async def _completed(kit: SuiteContext, driver: AnyDriver, parent: JobID, waiting: JobID) -> None:
    worker = await kit.worker(driver)
    await worker.finish(await worker.claim_one())


async def _failed(kit: SuiteContext, driver: AnyDriver, parent: JobID, waiting: JobID) -> None:
    worker = await kit.worker(driver)
    token = (await worker.claim_one()).token
    assert await worker.settle(Fail(parent, token, b"error")) == [SettleOutcome.SETTLED]


async def _resumed(kit: SuiteContext, driver: AnyDriver, parent: JobID, waiting: JobID) -> None:
    kit.needs(Capability.RESUME)
    assert await driver.resume(waiting)


async def _saved(kit: SuiteContext, driver: AnyDriver, parent: JobID, waiting: JobID) -> None:
    kit.needs(Capability.CANCEL)
    assert await driver.cancel(parent)  # which dooms it, until an exchange comes
    await _resumed(kit, driver, parent, waiting)


async def _closed(kit: SuiteContext, driver: AnyDriver, parent: JobID, waiting: JobID) -> None:
    assert await driver.close_batch(waiting)


OUT: dict[str, Callable[[SuiteContext, AnyDriver, JobID, JobID], Awaitable[None]]] = {
    "completed": _completed,
    "failed": _failed,
    "resumed": _resumed,
    "saved": _saved,
    "closed": _closed,
}
"""The ways of a job that waits for another, or for its batch, to pending."""
each_way: pytest.MarkDecorator = pytest.mark.parametrize("way", WAYS)


class BackTests(Suite):
    """A job, and all that it is told, is the same with every claim."""

    @each_way
    @conformance_test()
    async def test_back_a_job_keeps_what_it_was_pushed_with(self, kit: SuiteContext, way: str) -> None:
        """A claim has the request and the options of its job, however often it comes back; `rerun` takes its expiry."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        has = kit.capabilities
        job = kit.job(
            b"request",
            due=kit.now() - kit.unit,
            remember=True,
            keep_for=kit.unit * 50 if Capability.RESULTS in has else None,
            expires=kit.now() + kit.unit * 100 if Capability.EXPIRY in has else None,
            unique=Unique("name") if Capability.UNIQUE in has else None,
            priority=-7 if Capability.LANES in has else 0,
            lane="a" if Capability.LANES in has else None,
        )
        assert outcomes(await driver.push([job])) == [STORED]
        for number in range(3):
            worker = await kit.worker(driver)
            claim = await worker.claim_one()
            is_fresh = number and way in ("rerun", "cleanup", "taken")
            assert (claim.job_id, claim.request, claim.keep_for, claim.unique, claim.priority, claim.lane) == (
                *(job.job_id, job.request, job.keep_for, job.unique, job.priority, job.lane),
            )
            assert claim.expires == (None if is_fresh else job.expires)
            await WAYS[way](kit, driver, worker, claim)

    @each_way
    @conformance_test(Capability.FLOWS, Capability.CLEANUP)
    async def test_back_a_child_is_told_of_its_parents(self, kit: SuiteContext, way: str) -> None:
        """`Claim.inputs` is the same with every claim until the job is absent, whatever becomes of the parents."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        parents = [kit.job(due=kit.now() - kit.unit) for _ in range(2)]
        child = kit.job(after=[each.job_id for each in parents])
        assert outcomes(await driver.push([*parents, child])) == [STORED] * 3
        worker = await kit.worker(driver)
        for claim in await worker.claim(2):
            await worker.settle(Finish(claim.job_id, claim.token, b"result"))
        assert await driver.remove(parents[0].job_id)
        for _ in range(3):
            worker = await kit.worker(driver)
            claim = await worker.claim_one()
            assert (claim.job_id, claim.after) == (child.job_id, child.after)
            assert claim.inputs == tuple(Input(parent, JobStatus.COMPLETED, b"result") for parent in child.after)
            await WAYS[way](kit, driver, worker, claim)

    @each_way
    @conformance_test(Capability.FLOWS)
    async def test_back_a_callback_is_told_of_its_members(self, kit: SuiteContext, way: str) -> None:
        """`Claim.members` counts the members with every claim, and a later end of one is not counted."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        callback_id = new_job_id()
        callback = kit.job(job_id=callback_id, batch=callback_id)
        members = [kit.job(due=kit.now() - kit.unit, batch=callback_id) for _ in range(3)]
        assert outcomes(await driver.push([callback, *members])) == [STORED] * 4
        worker = await kit.worker(driver)
        first, *others = await worker.claim(9)
        assert await worker.settle(Fail(first.job_id, first.token, b"error")) == [SettleOutcome.SETTLED]
        await worker.finish(*others)
        if Capability.CLEANUP in kit.capabilities:
            assert await driver.remove(first.job_id)  # it has been counted
        assert await driver.close_batch(callback_id)
        for _ in range(3):
            worker = await kit.worker(driver)
            claim = await worker.claim_one()
            assert (claim.job_id, claim.batch, claim.members) == (callback_id, callback_id, BatchCounts(2, 1, 0))
            await WAYS[way](kit, driver, worker, claim)

    @pytest.mark.parametrize("way", OUT)
    @conformance_test(Capability.FLOWS, Capability.EXPIRY, Capability.INSPECTION)
    async def test_back_a_job_that_waited_is_as_it_was_pushed(self, kit: SuiteContext, way: str) -> None:
        """A job that waits no more, however it came to that, has what it was pushed with, and expires in its time."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        has, job_id = kit.capabilities, new_job_id()
        parent = kit.job(due=kit.now() - kit.unit)
        job = kit.job(
            b"request",
            due=kit.unit * 50,
            job_id=job_id,
            keep_for=kit.unit * 70 if Capability.RESULTS in has else None,
            expires=kit.unit * 4,
            unique=Unique("name") if Capability.UNIQUE in has else None,
            priority=-7 if Capability.LANES in has else 0,
            lane="a" if Capability.LANES in has else None,
            after=[] if way == "closed" else [parent.job_id],
            if_failed="run" if way == "failed" else "cancel",
            batch=job_id if way == "closed" else None,
        )
        assert outcomes(await driver.push([parent, job])) == [STORED] * 2
        before = await driver.get(job_id)
        assert before is not None
        assert before.status is JobStatus.WAITING
        await OUT[way](kit, driver, parent.job_id, job_id)
        after = await driver.get(job_id)
        assert after is not None
        assert replace(after, inputs=()) == replace(before, status=JobStatus.PENDING)
        if way not in ("resumed", "closed"):  # the parent has ended
            until_next = await exchanged(kit, driver)
            assert until_next == pytest.approx(kit.unit.total_seconds() * 4, abs=kit.tolerance.total_seconds() + 1e-6)
        await kit.advance(kit.unit * 4)
        await exchanged(kit, driver)
        await assert_expired(driver, job_id)
