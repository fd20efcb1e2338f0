"""Limits of lanes: how many jobs of a lane run at a time, and who may run when."""

from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    MOST_LIMITS,
    RETAIN,
    Cancel,
    Capability,
    Claim,
    ConfigurationError,
    Fail,
    Finish,
    JobCleanup,
    JobStatus,
    LaneLimit,
    OperationRefused,
    Release,
    RetentionPolicy,
    Retry,
    SettleOutcome,
    StoredLane,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import SuiteContext, Worker
from jobsvalkey_conformance.harness import AnyDriver, Hook
from jobsvalkey_conformance.hints import woken

ONE = LaneLimit(concurrency=1)
TWO = LaneLimit(concurrency=2)
ENDS = ["finish", "fail", "keep", "retry", "retry later", "release", "cancel", "abort", "close", "recover"]
REVOKED = ["remove", "rerun"]
NEEDS = {
    **dict.fromkeys(REVOKED, Capability.CLEANUP),
    **dict.fromkeys(["cancel", "abort"], Capability.ABORT),
}


async def end_claim(kit: SuiteContext, driver: AnyDriver, how: str, worker: Worker, claim: Claim) -> None:
    """Let a claim end in one of the ways."""
    job_id, token = claim.job_id, claim.token
    settlements = {
        "finish": Finish(job_id, token),
        "fail": Fail(job_id, token, b"error"),
        "keep": Fail(job_id, token, b"error", keep=True),
        "retry": Retry(job_id, token),
        "retry later": Retry(job_id, token, due=kit.unit * 100),
        "release": Release(job_id, token),
        "cancel": Cancel(job_id, token),
        "abort": Release(job_id, token),
    }
    if how == "abort":
        await driver.abort(job_id)
    if how in settlements:
        assert await worker.settle(settlements[how]) == [SettleOutcome.SETTLED]
    elif how == "close":
        await driver.close_worker(worker.id)
    elif how == "recover":
        await kit.advance(kit.unit * 2)
        assert await driver.recover() == 1
    else:
        assert how in ("remove", "rerun")
        assert await driver.cleanup_step(JobStatus.PROCESSING, JobCleanup(how), max_jobs=9) == 1


class LimitTests(Suite):
    """`set_lane_limit`, `lane_limits` and `lanes`."""

    # -- claims

    @pytest.mark.parametrize("at_once", [1, 9])
    @conformance_test(Capability.LANES)
    async def test_limits_no_more_run_than_may(self, kit: SuiteContext, at_once: int) -> None:
        """No more jobs of a lane run than its limit, over all workers and drivers; an exchange that ends one claims."""
        drivers = [await kit.driver(), await kit.driver()]
        await drivers[0].set_lane_limit("a", TWO)
        ids = [await kit.push(drivers[0], lane="a") for _ in range(5)]
        workers = [await kit.worker(driver) for driver in drivers]
        claims = [claim for _ in range(3) for worker in workers for claim in await worker.claim(at_once)]
        assert [claim.job_id for claim in claims] == ids[:2]
        owner = workers[0] if at_once > 1 else workers[1]
        again = await owner.exchange(Finish(claims[1].job_id, claims[1].token), limit=9)
        assert (again.outcomes, [claim.job_id for claim in again.claims]) == ([SettleOutcome.SETTLED], ids[2:3])
        assert [claim.job_id for claim in await workers[0].claim(9)] == []

    @pytest.mark.parametrize("how", [*ENDS, *REVOKED])
    @conformance_test(Capability.LANES)
    async def test_limits_every_end_of_a_claim_makes_room(self, kit: SuiteContext, how: str) -> None:
        """However a claim ends, the next job of its lane can run, once: no place is lost, and none is gained."""
        if how in NEEDS:
            kit.needs(NEEDS[how])
        driver = await kit.driver(retention_policy=RetentionPolicy(failed_jobs=RETAIN))
        await driver.set_lane_limit("*", ONE)
        first = await kit.push(driver, due=kit.now() - kit.unit, lane="a")
        holder, worker = await kit.worker(driver, kit.unit * 2), await kit.worker(driver)
        for _ in range(3):
            claim = await holder.claim_one()
            assert claim.job_id == first
            others = [await kit.push(driver, lane="a") for _ in range(2)]
            assert await worker.claim(9) == []
            await end_claim(kit, driver, how, holder, claim)
            (following,) = await worker.claim(9)
            is_back = how in ("retry", "release", "close", "recover")
            assert following.job_id in ({first} if is_back else {others[0], first} if how == "rerun" else {others[0]})
            while following:
                assert await worker.claim(9) == []
                await worker.finish(following)
                (following,) = await worker.claim(9) or (None,)
            holder = await kit.worker(driver, kit.unit * 2)
            first = await kit.push(driver, due=kit.now() - kit.unit, lane="a")

    @conformance_test(Capability.LANES)
    async def test_limits_a_full_lane_delays_nobody(self, kit: SuiteContext) -> None:
        """While a lane is full, the jobs of others are claimed in their turns, and none is said to be due for it."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", ONE)
        full = [await kit.push(driver, lane="a", priority=priority) for priority in (9, 9, 5)]
        worker, other = await kit.worker(driver), await kit.worker(driver)
        exchanged = await worker.exchange(limit=1)
        (claim,) = exchanged.claims
        assert exchanged.until_next is None
        assert (await worker.exchange(limit=9)).until_next is None
        later = await kit.push(driver, due=kit.unit * 5, lane="b")
        until_next = (await worker.exchange(limit=9)).until_next
        assert until_next is not None
        assert 0 < until_next <= kit.unit.total_seconds() * 5 + kit.tolerance.total_seconds()
        others = [await kit.push(driver), await kit.push(driver, lane="b"), await kit.push(driver, priority=-5)]
        assert sorted(claim.job_id for claim in await other.claim(9)) == sorted(others)
        assert (await worker.exchange(Finish(claim.job_id, claim.token))).until_next == 0
        assert [claim.job_id for claim in await other.claim(9)] == full[1:2]
        await kit.advance(kit.unit * 5)
        assert [claim.job_id for claim in await worker.claim(9)] == [later]

    @conformance_test(Capability.LANES)
    async def test_limits_are_of_all_priorities_together(self, kit: SuiteContext) -> None:
        """A lane has one limit for its jobs of all priorities; those of the highest run first."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", TWO)
        ids = [await kit.push(driver, lane="a", priority=priority) for priority in (0, 5, -5, 9)]
        worker = await kit.worker(driver)
        claims = await worker.claim(9)
        assert [claim.job_id for claim in claims] == [ids[3], ids[1]]
        await worker.finish(*claims)
        assert [claim.job_id for claim in await worker.claim(9)] == [ids[0], ids[2]]

    @conformance_test(Capability.LANES)
    async def test_limits_a_lane_keeps_its_turn(self, kit: SuiteContext) -> None:
        """A lane that was full comes in its turn again, before those that were served since."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", ONE)
        first = [await kit.push(driver, lane="a") for _ in range(3)]
        others = [await kit.push(driver, lane="b") for _ in range(3)]
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert claim.job_id == first[0]
        assert [(await worker.claim_one()).job_id for _ in range(2)] == others[:2]
        await worker.finish(claim)
        assert [(await worker.claim_one()).job_id for _ in range(2)] == [first[1], others[2]]

    @conformance_test(Capability.LANES)
    async def test_limits_the_first_due_job_is_no_obstacle(self, kit: SuiteContext) -> None:
        """A job of a limited lane that is not due, or has failed, is in nobody's way, and costs no attempt."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", ONE)
        later = await kit.push(driver, due=kit.unit, lane="a")
        now = await kit.push(driver, lane="a")
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert (claim.job_id, claim.recoveries) == (now, 0)
        assert await worker.settle(Fail(now, claim.token, b"error", keep=True)) == [SettleOutcome.SETTLED]
        await kit.advance(kit.unit)
        claim = await worker.claim_one()
        assert (claim.job_id, claim.recoveries) == (later, 0)

    @conformance_test(Capability.LANES)
    async def test_limits_a_stalled_worker_keeps_its_place(self, kit: SuiteContext) -> None:
        """A claim counts until it ends, also while its worker's lock has run out."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", ONE)
        ids = [await kit.push(driver, lane="a") for _ in range(2)]
        stalled, worker = await kit.worker(driver, kit.unit), await kit.worker(driver)
        await stalled.claim_one()
        await kit.advance(kit.unit)
        assert await worker.claim(9) == []
        assert await driver.recover() == 1
        (claim,) = await worker.claim(9)
        assert (claim.job_id, claim.recoveries) == (ids[0], 1)

    @pytest.mark.parametrize(("how", "most"), [*((how, 1) for how in (*ENDS, "finish late", *REVOKED)), ("finish", 3)])
    @conformance_test(Capability.LANES, hints=True)
    async def test_limits_room_is_told(self, kit: SuiteContext, how: str, most: int) -> None:
        """A worker that waits is woken if there is room in a lane again, whoever's lock has run out meanwhile."""
        if how in NEEDS:
            kit.needs(NEEDS[how])
        driver = await kit.driver()
        await driver.set_lane_limit("a", LaneLimit(most))
        await driver.push([kit.job(lane="a") for _ in range(most + 1)])
        holder, idle = await kit.worker(driver, kit.unit), await kit.worker(driver)
        claim, *_ = await holder.claim(9)
        if how == "finish late":
            await kit.advance(kit.unit)
        async with woken(idle):
            await end_claim(kit, driver, how.removesuffix(" late"), holder, claim)
        await idle.claim_one()

    @pytest.mark.parametrize("limit", [ONE, LaneLimit(concurrency=1, rate=(1, timedelta(hours=1)))])
    @conformance_test(Capability.LANES)
    async def test_limits_room_for_a_later_job_is_told(self, kit: SuiteContext, limit: LaneLimit) -> None:
        """A worker that waits is woken if there is room for a job that may run later: it learns when."""
        if not kit.harness.has_hints:
            return
        driver = await kit.driver()
        await driver.set_lane_limit("a", limit)
        await kit.push(driver, lane="a")
        holder, idle = await kit.worker(driver), await kit.worker(driver)
        claim = await holder.claim_one()
        await kit.push(driver, due=None if limit.rate else kit.unit * 100, lane="a")
        assert (await idle.exchange(limit=1)).until_next is None
        async with woken(idle):
            await holder.finish(claim)
        until_next = (await idle.exchange(limit=1)).until_next
        assert until_next is not None
        assert until_next > 0

    @conformance_test(Capability.LANES)
    async def test_limits_a_new_one_leaves_a_hint(self, kit: SuiteContext) -> None:
        """A worker that waits is woken by a new limit: there may be something to do under it."""
        if not kit.harness.has_hints:
            return
        driver = await kit.driver()
        idle = await kit.worker(driver)
        for limit in (TWO, None):
            async with woken(idle):
                await driver.set_lane_limit("*", limit)

    # -- limits that change

    @conformance_test(Capability.LANES)
    async def test_limits_what_runs_already_counts(self, kit: SuiteContext) -> None:
        """A limit holds from the next claim on: what runs beyond it goes on, and counts."""
        driver = await kit.driver()
        ids = [await kit.push(driver, lane="a") for _ in range(6)]
        worker = await kit.worker(driver)
        claims = await worker.claim(3)
        await driver.set_lane_limit("a", TWO)
        for limit in (0, 9):
            assert (await worker.exchange(limit=limit)).until_next is None
        for claim in claims[:2]:
            assert (await worker.exchange(limit=9)).claims == []
            await worker.finish(claim)
        assert [claim.job_id for claim in await worker.claim(9)] == ids[3:4]
        await driver.set_lane_limit("a", ONE)
        await worker.finish(claims[2])
        assert await worker.claim(9) == []

    @pytest.mark.parametrize("limit", [TWO, None])
    @pytest.mark.parametrize("pattern", ["a", "*"])
    @conformance_test(Capability.LANES)
    async def test_limits_more_run_at_once_when_they_may(
        self, kit: SuiteContext, pattern: str, limit: LaneLimit | None
    ) -> None:
        """A limit that is raised or removed lets the next jobs run at once."""
        driver = await kit.driver()
        await driver.set_lane_limit(pattern, ONE)
        ids = [await kit.push(driver, lane="a") for _ in range(3)]
        worker = await kit.worker(driver)
        await worker.claim_one()
        assert await worker.claim(9) == []
        await driver.set_lane_limit(pattern, limit)
        assert (await worker.exchange()).until_next == 0
        assert [claim.job_id for claim in await worker.claim(9)] == (ids[1:2] if limit else ids[1:])

    @conformance_test(Capability.LANES)
    async def test_limits_the_longest_pattern_counts(self, kit: SuiteContext) -> None:
        """A lane has the limit of its own name, else of the longest beginning; jobs without a lane have none."""
        driver = await kit.driver()
        limits = {"*": ONE, "customer:*": TWO, "customer:a": LaneLimit(concurrency=3), "customer:ab*": ONE}
        for pattern, limit in limits.items():
            await driver.set_lane_limit(pattern, limit)
        lanes = ["x", "customer:", "customer:a", "customer:ab", "customer:abc", "customer:b", None]
        expected = [1, 2, 3, 1, 1, 2, 4]
        await driver.push([kit.job(lane=lane) for lane in lanes for _ in range(4)])
        worker = await kit.worker(driver)
        claims = await worker.claim(99)
        assert [sum(claim.lane == lane for claim in claims) for lane in lanes] == expected
        await driver.set_lane_limit("customer:ab*", None)
        claims = await worker.claim(99)
        assert sorted(str(claim.lane) for claim in claims) == ["customer:ab", "customer:abc"]

    @conformance_test(Capability.LANES)
    async def test_limits_what_cannot_be(self, kit: SuiteContext) -> None:
        """set_lane_limit takes names of lanes, and beginnings of them with `*`, and at most 100 of these."""
        driver = await kit.driver()
        for pattern in ("", "a*b", "**", "*a", "x" * 257, "\ud800"):
            with pytest.raises(ValueError, match="name of a lane"):
                await driver.set_lane_limit(pattern, ONE)
        for wrong in (1, "1", (1, 2)):
            with pytest.raises(TypeError):
                await driver.set_lane_limit("a", wrong)  # type: ignore[arg-type]
        for number in range(MOST_LIMITS):
            await driver.set_lane_limit(f"lane {number}*", ONE)
        with pytest.raises(ConfigurationError, match="100"):
            await driver.set_lane_limit("one more", ONE)
        await driver.set_lane_limit("lane 7*", TWO)
        await driver.set_lane_limit("lane 8*", None)
        await driver.set_lane_limit("one more", ONE)
        assert len(await driver.lane_limits()) == MOST_LIMITS

    # -- what is shown

    @conformance_test(Capability.LANES)
    async def test_limits_are_listed(self, kit: SuiteContext) -> None:
        """lane_limits has all limits by pattern, in order, for every driver of the queue, and for no other queue."""
        driver, other = await kit.driver(), await kit.driver()
        assert await driver.lane_limits() == {}
        for pattern, limit in (("ü b*", TWO), ("*", ONE), ("a", TWO), ("b", ONE)):
            await driver.set_lane_limit(pattern, limit)
        await other.set_lane_limit("b", None)
        await other.set_lane_limit("never", None)
        assert list((await other.lane_limits()).items()) == [("*", ONE), ("a", TWO), ("ü b*", TWO)]
        another = await kit.driver(queue_key=f"{kit.configuration.queue_key}:another")
        assert await another.lane_limits() == {}

    @conformance_test(Capability.LANES)
    async def test_limits_lanes_are_listed(self, kit: SuiteContext) -> None:
        """lanes has those with pending jobs, and those with a limit and running ones, each once, page by page."""
        driver = await kit.driver()
        for lane, priority in (("a", 0), ("a", 5), ("a", -5), ("b", 0), ("c c", 0), ("ü", 0), ("a+", 0), ("a!", 0)):
            await kit.push(driver, lane=lane, priority=priority)
        await kit.push(driver)
        await kit.push(driver, priority=7)
        worker = await kit.worker(driver)
        await worker.claim(1)
        await worker.claim(1)
        expected = {lane: (3 if lane == "a" else 1, None) for lane in ("a", "b", "c c", "ü", "a+", "a!")}
        expected["a"] = (2, None)
        assert await self._listed(driver) == expected
        await driver.set_lane_limit("a", TWO)
        assert await self._listed(driver) == {**expected, "a": (2, 1)}
        claims = await worker.claim(9)
        assert await self._listed(driver) == {"a": (1, 2)}
        await driver.set_lane_limit("*", ONE)
        assert await self._listed(driver) == {**dict.fromkeys(expected, (0, 1)), "a": (1, 2)}
        assert {lane.name: lane.limit for lane in (await driver.lanes()).lanes} == {
            **dict.fromkeys(expected, ONE),
            "a": TWO,
        }
        await worker.finish(*claims)
        assert await self._listed(driver) == {"a": (1, 1)}

    @staticmethod
    async def _listed(driver: AnyDriver) -> dict[str, tuple[int, int | None]]:
        for size in (1, 3, 50):
            lanes, cursor = list[StoredLane](), None
            while True:
                page = await driver.lanes(cursor, limit=size)
                assert len(page.lanes) <= size
                lanes += page.lanes
                if (cursor := page.cursor) is None:
                    break
            assert len({lane.name for lane in lanes}) == len(lanes)
            assert [lane.limit is None for lane in lanes] == [lane.running is None for lane in lanes]
        assert (await driver.lanes(limit=0)).lanes == []
        return {lane.name: (lane.pending, lane.running) for lane in lanes}

    # -- repeats

    @conformance_test(Capability.LANES)
    async def test_limits_a_repeat_sets_nothing(self, kit: SuiteContext) -> None:
        """set_lane_limit is numbered: a repeat changes nothing, whatever the limit is by then."""
        driver, operation = await kit.driver(), kit.operations()
        first = operation()
        await driver.set_lane_limit("a", ONE, operation=first)
        await driver.set_lane_limit("a", TWO)
        await driver.set_lane_limit("a", ONE, operation=first)
        assert await driver.lane_limits() == {"a": TWO}
        with pytest.raises(OperationRefused):
            await driver.set_lane_limit("a", None, operation=first)
        await driver.set_lane_limit("a", None, operation=operation())
        with pytest.raises(OperationRefused):
            await driver.set_lane_limit("a", ONE, operation=first)
        assert await driver.lane_limits() == {}

    @conformance_test(Capability.LANES, Hook.DROP_REPLY)
    async def test_limits_lost_replies(self, kit: SuiteContext) -> None:
        """A lost reply of a claim, of its end, or of a limit takes no place, and frees none twice."""
        driver = await kit.driver()
        async with kit.harness.drop_reply():
            await driver.set_lane_limit("a", ONE)
        ids = [await kit.push(driver, lane="a") for _ in range(3)]
        worker, other = await kit.worker(driver), await kit.worker(driver)
        for job_id in ids:
            async with kit.harness.drop_reply():
                (claim,) = await worker.claim(9)
            assert claim.job_id == job_id
            assert await other.claim(9) == []
            async with kit.harness.drop_reply():
                await worker.finish(claim)
