"""Jobs with a lane or a priority, in whatever becomes of them: they go back to their line, and leave it whole."""

from typing import Any

import pytest

from jobsvalkey.contract import (
    MOST_EXPIRED,
    Capability,
    Claim,
    Fail,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    LaneLimit,
    Release,
    Retry,
    SettleOutcome,
    Unique,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import REPLACED, STORED, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.harness import AnyDriver
from jobsvalkey_conformance.hints import woken

BACK = ["retry", "release", "close", "recover", "resume", "rerun", "cleanup", "revoke"]
NEEDED = {
    "resume": [Capability.RESUME],
    "rerun": [Capability.CLEANUP],
    "cleanup": [Capability.CLEANUP],
    "revoke": [Capability.CLEANUP],
}
OUT = ["cancel", "abort", "pause", "remove", "cleanup", "expire"]
NEEDED_OUT = {
    "cancel": [Capability.CANCEL],
    "abort": [Capability.ABORT],
    "pause": [Capability.RESUME],
    "remove": [Capability.CLEANUP],
    "cleanup": [Capability.CLEANUP],
    "expire": [Capability.EXPIRY],
}


async def go_back(kit: SuiteContext, driver: AnyDriver, how: str, worker: Worker, claim: Claim) -> None:
    """Bring a claimed job back to pending."""
    job_id, token = claim.job_id, claim.token
    match how:
        case "retry":
            assert await worker.settle(Retry(job_id, token)) == [SettleOutcome.SETTLED]
        case "release":
            assert await worker.settle(Release(job_id, token)) == [SettleOutcome.SETTLED]
        case "close":
            await driver.close_worker(worker.id)
        case "recover":
            await kit.advance(kit.unit)
            assert await driver.recover() == 1
        case "resume":
            assert await worker.settle(Release(job_id, token)) == [SettleOutcome.SETTLED]
            assert await driver.pause(job_id)
            assert await driver.resume(job_id)
        case "rerun" | "cleanup":
            assert await worker.settle(Fail(job_id, token, b"error", keep=True)) == [SettleOutcome.SETTLED]
            if how == "rerun":
                assert await driver.rerun(job_id)
            else:
                assert await driver.cleanup_step(JobStatus.FAILED, JobCleanup("rerun"), max_jobs=1) == 1
        case _:
            assert await driver.cleanup_step(JobStatus.PROCESSING, JobCleanup("rerun"), max_jobs=1) == 1


async def go_out(kit: SuiteContext, driver: AnyDriver, how: str, job_id: JobID) -> None:
    """Let a pending job be so no more."""
    match how:
        case "cancel":
            assert await driver.cancel(job_id)
        case "abort":
            await driver.abort(job_id)
        case "pause":
            assert await driver.pause(job_id)
        case "remove":
            assert await driver.remove(job_id)
        case "cleanup":
            assert await driver.cleanup_step(JobStatus.PENDING, JobCleanup("remove"), max_jobs=1) == 1
        case _:
            await kit.advance(kit.unit)


class LanedTests(Suite):
    """Lanes and priorities beside everything else."""

    @pytest.mark.parametrize("how", BACK)
    @conformance_test(Capability.LANES)
    async def test_laned_back_to_its_line(self, kit: SuiteContext, how: str) -> None:
        """A job that goes back to pending, in whatever way, has its lane and its priority as before."""
        kit.needs(*NEEDED.get(how, ()))
        driver = await kit.driver()
        laned = await kit.push(driver, due=kit.now() - kit.unit, lane="a", priority=5)
        worker = await kit.worker(driver, kit.unit)
        claim = await worker.claim_one()
        same = await kit.push(driver, due=kit.unit * 5, lane="a", priority=5)
        plain = await kit.push(driver, due=kit.now() - kit.unit * 2)
        await go_back(kit, driver, how, worker, claim)
        worker = await kit.worker(driver)
        claims = await worker.claim(9)
        assert [claim.job_id for claim in claims] == [laned, plain]
        assert (claims[0].lane, claims[0].priority) == ("a", 5)
        await kit.advance(kit.unit * 5)
        assert [claim.job_id for claim in await worker.claim(9)] == [same]

    @pytest.mark.parametrize("is_last", [False, True])
    @pytest.mark.parametrize("how", OUT)
    @conformance_test(Capability.LANES, Capability.INSPECTION)
    async def test_laned_out_of_its_line(self, kit: SuiteContext, how: str, is_last: bool) -> None:
        """A job that is pending no more is not claimed; those behind it in the line are, each in its turn."""
        kit.needs(*NEEDED_OUT[how])
        driver = await kit.driver()
        expires = kit.unit if how == "expire" else None
        first = await kit.push(driver, due=kit.now() - kit.unit, lane="a", priority=5, expires=expires)
        rest = [] if is_last else [await kit.push(driver, lane="a", priority=5) for _ in range(2)]
        other = await kit.push(driver, lane="b", priority=5)
        await go_out(kit, driver, how, first)
        worker = await kit.worker(driver)
        claims = [claim.job_id for _ in range(3) for claim in await worker.claim()]
        assert claims == ([other] if is_last else [rest[0], other, rest[1]])
        assert await worker.claim(9) == []
        assert (await driver.counts())[JobStatus.PENDING] == 0
        later = await kit.push(driver, lane="a", priority=5)
        assert [claim.job_id for claim in await worker.claim(9)] == [later]

    @conformance_test(Capability.LANES, Capability.RESUME, Capability.CANCEL, Capability.INSPECTION)
    async def test_laned_paused_ones_have_no_line(self, kit: SuiteContext) -> None:
        """A paused job keeps lane and priority, and is cancelled or removed as any."""
        driver = await kit.driver()
        ids = [await kit.push(driver, lane="a", priority=5) for _ in range(2)]
        for job_id in ids:
            assert await driver.pause(job_id)
            stored = await driver.get(job_id)
            assert stored is not None
            assert (stored.status, stored.lane, stored.priority) == (JobStatus.PAUSED, "a", 5)
        assert await driver.cancel(ids[0])
        assert await driver.resume(ids[1])
        assert await kit.claimed(driver) == [ids[1]]

    @conformance_test(Capability.LANES, Capability.UNIQUE, Capability.INSPECTION)
    async def test_laned_replaced(self, kit: SuiteContext) -> None:
        """A job that replaces a holder brings its own lane and priority, or none."""
        driver = await kit.driver()
        unique = Unique("name", otherwise="replace")
        holder = await kit.push(driver, unique=unique, lane="a")
        behind = await kit.push(driver, lane="a")
        for fields in ({"priority": 5, "lane": "b"}, {}, {"priority": -5}, {"lane": "a"}):
            job = kit.job(b"new", due=kit.now() - kit.unit, unique=unique, **fields)  # type: ignore[arg-type]
            assert outcomes(await driver.push([job])) == [REPLACED]
            stored = await driver.get(holder)
            assert stored is not None
            assert (stored.lane, stored.priority) == (job.lane, job.priority)
            assert (await driver.counts())[JobStatus.PENDING] == 2
        assert await driver.validate() == []
        assert await kit.claimed(driver) == [holder, behind]

    @conformance_test(Capability.LANES, Capability.UNIQUE, Capability.RESUME, Capability.INSPECTION)
    async def test_laned_replaced_while_paused(self, kit: SuiteContext) -> None:
        """A paused holder that is replaced comes to the line of the new job when it is resumed."""
        driver = await kit.driver()
        unique = Unique("name", otherwise="replace")
        holder = await kit.push(driver, unique=unique, lane="a")
        assert await driver.pause(holder)
        assert outcomes(await driver.push([kit.job(unique=unique, priority=5)])) == [REPLACED]
        other = await kit.push(driver, due=kit.now() - kit.unit, lane="a")
        assert await driver.resume(holder)
        assert await kit.claimed(driver) == [holder, other]

    @conformance_test(Capability.LANES, Capability.INSPECTION)
    async def test_laned_looks_list_them_by_due_time(self, kit: SuiteContext) -> None:
        """jobs, page, counts and load show the jobs of all lines by due time, as if there were no lines."""
        driver = await kit.driver()
        start = kit.now() - kit.unit * 5
        fields = [{}, {"lane": "a"}, {"priority": 9}, {"priority": -9, "lane": "b"}, {}, {"lane": "a"}]
        ids = [
            await kit.push(driver, due=start + kit.unit * number, **each)  # type: ignore[arg-type]
            for number, each in enumerate(fields)
        ]
        delayed = await kit.push(driver, due=kit.unit * 9, lane="a", priority=50)
        assert [job.job_id async for job in driver.jobs(JobStatus.PENDING)] == [*ids, delayed]
        cursor, paged = None, list[JobID]()
        for _ in range(4):
            page = await driver.page(JobStatus.PENDING, cursor, limit=2)
            paged, cursor = paged + [job.job_id for job in page.jobs], page.cursor
        assert paged == [*ids, delayed]
        assert cursor is None
        assert (await driver.counts())[JobStatus.PENDING] == 7
        load = await driver.load()
        assert (load.due, load.delayed) == (6, 1)
        assert load.oldest_due is not None
        assert abs(load.oldest_due - kit.unit * 5) <= max(kit.tolerance, kit.unit / 2)
        await kit.push(driver, due=start - kit.unit * 5, lane="c")  # it is claimed last, and due for longest
        oldest_due = (await driver.load()).oldest_due
        assert oldest_due is not None
        assert abs(oldest_due - kit.unit * 10) <= max(kit.tolerance, kit.unit / 2)

    @conformance_test(Capability.LANES, Capability.CLEANUP, Capability.INSPECTION)
    async def test_laned_cleanups_take_the_oldest_of_all_lines(self, kit: SuiteContext) -> None:
        """cleanup_step of pending jobs takes those of all lines, the oldest first, and passes over `except_for`."""
        driver = await kit.driver()
        start = kit.now() - kit.unit * 5
        fields = [{}, {"lane": "a"}, {"priority": 9}, {"lane": "b"}, {}]
        ids = [
            await kit.push(driver, due=start + kit.unit * number, **each)  # type: ignore[arg-type]
            for number, each in enumerate(fields)
        ]
        step = {"status": JobStatus.PENDING, "cleanup": JobCleanup("remove"), "except_for": ids[1]}
        assert await driver.cleanup_step(max_jobs=2, **step) == 2  # type: ignore[arg-type]
        assert [job.job_id async for job in driver.jobs(JobStatus.PENDING)] == [ids[1], *ids[3:]]
        assert await driver.cleanup_step(max_jobs=9, **step) == 2  # type: ignore[arg-type]
        assert await kit.claimed(driver) == [ids[1]]

    @conformance_test(Capability.LANES)
    async def test_laned_known_ids_are_duplicates(self, kit: SuiteContext) -> None:
        """push of an id that waits in a line is a duplicate, whatever lane the new one names."""
        driver = await kit.driver()
        job = kit.job(lane="a")
        await driver.push([job])
        again = [kit.job(job_id=job.job_id), kit.job(job_id=job.job_id, lane="b", priority=9)]
        for each in again:
            assert [answer.outcome.value for answer in await driver.push([each])] == ["duplicate"]
        assert await kit.claimed(driver) == [job.job_id]

    @conformance_test(Capability.LANES, Capability.RESULTS)
    async def test_laned_tells_all_of_a_job(self, kit: SuiteContext) -> None:
        """A claim of a job with a lane tells for how long it is to be kept as well."""
        driver = await kit.driver()
        await kit.push(driver, lane="a")
        await kit.push(driver, lane="b", keep_for=kit.unit * 7)
        worker = await kit.worker(driver)
        assert [(claim.lane, claim.keep_for) for claim in await worker.claim(9)] == [("a", None), ("b", kit.unit * 7)]

    @conformance_test(Capability.LANES)
    async def test_laned_listed_while_its_jobs_run_one_after_the_other(self, kit: SuiteContext) -> None:
        """lanes has a lane whose last job begins in the step in which the one before it ends."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", LaneLimit(concurrency=1))
        for _ in range(2):
            await kit.push(driver, lane="a")
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        await worker.exchange(Finish(claim.job_id, claim.token), limit=1)
        assert [(lane.name, lane.pending, lane.running) for lane in (await driver.lanes()).lanes] == [("a", 0, 1)]

    @pytest.mark.parametrize("ends", ["ab", "ba"])
    @pytest.mark.parametrize("between", [[], ["c"]])
    @conformance_test(Capability.LANES)
    async def test_laned_room_is_taken_by_turns(self, kit: SuiteContext, ends: str, between: list[str]) -> None:
        """Lanes with room again are served by their turns, those that wait come in between, and all are full then."""
        driver = await kit.driver()
        for lane in "ab":
            await driver.set_lane_limit(lane, LaneLimit(concurrency=1))
        for lane in "ababab":
            await kit.push(driver, lane=lane)
        worker = await kit.worker(driver)
        held = {"a": await worker.claim_one()}
        for lane in between:
            await kit.push(driver, lane=lane)
        held["b"] = await worker.claim_one()
        finishes = [Finish(held[lane].job_id, held[lane].token) for lane in ends]
        exchanged = await worker.exchange(*finishes, limit=9)
        assert [claim.lane for claim in exchanged.claims] == ["a", *between, "b"]
        assert exchanged.until_next is None

    @pytest.mark.parametrize("how", ["push", "cancel", "pause"])
    @conformance_test(Capability.LANES)
    async def test_laned_a_full_line_that_changes_keeps_its_turn(self, kit: SuiteContext, how: str) -> None:
        """A line of a full lane waits since it was served, also if jobs come or go before there is room again."""
        kit.needs(*NEEDED_OUT.get(how, []))
        driver = await kit.driver()
        await driver.set_lane_limit("a", LaneLimit(concurrency=1))
        last = [await kit.push(driver, lane=lane) for lane in "aabba"][-1]
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert claim.lane == "a"
        if how == "push":
            await kit.push(driver, lane="a")
        else:
            await go_out(kit, driver, how, last)
        await worker.finish(claim)
        assert [(await worker.claim_one()).lane for _ in range(3)] == ["b", "a", "b"]

    @conformance_test(Capability.LANES, hints=True)
    async def test_laned_a_later_job_beside_a_full_lane_is_told(self, kit: SuiteContext) -> None:
        """A worker that waits is woken by a job that is due later, also if one of a full lane is due before it."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", LaneLimit(concurrency=1))
        for _ in range(2):
            await kit.push(driver, lane="a")
        await (await kit.worker(driver)).claim_one()
        idle = await kit.worker(driver)
        assert (await idle.exchange(limit=1)).until_next is None
        async with woken(idle):
            await kit.push(driver, due=kit.unit * 100, lane="b")
        assert (await idle.exchange(limit=1)).until_next is not None

    @pytest.mark.parametrize("line", ["lane", "priority", "limited"])
    @conformance_test(Capability.LANES, Capability.EXPIRY)
    async def test_laned_behind_what_has_expired_in_its_line(self, kit: SuiteContext, line: str) -> None:
        """While more jobs have expired than one step ends, each job of a line with one of them is claimed, and once."""
        driver, start = await kit.driver(), kit.now()
        where: dict[str, Any] = {"priority": 5} if line == "priority" else {"lane": "a"}
        if line == "limited":
            await driver.set_lane_limit("a", LaneLimit(concurrency=3))
        many = [kit.job(due=start, expires=start) for _ in range(MOST_EXPIRED)]
        gone, alive = [kit.job(due=start, expires=kit.unit, **where)], [kit.job(due=start, **where) for _ in range(4)]
        assert outcomes(await driver.push([*many, *alive[:1], *gone, *alive[1:]])) == [STORED] * (MOST_EXPIRED + 5)
        await kit.advance(kit.unit)
        worker = await kit.worker(driver)
        claims = await worker.claim(2)
        assert [claim.job_id for claim in claims] == [job.job_id for job in alive[:2]]
        await worker.finish(*claims)
        assert [claim.job_id for claim in await worker.claim(9)] == [job.job_id for job in alive[2:]]
