"""Priorities and lanes: the order in which lines of jobs are served."""

import random

import pytest

from jobsvalkey.contract import Capability, Finish, JobID, JobStatus, LaneLimit, NewJob, Retry
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import SuiteContext, Worker
from jobsvalkey_conformance.harness import AnyDriver

LANES = "abc"


async def pushed_to(kit: SuiteContext, driver: AnyDriver, lane: str | None, count: int) -> list[JobID]:
    """Push jobs of one lane, in one step."""
    jobs = [kit.job(lane=lane) for _ in range(count)]
    await driver.push(jobs)
    return [job.job_id for job in jobs]


async def claimed_one_by_one(worker: Worker, count: int) -> list[JobID]:
    """Claim `count` jobs, each with an exchange of its own."""
    return [(await worker.claim_one()).job_id for _ in range(count)]


class LaneTests(Suite):
    """`NewJob.priority` and `NewJob.lane`."""

    # -- priority

    @pytest.mark.parametrize("at_once", [1, 10])
    @conformance_test(Capability.LANES)
    async def test_lanes_the_higher_priority_first(self, kit: SuiteContext, at_once: int) -> None:
        """Claims go by priority, the highest first, whatever is due earlier; a job without one has 0."""
        driver = await kit.driver()
        priorities = [3, -100, None, 100, 0, -1, 99]
        now = kit.now()
        ids = {
            priority: await kit.push(driver, due=now - kit.unit * (9 - at), priority=priority or 0)
            for at, priority in enumerate(priorities)
        }
        worker = await kit.worker(driver)
        claims = [claim for _ in range(0, 10, at_once) for claim in await worker.claim(at_once)]
        assert [claim.job_id for claim in claims] == [ids[priority] for priority in (100, 99, 3, None, 0, -1, -100)]

    @conformance_test(Capability.LANES)
    async def test_lanes_of_one_priority_by_due_time_and_id(self, kit: SuiteContext) -> None:
        """Within a line, jobs go by due time, equal ones by ascending id, however many at a time."""
        driver = await kit.driver()
        start = kit.now() - kit.unit
        chance = random.Random(5)
        jobs = [
            kit.job(
                job_id=JobID(int=chance.getrandbits(128)),
                due=start + kit.unit * chance.randrange(4) / 10,
                priority=7,
                lane="a",
            )
            for _ in range(30)
        ]
        await driver.push(jobs)
        worker = await kit.worker(driver)
        claims = [claim for limit in (1, 9, 20) for claim in await worker.claim(limit)]
        expected = sorted(jobs, key=lambda job: (job.due, job.job_id))
        assert [claim.job_id for claim in claims] == [job.job_id for job in expected]

    @conformance_test(Capability.LANES)
    async def test_lanes_a_delayed_job_is_in_nobodys_way(self, kit: SuiteContext) -> None:
        """A job of a high priority that is not due delays no other, also in its line; once it is due, it goes first."""
        driver = await kit.driver()
        later = await kit.push(driver, due=kit.unit, priority=9, lane="a")
        low = [await kit.push(driver, priority=-9) for _ in range(2)]
        same = await kit.push(driver, priority=9, lane="a")
        worker = await kit.worker(driver)
        assert await claimed_one_by_one(worker, 2) == [same, low[0]]
        await kit.advance(kit.unit)
        assert await claimed_one_by_one(worker, 2) == [later, low[1]]

    # -- turns

    @pytest.mark.parametrize("at_once", [1, 2, 4, 12])
    @conformance_test(Capability.LANES)
    async def test_lanes_that_wait_take_turns(self, kit: SuiteContext, at_once: int) -> None:
        """Lanes are served one after the other, in each exchange and from one to the next."""
        driver = await kit.driver()
        ids = {lane: await pushed_to(kit, driver, lane, 4) for lane in LANES}
        worker = await kit.worker(driver)
        claims = [claim for _ in range(0, 12, at_once) for claim in await worker.claim(at_once)]
        assert [claim.job_id for claim in claims] == [ids[lane][number] for number in range(4) for lane in LANES]

    @conformance_test(Capability.LANES)
    async def test_lanes_with_many_jobs_delay_nobody(self, kit: SuiteContext) -> None:
        """A lane that comes later than a hundred jobs of another one waits for one turn."""
        driver = await kit.driver()
        many = await pushed_to(kit, driver, "many", 100)
        worker = await kit.worker(driver)
        assert [claim.job_id for claim in await worker.claim(5)] == many[:5]
        await kit.advance(kit.unit)
        few = await pushed_to(kit, driver, "few", 2)
        assert [claim.job_id for claim in await worker.claim(6)] == [many[5], few[0], many[6], few[1], *many[7:9]]

    @conformance_test(Capability.LANES)
    async def test_lanes_jobs_without_one_are_one_lane(self, kit: SuiteContext) -> None:
        """Jobs without lane and priority, whether or not they have other fields, take turns with the lanes as one."""
        driver = await kit.driver()
        plain = await pushed_to(kit, driver, None, 4)
        await kit.advance(kit.harness.time_precision)
        ids = {lane: await pushed_to(kit, driver, lane, 3) for lane in "ab"}
        worker = await kit.worker(driver)
        expected = [job_id for number in range(3) for job_id in (plain[number], ids["a"][number], ids["b"][number])]
        claims = [claim.job_id for limit in (1, 2, 4, 1, 2) for claim in await worker.claim(limit)]
        assert claims == [*expected, plain[3]]

    @conformance_test(Capability.LANES)
    async def test_lanes_that_were_empty_wait_from_the_next_job_on(self, kit: SuiteContext) -> None:
        """The due time of a job gives its line no earlier turn than since when it has the job."""
        driver = await kit.driver()
        steady = await pushed_to(kit, driver, "steady", 4)
        worker = await kit.worker(driver)
        seen: list[JobID] = []
        for number in range(3):
            await kit.advance(kit.unit)
            past = await kit.push(driver, due=kit.now() - kit.unit * 9, lane="past")
            seen += [claim.job_id for claim in await worker.claim(2)]
            assert seen[-2:] == [steady[number], past]

    @conformance_test(Capability.LANES)
    async def test_lanes_turns_are_of_a_priority(self, kit: SuiteContext) -> None:
        """A lane has one line for each priority: the higher one goes first, and each takes its own turns."""
        driver = await kit.driver()
        ids: dict[tuple[str, int], list[JobID]] = {}
        for lane in "ab":
            for priority in (0, 5):
                jobs = [kit.job(lane=lane, priority=priority) for _ in range(2)]
                await driver.push(jobs)
                ids[lane, priority] = [job.job_id for job in jobs]
        worker = await kit.worker(driver)
        expected = [ids[lane, priority][number] for priority in (5, 0) for number in range(2) for lane in "ab"]
        assert [claim.job_id for claim in await worker.claim(8)] == expected

    @conformance_test(Capability.LANES)
    async def test_lanes_a_hundred_of_them(self, kit: SuiteContext) -> None:
        """Of a hundred lanes none is served again before all others were."""
        driver = await kit.driver()
        names = [f"lane {number}" for number in range(100)]
        lane_of: dict[JobID, str] = {}
        for _ in range(3):
            jobs = [kit.job(lane=lane) for lane in names]
            await driver.push(jobs)
            lane_of |= {job.job_id: job.lane or "" for job in jobs}
        worker = await kit.worker(driver)
        order = [lane_of[claim.job_id] for limit in (1, 64, 35, 150, 50) for claim in await worker.claim(limit)]
        assert len(order) == 300
        for first in (0, 100, 200):
            assert sorted(order[first : first + 100]) == sorted(names)

    @conformance_test(Capability.LANES, driven_clock=True)
    async def test_lanes_many_jobs_go_as_in_the_twin(self, kit: SuiteContext) -> None:
        """The twin is the specification: the same jobs are claimed in the same order, chunk by chunk."""
        driver, twin = await kit.driver(), await kit.twin()
        chance = random.Random(12)
        worker, model = await kit.worker(driver), await kit.worker(twin)
        for _ in range(6):
            start = kit.now()
            jobs = [
                NewJob(
                    *(JobID(int=chance.getrandbits(128)), b"{}", start + kit.unit * chance.randrange(-9, 5)),
                    priority=chance.choice((0, 0, 0, 4, -4)),
                    lane=chance.choice((None, None, "a", "b", "c", "d")),
                )
                for _ in range(60)
            ]
            for chunk in (jobs[:50], jobs[50:]):
                await driver.push(chunk)
                await twin.push(chunk)
                for limit in (1, 1, 7, 20):
                    claims, expected = await worker.exchange(limit=limit), await model.exchange(limit=limit)
                    assert [each.job_id for each in claims.claims] == [each.job_id for each in expected.claims]
                    assert claims.until_next == pytest.approx(expected.until_next)
                    await kit.advance(kit.unit * chance.choice((0, 0, 1)) / 2)

    # -- what a lane and a priority may be

    @pytest.mark.parametrize(
        "fields",
        [{"priority": 101}, {"priority": -101}, {"lane": ""}, {"lane": "a*"}, {"lane": "ä" * 129}, {"lane": "\ud800"}],
        ids=["high", "low", "empty", "star", "long", "surrogate"],
    )
    @conformance_test(Capability.LANES)
    async def test_lanes_what_cannot_be(self, kit: SuiteContext, fields: dict[str, str]) -> None:
        """A priority beyond -100 to 100, or a lane that is empty, long, has a `*` or is no text, is refused."""
        driver = await kit.driver()
        with pytest.raises(ValueError, match=r"priority|lane"):
            await driver.push([kit.job(), NewJob(kit.job().job_id, b"{}", **fields)])  # type: ignore[arg-type]
        assert await kit.claimed(driver) == []

    @conformance_test(Capability.LANES, Capability.INSPECTION)
    async def test_lanes_any_text_names_one(self, kit: SuiteContext) -> None:
        """Lanes with odd names are lanes of their own; claims and looks show lane and priority as they were given."""
        driver = await kit.driver()
        names = ["a", "A", " a", "a b", "a+b", "a%20b", "ä:7/x@y", "0", "\n", "\0", "ä" * 128, None]
        jobs = [kit.job(lane=lane, priority=priority) for lane in names for priority in (0, -100, 100)]
        await driver.push(jobs)
        for job in jobs:
            stored = await driver.get(job.job_id)
            assert stored is not None
            assert (stored.lane, stored.priority) == (job.lane, job.priority)
        worker = await kit.worker(driver)
        claims = {claim.job_id: (claim.lane, claim.priority) for claim in await worker.claim(len(jobs))}
        assert claims == {job.job_id: (job.lane, job.priority) for job in jobs}
        running = [job.lane async for job in driver.jobs(JobStatus.PROCESSING)]
        assert sorted(map(str, running)) == sorted(map(str, names * 3))

    @conformance_test(Capability.LANES)
    async def test_lanes_until_the_next(self, kit: SuiteContext) -> None:
        """until_next: the time to the first due job of any line; 0 while one has a due job, `None` without any."""
        driver = await kit.driver()
        await kit.push(driver, due=kit.unit * 3, priority=5)
        await kit.push(driver, due=kit.unit * 2, lane="a")
        jobs = [kit.job(lane="a"), kit.job(lane="b", priority=-1)]
        await driver.push(jobs)
        worker = await kit.worker(driver)
        assert (await worker.exchange(limit=1)).until_next == 0
        seconds = (await worker.exchange(limit=5)).until_next
        assert seconds == pytest.approx(2 * kit.unit.total_seconds(), abs=max(kit.tolerance.total_seconds(), 1e-3))
        await kit.advance(kit.unit * 3)
        assert len(await worker.claim(5)) == 2
        assert (await worker.exchange(limit=5)).until_next is None

    @conformance_test(Capability.LANES, driven_clock=True)
    async def test_lanes_wait_by_the_clock(self, kit: SuiteContext) -> None:
        """A line whose first job is not due waits from when it is; one with a due job from when it came."""
        driver = await kit.driver()
        await kit.push(driver, due=kit.unit * 2, lane="a")
        await kit.advance(kit.unit)
        await kit.push(driver, lane="b")
        await kit.advance(kit.unit)
        await kit.push(driver, lane="c")
        worker = await kit.worker(driver)
        assert [claim.lane for claim in await worker.claim(9)] == ["b", "a", "c"]
        await kit.push(driver, lane="c")
        await kit.advance(kit.unit)
        earlier = kit.now() - kit.unit * 5
        await driver.push([kit.job(lane=lane, due=earlier) for lane in "ba"])
        assert [claim.lane for claim in await worker.claim(9)] == ["c", "a", "b"]

    @conformance_test(Capability.LANES)
    async def test_lanes_full_ones_take_turns_with_jobs_of_none(self, kit: SuiteContext) -> None:
        """A lane that has room again comes before what was served while it was full, be that jobs without a lane."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", LaneLimit(concurrency=1))
        plain = [await kit.push(driver) for _ in range(3)]
        laned = [await kit.push(driver, lane="a") for _ in range(2)]
        worker = await kit.worker(driver)
        claims = await worker.claim(2)
        assert [claim.job_id for claim in claims] == [plain[0], laned[0]]
        assert (await worker.claim_one()).job_id == plain[1]
        await worker.finish(claims[1])
        assert (await worker.claim_one()).job_id == laned[1]

    @conformance_test(Capability.LANES)
    async def test_lanes_a_full_one_waits_since_it_was_served(self, kit: SuiteContext) -> None:
        """A full lane waits from when it was served: with room again, it comes behind what was served before it."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", LaneLimit(concurrency=1))
        await kit.push(driver, lane="c", priority=5)
        for lane in "ba":
            await pushed_to(kit, driver, lane, 2)
            await kit.advance(kit.unit / 4)
        worker = await kit.worker(driver)
        claims = await worker.claim(3)
        assert [claim.lane for claim in claims] == ["c", "b", "a"]
        await worker.finish(claims[2])
        assert [(await worker.claim_one()).lane for _ in range(2)] == ["b", "a"]

    @conformance_test(Capability.LANES)
    async def test_lanes_a_full_one_has_nothing_due(self, kit: SuiteContext) -> None:
        """While a lane is full, none of its jobs counts as the next one: nor one of a higher priority, due later."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", LaneLimit(concurrency=1))
        later = await kit.push(driver, lane="a", priority=9, due=kit.unit)
        first = await kit.push(driver, lane="a")
        worker = await kit.worker(driver)
        claimed = await worker.exchange(limit=9)
        assert ([claim.job_id for claim in claimed.claims], claimed.until_next) == ([first], None)
        await kit.advance(kit.unit)
        assert (await worker.exchange(limit=9)).until_next is None
        await worker.finish(*claimed.claims)
        claim = await worker.claim_one()
        assert claim.job_id == later
        assert (await worker.exchange(Finish(later, claim.token), limit=1)).until_next is None

    @conformance_test(Capability.LANES, Capability.EXPIRY)
    async def test_lanes_behind_expired_jobs(self, kit: SuiteContext) -> None:
        """A due job is claimed though lanes stand before its own whose jobs have expired, and are yet to be ended."""
        driver = await kit.driver()
        expires = kit.now() + kit.unit
        await driver.push([kit.job(lane=f"{number}", expires=expires) for number in range(110)])
        await kit.advance(kit.unit / 4)
        job_id = await kit.push(driver, lane="the last")
        await kit.advance(kit.unit)
        worker = await kit.worker(driver)
        assert [claim.job_id for claim in await worker.claim(1)] == [job_id]

    @pytest.mark.parametrize("how", ["push", "resume", "retry"])
    @conformance_test(Capability.LANES)
    async def test_lanes_wait_from_their_first_due_job(self, kit: SuiteContext, how: str) -> None:
        """A line whose jobs were all delayed waits from when it came to have a due one, however it came to that."""
        driver = await kit.driver()
        worker = await kit.worker(driver)
        if how == "push":
            await kit.push(driver, lane="z", due=kit.unit * 9)
            job_id = await kit.push(driver, lane="z")
        else:
            job_id = await kit.push(driver, lane="z")
            if how == "resume":
                kit.needs(Capability.RESUME)
                assert await driver.pause(job_id)
                await kit.push(driver, lane="z", due=kit.unit * 9)
                assert await driver.resume(job_id)
            else:
                claim = await worker.claim_one()
                await kit.push(driver, lane="z", due=kit.unit * 9)
                await worker.settle(Retry(job_id, claim.token))
        await kit.advance(kit.unit)
        others = [await kit.push(driver, lane=lane) for lane in "ab"]
        assert [claim.job_id for claim in await worker.claim(9)] == [job_id, *others]

    @conformance_test(Capability.LANES)
    async def test_lanes_say_how_many_run_if_there_is_a_limit(self, kit: SuiteContext) -> None:
        """`running` is a number for each lane with a limit, of whatever kind, and `None` for one without."""
        driver = await kit.driver()
        limits = {"most": LaneLimit(2), "rate": LaneLimit(rate=(5, kit.unit)), "both": LaneLimit(1, (5, kit.unit))}
        for lane, limit in limits.items():
            await driver.set_lane_limit(lane, limit)
        for lane in (*limits, "none"):
            await driver.push([kit.job(lane=lane), kit.job(lane=lane)])

        async def running() -> dict[str, int | None]:
            return {lane.name: lane.running for lane in (await driver.lanes()).lanes}

        assert await running() == {**dict.fromkeys(limits, 0), "none": None}
        worker = await kit.worker(driver)
        claims = await worker.claim(4)
        assert await running() == {**dict.fromkeys(limits, 1), "none": None}
        await worker.finish(*claims)
        assert await running() == {**dict.fromkeys(limits, 0), "none": None}

    @pytest.mark.parametrize("change", ["push", "cancel", "resume"])
    @conformance_test(Capability.LANES)
    async def test_lanes_keep_each_line_while_they_are_full(self, kit: SuiteContext, change: str) -> None:
        """Lines of a full lane keep their turns, whatever their priorities, and whatever happens to them meanwhile."""
        driver = await kit.driver()
        kit.needs(*{"cancel": [Capability.CANCEL], "resume": [Capability.RESUME]}.get(change, []))
        await driver.set_lane_limit("a", LaneLimit(1))
        running = await kit.push(driver, lane="a", priority=100)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert claim.job_id == running
        jobs = {priority: [kit.job(lane="a", priority=priority) for _ in range(3)] for priority in (5, -5, 55, 0, -55)}
        await driver.push([job for line in jobs.values() for job in line[:2]])
        for first, second, third in jobs.values():
            if change == "push":
                await driver.push([third])
            elif change == "cancel":
                assert await driver.cancel(second.job_id)
            else:
                assert await driver.pause(first.job_id)
                assert await driver.resume(first.job_id)
        done: list[JobID] = []
        while True:
            claims = (await worker.exchange(Finish(claim.job_id, claim.token), limit=9)).claims
            if not claims:
                break
            (claim,) = claims
            done.append(claim.job_id)
        count = {"push": 3, "cancel": 1, "resume": 2}[change]
        assert done == [job.job_id for priority in sorted(jobs, reverse=True) for job in jobs[priority][:count]]
