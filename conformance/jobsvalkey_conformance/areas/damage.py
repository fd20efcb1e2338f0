"""Bad payloads: what the store has lost, or holds something else in its place."""

import pytest

from jobsvalkey.contract import (
    Capability,
    Claim,
    Fail,
    Finish,
    Inconsistency,
    InconsistencyKind,
    JobCleanup,
    JobID,
    JobStatus,
    Release,
    RetentionPolicy,
    SettleOutcome,
    Unique,
    retain_for,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, REPLACED, RETAIN_ALL, STORED, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.harness import GARBLED, AnyDriver, Damage, Hook

every_loss: pytest.MarkDecorator = pytest.mark.parametrize("how", [Damage.LOST_REQUEST, Damage.WRONG_TYPE])


class DamageTests(Suite):
    """A payload is missing or corrupt: it is that job's fault alone."""

    @conformance_test(Capability.QUEUE, Hook.DAMAGE)
    async def test_damage_a_garbled_request_is_handed_on(self, kit: SuiteContext) -> None:
        """To a driver a request is opaque bytes: whether they make sense is the runtime's to say."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        await kit.damage(job_id, Damage.GARBLED_REQUEST)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert (claim.job_id, claim.request) == (job_id, GARBLED)
        assert await worker.settle(Fail(job_id, claim.token, b"corrupt", keep=True)) == [SettleOutcome.SETTLED]

    @every_loss
    @conformance_test(Capability.QUEUE, Hook.DAMAGE)
    async def test_damage_a_lost_request_is_claimed_as_lost(self, kit: SuiteContext, how: Damage) -> None:
        """A claim of a job whose request is lost says so, and the jobs around it are claimed as ever."""
        driver = await kit.driver()
        one, lost, other = await kit.push_many(driver, 3)
        await kit.damage(lost, how)
        worker = await kit.worker(driver)
        claims = await worker.claim(5)
        assert [claim.job_id for claim in claims] == [one, lost, other]
        assert [claim.request is None for claim in claims] == [False, True, False]
        await worker.finish(claims[0], claims[2])

    @every_loss
    @conformance_test(Capability.INSPECTION, Capability.CANCEL, Hook.DAMAGE)
    async def test_damage_beyond_its_retention_a_job_has_none(self, kit: SuiteContext, how: Damage) -> None:
        """A job beyond its retention is absent to every operation: `validate` finds nothing of it, trimmed or not."""
        driver = await kit.driver(retention_policy=RetentionPolicy(cancelled_jobs=retain_for(kit.unit)))
        job_id = await kit.push(driver)
        await kit.damage(job_id, how)
        assert await driver.cancel(job_id)
        assert [found.job_id for found in await driver.validate()] == [job_id]
        await kit.advance(kit.unit)
        assert await driver.validate() == []

    @every_loss
    @conformance_test(Capability.QUEUE, Hook.DAMAGE)
    async def test_damage_a_lost_request_is_a_known_id(self, kit: SuiteContext, how: Damage) -> None:
        """A job is present if it has its place, pending or claimed, whatever became of its request."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        await kit.damage(job_id, how)
        assert outcomes(await driver.push([kit.job(job_id=job_id)])) == [DUPLICATE]
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert outcomes(await driver.push([kit.job(job_id=job_id)])) == [DUPLICATE]
        assert (claim.job_id, claim.request) == (job_id, None)

    @every_loss
    @conformance_test(Capability.QUEUE, Capability.INSPECTION, Capability.CLEANUP, Hook.DAMAGE)
    async def test_damage_a_tombstone(self, kit: SuiteContext, how: Damage) -> None:
        """A missing payload fails kept, as a tombstone: `validate` passes over it, `rerun` refuses, removal removes.

        What lies in the place of a payload is not ours to throw away: that stays a finding until it is removed.
        """
        driver = await kit.driver()
        job_id, claim, worker = await damaged(kit, driver, how)
        assert await worker.settle(Fail(job_id, claim.token, b"lost", keep=True)) == [SettleOutcome.SETTLED]
        stored = await driver.get(job_id)
        assert stored is not None
        assert (stored.status, stored.request, stored.error) == (JobStatus.FAILED, None, b"lost")
        in_its_place = [Inconsistency(InconsistencyKind.WRONG_TYPE, job_id)] if how is Damage.WRONG_TYPE else []
        assert await driver.validate() == in_its_place
        assert await driver.rerun(job_id) is False
        assert await driver.status(job_id) is JobStatus.FAILED
        assert await driver.remove(job_id) is True
        assert await driver.status(job_id) is None
        assert await driver.validate() == []
        assert outcomes(await driver.push([kit.job(job_id=job_id)])) == [STORED]

    @conformance_test(Capability.CLEANUP, Capability.INSPECTION, Hook.DAMAGE)
    async def test_damage_a_cleanup_reruns_no_tombstone(self, kit: SuiteContext) -> None:
        """A rerun by cleanup passes over a tombstone and goes on to the next; a removal by cleanup takes it too."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id, claim, worker = await damaged(kit, driver, Damage.LOST_REQUEST)
        await worker.settle(Fail(job_id, claim.token, b"lost", keep=True))
        await kit.advance(kit.unit / 4)
        sound = await kit.in_state(driver, JobStatus.FAILED)
        assert await driver.cleanup_step(JobStatus.FAILED, JobCleanup.RERUN, max_jobs=1) == 1
        assert await kit.claimed(driver) == [sound]
        assert await driver.status(job_id) is JobStatus.FAILED
        assert await driver.cleanup_step(JobStatus.FAILED, JobCleanup.RERUN, max_jobs=10) == 0
        assert (await driver.cleanup(failed_jobs=JobCleanup.remove()))[JobStatus.FAILED] == 1
        assert await driver.status(job_id) is None

    @every_loss
    @conformance_test(Capability.QUEUE, Hook.DAMAGE)
    async def test_damage_a_lost_request_can_be_put_back(self, kit: SuiteContext, how: Damage) -> None:
        """The claim of a damaged job is one like any other: renewed, and lost with its worker."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        await kit.damage(job_id, how)
        dead = await kit.worker(driver, kit.unit)
        claim = await dead.claim_one()
        assert (await driver.renew(dead.id, kit.unit)).tokens == {claim.token}
        await kit.advance(kit.unit)
        assert await driver.recover() == 1
        again = await (await kit.worker(driver)).claim_one()
        assert (again.job_id, again.request, again.recoveries) == (job_id, None, 1)

    @pytest.mark.parametrize("how", [Damage.LOST_REQUEST, Damage.GARBLED_REQUEST, Damage.WRONG_TYPE])
    @conformance_test(Capability.UNIQUE, Hook.DAMAGE)
    async def test_damage_a_replaced_job_is_whole(self, kit: SuiteContext, how: Damage) -> None:
        """`replace`: the holder gets the request of the new job, whatever had become of its own."""
        driver = await kit.driver()
        old = kit.job(unique=Unique("name"))
        await driver.push([old])
        await kit.damage(old.job_id, how)
        new = kit.job(b"new", unique=Unique("name", otherwise="replace"))
        assert outcomes(await driver.push([new])) == [REPLACED]
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert (claim.job_id, claim.request) == (old.job_id, b"new")
        await worker.finish(claim)

    @conformance_test(Capability.QUEUE, Hook.DAMAGE)
    async def test_damage_the_wrong_type_is_one_outcome(self, kit: SuiteContext) -> None:
        """A job's key of the wrong type is that job's fault alone: for a settlement, that one outcome is an error."""
        driver = await kit.driver()
        await kit.push_many(driver, 3)
        worker = await kit.worker(driver)
        claims = await worker.claim(3)
        await kit.damage(claims[1].job_id, Damage.WRONG_TYPE)
        settled = await worker.settle(*(Finish(claim.job_id, claim.token) for claim in claims))
        assert settled[0] is settled[2] is SettleOutcome.SETTLED
        assert settled[1] in (SettleOutcome.BROKEN, SettleOutcome.SETTLED)
        if settled[1] is SettleOutcome.BROKEN:
            assert (await driver.renew(worker.id, kit.unit)).tokens == {claims[1].token}
            end = Fail(claims[1].job_id, claims[1].token, b"broken", keep=True)
            assert await worker.settle(end) == [SettleOutcome.SETTLED]
        assert (await driver.renew(worker.id, kit.unit)).tokens == frozenset()
        assert await kit.claimed(driver) == []

    @conformance_test(Capability.QUEUE, Hook.DAMAGE)
    async def test_damage_release_of_a_lost_request(self, kit: SuiteContext) -> None:
        """A worker that shuts down releases what it has, damaged or not: nobody's job is stuck."""
        driver = await kit.driver()
        lost, sound = await kit.push_many(driver, 2)
        await kit.damage(lost, Damage.LOST_REQUEST)
        worker = await kit.worker(driver)
        claims = await worker.claim(2)
        settled = await worker.settle(*(Release(claim.job_id, claim.token) for claim in claims))
        assert settled == [SettleOutcome.SETTLED] * 2
        assert await kit.claimed(driver) == [lost, sound]

    @pytest.mark.parametrize(
        ("how", "kind"),
        [
            (Damage.LOST_REQUEST, InconsistencyKind.MISSING_PAYLOAD),
            (Damage.WRONG_TYPE, InconsistencyKind.WRONG_TYPE),
        ],
    )
    @pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PROCESSING, JobStatus.COMPLETED])
    @conformance_test(Capability.INSPECTION, Hook.DAMAGE)
    async def test_damage_it_is_found(
        self, kit: SuiteContext, status: JobStatus, how: Damage, kind: InconsistencyKind
    ) -> None:
        """`validate` reports ids without payload and keys of the wrong type, in any state, and nothing else."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        await kit.in_state(driver, JobStatus.COMPLETED)
        job_id = await kit.in_state(driver, status)
        await kit.damage(job_id, how)
        assert await driver.validate() == [Inconsistency(kind, job_id)]
        stored = await driver.get(job_id)
        assert stored is not None
        assert (stored.status, stored.request) == (status, None)

    @pytest.mark.parametrize(
        "status", [JobStatus.PENDING, JobStatus.PAUSED, JobStatus.WAITING, JobStatus.COMPLETED, JobStatus.CANCELLED]
    )
    @conformance_test(Capability.RESULTS, Capability.INSPECTION, Hook.DAMAGE)
    async def test_damage_it_is_found_of_a_job_to_keep(self, kit: SuiteContext, status: JobStatus) -> None:
        """`validate` reports a lost request also of a job with a feature, for which a store may have lists apart."""
        driver = await kit.driver()
        job_id = await kit.in_state(driver, status, keep_for=kit.unit * 99)
        await kit.damage(job_id, Damage.LOST_REQUEST)
        assert await driver.validate() == [Inconsistency(InconsistencyKind.MISSING_PAYLOAD, job_id)]

    @pytest.mark.parametrize(("lane", "priority"), [("a", 0), (None, 9)])
    @conformance_test(Capability.LANES, Capability.INSPECTION, Hook.DAMAGE)
    async def test_damage_it_is_found_in_a_line(self, kit: SuiteContext, lane: str | None, priority: int) -> None:
        """`validate` reports a lost request also of a job that waits in a line."""
        driver = await kit.driver()
        job_id, _ = [await kit.push(driver, lane=lane, priority=priority) for _ in range(2)]
        await kit.damage(job_id, Damage.LOST_REQUEST)
        assert await driver.validate() == [Inconsistency(InconsistencyKind.MISSING_PAYLOAD, job_id)]

    @pytest.mark.parametrize("status", [JobStatus.PROCESSING, JobStatus.COMPLETED, JobStatus.FAILED])
    @conformance_test(Capability.EXPIRY, Capability.INSPECTION, Hook.DAMAGE)
    async def test_damage_a_stray_expiry_ends_nobody(self, kit: SuiteContext, status: JobStatus) -> None:
        """A job that does not wait does not expire, whatever a list says: that is found, and forgotten."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        await driver.push([kit.job(due=kit.unit * 9, expires=kit.unit * 99)])
        job_id = await kit.in_state(driver, status)
        before = await driver.get(job_id)
        await kit.damage(job_id, Damage.STRAY_EXPIRY)
        assert await driver.validate() == [Inconsistency(InconsistencyKind.WRONG_STATUS, job_id)]
        worker = await kit.worker(driver)
        await worker.exchange()
        assert await driver.get(job_id) == before
        assert await driver.validate() == []
        until_next = (await worker.exchange()).until_next
        assert until_next is not None
        assert until_next > 0, "a worker would ask again and again"

    @conformance_test(Capability.LANES, Capability.INSPECTION, Hook.DAMAGE)
    async def test_damage_a_foreign_line_is_its_lanes_trouble(self, kit: SuiteContext) -> None:
        """Jobs of other lanes are claimed as ever, and those that something is in the way of are found."""
        driver = await kit.driver()
        held, other, plain = [await kit.push(driver, lane=lane) for lane in ("a", "b", None)]
        await kit.damage(held, Damage.FOREIGN_LINE)
        assert await driver.validate() == [Inconsistency(InconsistencyKind.WRONG_TYPE, held)]
        worker = await kit.worker(driver)
        claims = await worker.claim(9)
        assert {claim.job_id for claim in claims} == {other, plain}
        await worker.finish(*claims)
        assert await driver.status(held) is JobStatus.PENDING

    @every_loss
    @conformance_test(Capability.CLEANUP, Capability.INSPECTION, Hook.DAMAGE)
    async def test_damage_a_damaged_job_can_be_removed(self, kit: SuiteContext, how: Damage) -> None:
        """Removal removes a damaged job, and leaves nothing that `validate` would find."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        await kit.damage(job_id, how)
        assert await driver.remove(job_id) is True
        assert await driver.validate() == []
        assert outcomes(await driver.push([kit.job(b"new", job_id=job_id)])) == [STORED]
        assert (await (await kit.worker(driver)).claim_one()).request == b"new"


async def damaged(kit: SuiteContext, driver: AnyDriver, how: Damage) -> tuple[JobID, Claim, Worker]:
    """A job without its request that a worker has claimed."""
    job_id = await kit.push(driver)
    await kit.damage(job_id, how)
    worker = await kit.worker(driver)
    claim = await worker.claim_one()
    assert (claim.job_id, claim.request) == (job_id, None)
    return job_id, claim, worker
