"""Settling claims, and the fence around them."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from jobsvalkey.contract import (
    DO_NOT_RETAIN,
    Cancel,
    Capability,
    Claim,
    Fail,
    Finish,
    JobStatus,
    Release,
    RetentionPolicy,
    Retry,
    Settlement,
    SettleOutcome,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import RETAIN_ALL, STORED, SuiteContext, outcomes

SETTLEMENTS: dict[str, Callable[[Claim], Settlement]] = {
    "finish": lambda claim: Finish(claim.job_id, claim.token),
    "fail": lambda claim: Fail(claim.job_id, claim.token, b"error"),
    "keep": lambda claim: Fail(claim.job_id, claim.token, b"error", keep=True),
    "retry": lambda claim: Retry(claim.job_id, claim.token, b"another request"),
    "release": lambda claim: Release(claim.job_id, claim.token),
}
every_settlement: pytest.MarkDecorator = pytest.mark.parametrize("kind", [*SETTLEMENTS, "cancel"])


def settlement(kit: SuiteContext, kind: str, claim: Claim) -> Settlement:
    """The settlement of a claim in one of these ways."""
    if kind == "cancel":
        kit.needs(Capability.ABORT)
        return Cancel(claim.job_id, claim.token)
    return SETTLEMENTS[kind](claim)


class SettleTests(Suite):
    """`exchange`, the settlements: each claim is settled at most once, by the worker that holds it."""

    @conformance_test()
    async def test_settle_a_finished_job_is_gone(self, kit: SuiteContext) -> None:
        """finish: processing → absent if completed jobs are not retained."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        assert await kit.claimed(driver) == []
        assert outcomes(await driver.push([kit.job(job_id=job_id)])) == [STORED]

    @conformance_test(Capability.QUEUE, Capability.INSPECTION)
    async def test_settle_a_finished_job_is_retained(self, kit: SuiteContext) -> None:
        """finish: processing → completed if completed jobs are retained."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.push(driver, b"request")
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        await kit.advance(kit.unit)
        await worker.finish(claim)
        stored = await driver.get(job_id)
        assert stored is not None
        assert stored.status is JobStatus.COMPLETED
        assert stored.request == b"request"
        assert kit.same_time(stored.ended_at, kit.now())

    @pytest.mark.parametrize("rerun", [False, True])
    @conformance_test(Capability.QUEUE, Capability.INSPECTION, Capability.CLEANUP)
    async def test_settle_a_finished_job_keeps_its_envelope(self, kit: SuiteContext, *, rerun: bool) -> None:
        """finish: what is retained of a job has its envelope, with the error of the last failure."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        worker, claim = await kit.claim_with_a_past(driver, rerun=rerun)
        await worker.finish(claim)
        stored = await driver.get(claim.job_id)
        assert stored is not None
        assert (stored.request, stored.stored_at) == (claim.request, claim.stored_at)
        assert (stored.recoveries, stored.reset_attempt, stored.error) == (1, rerun, claim.error)

    @pytest.mark.parametrize("keep", [False, True])
    @conformance_test(Capability.QUEUE, Capability.INSPECTION)
    async def test_settle_a_failed_job_keeps_its_error(self, kit: SuiteContext, *, keep: bool) -> None:
        """fail: processing → failed, with the error, if retained or `keep`."""
        policy = RetentionPolicy(failed_jobs=DO_NOT_RETAIN) if keep else RetentionPolicy()
        driver = await kit.driver(retention_policy=policy)
        job_id = await kit.push(driver, b"request")
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        error = bytes(range(256))
        assert await worker.settle(Fail(job_id, claim.token, error, keep)) == [SettleOutcome.SETTLED]
        stored = await driver.get(job_id)
        assert stored is not None
        assert stored.status is JobStatus.FAILED
        assert (stored.request, stored.error) == (b"request", error)
        assert kit.same_time(stored.ended_at, kit.now())
        assert await kit.claimed(driver) == []

    @conformance_test(Capability.QUEUE)
    async def test_settle_a_failed_job_that_is_not_retained_is_gone(self, kit: SuiteContext) -> None:
        """fail: processing → absent if failed jobs are not retained."""
        driver = await kit.driver(retention_policy=RetentionPolicy(failed_jobs=DO_NOT_RETAIN))
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert await worker.settle(Fail(job_id, claim.token, b"error")) == [SettleOutcome.SETTLED]
        assert outcomes(await driver.push([kit.job(job_id=job_id)])) == [STORED]

    @pytest.mark.parametrize("rerun", [False, True])
    @conformance_test()
    async def test_settle_release_puts_a_job_back_as_it_was(self, kit: SuiteContext, *, rerun: bool) -> None:
        """release: processing → pending, same request and envelope, due when it was due before."""
        driver = await kit.driver()
        worker, before = await kit.claim_with_a_past(driver, rerun=rerun)
        later = await kit.push(driver, due=kit.now() - kit.unit / 2)
        await kit.advance(kit.unit)
        assert await worker.settle(Release(before.job_id, before.token)) == [SettleOutcome.SETTLED]
        after, second = await worker.claim(2)
        assert second.job_id == later
        assert after.token != before.token
        assert after == replace(before, token=after.token)

    @every_settlement
    @conformance_test()
    async def test_settle_a_claim_is_settled_once(self, kit: SuiteContext, kind: str) -> None:
        """A claim is settled at most once: then it is lost, and nothing changes."""
        driver = await kit.driver()
        await kit.push(driver)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        await worker.finish(claim)
        assert await worker.settle(settlement(kit, kind, claim)) == [SettleOutcome.CLAIM_LOST]
        assert await kit.claimed(driver) == []

    @every_settlement
    @conformance_test()
    async def test_settle_a_claim_is_settled_once_in_one_exchange(self, kit: SuiteContext, kind: str) -> None:
        """A claim is settled at most once, also by the settlements of one exchange."""
        driver = await kit.driver()
        await kit.push(driver)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        settled = await worker.settle(SETTLEMENTS["finish"](claim), settlement(kit, kind, claim))
        assert settled == [SettleOutcome.SETTLED, SettleOutcome.CLAIM_LOST]
        assert await kit.claimed(driver) == []

    @every_settlement
    @conformance_test()
    async def test_settle_a_token_that_was_never_given(self, kit: SuiteContext, kind: str) -> None:
        """Without the claim's token nothing is settled: the claim is held as before."""
        driver = await kit.driver()
        await kit.push(driver, b"request")
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        forged = Claim(claim.job_id, b"999.0", claim.request, claim.due, claim.stored_at)
        assert await worker.settle(settlement(kit, kind, forged)) == [SettleOutcome.CLAIM_LOST]
        assert (await driver.renew(worker.id, kit.unit)).tokens == {claim.token}
        await worker.finish(claim)

    @every_settlement
    @conformance_test()
    async def test_settle_the_token_of_another_worker(self, kit: SuiteContext, kind: str) -> None:
        """A claim is its worker's: another one cannot settle it, with the right token neither."""
        driver = await kit.driver()
        await kit.push(driver)
        worker, other = await kit.worker(driver), await kit.worker(driver)
        claim = await worker.claim_one()
        assert await other.settle(settlement(kit, kind, claim)) == [SettleOutcome.CLAIM_LOST]
        await worker.finish(claim)

    @every_settlement
    @conformance_test()
    async def test_settle_the_token_of_another_job(self, kit: SuiteContext, kind: str) -> None:
        """A token is good for the job that it was given for, and no other."""
        driver = await kit.driver()
        await kit.push_many(driver, 2)
        worker = await kit.worker(driver)
        one, other = await worker.claim(2)
        mixed = Claim(one.job_id, other.token, one.request, one.due, one.stored_at)
        assert await worker.settle(settlement(kit, kind, mixed)) == [SettleOutcome.CLAIM_LOST]
        await worker.finish(one, other)

    @every_settlement
    @conformance_test()
    async def test_settle_a_late_settle_is_fenced(self, kit: SuiteContext, kind: str) -> None:
        """After its recovery a claim is lost: a late settle changes nothing for the worker that has the job now."""
        driver = await kit.driver()
        job_id = await kit.push(driver, b"request")
        stalled = await kit.worker(driver, kit.unit)
        old = await stalled.claim_one()
        await kit.advance(kit.unit)
        assert await driver.recover() == 1
        assert await stalled.settle(settlement(kit, kind, old)) == [SettleOutcome.CLAIM_LOST]
        worker = await kit.worker(driver)
        new = await worker.claim_one()
        assert (new.job_id, new.request, new.recoveries) == (job_id, b"request", 1)
        assert await stalled.settle(settlement(kit, kind, old)) == [SettleOutcome.CLAIM_LOST]
        assert (await driver.renew(worker.id, kit.unit)).tokens == {new.token}
        await worker.finish(new)
        assert await kit.claimed(driver) == []

    @every_settlement
    @conformance_test()
    async def test_settle_a_worker_is_fenced_from_its_own_past(self, kit: SuiteContext, kind: str) -> None:
        """A claim that ended is lost to its own worker too, even if it has claimed the same job again."""
        driver = await kit.driver()
        await kit.push(driver)
        worker = await kit.worker(driver)
        old = await worker.claim_one()
        await worker.settle(Release(old.job_id, old.token))
        new = await worker.claim_one()
        assert await worker.settle(settlement(kit, kind, old)) == [SettleOutcome.CLAIM_LOST]
        await worker.finish(new)

    @every_settlement
    @conformance_test()
    async def test_settle_until_its_recovery_a_claim_is_held(self, kit: SuiteContext, kind: str) -> None:
        """A claim is lost at its recovery, not when the lock expires: until then a settle succeeds."""
        driver = await kit.driver()
        await kit.push(driver)
        worker = await kit.worker(driver, kit.unit)
        claim = await worker.claim_one()
        await kit.advance(kit.unit * 2)
        assert (await worker.exchange()).lock_expired
        assert await worker.settle(settlement(kit, kind, claim)) == [SettleOutcome.SETTLED]
        assert await driver.recover() == 0

    @conformance_test()
    async def test_settle_one_lost_claim_does_not_spoil_the_others(self, kit: SuiteContext) -> None:
        """Each settlement has an outcome of its own, in order."""
        driver = await kit.driver()
        jobs = await kit.push_many(driver, 4)
        worker = await kit.worker(driver)
        claims = await worker.claim(4)
        await worker.finish(claims[1])
        settled = await worker.settle(*(Release(claim.job_id, claim.token) for claim in claims))
        assert settled == [
            SettleOutcome.SETTLED,
            SettleOutcome.CLAIM_LOST,
            SettleOutcome.SETTLED,
            SettleOutcome.SETTLED,
        ]
        assert await kit.claimed(driver) == [jobs[0], jobs[2], jobs[3]]

    @conformance_test()
    async def test_settle_many_settlements_of_all_kinds_at_once(self, kit: SuiteContext) -> None:
        """One round trip settles any number."""
        driver = await kit.driver()
        await kit.push_many(driver, 250)
        worker = await kit.worker(driver)
        claims = await worker.claim(250)
        kinds = list(SETTLEMENTS.values())
        settlements = [kinds[number % len(kinds)](claim) for number, claim in enumerate(claims)]
        assert await worker.settle(*settlements) == [SettleOutcome.SETTLED] * 250
        back = [
            claim.job_id
            for claim, settled in zip(claims, settlements, strict=True)
            if isinstance(settled, Retry | Release)
        ]
        assert sorted(await kit.claimed(driver)) == sorted(back)
