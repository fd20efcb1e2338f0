"""Two features at once, on one job, one lane or one list."""

from datetime import timedelta
from typing import Literal

import pytest

from jobsvalkey.contract import (
    Capability,
    Finish,
    JobCleanup,
    JobStatus,
    LaneLimit,
    Release,
    Report,
    Retry,
    SettleOutcome,
    Unique,
    new_job_id,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, REPLACED, RETAIN_ALL, STORED, SuiteContext, outcomes

SETTLED = SettleOutcome.SETTLED
Until = Literal["end", "start"] | timedelta


class TogetherTests(Suite):
    """Each of two features keeps its promises beside the other."""

    @pytest.mark.parametrize("otherwise", ["skip", "replace"])
    @pytest.mark.parametrize("is_paused", [False, True])
    @conformance_test(Capability.FLOWS, Capability.UNIQUE, Capability.RESUME)
    async def test_together_a_parent_stands_for_the_holder_of_its_name(
        self, kit: SuiteContext, otherwise: str, is_paused: bool
    ) -> None:
        """A parent whose name is held means the holder: also one that it replaces, and one that is paused."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        holder = await kit.push(driver, unique=Unique("name"))
        if is_paused:
            assert await driver.pause(holder)
        parent = kit.job(unique=Unique("name", otherwise="replace" if otherwise == "replace" else "skip"))
        child = kit.job(after=[parent.job_id])
        done = await driver.push([parent, child])
        assert outcomes(done) == [REPLACED if otherwise == "replace" else DUPLICATE, STORED]
        assert done[0].job_id == holder
        if is_paused:
            assert await driver.resume(holder)
        worker = await kit.worker(driver)
        claims = await worker.claim(9)
        assert [claim.job_id for claim in claims] == [holder]
        await worker.finish(*claims)
        claim = await worker.claim_one()
        assert (claim.job_id, claim.after) == (child.job_id, (holder,))

    @conformance_test(Capability.UNIQUE)
    async def test_together_a_name_is_held_as_the_replacement_says(self, kit: SuiteContext) -> None:
        """`replace`: from then on the name is held as the new push says, and no more as the old one did."""
        driver = await kit.driver()
        spans: dict[str, tuple[Until, Until]] = {
            "longer": (kit.unit, "end"),
            "shorter": ("end", kit.unit),
            "later": (kit.unit, kit.unit * 3),
        }
        for key, (first, last) in spans.items():
            await kit.push(driver, due=kit.unit * 9, unique=Unique(key, first))
            again = kit.job(due=kit.unit * 9, unique=Unique(key, last, "replace"))
            assert outcomes(await driver.push([again])) == [REPLACED]
        await kit.advance(kit.unit)
        worker = await kit.worker(driver)
        for _ in range(2):
            assert await worker.claim() == []
            await driver.recover()
            await kit.push(driver, due=kit.unit * 9, unique=Unique("another", kit.unit / 2))
            await kit.advance(kit.unit / 2)
        answers = {key: outcomes(await driver.push([kit.job(unique=Unique(key))])) for key in spans}
        assert answers == {"longer": [DUPLICATE], "shorter": [STORED], "later": [DUPLICATE]}

    @conformance_test(Capability.LANES, Capability.UNIQUE)
    async def test_together_a_lane_whose_only_job_is_replaced_keeps_its_turn(self, kit: SuiteContext) -> None:
        """A replacement is one step: the line of its lane has waited since before, and goes first."""
        driver = await kit.driver()
        holder = await kit.push(driver, lane="z", unique=Unique("name"))
        await kit.advance(kit.unit)
        others = [await kit.push(driver, lane=lane) for lane in "ab"]
        await kit.advance(kit.unit)
        past = kit.now() - kit.unit * 3
        replacing = kit.job(due=past, lane="z", unique=Unique("name", otherwise="replace"))
        assert outcomes(await driver.push([replacing])) == [REPLACED]
        assert await kit.claimed(driver) == [holder, *others]

    @pytest.mark.parametrize("is_replacing_first", [True, False])
    @conformance_test(Capability.LANES, Capability.UNIQUE)
    async def test_together_a_push_is_one_change_of_a_line(self, kit: SuiteContext, is_replacing_first: bool) -> None:
        """A line that loses its first job and gets another one in the same push has waited since before."""
        driver = await kit.driver()
        await kit.push(driver, lane="z", unique=Unique("name"))
        later = await kit.push(driver, due=kit.unit * 9, lane="z")
        for _ in range(3):
            await kit.push(driver, lane="a")
        worker = await kit.worker(driver)
        await kit.advance(kit.unit)
        served = await kit.push(driver, priority=9, lane="b")
        assert [claim.job_id for claim in await worker.claim(1)] == [served]
        replacing = kit.job(lane="y", unique=Unique("name", otherwise="replace"))
        new = kit.job(lane="z")
        jobs = [replacing, new] if is_replacing_first else [new, replacing]
        assert sorted(outcomes(await driver.push(jobs))) == sorted([REPLACED, STORED])
        claimed = [claim.lane for claim in await worker.claim(9)]
        assert claimed == ["a", "z", "y", "a", "a"]
        assert await driver.get(later) is not None

    @pytest.mark.parametrize("end", ["finish", "release", "close", "recovery"])
    @conformance_test(Capability.LANES)
    async def test_together_a_lane_beyond_its_limit_has_room_again(self, kit: SuiteContext, end: str) -> None:
        """Jobs that run beyond a limit go on, and count: when several end at once, as many begin as there is room."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", LaneLimit(4))
        await driver.push([kit.job(lane="a", priority=number % 2) for number in range(9)])
        holder, keeper = await kit.worker(driver, kit.unit), await kit.worker(driver)
        claims = await holder.claim(3)
        kept = await keeper.claim(9)
        assert (len(claims), len(kept)) == (3, 1)
        await driver.set_lane_limit("a", LaneLimit(3))
        assert await keeper.claim(9) == []
        if end == "finish":
            await holder.finish(*claims)
        elif end == "release":
            assert await holder.settle(*(Release(claim.job_id, claim.token) for claim in claims)) == [SETTLED] * 3
        elif end == "close":
            await driver.close_worker(holder.id)
        else:
            await kit.advance(kit.unit)
            assert await driver.recover() == 3
        assert (await keeper.exchange()).until_next == 0
        assert len(await keeper.claim(9)) == 2
        assert await keeper.claim(9) == []

    @pytest.mark.parametrize("settlement", ["finish", "retry", "release"])
    @conformance_test(Capability.REPORTS, Capability.INSPECTION)
    async def test_together_the_first_report_comes_with_a_settlement(self, kit: SuiteContext, settlement: str) -> None:
        """A report and a settlement of one exchange, on a job that had none before: as if they had come in two."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        settlements = {
            "finish": Finish(job_id, claim.token),
            "retry": Retry(job_id, claim.token),
            "release": Release(job_id, claim.token),
        }
        reports = [Report(job_id, claim.token, b"half", b"state")]
        answer = await worker.exchange(settlements[settlement], reports=reports)
        assert (answer.reported, answer.outcomes) == ([SETTLED], [SETTLED])
        shown = await driver.get(job_id)
        assert shown is not None
        if settlement == "finish":
            assert (shown.status, shown.progress) == (JobStatus.COMPLETED, None)
            assert await driver.validate() == []
        else:
            assert (shown.status, shown.progress) == (JobStatus.PENDING, b"half")
            assert await driver.validate() == []
            assert (await worker.claim_one()).state == b"state"

    @pytest.mark.parametrize("moves", ["later", "earlier"])
    @conformance_test(Capability.INSPECTION)
    async def test_together_the_job_at_a_cursor_has_moved_on_its_list(self, kit: SuiteContext, moves: str) -> None:
        """Jobs that stay are on one page each, also if the one at the cursor has another place on the same list."""
        driver = await kit.driver()
        now = kit.now()
        ids = [await kit.push(driver, due=now - kit.unit * (9 - number)) for number in range(5)]
        page = await driver.page(JobStatus.PENDING, limit=3)
        assert [job.job_id for job in page.jobs] == ids[:3]
        worker = await kit.worker(driver)
        first, second, third = await worker.claim(3)
        due = now + kit.unit * (9 if moves == "later" else -99)
        assert (
            await worker.settle(
                Release(first.job_id, first.token),
                Release(second.job_id, second.token),
                Retry(ids[2], third.token, due=due),
            )
            == [SETTLED] * 3
        )
        rest = [job.job_id for job in (await driver.page(JobStatus.PENDING, page.cursor)).jobs]
        assert rest == [*ids[3:], *([ids[2]] if moves == "later" else [])]

    @pytest.mark.parametrize("name", ["50%25 off", "a%20b", "%", "a b", "+", "=", "a=b+c", ",", "ä", "A", "\\"])
    @conformance_test(Capability.LANES)
    async def test_together_a_limited_lane_may_have_any_name(self, kit: SuiteContext, name: str) -> None:
        """A limit counts the claims of the lane that it names, whatever the name: each end of one makes room."""
        driver = await kit.driver()
        await driver.set_lane_limit(name, LaneLimit(1))
        await driver.push([kit.job(lane=name, due=kit.now() - kit.unit + number * kit.unit / 9) for number in range(3)])
        worker = await kit.worker(driver)
        claims = await worker.claim(9)
        assert [claim.lane for claim in claims] == [name]
        assert await worker.settle(Release(claims[0].job_id, claims[0].token)) == [SETTLED]
        for _ in range(3):
            claims = await worker.claim(9)
            assert [claim.lane for claim in claims] == [name]
            assert [(lane.name, lane.running) for lane in (await driver.lanes()).lanes] == [(name, 1)]
            await worker.finish(*claims)

    @pytest.mark.parametrize("why", ["young", "spared", "late", "orphans", "enough"])
    @conformance_test(Capability.UNIQUE, Capability.CLEANUP)
    async def test_together_a_job_that_a_cleanup_passes_over_takes_no_name(self, kit: SuiteContext, why: str) -> None:
        """A cleanup that passes over a job leaves it as it is: its name stays free, and is another's to take."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        first = await kit.in_state(driver, JobStatus.COMPLETED)
        await kit.advance(kit.unit)
        before = kit.now() - kit.unit / 2
        ended = await kit.in_state(driver, JobStatus.COMPLETED, unique=Unique("name"))
        cleanup = JobCleanup("rerun", kit.unit if why == "young" else None)
        done = await driver.cleanup_step(
            JobStatus.PROCESSING if why == "orphans" else JobStatus.COMPLETED,
            cleanup,
            max_jobs=1 if why == "enough" else 9,
            only_orphans=why == "orphans",
            except_for=ended if why == "spared" else None,
            as_of=before if why == "late" else None,
        )
        assert done == (why != "orphans")
        assert await kit.claimed(driver) == ([] if why == "orphans" else [first])
        assert outcomes(await driver.push([kit.job(unique=Unique("name"))])) == [STORED]
        assert await driver.rerun(ended) is False

    @pytest.mark.parametrize("callback_first", [False, True])
    @conformance_test(Capability.FLOWS, Capability.CLEANUP)
    async def test_together_a_cleanup_takes_what_waited_when_it_began(
        self, kit: SuiteContext, callback_first: bool
    ) -> None:
        """A cleanup of waiting jobs takes a callback, too, whose last members it removes, in either order."""
        driver = await kit.driver()
        first, second = sorted(new_job_id() for _ in range(2))
        callback_id, member_id = (first, second) if callback_first else (second, first)
        running = kit.job(due=kit.now())
        callback = kit.job(job_id=callback_id, due=kit.now(), batch=callback_id)
        member = kit.job(job_id=member_id, due=kit.now(), after=[running.job_id], batch=callback_id)
        await driver.push([running, callback, member])
        assert await driver.close_batch(callback_id)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert await driver.cleanup_step(JobStatus.WAITING, JobCleanup.remove(), max_jobs=9) == 2
        await worker.finish(claim)
        assert not await worker.claim(9)
        assert [await driver.status(job_id) for job_id in (callback_id, member_id)] == [None, None]
