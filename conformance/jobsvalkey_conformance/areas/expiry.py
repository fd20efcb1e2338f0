"""Jobs that expire."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsvalkey.contract import (
    EXPIRED,
    MOST_EXPIRED,
    Capability,
    Claim,
    Fail,
    Finish,
    JobID,
    JobStatus,
    Release,
    Retry,
    SettleOutcome,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import RETAIN_ALL, SuiteContext, Worker
from jobsvalkey_conformance.harness import AnyDriver, Hook

PAST = datetime(2020, 1, 1, tzinfo=UTC)


async def _retry(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim) -> None:
    await worker.settle(Retry(claim.job_id, claim.token, b"again", None, b"error"))


async def _sleep(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim) -> None:
    await worker.settle(Retry(claim.job_id, claim.token, due=kit.unit * 30))


async def _release(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim) -> None:
    await worker.settle(Release(claim.job_id, claim.token))


async def _close(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim) -> None:
    await driver.close_worker(worker.id)


async def _die(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim) -> None:
    await driver.renew(worker.id, kit.unit)
    await kit.advance(kit.unit)
    assert await driver.recover() == 1


WAYS_BACK = {"retry": _retry, "sleep": _sleep, "release": _release, "close": _close, "recovery": _die}
"""The ways in which a claimed job comes back into the queue."""
Way = Callable[[SuiteContext, AnyDriver, Worker, Claim], Awaitable[None]]
every_way_back: pytest.MarkDecorator = pytest.mark.parametrize("way", list(WAYS_BACK.values()), ids=list(WAYS_BACK))


async def exchanged(kit: SuiteContext, driver: AnyDriver) -> float | None:
    """Let a new worker exchange, and claim nothing; what it says of the time until the next."""
    return (await (await kit.worker(driver)).exchange()).until_next


async def assert_expired(driver: AnyDriver, job_id: JobID) -> None:
    """Check that a job, which the policy keeps, has ended as one that has expired."""
    stored = await driver.get(job_id)
    assert stored is not None
    assert (stored.status, stored.error) == (JobStatus.CANCELLED, EXPIRED)


class ExpiryTests(Suite):
    """`expires`: a job that nobody has at that time is cancelled."""

    @pytest.mark.parametrize("is_date", [False, True], ids=["after a time", "at a date"])
    @conformance_test(Capability.EXPIRY, Capability.INSPECTION)
    async def test_expiry_a_job_is_cancelled(self, kit: SuiteContext, is_date: bool) -> None:
        """The first exchange from its expiry on ends a job as cancelled, with the reason; none does so before."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        expires = kit.now() + kit.unit * 2
        job_id = await kit.push(driver, due=kit.unit * 9, expires=expires if is_date else kit.unit * 2)
        other = await kit.push(driver, due=kit.unit * 9)
        await kit.advance(kit.unit)
        await exchanged(kit, driver)
        stored = await driver.get(job_id)
        assert stored is not None
        assert (stored.status, stored.error) == (JobStatus.PENDING, None)
        assert kit.same_time(stored.expires, expires)
        await kit.advance(kit.unit)
        assert await driver.status(job_id) is JobStatus.PENDING
        await exchanged(kit, driver)
        await assert_expired(driver, job_id)
        stored = await driver.get(job_id)
        assert stored is not None
        assert kit.same_time(stored.ended_at, kit.now())
        assert kit.same_time(stored.expires, expires)
        assert await driver.status(other) is JobStatus.PENDING
        counts = await driver.counts()
        assert (counts[JobStatus.PENDING], counts[JobStatus.CANCELLED]) == (1, 1)
        assert [job.error async for job in driver.jobs(JobStatus.CANCELLED)] == [EXPIRED]
        assert await driver.validate() == []

    @pytest.mark.parametrize("steps", [-1, 0, 1], ids=["before", "at", "after"])
    @conformance_test(Capability.EXPIRY, driven_clock=True)
    async def test_expiry_its_instant_belongs_to_it(self, kit: SuiteContext, steps: int) -> None:
        """A job is claimed up to the moment before its expiry, and neither at it nor after."""
        driver = await kit.driver()
        job_id = await kit.push(driver, expires=kit.unit)
        await kit.advance(kit.unit + steps * kit.harness.time_precision)
        assert await kit.claimed(driver) == ([job_id] if steps < 0 else [])

    @conformance_test(Capability.EXPIRY, Capability.INSPECTION)
    async def test_expiry_what_runs_may_end(self, kit: SuiteContext) -> None:
        """While it is claimed a job is not ended: it completes or fails after its expiry as ever."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        jobs = [kit.job(expires=kit.unit) for _ in range(2)]
        await driver.push(jobs)
        worker = await kit.worker(driver)
        first, second = await worker.claim(2)
        assert first.expires is not None
        assert await exchanged(kit, driver) is None
        await kit.advance(kit.unit)
        assert await exchanged(kit, driver) is None
        assert await driver.recover() == 0
        settled = [Finish(first.job_id, first.token), Fail(second.job_id, second.token, b"error")]
        assert await worker.settle(*settled) == [SettleOutcome.SETTLED] * 2
        assert await driver.status(first.job_id) is JobStatus.COMPLETED
        assert await driver.status(second.job_id) is JobStatus.FAILED
        assert await exchanged(kit, driver) is None

    @every_way_back
    @conformance_test(Capability.EXPIRY, Capability.INSPECTION)
    async def test_expiry_covers_every_attempt(self, kit: SuiteContext, way: Way) -> None:
        """A job that comes back after its expiry does not run again: it ends as cancelled."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.push(driver, expires=kit.unit)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        await kit.advance(kit.unit)
        await way(kit, driver, worker, claim)
        assert await kit.claimed(driver) == []
        await assert_expired(driver, job_id)

    @every_way_back
    @conformance_test(Capability.EXPIRY, Capability.INSPECTION)
    async def test_expiry_is_kept_on_the_way_back(self, kit: SuiteContext, way: Way) -> None:
        """A job that comes back before its expiry waits again, and expires when it would have."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.push(driver, expires=kit.unit * 3)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert kit.same_time(claim.expires, kit.now() + kit.unit * 3)
        await way(kit, driver, worker, claim)
        await exchanged(kit, driver)
        assert await driver.status(job_id) is JobStatus.PENDING
        await kit.advance(kit.unit * 3)
        assert await kit.claimed(driver) == []
        await assert_expired(driver, job_id)

    @conformance_test(Capability.EXPIRY, Capability.INSPECTION)
    async def test_expiry_a_settlement_and_the_end_are_one_step(self, kit: SuiteContext) -> None:
        """The exchange that gives an overdue job back ends it."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.push(driver, expires=kit.unit)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        await kit.advance(kit.unit)
        answer = await worker.exchange(Release(job_id, claim.token), limit=1)
        assert (answer.outcomes, answer.claims, answer.until_next) == ([SettleOutcome.SETTLED], [], None)
        await assert_expired(driver, job_id)

    @conformance_test(Capability.EXPIRY, Capability.RESUME, Capability.INSPECTION)
    async def test_expiry_of_a_paused_job(self, kit: SuiteContext) -> None:
        """A job that was set aside expires as well, and one that was resumed."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        paused, resumed = await kit.push(driver, expires=kit.unit), await kit.push(driver, expires=kit.unit)
        assert await driver.pause(paused)
        assert await driver.pause(resumed)
        assert await driver.resume(resumed)
        await kit.advance(kit.unit)
        assert await kit.claimed(driver) == []
        await assert_expired(driver, paused)
        await assert_expired(driver, resumed)
        assert await driver.resume(paused) is False

    @conformance_test(Capability.EXPIRY, Capability.PAUSE_QUEUE, Capability.INSPECTION)
    async def test_expiry_in_a_paused_queue(self, kit: SuiteContext) -> None:
        """Jobs expire while the queue is paused, and `until_next` tells of it: an idle worker need not be told."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.push(driver, expires=kit.unit)
        await driver.pause_queue()
        until_next = await exchanged(kit, driver)
        assert until_next == pytest.approx(kit.unit.total_seconds(), abs=kit.tolerance.total_seconds() + 1e-6)
        await kit.advance(kit.unit)
        assert await exchanged(kit, driver) is None
        await assert_expired(driver, job_id)

    @conformance_test(Capability.EXPIRY, Capability.INSPECTION)
    async def test_expiry_recovery_ends_jobs(self, kit: SuiteContext) -> None:
        """A recovery ends what is overdue, which it does not count; one whose own lock has run out does nothing."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.push(driver, expires=kit.unit)
        stalled = await kit.worker(driver, kit.unit)
        await kit.advance(kit.unit)
        assert await driver.recover(worker=stalled.id) == 0
        assert await driver.status(job_id) is JobStatus.PENDING
        assert await driver.recover() == 0
        await assert_expired(driver, job_id)

    @conformance_test(Capability.EXPIRY, Capability.INSPECTION)
    async def test_expiry_under_a_lock_that_has_run_out(self, kit: SuiteContext) -> None:
        """An exchange that may not claim ends what is overdue all the same."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.push(driver, expires=kit.unit)
        worker = await kit.worker(driver, kit.unit)
        await kit.advance(kit.unit)
        answer = await worker.exchange(limit=1)
        assert (answer.claims, answer.until_next, answer.lock_expired) == ([], None, True)
        await assert_expired(driver, job_id)

    @conformance_test(Capability.EXPIRY, Capability.INSPECTION)
    async def test_expiry_before_the_push(self, kit: SuiteContext) -> None:
        """A job whose expiry has passed already is stored like any other, and ends with the next exchange."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        ids = [await kit.push(driver, expires=PAST), await kit.push(driver, expires=timedelta(0))]
        assert [await driver.status(job_id) for job_id in ids] == [JobStatus.PENDING] * 2
        assert await kit.claimed(driver) == []
        for job_id in ids:
            await assert_expired(driver, job_id)

    @conformance_test(Capability.EXPIRY)
    async def test_expiry_takes_no_turn(self, kit: SuiteContext) -> None:
        """A job that has expired takes no place among those that an exchange may claim."""
        driver = await kit.driver()
        await kit.push(driver, expires=kit.unit)
        job_id = await kit.push(driver)
        await kit.advance(kit.unit)
        assert await kit.claimed(driver, 1) == [job_id]

    @conformance_test(Capability.EXPIRY, Capability.INSPECTION)
    async def test_expiry_ends_so_many_at_once_and_in_order(self, kit: SuiteContext) -> None:
        """One exchange ends at most 100 jobs, in the order of expiry and id; it says that there are more."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        now = kit.now()
        jobs = [kit.job(expires=now - timedelta(seconds=number // 2)) for number in range(MOST_EXPIRED + 4)]
        await driver.push(jobs)
        last = sorted(jobs, key=lambda job: (job.expires, job.job_id))[MOST_EXPIRED:]
        assert await exchanged(kit, driver) == 0
        left = [job.job_id async for job in driver.jobs(JobStatus.PENDING)]
        assert sorted(left) == sorted(job.job_id for job in last)
        assert await exchanged(kit, driver) is None
        assert (await driver.counts())[JobStatus.CANCELLED] == len(jobs)

    @conformance_test(Capability.EXPIRY)
    async def test_expiry_is_looked_at_by_a_claim(self, kit: SuiteContext) -> None:
        """A job that has expired is not claimed, even if its end has to wait because too many others have expired."""
        driver = await kit.driver()
        first = kit.job(due=PAST, expires=kit.unit)
        many = [kit.job(due=PAST + kit.unit, expires=kit.now()) for _ in range(MOST_EXPIRED + 4)]
        await driver.push([first, *many])
        plain, alive = await kit.push(driver), await kit.push(driver, expires=kit.unit * 99)
        await kit.advance(kit.unit)
        worker = await kit.worker(driver)
        answer = await worker.exchange(limit=2)  # fewer than the expired ones that are left before them
        assert sorted(claim.job_id for claim in answer.claims) == sorted([plain, alive])
        assert answer.until_next == 0
        answer = await worker.exchange(limit=10)
        assert (answer.claims, answer.until_next) == ([], None)

    @conformance_test(Capability.EXPIRY)
    async def test_expiry_counts_for_until_next(self, kit: SuiteContext) -> None:
        """`until_next` is the time to the next expiry if that comes before the next due time."""
        driver = await kit.driver()
        within = kit.tolerance.total_seconds() + 1e-6
        await kit.push(driver, due=kit.unit * 9, expires=kit.unit * 5)
        assert await exchanged(kit, driver) == pytest.approx((kit.unit * 5).total_seconds(), abs=within)
        await kit.push(driver, due=kit.unit * 3, expires=kit.unit * 8)
        assert await exchanged(kit, driver) == pytest.approx((kit.unit * 3).total_seconds(), abs=within)

    @conformance_test(Capability.EXPIRY, Hook.DROP_REPLY)
    async def test_expiry_a_lost_reply(self, kit: SuiteContext) -> None:
        """The repeat of an exchange whose reply is lost shows its claims, with their expiry, and ends nobody twice."""
        driver = await kit.driver()
        await kit.push(driver, expires=PAST)
        job_id = await kit.push(driver, expires=kit.unit)
        worker = await kit.worker(driver)
        async with kit.harness.drop_reply():
            answer = await worker.exchange(limit=5)
        assert [claim.job_id for claim in answer.claims] == [job_id]
        assert kit.same_time(answer.claims[0].expires, kit.now() + kit.unit)

    @pytest.mark.parametrize(
        "wrong",
        [timedelta(microseconds=-1), timedelta(days=36_501), datetime(2030, 1, 1), datetime(9999, 6, 1, tzinfo=UTC)],  # noqa: DTZ001 - naive
        ids=["negative", "too long", "naive", "too late"],
    )
    @conformance_test(Capability.EXPIRY)
    async def test_expiry_that_no_store_can_hold(self, kit: SuiteContext, wrong: Any) -> None:
        """An expiry outside of what a due time may be is a `ValueError`, and nothing is stored."""
        driver = await kit.driver()
        with pytest.raises(ValueError, match="expires"):
            await driver.push([kit.job(), kit.job(expires=wrong)])
        assert await kit.claimed(driver) == []
