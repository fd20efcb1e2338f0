"""Pitfalls of limits, priorities, flows and batches that other queues are known for, in one place.

The areas of each feature go further: what is here is one test for each pitfall, by its name.
"""

import pytest

from jobsvalkey.contract import (
    DO_NOT_RETAIN,
    BatchCounts,
    Capability,
    Fail,
    Finish,
    Input,
    JobID,
    LaneLimit,
    RefusalKind,
    Release,
    RetentionPolicy,
    Retry,
    SettleOutcome,
    StoreOutcome,
    new_job_id,
)
from jobsvalkey_conformance.areas.batches import new_callback, open_batch
from jobsvalkey_conformance.areas.flows import COMPLETED, LONG, PENDING, WAITING, finish
from jobsvalkey_conformance.areas.limits import ONE, TWO
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import RETAIN_ALL, STORED, SuiteContext, outcomes
from jobsvalkey_conformance.harness import AnyDriver, Hook

KEEP_NOTHING = RetentionPolicy(failed_jobs=DO_NOT_RETAIN)
LOST, SETTLED = SettleOutcome.CLAIM_LOST, SettleOutcome.SETTLED
NO_RUN = {
    "is due later": Capability.QUEUE,
    "is retried later": Capability.QUEUE,
    "has failed": Capability.INSPECTION,
    "is paused": Capability.RESUME,
    "waits for another": Capability.FLOWS,
    "has expired": Capability.EXPIRY,
}
"""The reasons for which a job does not run, and the capability that each needs."""
GONE = {
    "was not kept": Capability.FLOWS,
    "is remembered": Capability.FLOWS,
    "was kept for a time": Capability.RESULTS,
    "was removed": Capability.CLEANUP,
    "may not be kept": Capability.FLOWS,
}
"""The same for a parent for which nothing can wait."""


async def push_one_that_does_not_run(kit: SuiteContext, driver: AnyDriver, why: str) -> None:
    """Push a job to the lane `a` that comes before all others there, and may not run."""
    before, later, job_id = kit.now() - kit.unit, kit.unit * 100, new_job_id()
    match why:
        case "is due later":
            await kit.push(driver, due=later, lane="a", priority=9)
        case "waits for another":
            await driver.push([kit.job(job_id=job_id, due=before, lane="a", priority=9, batch=job_id)])
        case "has expired":
            await kit.push(driver, due=before, lane="a", priority=9, expires=before)
        case "is paused":
            assert await driver.pause(await kit.push(driver, due=before, lane="a", priority=9))
        case _:
            await kit.push(driver, due=before, lane="a", priority=9)
            worker = await kit.worker(driver)
            claim = await worker.claim_one()
            job = (claim.job_id, claim.token)
            ends = {"is retried later": Retry(*job, due=later), "has failed": Fail(*job, b"error", keep=True)}
            assert await worker.settle(ends[why]) == [SETTLED]


async def parent_that_is_gone(kit: SuiteContext, driver: AnyDriver, why: str) -> JobID:
    """A job for which nothing can wait."""
    keep_for = {"was kept for a time": kit.unit, "was removed": LONG}.get(why)
    due = LONG if why == "may not be kept" else None
    parent = await kit.push(driver, due=due, remember=why == "is remembered", keep_for=keep_for)
    if due is None:
        await finish(kit, driver, parent)
    if why == "was kept for a time":
        await kit.advance(kit.unit)
    if why == "was removed":
        assert await driver.remove(parent)
    return parent


class PitfallTests(Suite):
    """Counters that drift, turns that are lost, waits without an end, and callbacks at the wrong time."""

    # -- limits

    @conformance_test(Capability.LANES)
    async def test_pitfall_a_counter_that_drifts(self, kit: SuiteContext) -> None:
        """A claim frees its place once, and no other: also if it ends late, twice, or in a worker that has died."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", TWO)
        ids = [await kit.push(driver, lane="a") for _ in range(8)]
        late = await kit.worker(driver, kit.unit * 2)
        lost = await late.claim(9)
        assert [claim.job_id for claim in lost] == ids[:2]
        await kit.advance(kit.unit * 2)
        assert await driver.recover() == 2
        worker, other = await kit.worker(driver), await kit.worker(driver)
        held = await worker.claim(9)
        assert [claim.job_id for claim in held] == ids[:2]
        assert await late.settle(*(Finish(claim.job_id, claim.token) for claim in lost)) == [LOST, LOST]
        assert await driver.recover() == 0
        await driver.close_worker(late.id)
        assert await other.claim(9) == []
        settlements = [Finish(claim.job_id, claim.token) for claim in held]
        for _ in range(2):
            assert (await driver.exchange(worker.id, 2, settlements)).outcomes == [SETTLED, SETTLED]
        assert await driver.recover() == 0
        assert [claim.job_id for claim in await other.claim(9)] == ids[2:4]
        assert await other.claim(9) == []
        for _ in range(2):
            await driver.close_worker(other.id)
        await driver.close_worker(worker.id)
        last = await kit.worker(driver)
        for at in (2, 4, 6):
            claims = await last.claim(9)
            assert [claim.job_id for claim in claims] == ids[at : at + 2]
            await last.finish(*claims)

    @pytest.mark.parametrize("limit", ["concurrency", "rate"])
    @conformance_test(Capability.LANES, Capability.INSPECTION)
    async def test_pitfall_waiting_for_room_uses_up_attempts(self, kit: SuiteContext, limit: str) -> None:
        """A job that its lane's limit holds back has not been tried: it runs as it was pushed."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", ONE if limit == "concurrency" else LaneLimit(rate=(1, kit.unit)))
        due = kit.now() - kit.unit
        await kit.push(driver, due=due, lane="a")
        second = await kit.push(driver, b"second", due=due, lane="a")
        worker = await kit.worker(driver)
        first = await worker.claim_one()
        for _ in range(9):
            assert await worker.claim(9) == []
            assert await driver.recover() == 0
        await worker.finish(first)
        await kit.advance(kit.unit)
        claim = await worker.claim_one()
        assert (claim.job_id, claim.request, claim.error) == (second, b"second", None)
        assert (claim.recoveries, claim.reset_attempt) == (0, False)
        assert kit.same_time(claim.due, due)
        stored = await driver.get(second)
        assert stored is not None
        assert stored.runs == ()

    @pytest.mark.parametrize("why", list(NO_RUN))
    @conformance_test(Capability.LANES)
    async def test_pitfall_a_job_that_does_not_run_blocks_its_lane(self, kit: SuiteContext, why: str) -> None:
        """Whatever comes first in a lane, and cannot run: the next one of the lane runs at once."""
        kit.needs(NO_RUN[why])
        driver = await kit.driver()
        await driver.set_lane_limit("*", ONE)
        await push_one_that_does_not_run(kit, driver, why)
        following = [await kit.push(driver, lane="a") for _ in range(2)]
        worker = await kit.worker(driver)
        for job_id in following:
            claims = await worker.claim(9)
            assert [claim.job_id for claim in claims] == [job_id]
            await worker.finish(*claims)

    @conformance_test(Capability.LANES)
    async def test_pitfall_priority_is_inverted(self, kit: SuiteContext) -> None:
        """A job goes before all of lower priority once it may run: of its own lane, which was full, and of others."""
        driver = await kit.driver()
        await driver.set_lane_limit("a", ONE)
        low = [await kit.push(driver, due=kit.now() - kit.unit, lane="a", priority=-5) for _ in range(3)]
        worker, other = await kit.worker(driver), await kit.worker(driver)
        running = await worker.claim_one()
        assert running.job_id == low[0]
        high = await kit.push(driver, lane="a", priority=5)
        beside = [await kit.push(driver, lane=lane, priority=p) for lane, p in (("b", -5), (None, 0), ("b", 0))]
        assert [claim.job_id for claim in await other.claim(1)] == beside[1:2], "what may not run is in nobody's way"
        for _ in range(2):  # also when it has gone back
            assert await worker.settle(Release(running.job_id, running.token)) == [SETTLED]
            running = await worker.claim_one()
            assert running.job_id == high
        await worker.finish(running)
        assert [claim.job_id for claim in await worker.claim(1)] == beside[2:]
        assert {claim.job_id for claim in await worker.claim(9)} == {low[0], beside[0]}

    # -- flows

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Hook.DROP_REPLY)
    async def test_pitfall_dependents_are_let_go_in_a_second_step(self, kit: SuiteContext) -> None:
        """The step that ends a job lets go what waits for it, once: also if its reply is lost, or its worker dies."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        callback, second = new_callback(kit), kit.job()
        first = kit.job(due=kit.now() - kit.unit, batch=callback.job_id)
        child, both = kit.job(after=[first.job_id]), kit.job(after=[first.job_id, second.job_id])
        await driver.push([callback, first, second, child, both])
        assert await driver.close_batch(callback.job_id)
        dying, worker = await kit.worker(driver), await kit.worker(driver)
        claim = await dying.claim_one()
        assert claim.job_id == first.job_id
        async with kit.harness.drop_reply():
            await dying.finish(claim)  # and this is the last that is heard of it
        waiting = (callback, child, both)
        assert [await driver.status(job.job_id) for job in waiting] == [PENDING, PENDING, WAITING]
        (claim,) = [each for each in await worker.claim(9) if each.job_id == second.job_id]
        answer = await worker.exchange(Finish(claim.job_id, claim.token), limit=1)
        assert [each.job_id for each in answer.claims] == [both.job_id], "the same step claims what it has let go"

    @pytest.mark.parametrize("how", ["nobody keeps it", "it had ended", "it is removed"])
    @conformance_test(Capability.FLOWS, Capability.RESULTS, Capability.CLEANUP)
    async def test_pitfall_a_parent_without_a_result_is_awaited(self, kit: SuiteContext, how: str) -> None:
        """A job waits for ends, not for results: it runs, and is told of a parent that left none, or has gone."""
        driver = await kit.driver(retention_policy=KEEP_NOTHING)
        parent = kit.job(keep_for=None if how == "nobody keeps it" else LONG)
        child = kit.job(after=[parent.job_id], due=kit.now() - kit.unit)
        result = b"result" if how == "it is removed" else None
        if how == "it had ended":
            await driver.push([parent])
            await finish(kit, driver, parent.job_id)
            await driver.push([child])
        else:
            await driver.push([parent, child])
            await finish(kit, driver, parent.job_id, result)
        if how == "it is removed":
            assert await driver.remove(parent.job_id)
        claim = await (await kit.worker(driver)).claim_one()
        assert (claim.job_id, claim.inputs) == (child.job_id, (Input(parent.job_id, COMPLETED, result),))

    @pytest.mark.parametrize("why", list(GONE))
    @conformance_test(Capability.FLOWS)
    async def test_pitfall_a_parent_that_is_gone_is_awaited(self, kit: SuiteContext, why: str) -> None:
        """A job that would wait for ever is refused, and not stored: its parent is absent, or may be when it ends."""
        kit.needs(GONE[why])
        driver = await kit.driver(retention_policy=KEEP_NOTHING)
        parent = await parent_that_is_gone(kit, driver, why)
        child = kit.job(after=[parent])
        (refused,) = await driver.push([child])
        assert refused.outcome is StoreOutcome.REFUSED
        assert refused.reason is not None
        is_there = why == "may not be kept"
        assert refused.reason.kind is (RefusalKind.IMPOSSIBLE if is_there else RefusalKind.UNKNOWN_PARENT)
        assert outcomes(await driver.push([kit.job(job_id=child.job_id)])) == [STORED]

    # -- batches

    @conformance_test(Capability.FLOWS, Capability.INSPECTION, Capability.CLEANUP, Hook.DROP_REPLY)
    async def test_pitfall_a_callback_too_early_or_twice(self, kit: SuiteContext) -> None:
        """A callback runs once, after the last member: whatever was run anew, recovered, late, or closed twice."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        batch = await open_batch(kit, driver)

        async def waits() -> bool:
            return await driver.status(batch) is WAITING

        async def member() -> JobID:
            return await kit.push(driver, due=kit.now() - kit.unit, batch=batch)

        one = await member()
        await finish(kit, driver, one)
        assert await waits(), "all that is there has ended, but more may come"
        assert await driver.rerun(one)
        async with kit.harness.drop_reply():
            assert await driver.close_batch(batch) is True
        assert await driver.close_batch(batch) is False
        assert await waits(), "it is closed, but a member runs anew"
        two = await member()
        dying = await kit.worker(driver, kit.unit * 2)
        lost = await dying.claim(9)
        assert {claim.job_id for claim in lost} == {one, two}
        await kit.advance(kit.unit * 2)
        assert await driver.recover() == 2
        assert await dying.settle(*(Finish(claim.job_id, claim.token) for claim in lost)) == [LOST, LOST]
        assert await waits(), "what ended late did not count"
        worker = await kit.worker(driver)
        first, last = await worker.claim(9)
        async with kit.harness.drop_reply():
            assert await worker.settle(Fail(first.job_id, first.token, b"error")) == [SETTLED]
        assert await waits(), "one of two has ended, once"
        async with kit.harness.drop_reply():
            await worker.finish(last)
        assert await driver.status(batch) is PENDING
        assert await driver.rerun(first.job_id), "this comes too late to change anything"
        claims = await worker.claim(9)
        assert {claim.job_id for claim in claims} == {batch, first.job_id}
        told = [claim.members for claim in claims if claim.job_id == batch]
        assert told == [BatchCounts(completed=1, failed=1)]
        await worker.finish(*claims)
        assert await worker.claim(9) == []
        assert await driver.status(batch) is COMPLETED
