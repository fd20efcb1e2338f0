"""Workers: their locks, their death, and what becomes of their claims."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from jobsvalkey.contract import (
    Capability,
    Finish,
    JobStatus,
    Release,
    SettleOutcome,
    WorkerClosed,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import SuiteContext


class WorkerTests(Suite):
    """`open_worker`, `renew`, `close_worker` and `recover`."""

    @conformance_test()
    async def test_worker_the_jobs_of_a_dead_worker_are_pending_again(self, kit: SuiteContext) -> None:
        """A worker dies: its jobs are pending again once its lock has expired, by any other one, `recoveries` + 1."""
        driver, other = await kit.driver(), await kit.driver()
        ids = [await kit.push(driver, b"request %d" % number) for number in range(3)]
        dead = await kit.worker(driver, kit.unit)
        before = await dead.claim(3)
        await kit.advance(kit.unit)
        assert await other.recover() == 3
        after = await (await kit.worker(other)).claim(5)
        assert [claim.job_id for claim in after] == ids
        assert [claim.request for claim in after] == [claim.request for claim in before]
        assert [claim.recoveries for claim in after] == [1, 1, 1]

    @pytest.mark.parametrize("rerun", [False, True])
    @conformance_test()
    async def test_worker_the_envelope_survives_its_worker(self, kit: SuiteContext, *, rerun: bool) -> None:
        """recover: pending, due when it was due before, same request and envelope, but for `recoveries`."""
        driver = await kit.driver()
        _, before = await kit.claim_with_a_past(driver, rerun=rerun, hold_for=kit.unit)
        await kit.advance(kit.unit)
        assert await driver.recover() == 1
        after = await (await kit.worker(driver)).claim_one()
        assert after == replace(before, token=after.token, recoveries=2)

    @conformance_test()
    async def test_worker_a_recovered_job_keeps_its_place(self, kit: SuiteContext) -> None:
        """recover: due when it was due before, so ahead of what came later."""
        driver = await kit.driver()
        first = await kit.push(driver)
        dead = await kit.worker(driver, kit.unit)
        await dead.claim_one()
        await kit.advance(kit.unit)
        second = await kit.push(driver)
        await kit.advance(kit.unit / 4)
        await driver.recover()
        assert await kit.claimed(driver) == [first, second]

    @conformance_test()
    async def test_worker_a_live_workers_job_is_never_touched(self, kit: SuiteContext) -> None:
        """recover: a live worker's job is never touched."""
        driver = await kit.driver()
        await kit.push_many(driver, 2)
        worker = await kit.worker(driver, kit.unit)
        claims = await worker.claim(2)
        await kit.advance(kit.unit / 4)
        assert await driver.recover() == 0
        assert (await driver.renew(worker.id, kit.unit)).tokens == {claim.token for claim in claims}
        await kit.advance(kit.unit * 0.8)
        assert await driver.recover() == 0
        await worker.finish(*claims)

    @conformance_test(driven_clock=True)
    async def test_worker_a_lock_to_the_smallest_step_of_time(self, kit: SuiteContext) -> None:
        """A lock holds for `hold_for` and has expired when that is over."""
        driver = await kit.driver()
        await kit.push(driver)
        worker = await kit.worker(driver, kit.unit)
        await worker.claim_one()
        await kit.advance(kit.unit - kit.harness.time_precision)
        assert await driver.recover() == 0
        await kit.advance(kit.harness.time_precision)
        assert await driver.recover() == 1

    @conformance_test()
    async def test_worker_recovery_is_bounded(self, kit: SuiteContext) -> None:
        """recover takes at most `max_jobs`, over all dead workers; the rest is for the next one; then there is none."""
        driver = await kit.driver()
        ids = await kit.push_many(driver, 7)
        for count in (3, 3, 1):
            await (await kit.worker(driver, kit.unit)).claim(count)
        await kit.advance(kit.unit)
        assert await driver.recover(2) == 2
        assert await driver.recover(4) == 4
        assert await driver.recover() == 1
        assert await driver.recover() == 0
        assert sorted(await kit.claimed(driver)) == ids

    @conformance_test()
    async def test_worker_recovery_never_fails_a_job(self, kit: SuiteContext) -> None:
        """recover never fails a job: giving it up is for the runtime, which reads `recoveries`."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        for recoveries in range(12):
            worker = await kit.worker(driver, kit.unit / 4)
            claim = await worker.claim_one()
            assert (claim.job_id, claim.recoveries) == (job_id, recoveries)
            await kit.advance(kit.unit / 4)
            assert await driver.recover() == 1

    @conformance_test()
    async def test_worker_a_renewal_extends_the_lock(self, kit: SuiteContext) -> None:
        """`renew(worker, hold_for)` extends the lock to `hold_for` from now and returns the tokens still held."""
        driver = await kit.driver()
        await kit.push_many(driver, 3)
        worker = await kit.worker(driver, kit.unit)
        claims = await worker.claim(2)
        for _ in range(3):
            await kit.advance(kit.unit * 0.5)
            assert (await driver.renew(worker.id, kit.unit)).tokens == {claim.token for claim in claims}
            assert await driver.recover() == 0
        await worker.finish(claims[0])
        assert (await driver.renew(worker.id, kit.unit)).tokens == {claims[1].token}
        assert len(await worker.claim(5)) == 1
        await kit.advance(kit.unit)
        assert await driver.recover() == 2

    @conformance_test()
    async def test_worker_a_renewal_may_shorten_the_lock(self, kit: SuiteContext) -> None:
        """`renew(worker, hold_for)`: the lock holds for `hold_for` from now, even if it was held for longer."""
        driver = await kit.driver()
        await kit.push(driver)
        worker = await kit.worker(driver, kit.unit * 100)
        await worker.claim_one()
        await driver.renew(worker.id, kit.unit)
        await kit.advance(kit.unit)
        assert await driver.recover() == 1

    @pytest.mark.parametrize("again", ["renewed", "opened"])
    @conformance_test()
    async def test_worker_one_that_was_leaving_has_not_died(self, kit: SuiteContext, again: str) -> None:
        """renew(leaving=True), for good: what the worker leaves behind is recovered as ever, and `recoveries` stays."""
        driver = await kit.driver()
        await kit.push_many(driver, 3)
        leaving, dead = await kit.worker(driver, kit.unit), await kit.worker(driver, kit.unit)
        before = [*await leaving.claim(2), await dead.claim_one()]
        tokens = {claim.token for claim in before[:2]}
        assert (await driver.renew(leaving.id, kit.unit, leaving=True)).tokens == tokens
        if again == "opened":
            await driver.open_worker(leaving.id, kit.unit)
        assert (await driver.renew(leaving.id, kit.unit)).tokens == tokens  # one that was under way, say
        assert await driver.recover() == 0
        await kit.advance(kit.unit)
        assert await driver.recover() == 3
        worker = await kit.worker(driver)
        after = {claim.job_id: claim.recoveries for claim in await worker.claim(3)}
        assert [after[claim.job_id] for claim in before] == [0, 0, 1]

    @conformance_test()
    async def test_worker_idle_ones_that_died_delay_no_recovery(self, kit: SuiteContext) -> None:
        """recover: however many workers died without jobs, the job of another is found by the same step."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        for _ in range(1_100):
            await kit.worker(driver, kit.unit)
        holder = await kit.worker(driver, kit.unit)
        assert (await holder.claim_one()).job_id == job_id
        await kit.advance(kit.unit)
        assert await driver.recover() == 1

    @conformance_test()
    async def test_worker_a_renewal_saves_expired_claims(self, kit: SuiteContext) -> None:
        """A worker stalls past its lock and comes back before the recovery: a renewal saves its claims."""
        driver = await kit.driver()
        await kit.push(driver)
        worker = await kit.worker(driver, kit.unit)
        claim = await worker.claim_one()
        await kit.advance(kit.unit * 3)
        assert (await driver.renew(worker.id, kit.unit * 3)).tokens == {claim.token}
        assert await driver.recover() == 0
        await worker.finish(claim)

    @conformance_test()
    async def test_worker_recovery_is_not_for_a_worker_whose_own_lock_has_run_out(self, kit: SuiteContext) -> None:
        """recover(worker=…): a worker that was stalled past its lock takes nothing; it renews, and may ask again."""
        driver = await kit.driver()
        await kit.push_many(driver, 2)
        worker, dead = await kit.worker(driver, kit.unit), await kit.worker(driver, kit.unit)
        claim = await worker.claim_one()
        await dead.claim_one()
        await kit.advance(kit.unit)
        assert await driver.recover(worker=worker.id) == 0
        await driver.renew(worker.id, kit.unit)
        assert await driver.recover(worker=worker.id) == 1
        assert await driver.recover(worker=worker.id) == 0
        await kit.advance(kit.unit)
        another = await kit.worker(driver)
        assert await driver.recover(worker=another.id) == 1
        assert await worker.settle(Finish(claim.job_id, claim.token)) == [SettleOutcome.CLAIM_LOST]

    @conformance_test()
    async def test_worker_recovery_is_not_for_a_worker_that_is_not_known(self, kit: SuiteContext) -> None:
        """recover(worker=…): a worker that was closed, or never opened, takes nothing: it has no lock."""
        driver = await kit.driver()
        await kit.push(driver)
        dead, closed = await kit.worker(driver, kit.unit), await kit.worker(driver)
        await dead.claim_one()
        await driver.close_worker(closed.id)
        await kit.advance(kit.unit)
        assert await driver.recover(worker="another") == 0
        assert await driver.recover(worker=closed.id) == 0
        assert await driver.recover() == 1

    @conformance_test(driven_clock=True)
    async def test_worker_recovery_is_not_for_one_whose_lock_ran_out_long_ago(self, kit: SuiteContext) -> None:
        """recover(worker=…): a worker that slept for longer than it is known for takes nothing, nor its own jobs."""
        driver = await kit.driver()
        await kit.push_many(driver, 2)
        asker, other = await kit.worker(driver, kit.unit), await kit.worker(driver, kit.unit)
        await asker.claim_one()
        await other.claim_one()
        for _ in range(3):
            await kit.advance(timedelta(hours=23))
            assert await driver.recover(worker=asker.id) == 0
        assert await driver.recover() == 2

    @conformance_test()
    async def test_worker_recovery_takes_the_claims_not_the_worker(self, kit: SuiteContext) -> None:
        """Recovery takes the claims, never the worker's record: the worker may renew and go on."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        worker = await kit.worker(driver, kit.unit)
        claim = await worker.claim_one()
        await kit.advance(kit.unit)
        assert await driver.recover() == 1
        assert (await driver.renew(worker.id, kit.unit)).tokens == frozenset()
        again = await worker.claim_one()
        assert (again.job_id, again.recoveries) == (job_id, 1)
        assert again.token != claim.token
        assert await worker.settle(Finish(job_id, claim.token)) == [SettleOutcome.CLAIM_LOST]
        await worker.finish(again)

    @conformance_test()
    async def test_worker_an_expired_lock_settles_but_claims_nothing(self, kit: SuiteContext) -> None:
        """An exchange under an expired lock settles but claims nothing; after a renewal it claims again."""
        driver = await kit.driver()
        _, second = await kit.push_many(driver, 2)
        worker = await kit.worker(driver, kit.unit)
        claim = await worker.claim_one()
        await kit.advance(kit.unit)
        first = await worker.exchange(Finish(claim.job_id, claim.token), limit=5)
        assert first.outcomes == [SettleOutcome.SETTLED]
        for exchanged in (first, await worker.exchange(limit=5)):
            assert exchanged.claims == []
            assert exchanged.lock_expired, "the lock has run out, and the answer does not say so"
            assert exchanged.until_next is None, "nothing can be claimed before a renewal"
        await driver.renew(worker.id, kit.unit)
        exchanged = await worker.exchange(limit=1)
        assert [claim.job_id for claim in exchanged.claims] == [second]
        assert not exchanged.lock_expired

    @conformance_test(driven_clock=True)
    async def test_worker_a_clock_that_steps_back_leaves_no_claim_behind(self, kit: SuiteContext) -> None:
        """A worker may claim again though a recovery has seen its lock run out: what it claims is recovered as ever."""
        assert kit.clock is not None
        driver = await kit.driver()
        worker = await kit.worker(driver, kit.unit * 2)
        began = kit.clock.now()
        await kit.advance(kit.unit * 3)
        assert await driver.recover() == 0
        kit.clock.set(began + kit.unit)
        await kit.push(driver)
        await worker.claim_one()
        await kit.advance(kit.unit * 3)
        assert await driver.recover() == 1

    @pytest.mark.parametrize("rerun", [False, True])
    @conformance_test()
    async def test_worker_closing_releases_the_claims(self, kit: SuiteContext, *, rerun: bool) -> None:
        """Closing a worker releases its claims: pending, due as before, same request and envelope."""
        driver = await kit.driver()
        worker, old = await kit.claim_with_a_past(driver, rerun=rerun)
        await kit.push_many(driver, 2)
        done, new = await worker.claim(2)
        await worker.finish(done)
        await driver.close_worker(worker.id)
        after = await (await kit.worker(driver)).claim(5)
        assert after == [replace(old, token=after[0].token), replace(new, token=after[1].token)]

    @conformance_test()
    async def test_worker_a_closed_worker_is_not_used(self, kit: SuiteContext) -> None:
        """Using a closed worker is `WorkerClosed`, and settles nothing; closing twice is fine."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        await driver.close_worker(worker.id)
        await driver.close_worker(worker.id)
        await driver.close_worker("never opened")
        with pytest.raises(WorkerClosed):
            await worker.settle(Finish(job_id, claim.token))
        with pytest.raises(WorkerClosed):
            await worker.claim()
        with pytest.raises(WorkerClosed):
            await driver.renew(worker.id, kit.unit)
        assert await kit.claimed(driver) == [job_id]

    @conformance_test()
    async def test_worker_opening_twice(self, kit: SuiteContext) -> None:
        """`open_worker` is idempotent: the claims stay, and the lock holds from the last call."""
        driver = await kit.driver()
        await kit.push(driver)
        worker = await kit.worker(driver, kit.unit)
        claim = await worker.claim_one()
        await kit.advance(kit.unit / 2)
        await driver.open_worker(worker.id, kit.unit)
        await kit.advance(kit.unit * 0.7)
        assert await driver.recover() == 0
        assert (await driver.renew(worker.id, kit.unit)).tokens == {claim.token}
        await worker.finish(claim)

    @conformance_test(driven_clock=True)
    async def test_worker_a_worker_is_forgotten_after_a_day(self, kit: SuiteContext) -> None:
        """A worker's record stays until it is closed or 24 h after its lock's expiry."""
        driver = await kit.driver()
        kept, forgotten = await kit.worker(driver, kit.unit), await kit.worker(driver, kit.unit)
        await kit.advance(kit.unit + timedelta(hours=23, minutes=59))
        await driver.recover()
        assert (await driver.renew(kept.id, kit.unit)).tokens == frozenset()
        await kit.advance(timedelta(minutes=1, seconds=1))
        await driver.recover()
        with pytest.raises(WorkerClosed):
            await driver.renew(forgotten.id, kit.unit)
        await driver.renew(kept.id, kit.unit)

    @conformance_test(driven_clock=True)
    async def test_worker_no_job_is_forgotten_with_its_worker(self, kit: SuiteContext) -> None:
        """However late the first recovery comes, the jobs of a dead worker are pending again."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        dead = await kit.worker(driver, kit.unit)
        await dead.claim_one()
        await kit.advance(timedelta(days=30))
        assert await driver.recover() == 1
        assert await kit.claimed(driver) == [job_id]

    @conformance_test(Capability.QUEUE, Capability.INSPECTION)
    async def test_worker_a_recovered_job_is_pending(self, kit: SuiteContext) -> None:
        """recover: processing → pending; no worker is named any more."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        dead = await kit.worker(driver, kit.unit)
        await dead.claim_one()
        await kit.advance(kit.unit)
        assert await driver.status(job_id) is JobStatus.PROCESSING
        await driver.recover()
        stored = await driver.get(job_id)
        assert stored is not None
        assert (stored.status, stored.worker, stored.claimed_at) == (JobStatus.PENDING, None, None)
        assert stored.recoveries == 1

    @conformance_test()
    async def test_worker_a_second_death(self, kit: SuiteContext) -> None:
        """A job whose second worker dies is recovered again; the first one's late settle does not disturb it."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        first = await kit.worker(driver, kit.unit)
        old = await first.claim_one()
        await kit.advance(kit.unit)
        await driver.recover()
        second = await kit.worker(driver, kit.unit)
        await second.claim_one()
        assert await first.settle(Release(job_id, old.token)) == [SettleOutcome.CLAIM_LOST]
        assert await kit.claimed(driver) == []
        await kit.advance(kit.unit)
        assert await driver.recover() == 1
        assert (await (await kit.worker(driver)).claim_one()).recoveries == 2
