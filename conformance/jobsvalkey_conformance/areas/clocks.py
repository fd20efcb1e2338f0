"""The store's own clock: in production nobody moves the time."""

from datetime import timedelta

import pytest

from jobsvalkey.contract import Capability, JobStatus, LaneLimit, Operation, Unique, retain_for
from jobsvalkey_conformance.areas.retention import policy
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, STORED, SuiteContext, outcomes


class ClockTests(Suite):
    """The same promises by the store's own clock, in real time."""

    @conformance_test(own_clock=True)
    async def test_clock_a_job_is_due_by_the_stores_clock(self, kit: SuiteContext) -> None:
        """Now is the store's clock: a delay is over when its time has gone by, and not before."""
        driver = await kit.driver()
        worker = await kit.worker(driver)
        job_id = await kit.push(driver, due=kit.unit)
        answer = await worker.exchange(limit=1)
        assert answer.claims == []
        assert answer.until_next == pytest.approx(kit.unit.total_seconds(), abs=kit.unit.total_seconds() / 2)
        await kit.advance(kit.unit)
        claim = await worker.claim_one()
        assert claim.job_id == job_id
        assert kit.same_time(claim.stored_at, kit.now())
        assert kit.same_time(claim.due, kit.now())

    @conformance_test(own_clock=True)
    async def test_clock_a_lock_runs_out(self, kit: SuiteContext) -> None:
        """A lock ends its time from now: until then its jobs are the worker's, then anybody's; it is still known."""
        driver = await kit.driver()
        await kit.push(driver)
        worker = await kit.worker(driver, kit.unit)
        claim = await worker.claim_one()
        assert await driver.recover() == 0
        await kit.advance(kit.unit)
        assert (await worker.exchange()).lock_expired
        assert (await driver.renew(worker.id, kit.unit)).tokens == {claim.token}
        await kit.advance(kit.unit)
        assert await driver.recover() == 1
        assert (await driver.renew(worker.id, kit.unit)).tokens == frozenset()

    @conformance_test(own_clock=True)
    async def test_clock_a_producer_is_remembered(self, kit: SuiteContext) -> None:
        """The store remembers a producer for 10 minutes: a moment later its repeat is answered from memory."""
        driver, job, operation = await kit.driver(), kit.job(), Operation("producer", 1)
        assert outcomes(await driver.push([job], operation=operation)) == [STORED]
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        await kit.advance(kit.unit * 3)
        assert outcomes(await driver.push([job], operation=operation)) == [STORED]
        assert await worker.claim() == []

    @conformance_test(own_clock=True)
    async def test_clock_what_is_kept_for_a_time(self, kit: SuiteContext) -> None:
        """Windows, ages and locks end when their time has gone by on the store's clock, and not before."""
        driver = await kit.driver(retention_policy=policy(retain_for(kit.unit)))
        other_queue = kit.configuration.queue_key + ".named"
        forgetful = await kit.driver(queue_key=other_queue, idempotency_window=kit.unit)
        named, plain = kit.job(remember=True), kit.job()
        await driver.push([plain])
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        await forgetful.push([named])
        other = await kit.worker(forgetful)
        await other.finish(await other.claim_one())
        has_locks = Capability.METADATA in kit.capabilities
        assert not has_locks or await driver.acquire_lock("lock", b"one", kit.unit)
        assert outcomes(await driver.push([plain])) == [DUPLICATE]
        assert outcomes(await forgetful.push([named])) == [DUPLICATE]
        assert not has_locks or await driver.acquire_lock("lock", b"other", kit.unit) is False
        await kit.advance(kit.unit)
        assert outcomes(await driver.push([plain])) == [STORED]
        assert outcomes(await forgetful.push([named])) == [STORED]
        assert not has_locks or await driver.acquire_lock("lock", b"other", kit.unit) is True

    @conformance_test(Capability.RESULTS, own_clock=True)
    async def test_clock_a_result_is_kept_for_its_time(self, kit: SuiteContext) -> None:
        """A job with `keep_for` is kept for that time of the store's clock, and is absent then."""
        driver = await kit.driver()
        job_id = await kit.push(driver, keep_for=kit.unit)
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        (job,) = await driver.ended([job_id], kit.unit * 0)
        assert job is not None
        assert job.status is JobStatus.COMPLETED
        assert kit.same_time(job.ended_at, kit.now())
        await kit.advance(kit.unit)
        assert await driver.ended([job_id], kit.unit * 0) == [None]

    @conformance_test(Capability.METADATA, own_clock=True)
    async def test_clock_a_lock_ends_sooner_or_later(self, kit: SuiteContext) -> None:
        """A lock ends the given time from now, later or sooner than before, however soon that is; whoever has it."""
        driver = await kit.driver()
        assert await driver.acquire_lock("soon", b"holder", timedelta(microseconds=1))
        for span in (kit.unit * 100, kit.unit):
            assert await driver.acquire_lock("sooner", b"holder", span)
        for span in (kit.unit, kit.unit * 100):
            assert await driver.acquire_lock("later", b"", span)
        await kit.advance(kit.unit)
        assert await driver.acquire_lock("sooner", b"other", kit.unit)
        assert not await driver.acquire_lock("later", b"other", kit.unit)
        assert await driver.acquire_lock("soon", b"other", kit.unit)
        assert await driver.get_metadata("later") == b""

    @conformance_test(Capability.UNIQUE, own_clock=True)
    async def test_clock_a_name_is_held_for_its_time(self, kit: SuiteContext) -> None:
        """A name for a time is free when that has gone by on the store's clock, and not before."""
        driver = await kit.driver()
        first, second, third = (kit.job(unique=Unique("name", kit.unit)) for _ in range(3))
        assert outcomes(await driver.push([first])) == [STORED]
        assert outcomes(await driver.push([second])) == [DUPLICATE]
        await kit.advance(kit.unit)
        assert outcomes(await driver.push([third])) == [STORED]

    @conformance_test(Capability.EXPIRY, own_clock=True)
    async def test_clock_a_job_expires(self, kit: SuiteContext) -> None:
        """A job expires when its time has come by the store's clock, and is never claimed then."""
        driver = await kit.driver()
        soon, later = (kit.job(expires=kit.unit * units) for units in (1, 100))
        await driver.push([soon, later])
        await kit.advance(kit.unit)
        assert await kit.claimed(driver) == [later.job_id]

    @conformance_test(Capability.LANES, own_clock=True)
    async def test_clock_a_lane_keeps_to_its_rate(self, kit: SuiteContext) -> None:
        """At most n claims of a lane are made within a time of the store's clock, and then as many again."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", LaneLimit(rate=(2, kit.unit)))
        await driver.push([kit.job(lane="a") for _ in range(5)])
        worker = await kit.worker(driver)
        assert [len(await worker.claim(5)) for _ in range(2)] == [2, 0]
        await kit.advance(kit.unit / 3)
        assert await driver.recover() == 0
        await kit.push(driver, lane="a")
        await kit.push(driver, lane="a", priority=1)
        assert await worker.claim(5) == []
        await kit.advance(kit.unit * 2 / 3)
        assert [len(await worker.claim(5)) for _ in range(2)] == [2, 0]

    @conformance_test(Capability.LANES, own_clock=True)
    async def test_clock_a_rate_becomes_stricter(self, kit: SuiteContext) -> None:
        """Claims count against a rate as long as it says, also those that were made under one of a shorter time."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", LaneLimit(rate=(1, kit.unit)))
        await driver.push([kit.job(lane="a") for _ in range(3)])
        worker = await kit.worker(driver)
        assert len(await worker.claim(3)) == 1
        await driver.set_lane_limit("a", LaneLimit(rate=(1, kit.unit * 2)))
        await kit.advance(kit.unit * 6 / 5)
        assert await driver.recover() == 0
        await kit.push(driver, lane="a", priority=1)
        assert await worker.claim(3) == []
        await kit.advance(kit.unit * 4 / 5)
        assert len(await worker.claim(3)) == 1
