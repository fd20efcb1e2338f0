"""Order and time."""

import random
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from jobsvalkey.contract import Capability, Due, Finish, JobID, JobStatus, NewJob, Retry
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import SuiteContext


class OrderTests(Suite):
    """Claims go by due time, the earliest first; equal due times by ascending id."""

    @conformance_test()
    async def test_order_earliest_due_first(self, kit: SuiteContext) -> None:
        """Claims go by due time, the earliest first, in whatever order they were pushed and however many at a time."""
        driver = await kit.driver()
        start = kit.now() - kit.unit
        due = {number: await kit.push(driver, due=start + kit.unit * number / 10) for number in (5, 1, 4, 2, 3)}
        worker = await kit.worker(driver)
        claims = [*await worker.claim(2), *await worker.claim(3)]
        assert [claim.job_id for claim in claims] == [due[number] for number in sorted(due)]

    @conformance_test()
    async def test_order_equal_times_by_ascending_id(self, kit: SuiteContext) -> None:
        """Equal due times go by ascending id."""
        driver = await kit.driver()
        due = kit.now() - kit.unit
        ids = [JobID(int=random.Random(number).getrandbits(128)) for number in range(50)]
        for job_id in ids:
            await driver.push([kit.job(due=due, job_id=job_id)])
        worker = await kit.worker(driver)
        claims = [claim for limit in (1, 9, 40) for claim in await worker.claim(limit)]
        assert [claim.job_id for claim in claims] == sorted(ids)

    @conformance_test()
    async def test_order_push_order_within_a_producer(self, kit: SuiteContext) -> None:
        """Library ids never decrease within a process: claims go in push order."""
        driver = await kit.driver()
        ids = [await kit.push(driver) for _ in range(10)]
        ids += await kit.push_many(driver, 10)
        ids += [await kit.push(driver) for _ in range(10)]
        assert await kit.claimed(driver) == ids

    @conformance_test()
    async def test_order_many_jobs_go_as_in_the_twin(self, kit: SuiteContext) -> None:
        """The twin is the specification: the same jobs are claimed in the same order, chunk by chunk."""
        driver, twin = await kit.driver(), await kit.twin()
        chance, start = random.Random(11), kit.now()
        jobs = [
            NewJob(JobID(int=chance.getrandbits(128)), b"{}", start - kit.unit * chance.randrange(20))
            for _ in range(300)
        ]
        worker, model = await kit.worker(driver), await kit.worker(twin)
        for chunk in (jobs[:100], jobs[100:]):
            assert await driver.push(chunk) == await twin.push(chunk)
            for limit in (1, 7, 100):
                claims, expected = await worker.claim(limit), await model.claim(limit)
                assert [claim.job_id for claim in claims] == [claim.job_id for claim in expected]

    @conformance_test()
    async def test_order_not_before_a_delay_is_over(self, kit: SuiteContext) -> None:
        """Never a job that is not due: a `timedelta` is resolved by the store's clock."""
        driver = await kit.driver()
        job_id = await kit.push(driver, due=kit.unit)
        assert await kit.claimed(driver) == []
        await kit.advance(kit.unit)
        assert await kit.claimed(driver) == [job_id]

    @conformance_test()
    async def test_order_not_before_a_moment(self, kit: SuiteContext) -> None:
        """Never a job that is not due: an aware datetime, in any time zone, is that moment."""
        driver = await kit.driver()
        moment = (kit.now() + kit.unit).astimezone(timezone(timedelta(hours=-7, minutes=-30)))
        job_id = await kit.push(driver, due=moment)
        assert await kit.claimed(driver) == []
        await kit.advance(kit.unit)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert claim.job_id == job_id
        assert abs(claim.due - moment) <= kit.harness.time_precision
        assert claim.due.utcoffset() is not None

    @conformance_test(driven_clock=True)
    async def test_order_due_to_the_smallest_step_of_time(self, kit: SuiteContext) -> None:
        """A job is due when its due time is not after now: and not one step of the store's time before."""
        driver = await kit.driver()
        precision = kit.harness.time_precision
        job_id = await kit.push(driver, due=kit.unit)
        await kit.advance(kit.unit - precision)
        assert await kit.claimed(driver) == []
        await kit.advance(precision)
        assert await kit.claimed(driver) == [job_id]

    @conformance_test(driven_clock=True)
    async def test_order_order_to_the_smallest_step_of_time(self, kit: SuiteContext) -> None:
        """Times that the store can tell apart decide the order, not the ids."""
        driver = await kit.driver()
        precision, base = kit.harness.time_precision, kit.now() - kit.unit
        ids = sorted(JobID(int=random.Random(number).getrandbits(128)) for number in range(20))
        await driver.push([kit.job(job_id=job_id, due=base - precision * number) for number, job_id in enumerate(ids)])
        assert await kit.claimed(driver) == ids[::-1]

    @conformance_test()
    async def test_order_the_past_keeps_its_place(self, kit: SuiteContext) -> None:
        """A `delay_until` in the past keeps its own place."""
        driver = await kit.driver()
        now_1 = await kit.push(driver)
        past_1 = await kit.push(driver, due=kit.now() - timedelta(hours=1))
        past_2 = await kit.push(driver, due=kit.now() - timedelta(days=400))
        assert await kit.claimed(driver) == [past_2, past_1, now_1]

    @pytest.mark.parametrize("year", [1930, 1969, 1970, 2150])
    @conformance_test()
    async def test_order_times_far_away(self, kit: SuiteContext, year: int) -> None:
        """A due time may be any moment that a store can hold, long ago or far ahead."""
        driver = await kit.driver()
        due = datetime(year, 7, 1, 12, 0, 0, 250_000, tzinfo=UTC)
        near = await kit.push(driver)
        far = await kit.push(driver, due=due)
        worker = await kit.worker(driver)
        exchanged = await worker.exchange(limit=5)
        ids = [claim.job_id for claim in exchanged.claims]
        if due > kit.now():
            assert ids == [near]
            assert exchanged.until_next == pytest.approx((due - kit.now()).total_seconds(), abs=5)
        else:
            assert ids == [far, near]
            assert abs(exchanged.claims[0].due - due) <= kit.harness.time_precision

    @pytest.mark.parametrize(
        "due",
        [
            *(timedelta(days=10**7), timedelta.max),
            *(datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=timezone(timedelta(hours=-7)))),
            datetime.min.replace(tzinfo=timezone(timedelta(hours=7))),
        ],
        ids=["long", "longest", "latest", "later", "earliest"],
    )
    @conformance_test()
    async def test_order_never_is_no_due_time(self, kit: SuiteContext, due: Due) -> None:
        """A delay of more than 36,500 days, or a moment outside the years 2 to 9998, is refused before any write."""
        driver = await kit.driver()
        with pytest.raises(ValueError, match="due"):
            await driver.push([kit.job(), kit.job(due=due)])
        assert await kit.claimed(driver) == []
        await kit.push_many(driver, 2)
        worker = await kit.worker(driver)
        one, other = await worker.claim(2)
        with pytest.raises(ValueError, match="due"):
            await worker.settle(Finish(one.job_id, one.token), Retry(other.job_id, other.token, due=due))
        await worker.finish(one, other)

    @conformance_test(Capability.INSPECTION)
    async def test_order_the_ends_of_time(self, kit: SuiteContext) -> None:
        """A job just within these bounds is stored, and listed, in its place."""
        driver = await kit.driver()
        last = datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
        times = datetime(2, 1, 1, tzinfo=UTC), kit.now() + timedelta(days=36_499), last
        first, second, fourth = [await kit.push(driver, due=due) for due in times]
        third = await kit.push(driver, due=timedelta(days=36_500))
        listed = {stored.job_id: stored.due async for stored in driver.jobs(JobStatus.PENDING)}
        assert list(listed) == [first, second, third, fourth]
        for job_id, due in zip((first, second, fourth), times, strict=True):
            stored = listed[job_id]
            assert stored is not None
            assert abs(stored - due) <= max(kit.harness.time_precision, timedelta(milliseconds=1))
        assert await kit.claimed(driver) == [first]

    @conformance_test()
    async def test_order_due_jobs_do_not_wait_behind_delayed_ones(self, kit: SuiteContext) -> None:
        """An idle poll changes no order: delayed jobs are neither taken nor moved by workers that find them."""
        driver = await kit.driver()
        late = await kit.push(driver, due=kit.unit * 2)
        soon = await kit.push(driver, due=kit.unit)
        worker = await kit.worker(driver)
        for _ in range(5):
            assert await worker.claim(10) == []
        now = await kit.push(driver)
        assert [claim.job_id for claim in await worker.claim(10)] == [now]
        await kit.advance(kit.unit * 2)
        assert [claim.job_id for claim in await worker.claim(10)] == [soon, late]

    @conformance_test()
    async def test_order_ids_sort_as_numbers(self, kit: SuiteContext) -> None:
        """Ascending id: the order of the UUIDs, which is that of their upper-case text."""
        driver = await kit.driver()
        due = kit.now() - kit.unit
        texts = [
            "0fffffff-ffff-ffff-ffff-ffffffffffff",
            "a0000000-0000-0000-0000-000000000000",
            "9fffffff-ffff-ffff-ffff-ffffffffffff",
            "FFFFFFFF-0000-0000-0000-000000000000",
            "0000000a-0000-0000-0000-000000000000",
            "00000009-0000-0000-0000-000000000000",
        ]
        ids = [JobID.parse(UUID(text)) for text in texts]
        await driver.push([kit.job(job_id=job_id, due=due) for job_id in ids])
        assert await kit.claimed(driver) == sorted(ids)
