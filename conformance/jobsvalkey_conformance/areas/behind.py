"""Tests through the back door: that nothing is left over, and nothing is half there."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    DO_NOT_RETAIN,
    AbortOutcome,
    Cancel,
    Capability,
    Claim,
    Fail,
    Finish,
    JobStatus,
    PayloadTooLarge,
    Release,
    RetentionPolicy,
    Settlement,
    SettleOutcome,
    retain_for,
    retain_last,
)
from jobsvalkey_conformance.areas.batches import new_callback
from jobsvalkey_conformance.areas.flows import finish
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import RETAIN_ALL, STORED, SuiteContext, outcomes
from jobsvalkey_conformance.harness import Damage, Hook
from jobsvalkey_conformance.marks import not_run

WAYS = {
    "cancel a claim": [Capability.ABORT],
    "cancel": [Capability.CANCEL],
    "abort": [Capability.ABORT],
    "close": [Capability.ABORT],
    "expire": [Capability.EXPIRY],
}
"""The needs of those ways to end that not every driver has."""
END: dict[str, Callable[[Claim], Settlement]] = {
    "finish": lambda claim: Finish(claim.job_id, claim.token),
    "fail": lambda claim: Fail(claim.job_id, claim.token, b"error"),
    "cancel a claim": lambda claim: Cancel(claim.job_id, claim.token),
}


class BehindTests(Suite):
    """The store as it is, seen without the driver."""

    @pytest.mark.parametrize("status", list(JobStatus))
    @conformance_test(Capability.QUEUE, Hook.OBSERVE)
    async def test_behind_a_job_is_in_one_place(self, kit: SuiteContext, status: JobStatus) -> None:
        """A job is on the one list of its state, with its request, and is claimed if it is processing."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.in_state(driver, status)
        seen = await kit.harness.observe(kit.configuration)
        assert seen.jobs[job_id].states == {status}
        assert seen.jobs[job_id].has_request
        claimed = {each for jobs in seen.claims.values() for each in jobs}
        assert claimed == ({job_id} if status is JobStatus.PROCESSING else set())

    @conformance_test(Capability.QUEUE, Hook.OBSERVE)
    async def test_behind_a_finished_job_leaves_nothing(self, kit: SuiteContext) -> None:
        """finish: absent if completed jobs are not retained: on no list, without a request."""
        driver = await kit.driver()
        await kit.push_many(driver, 3)
        worker = await kit.worker(driver)
        await worker.finish(*await worker.claim(3))
        seen = await kit.harness.observe(kit.configuration)
        assert dict(seen.jobs) == {}
        assert not any(seen.claims.values())

    @conformance_test(Capability.CANCEL, Hook.OBSERVE)
    async def test_behind_a_cancelled_job_leaves_nothing(self, kit: SuiteContext) -> None:
        """cancel: absent if cancelled jobs are not retained."""
        driver = await kit.driver()
        assert await driver.cancel(await kit.push(driver))
        assert dict((await kit.harness.observe(kit.configuration)).jobs) == {}

    @conformance_test(Capability.CANCEL, Hook.OBSERVE)
    async def test_behind_cancelling_what_runs_takes_nothing_away(self, kit: SuiteContext) -> None:
        """cancel of a running job changes nothing: its request is still there."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        before = await kit.harness.observe(kit.configuration)
        assert await driver.cancel(job_id) is False
        assert await kit.harness.observe(kit.configuration) == before
        await worker.finish(claim)

    @conformance_test(Capability.QUEUE, Hook.OBSERVE)
    async def test_behind_a_refused_push_leaves_nothing(self, kit: SuiteContext) -> None:
        """A step checks before its first write, so that nothing is half done."""
        driver = await kit.driver(max_payload=100)
        with pytest.raises(PayloadTooLarge):
            await driver.push([kit.job(), kit.job(b"x" * 101)])
        assert dict((await kit.harness.observe(kit.configuration)).jobs) == {}

    @conformance_test(Capability.QUEUE, Hook.OBSERVE)
    async def test_behind_claims_are_their_workers(self, kit: SuiteContext) -> None:
        """A claim is in its worker's set from the step that claims to the step that settles or takes it."""
        driver = await kit.driver()
        await kit.push_many(driver, 4)
        one, other = await kit.worker(driver, kit.unit), await kit.worker(driver)
        claims = await one.claim(3)
        taken = await other.claim(1)
        await one.settle(Release(claims[0].job_id, claims[0].token))
        seen = await kit.harness.observe(kit.configuration)
        assert {worker: jobs for worker, jobs in seen.claims.items() if jobs} == {
            one.id: frozenset(claim.job_id for claim in claims[1:]),
            other.id: frozenset(claim.job_id for claim in taken),
        }
        assert seen.jobs[claims[0].job_id].states == {JobStatus.PENDING}
        await kit.advance(kit.unit)
        await driver.recover()
        seen = await kit.harness.observe(kit.configuration)
        assert {worker: jobs for worker, jobs in seen.claims.items() if jobs} == {
            other.id: frozenset(claim.job_id for claim in taken)
        }

    @conformance_test(Capability.QUEUE, Hook.OBSERVE, Hook.DAMAGE)
    async def test_behind_the_observer_sees_what_is_gone(self, kit: SuiteContext) -> None:
        """The harness's own hooks agree: a request that `damage` takes away is one that `observe` does not see."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        await kit.damage(job_id, Damage.LOST_REQUEST)
        seen = (await kit.harness.observe(kit.configuration)).jobs[job_id]
        assert (seen.states, seen.has_request) == ({JobStatus.PENDING}, False)

    @pytest.mark.parametrize("ends", [1, 5])
    @pytest.mark.parametrize("way", ["finish", "fail", "cancel a claim", "cancel", "abort", "close", "expire"])
    @conformance_test(Capability.QUEUE, Hook.OBSERVE)
    async def test_behind_what_is_beyond_its_retention_is_trimmed(self, kit: SuiteContext, way: str, ends: int) -> None:
        """Retention is enforced as jobs end, in whichever way: jobs beyond it do not pile up."""
        kit.needs(*WAYS.get(way, ()))
        few = retain_last(3)
        driver = await kit.driver(
            retention_policy=RetentionPolicy(completed_jobs=few, failed_jobs=few, cancelled_jobs=few)
        )
        worker = await kit.worker(driver)
        for _ in range(40 // ends):
            jobs = [kit.job(expires=timedelta(0) if way == "expire" else None) for _ in range(ends)]
            await driver.push(jobs)
            if way in ("cancel", "abort"):
                for job in jobs:
                    assert await (driver.cancel(job.job_id) if way == "cancel" else driver.abort(job.job_id))
            elif way == "close":
                leaving = await kit.worker(driver)
                for claim in (claims := await leaving.claim(ends)):
                    assert await driver.abort(claim.job_id) is AbortOutcome.REQUESTED
                assert len(claims) == ends
                await driver.close_worker(leaving.id)
            elif way == "expire":
                assert await worker.claim(ends) == []
            else:
                claims = await worker.claim(ends)
                settled = await worker.settle(*(END[way](claim) for claim in claims))
                assert settled == [SettleOutcome.SETTLED] * ends
        assert len((await kit.harness.observe(kit.configuration)).jobs) <= 20

    @conformance_test(Hook.OBSERVE)
    async def test_behind_a_lowered_retention_trims_what_was_kept(self, kit: SuiteContext) -> None:
        """Jobs that an earlier policy kept go as jobs finish under one that keeps nothing."""
        before = await kit.driver(retention_policy=RETAIN_ALL)
        after = await kit.driver(retention_policy=RetentionPolicy(completed_jobs=DO_NOT_RETAIN))
        for driver in (before, after):
            await kit.push_many(driver, 60)
            worker = await kit.worker(driver)
            while claims := await worker.claim(5):
                await worker.finish(*claims)
        assert len((await kit.harness.observe(kit.configuration)).jobs) <= 20

    @conformance_test(Capability.QUEUE, Hook.FINGERPRINT)
    async def test_behind_what_is_refused_writes_nothing(self, kit: SuiteContext) -> None:
        """A step that is refused before its first write leaves the store as it is."""
        driver = await kit.driver(max_payload=100)
        await kit.push(driver)
        before = await kit.harness.fingerprint(kit.configuration)
        with pytest.raises(PayloadTooLarge):
            await driver.push([kit.job(b"x" * 101)])
        assert await kit.harness.fingerprint(kit.configuration) == before

    @conformance_test(Capability.FLOWS, Capability.RESULTS, Capability.RESUME, Capability.CANCEL, Hook.OBSERVE)
    async def test_behind_a_flow_leaves_nothing(self, kit: SuiteContext) -> None:
        """A result is there once for all that are told of it, until the last is absent; nothing is left of a flow."""
        driver = await kit.driver()
        top, other = kit.job(keep_for=kit.unit), kit.job(keep_for=kit.unit, due=kit.unit * 9)
        first, second = kit.job(after=[top.job_id]), kit.job(after=[top.job_id, other.job_id])
        last = kit.job(after=[other.job_id, top.job_id], if_failed="run")
        await driver.push([top, other, first, second, last])
        await finish(kit, driver, top.job_id, b"result")
        seen = await kit.harness.observe(kit.configuration)
        if seen.waits is None or seen.inputs is None:
            not_run("the harness does not tell what jobs wait for")
        assert {job_id: wait.parents for job_id, wait in seen.waits.items()} == {
            second.job_id: {other.job_id},
            last.job_id: {other.job_id},
        }
        await finish(kit, driver, first.job_id)
        assert await driver.resume(second.job_id)
        await finish(kit, driver, second.job_id)
        seen = await kit.harness.observe(kit.configuration)
        assert set(seen.waits or ()) == {last.job_id}
        assert [(each.parent, each.result, each.children, each.references) for each in seen.inputs or ()] == [
            (top.job_id, b"result", {last.job_id}, 1)
        ]
        assert await driver.cancel(other.job_id)
        await finish(kit, driver, last.job_id)
        await kit.advance(kit.unit * 2)
        await driver.recover()
        seen = await kit.harness.observe(kit.configuration)
        assert (dict(seen.jobs), dict(seen.waits or {}), list(seen.inputs or ())) == ({}, {}, [])
        assert not seen.leftovers

    @conformance_test(Capability.FLOWS, Capability.RESULTS, Hook.OBSERVE)
    async def test_behind_a_result_is_there_once(self, kit: SuiteContext) -> None:
        """A result is stored once for all children, also for those that were pushed after their parent had ended."""
        driver = await kit.driver(retention_policy=RetentionPolicy(completed_jobs=DO_NOT_RETAIN))
        parent = kit.job(keep_for=kit.unit * 99)
        children = [kit.job(after=[parent.job_id], due=kit.unit * 9) for _ in range(4)]
        await driver.push([parent, children[0]])
        await finish(kit, driver, parent.job_id, b"result")
        for child in children[1:]:
            await driver.push([child])
            await kit.advance(kit.unit)
        seen = await kit.harness.observe(kit.configuration)
        if seen.inputs is None:
            not_run("the harness does not tell which results are kept")
        ids = {child.job_id for child in children}
        assert [(each.parent, each.children, each.references) for each in seen.inputs] == [(parent.job_id, ids, 4)]

    @pytest.mark.parametrize("kept", ["age", "keep_for"])
    @conformance_test(Capability.FLOWS, Capability.RESULTS, Hook.OBSERVE)
    async def test_behind_a_new_job_of_a_childs_id_leaves_nothing(self, kit: SuiteContext, kept: str) -> None:
        """A child that is absent by its age, and whose id is pushed anew, leaves no result that it was told."""
        retention = retain_for(kit.unit) if kept == "age" else DO_NOT_RETAIN
        driver = await kit.driver(retention_policy=RetentionPolicy(completed_jobs=retention))
        parent = kit.job(keep_for=kit.unit * 99)
        child = kit.job(after=[parent.job_id], keep_for=None if kept == "age" else kit.unit)
        await driver.push([parent, child])
        await finish(kit, driver, parent.job_id, b"result")
        await finish(kit, driver, child.job_id)
        await kit.advance(kit.unit)
        assert outcomes(await driver.push([kit.job(job_id=child.job_id)])) == [STORED]
        seen = await kit.harness.observe(kit.configuration)
        assert set(seen.jobs) == {parent.job_id, child.job_id}
        assert not seen.inputs
        assert not seen.leftovers

    @conformance_test(Capability.FLOWS, Capability.RESUME, Capability.CANCEL, Hook.OBSERVE)
    async def test_behind_a_batch_leaves_nothing(self, kit: SuiteContext) -> None:
        """The members of a batch are noted until its callback waits no more, whatever became of it."""
        driver = await kit.driver()
        callbacks = [new_callback(kit) for _ in range(3)]
        members = [kit.job(batch=callback.job_id, due=kit.unit * 9) for callback in callbacks]
        await driver.push([*callbacks, *members])
        resumed, cancelled, closed = [callback.job_id for callback in callbacks]
        assert await driver.resume(resumed)
        assert await driver.cancel(cancelled)
        assert await driver.close_batch(closed)
        seen = await kit.harness.observe(kit.configuration)
        if seen.waits is None:
            not_run("the harness does not tell what jobs wait for")
        assert {job_id: dict(wait.members) for job_id, wait in seen.waits.items()} == {
            closed: {members[2].job_id: None}
        }
        await finish(kit, driver, resumed)
        for member in members:
            assert await driver.cancel(member.job_id)
        await finish(kit, driver, closed)
        seen = await kit.harness.observe(kit.configuration)
        assert (dict(seen.jobs), dict(seen.waits or {})) == ({}, {})
        assert not seen.leftovers
