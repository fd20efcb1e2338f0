"""Counts of what workers did, minute by minute."""

from datetime import UTC, datetime, timedelta

import pytest

from jobsvalkey.contract import (
    Activity,
    Cancel,
    Capability,
    Fail,
    Finish,
    Release,
    Report,
    Retry,
    SettleOutcome,
    new_job_id,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import SuiteContext, Worker
from jobsvalkey_conformance.harness import AnyDriver

MINUTE = timedelta(minutes=1)
COUNTED = ("started", "completed", "failed", "retried", "cancelled")


def minute_of(time: datetime) -> datetime:
    """The beginning of a minute."""
    return time.astimezone(UTC).replace(second=0, microsecond=0)


async def totals(driver: AnyDriver) -> tuple[int, ...]:
    """The sums of all minutes: started, completed, failed, retried, cancelled."""
    minutes = await driver.activity()
    return tuple(sum(getattr(each, name) for each in minutes) for name in COUNTED)


class ActivityTests(Suite):
    """`activity`."""

    @conformance_test(Capability.ACTIVITY)
    async def test_activity_is_what_exchanges_do(self, kit: SuiteContext) -> None:
        """An exchange counts what it claims, and what became of what it settles; nothing else does."""
        driver = await kit.driver(activity=True)
        worker = await kit.worker(driver)
        assert await driver.activity() == []
        await kit.push_many(driver, 9)
        first, second, third, fourth, fifth, *others = await worker.claim(9)
        assert await totals(driver) == (9, 0, 0, 0, 0)
        await worker.settle(
            Finish(first.job_id, first.token),
            Finish(second.job_id, second.token),
            Fail(third.job_id, third.token, b"error"),
            Retry(fourth.job_id, fourth.token, due=timedelta(hours=1)),
            Release(fifth.job_id, fifth.token),
            Finish(others[0].job_id, b"no token"),
        )
        assert await totals(driver) == (9, 2, 1, 1, 0)
        await driver.close_worker(worker.id)
        assert await totals(driver) == (9, 2, 1, 1, 0)

    @conformance_test(Capability.ACTIVITY, Capability.ABORT, Capability.RESULTS)
    async def test_activity_of_jobs_that_are_cancelled(self, kit: SuiteContext) -> None:
        """`Cancel`, and `Retry` and `Release` of a job that is to be aborted, count as cancelled; `cancel` not."""
        driver = await kit.driver(activity=True)
        worker = await kit.worker(driver)
        ids = await kit.push_many(driver, 4)
        await driver.cancel(ids[3])
        one, other, last = await worker.claim(4)
        await driver.abort(other.job_id)
        await driver.abort(last.job_id)
        await worker.settle(
            Cancel(one.job_id, one.token),
            Retry(other.job_id, other.token, error=b"error"),
            Release(last.job_id, last.token),
        )
        assert await totals(driver) == (3, 0, 0, 0, 3)

    @conformance_test(Capability.ACTIVITY, Capability.EXPIRY)
    async def test_activity_of_jobs_that_expire(self, kit: SuiteContext) -> None:
        """Jobs that an exchange ends for their expiry count as cancelled."""
        driver = await kit.driver(activity=True)
        worker = await kit.worker(driver)
        for _ in range(3):
            await kit.push(driver, expires=timedelta(0))
        await worker.exchange()
        assert await totals(driver) == (0, 0, 0, 0, 3)

    @conformance_test(Capability.ACTIVITY, Capability.REPORTS)
    async def test_activity_of_exchanges_that_do_nothing_is_none(self, kit: SuiteContext) -> None:
        """Idle exchanges, reports and settlements of lost claims count nothing, and a repeat does not count again."""
        driver = await kit.driver(activity=True)
        worker = await kit.worker(driver)
        await worker.exchange(limit=1)
        assert await worker.settle(Finish(new_job_id(), b"x")) == [SettleOutcome.CLAIM_LOST]
        assert await driver.activity() == []
        await kit.push(driver)
        claim = await worker.claim_one()
        await driver.exchange(worker.id, worker.sequence, (), 1)
        await worker.exchange(reports=[Report(claim.job_id, claim.token, b"half")])
        assert await totals(driver) == (1, 0, 0, 0, 0)
        await worker.finish(claim)
        finish = Finish(claim.job_id, claim.token)
        assert (await driver.exchange(worker.id, worker.sequence, [finish])).outcomes == [SettleOutcome.SETTLED]
        assert await totals(driver) == (1, 1, 0, 0, 0)

    @conformance_test(Capability.ACTIVITY, driven_clock=True)
    async def test_activity_is_by_the_minute(self, kit: SuiteContext) -> None:
        """Each minute with something in it is listed, in order, from the one of `since` on."""
        driver = await kit.driver(activity=True)
        worker = await kit.worker(driver)
        await kit.advance(minute_of(kit.now()) + MINUTE - kit.now())
        begin = kit.now()
        for minutes in (0, 1, 3):
            await kit.push_many(driver, minutes + 1)
            await worker.claim(9)
            await kit.advance(MINUTE * (1 if minutes == 0 else 2) - timedelta(milliseconds=1 if minutes else 0))
        listed = await driver.activity()
        assert [(each.minute, each.started) for each in listed] == [
            (begin, 1),
            (begin + MINUTE, 2),
            (begin + MINUTE * 2, 4),
        ]
        for since, left in ((0, 3), (59.9, 3), (60, 2), (119.9, 2), (120, 1), (179.9, 1), (180, 0)):
            assert await driver.activity(begin + timedelta(seconds=since)) == listed[3 - left :], since
        with pytest.raises(ValueError, match="since"):
            await driver.activity(datetime(2026, 1, 1))  # noqa: DTZ001

    @conformance_test(Capability.ACTIVITY, driven_clock=True)
    async def test_activity_is_kept_for_a_day(self, kit: SuiteContext) -> None:
        """A minute is listed for 24 hours. It is not mixed with the same minute of the next day."""
        driver = await kit.driver(activity=True)
        worker = await kit.worker(driver, timedelta(days=9))
        await kit.push_many(driver, 3)
        await worker.claim(2)
        begin = minute_of(kit.now())
        await kit.advance(timedelta(days=1) - MINUTE)
        assert [each.minute for each in await driver.activity()] == [begin]
        await kit.advance(MINUTE)
        assert await driver.activity() == []
        await worker.claim(1)
        (day_after,) = await driver.activity()
        assert (day_after.minute, day_after.started) == (begin + timedelta(days=1), 1)

    @conformance_test(Capability.ACTIVITY, driven_clock=True)
    async def test_activity_is_in_order(self, kit: SuiteContext) -> None:
        """The minutes of the last 24 hours are listed in order, also if those of two days are among them."""
        driver = await kit.driver(activity=True)
        worker = await kit.worker(driver, timedelta(days=9))
        begin = minute_of(kit.now())
        minutes = [begin + MINUTE * number for number in (0, 1, 700, 1439, 1440)]
        for minute in minutes:
            await kit.advance(minute - minute_of(kit.now()))
            await kit.push(driver)
            await worker.claim_one()
        assert [each.minute for each in await driver.activity()] == minutes[1:]

    @conformance_test(Capability.ACTIVITY, driven_clock=True)
    async def test_activity_has_the_waits(self, kit: SuiteContext) -> None:
        """`waited` sums up for how long jobs that start had been due; of one due before it was stored, since then."""
        driver = await kit.driver(activity=True)
        worker = await kit.worker(driver)
        now, unit = kit.now(), timedelta(seconds=2)
        waits = timedelta(0)
        for due, wait in ((None, 6), (unit, 4), (timedelta(0), 6), (now + unit * 2, 2), (now - timedelta(days=800), 6)):
            await kit.push(driver, due=due)
            waits += timedelta(seconds=wait)
        await kit.advance(unit * 3)
        claims = await worker.claim(9)
        for claim in claims[:2]:
            await worker.settle(Retry(claim.job_id, claim.token, due=unit))
            waits += timedelta(seconds=3)
        await kit.advance(timedelta(seconds=5))
        assert len(await worker.claim(9)) == 2
        listed = await driver.activity()
        assert sum(each.started for each in listed) == 7
        assert kit.same_time(now + sum((each.waited for each in listed), timedelta(0)), now + waits)

    @conformance_test(Capability.ACTIVITY)
    async def test_activity_is_counted_once_it_was_asked_for(self, kit: SuiteContext) -> None:
        """Nothing is counted before a worker is opened with `activity`; from then on all of the queue count."""
        without, asking = await kit.driver(), await kit.driver(activity=True)
        worker = await kit.worker(without)
        await kit.push_many(without, 3)
        await worker.claim(1)
        assert await without.activity() == await asking.activity() == []
        asker = Worker(asking, "asker")
        await asking.open_worker(asker.id, kit.unit)
        assert await without.activity() == []
        await worker.claim(1)
        assert await totals(asking) == await totals(without) == (1, 0, 0, 0, 0)
        await asking.close_worker(asker.id)
        await worker.claim(1)
        (*_, last) = await asking.activity()
        assert last == Activity(
            minute=last.minute, started=last.started, completed=0, failed=0, retried=0, cancelled=0, waited=last.waited
        )
        assert await totals(asking) == (2, 0, 0, 0, 0)

    @conformance_test(Capability.ACTIVITY)
    async def test_activity_is_counted_for_good(self, kit: SuiteContext) -> None:
        """Once a worker was opened with `activity`, all workers count, also those that are opened without it later."""
        plain, counting = await kit.driver(), await kit.driver(activity=True)
        await kit.push_many(plain, 3)
        before = await kit.worker(plain)
        await before.finish(await before.claim_one())
        assert await plain.activity() == []
        await kit.worker(counting)
        await before.finish(await before.claim_one())
        assert await totals(plain) == (1, 1, 0, 0, 0)
        after = await kit.worker(plain)
        await after.finish(await after.claim_one())
        assert await totals(counting) == (2, 2, 0, 0, 0)
