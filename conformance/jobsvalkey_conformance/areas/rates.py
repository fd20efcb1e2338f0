"""Rates of lanes: how many jobs of a lane begin within a time."""

from datetime import timedelta

import pytest

from jobsvalkey.contract import Capability, Fail, Finish, LaneLimit, Release, Retry, Settlement, SettleOutcome
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import SuiteContext
from jobsvalkey_conformance.harness import Hook

FEW = 4


class RateTests(Suite):
    """`LaneLimit.rate`."""

    @pytest.mark.parametrize("at_once", [1, 9])
    @conformance_test(Capability.LANES)
    async def test_rates_no_window_has_more(self, kit: SuiteContext, at_once: int) -> None:
        """A lane begins no more jobs in the time than its rate says; the next begins once the n-th last is so old."""
        driver = await kit.driver()
        per = kit.unit * FEW
        await driver.set_lane_limit("a", LaneLimit(rate=(2, per)))
        await driver.push([kit.job(lane="a") for _ in range(9)])
        worker = await kit.worker(driver)
        assert len(await worker.claim(1)) == 1
        await kit.advance(kit.unit)
        assert len([claim for _ in range(3) for claim in await worker.claim(at_once)]) == 1
        answer = await worker.exchange(limit=9)
        assert answer.claims == []
        assert answer.until_next is not None
        assert 0 < answer.until_next <= per.total_seconds()
        await kit.advance(per - kit.unit)
        assert len([claim for _ in range(3) for claim in await worker.claim(at_once)]) == 1
        await kit.advance(kit.unit)
        assert len([claim for _ in range(3) for claim in await worker.claim(at_once)]) == 1
        await kit.advance(per * 2)
        assert len([claim for _ in range(5) for claim in await worker.claim(at_once)]) == 2

    @conformance_test(Capability.LANES)
    async def test_rates_one_that_is_just_used_up(self, kit: SuiteContext) -> None:
        """If one exchange makes all claims that a rate allows, the next one says when there may be more."""
        driver = await kit.driver()
        per = kit.unit * FEW
        await driver.set_lane_limit("a", LaneLimit(rate=(2, per)))
        await driver.push([kit.job(lane="a") for _ in range(9)])
        worker = await kit.worker(driver)
        assert len(await worker.claim(2)) == 2
        await kit.advance(kit.unit)
        until_next = (await worker.exchange(limit=0)).until_next
        assert until_next is not None
        assert 0 < until_next <= (per - kit.unit).total_seconds()

    @pytest.mark.parametrize("how", ["finish", "fail", "retry", "release", "close"])
    @conformance_test(Capability.LANES)
    async def test_rates_whatever_becomes_of_a_claim_it_counts(self, kit: SuiteContext, how: str) -> None:
        """A claim counts against the rate, however it ends."""
        driver = await kit.driver()
        await driver.set_lane_limit("*", LaneLimit(rate=(1, kit.unit * FEW)))
        await driver.push([kit.job(lane="a") for _ in range(3)])
        holder, worker = await kit.worker(driver), await kit.worker(driver)
        claim = await holder.claim_one()
        if how == "close":
            await driver.close_worker(holder.id)
        else:
            settlements: dict[str, Settlement] = {
                "finish": Finish(claim.job_id, claim.token),
                "fail": Fail(claim.job_id, claim.token, b"error"),
                "retry": Retry(claim.job_id, claim.token),
                "release": Release(claim.job_id, claim.token),
            }
            assert await holder.settle(settlements[how]) == [SettleOutcome.SETTLED]
        assert await worker.claim(9) == []
        await kit.advance(kit.unit * FEW)
        assert len(await worker.claim(9)) == 1

    @conformance_test(Capability.LANES)
    async def test_rates_a_lane_at_its_rate_delays_nobody(self, kit: SuiteContext) -> None:
        """While a lane waits for its rate, others are claimed, of all priorities; it has its turn from then on."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", LaneLimit(rate=(1, kit.unit * FEW)))
        first = [await kit.push(driver, lane="a", priority=priority) for priority in (9, 9, 5)]
        others = [await kit.push(driver, lane="b", priority=5), await kit.push(driver)]
        worker = await kit.worker(driver)
        assert [claim.job_id for claim in await worker.claim(9)] == [first[0], *others]
        until_next = (await worker.exchange(limit=9)).until_next
        assert until_next is not None
        assert 0 < until_next <= kit.unit.total_seconds() * FEW
        await kit.advance(kit.unit * FEW)
        assert [claim.job_id for claim in await worker.claim(9)] == [first[1]]

    @conformance_test(Capability.LANES)
    async def test_rates_count_from_when_they_are_set(self, kit: SuiteContext) -> None:
        """A rate counts claims from when it is set; one that is raised or removed lets the next jobs begin at once."""
        driver = await kit.driver()
        await driver.push([kit.job(lane="a") for _ in range(12)])
        worker = await kit.worker(driver)
        assert len(await worker.claim(3)) == 3
        await driver.set_lane_limit("a", LaneLimit(rate=(1, kit.unit * 100)))
        assert len(await worker.claim(9)) == 1
        assert await worker.claim(9) == []
        await driver.set_lane_limit("a", LaneLimit(rate=(3, kit.unit * 100)))
        assert (await worker.exchange()).until_next == 0
        assert len(await worker.claim(9)) == 2
        await driver.set_lane_limit("a", LaneLimit(concurrency=7))
        assert len(await worker.claim(9)) == 1
        await driver.set_lane_limit("a", None)
        assert len(await worker.claim(9)) == 5

    @pytest.mark.parametrize("before", [None, "concurrency", "a longer pattern"])
    @conformance_test(Capability.LANES)
    async def test_rates_claims_without_a_rate_do_not_count(self, kit: SuiteContext, before: str | None) -> None:
        """Claims of a lane that had no rate do not count, also if it had a limit; those that it had count for good."""
        driver = await kit.driver()
        most = LaneLimit(concurrency=99)
        if before == "concurrency":
            await driver.set_lane_limit("a", most)
        elif before is not None:
            await driver.set_lane_limit("a", most)
            await driver.set_lane_limit("*", LaneLimit(rate=(1, kit.unit * 100)))
        await driver.push([kit.job(lane="a") for _ in range(20)])
        worker = await kit.worker(driver)
        assert [len(await worker.claim(1)) for _ in range(4)] == [1] * 4
        await driver.set_lane_limit("a", LaneLimit(rate=(3, kit.unit * 100)))
        assert len(await worker.claim(1)) == 1
        await driver.set_lane_limit("a", most)
        assert len(await worker.claim(5)) == 5
        await driver.set_lane_limit("a", LaneLimit(rate=(3, kit.unit * 100)))
        assert [len(await worker.claim(9)) for _ in range(2)] == [2, 0]

    @pytest.mark.parametrize("later", ["none", "concurrency", "rate"])
    @conformance_test(Capability.LANES)
    async def test_rates_a_lane_that_need_not_wait_any_more(self, kit: SuiteContext, later: str) -> None:
        """If more may run than before, the next jobs are claimed at once: before those of lines that came later."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", LaneLimit(rate=(1, kit.unit * 100)))
        await driver.push([kit.job(lane="a") for _ in range(3)])
        worker = await kit.worker(driver)
        assert len(await worker.claim(9)) == 1
        await kit.advance(kit.unit)
        limits = {"concurrency": LaneLimit(concurrency=9), "rate": LaneLimit(rate=(99, kit.unit))}
        await driver.set_lane_limit("a", limits.get(later))
        await kit.advance(kit.unit)
        await kit.push(driver, lane="b")
        assert [claim.lane for claim in await worker.claim(9)] == ["a", "b", "a"]

    @conformance_test(Capability.LANES)
    async def test_rates_beside_concurrency(self, kit: SuiteContext) -> None:
        """With both, a job begins if both allow it."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", LaneLimit(concurrency=1, rate=(2, kit.unit * FEW)))
        await driver.push([kit.job(lane="a") for _ in range(9)])
        worker = await kit.worker(driver)
        for _ in range(2):
            (claim,) = await worker.claim(9)
            assert await worker.claim(9) == []
            await worker.finish(claim)
        assert await worker.claim(9) == []
        await kit.advance(kit.unit * FEW)
        assert len(await worker.claim(9)) == 1

    @conformance_test(Capability.LANES, Hook.DROP_REPLY)
    async def test_rates_lost_replies(self, kit: SuiteContext) -> None:
        """A claim whose reply is lost counts once."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", LaneLimit(rate=(2, kit.unit * 100)))
        await driver.push([kit.job(lane="a") for _ in range(9)])
        worker = await kit.worker(driver)
        async with kit.harness.drop_reply():
            assert len(await worker.claim(1)) == 1
        assert len(await worker.claim(9)) == 1
        assert await worker.claim(9) == []

    @conformance_test(Capability.LANES, Capability.INSPECTION)
    async def test_rates_load_counts_what_limits_hold_back(self, kit: SuiteContext) -> None:
        """load counts the due jobs of a lane that is at its limit as due, with the time since they are."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", LaneLimit(concurrency=1))
        await driver.set_lane_limit("b", LaneLimit(rate=(1, kit.unit * 100)))
        await driver.push([kit.job(due=kit.now() - kit.unit, lane=lane) for lane in "aabb"])
        await kit.push(driver, due=kit.unit * 9, lane="a")
        assert len(await (await kit.worker(driver)).claim(9)) == 2
        load = await driver.load()
        assert (load.due, load.delayed, load.processing) == (2, 1, 2)
        assert load.oldest_due is not None
        assert load.oldest_due >= kit.unit

    @conformance_test(Capability.LANES)
    async def test_rates_what_cannot_be(self, kit: SuiteContext) -> None:
        """A rate is of 1 to 10,000 jobs in a time above zero, up to a day; a limit has it, or a concurrency."""
        for rate in ((0, timedelta(1)), (10_001, timedelta(1)), (1, timedelta(0)), (1, timedelta(days=2)), (1,)):
            with pytest.raises(ValueError, match="rate"):
                LaneLimit(rate=rate)  # type: ignore[arg-type]
        for wrong in ((1.5, timedelta(1)), (1, 60), 5):
            with pytest.raises(TypeError):
                LaneLimit(rate=wrong)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="concurrency or a rate"):
            LaneLimit()
        driver = await kit.driver()
        most = LaneLimit(concurrency=5, rate=(10_000, timedelta(days=1)))
        await driver.set_lane_limit("a", most)
        assert await driver.lane_limits() == {"a": most}

    @conformance_test(Capability.LANES)
    async def test_rates_are_shown_as_they_were_set(self, kit: SuiteContext) -> None:
        """A limit is shown as it was set, to the microsecond, by `lane_limits` and by `lanes`."""
        driver = await kit.driver()
        spans = {"a": timedelta(microseconds=1), "b": timedelta(milliseconds=1500), "c": timedelta(days=1)}
        limits = {lane: LaneLimit(rate=(3, per)) for lane, per in spans.items()}
        limits |= {"d": LaneLimit(7), "e": LaneLimit(7, (10_000, timedelta(seconds=0.9)))}
        for lane, limit in limits.items():
            await driver.set_lane_limit(lane, limit)
            await kit.push(driver, lane=lane)
        assert await driver.lane_limits() == limits
        assert {lane.name: lane.limit for lane in (await driver.lanes()).lanes} == limits
