"""Pausing the queue as a whole."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import (
    Capability,
    Finish,
    JobCleanup,
    JobStatus,
    LaneLimit,
    OperationRefused,
    Release,
    SettleOutcome,
    Unique,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import RETAIN_ALL, STORED, SuiteContext, outcomes
from jobsvalkey_conformance.harness import Hook
from jobsvalkey_conformance.hints import woken

FEATURES: dict[str, tuple[Capability, dict[str, Any]]] = {
    "none": (Capability.QUEUE, {}),
    "keep_for": (Capability.RESULTS, {"keep_for": timedelta(hours=1)}),
    "unique": (Capability.UNIQUE, {"unique": Unique("name")}),
    "expires": (Capability.EXPIRY, {"expires": timedelta(hours=1)}),
    "lane": (Capability.LANES, {"lane": "a"}),
    "priority": (Capability.LANES, {"priority": 1}),
}
"""The fields of a job, by what they need."""


class PausingTests(Suite):
    """`pause_queue`: an exchange settles, and claims nothing, until `resume_queue`."""

    @conformance_test(Capability.PAUSE_QUEUE)
    async def test_pausing_a_paused_queue_is_not_claimed_from(self, kit: SuiteContext) -> None:
        """While the queue is paused nothing is claimed, by whichever driver; resumed, jobs come in their order."""
        driver, other = await kit.driver(), await kit.driver()
        ids = await kit.push_many(driver, 3)
        assert await driver.is_queue_paused() is False
        await driver.pause_queue()
        assert await other.is_queue_paused() is True
        workers = [await kit.worker(driver), await kit.worker(other), await kit.worker(await kit.driver())]
        await kit.advance(kit.unit)
        for worker in workers:
            assert await worker.claim(3) == []
        await other.resume_queue()
        assert await driver.is_queue_paused() is False
        assert [claim.job_id for claim in await workers[0].claim(3)] == ids

    @conformance_test(Capability.PAUSE_QUEUE)
    async def test_pausing_takes_effect_at_once(self, kit: SuiteContext) -> None:
        """A worker that has claimed before claims nothing after the pause: nobody keeps what the state was."""
        driver, other = await kit.driver(), await kit.driver()
        await kit.push_many(driver, 6)
        worker = await kit.worker(driver)
        for _ in range(3):
            await worker.claim_one()
            await other.pause_queue()
            assert await worker.claim() == []
            await other.resume_queue()

    @pytest.mark.parametrize("feature", FEATURES)
    @conformance_test(Capability.PAUSE_QUEUE)
    async def test_pausing_lasts_when_a_feature_is_first_used(self, kit: SuiteContext, feature: str) -> None:
        """A queue stays paused while the first job with a lane, say, is pushed to it; what it has had stays, too."""
        capability, fields = FEATURES[feature]
        kit.needs(capability)
        driver = await kit.driver(activity=Capability.ACTIVITY in kit.capabilities)
        plain = await kit.push(driver)
        await driver.pause_queue()
        worker = await kit.worker(driver)
        job = kit.job(**fields)
        assert outcomes(await driver.push([job])) == [STORED]
        if capability is Capability.LANES:
            await driver.set_lane_limit("a", LaneLimit(5))
        assert await driver.is_queue_paused() is True
        assert await worker.claim(9) == []
        await driver.resume_queue()
        assert await driver.is_queue_paused() is False
        assert sorted(claim.job_id for claim in await worker.claim(9)) == sorted([plain, job.job_id])

    @conformance_test(Capability.PAUSE_QUEUE)
    async def test_pausing_no_claim_follows(self, kit: SuiteContext) -> None:
        """No claim follows an acknowledged pause, however many workers claim at that moment."""
        drivers = [await kit.driver() for _ in range(3)]
        await kit.push_many(drivers[0], 200)
        workers = [await kit.worker(driver) for driver in drivers]
        paused = asyncio.Event()

        async def claim_on(number: int) -> int:
            late = 0
            while not paused.is_set():
                await workers[number].claim()
                await asyncio.sleep(0)
            for _ in range(3):
                late += len(await workers[number].claim())
            return late

        claiming = [asyncio.ensure_future(claim_on(number)) for number in range(3)]
        await asyncio.sleep(0.01)
        await drivers[0].pause_queue()
        paused.set()
        assert await asyncio.gather(*claiming) == [0, 0, 0]

    @conformance_test(Capability.PAUSE_QUEUE)
    async def test_pausing_what_runs_is_settled(self, kit: SuiteContext) -> None:
        """An exchange settles as ever; what goes back waits. `until_next` is `None` until the queue is resumed."""
        driver = await kit.driver()
        await kit.push_many(driver, 3)
        worker = await kit.worker(driver)
        first, second = await worker.claim(2)
        await driver.pause_queue()
        settled = await worker.exchange(
            Finish(first.job_id, first.token), Release(second.job_id, second.token), limit=5
        )
        assert settled.outcomes == [SettleOutcome.SETTLED] * 2
        assert (settled.claims, settled.until_next, settled.lock_expired) == ([], None, False)
        await driver.resume_queue()
        answer = await worker.exchange()
        assert answer.until_next == 0
        assert (await worker.claim(5))[0].job_id == second.job_id

    @pytest.mark.parametrize("feature", FEATURES)
    @conformance_test(Capability.PAUSE_QUEUE)
    async def test_pausing_nothing_is_due_meanwhile(self, kit: SuiteContext, feature: str) -> None:
        """While the queue is paused, `until_next` is the time to the next expiry, whatever else would be claimed."""
        capability, fields = FEATURES[feature]
        kit.needs(capability)
        driver = await kit.driver()
        worker = await kit.worker(driver)
        await driver.push([kit.job(**fields), kit.job(due=kit.unit, **({} if "unique" in fields else fields))])
        expected = pytest.approx(3600, abs=60) if "expires" in fields else None
        for _ in range(2):
            await driver.pause_queue()
            for limit in (0, 9):
                answer = await worker.exchange(limit=limit)
                assert (answer.claims, answer.until_next) == ([], expected)
            await driver.resume_queue()
            assert (await worker.exchange()).until_next == 0

    @conformance_test(Capability.PAUSE_QUEUE)
    async def test_pausing_a_repeat_shows_its_claims(self, kit: SuiteContext) -> None:
        """A repeat of an exchange from before the pause returns its claims, which are held."""
        driver = await kit.driver()
        await kit.push_many(driver, 2)
        worker = await kit.worker(driver)
        claims = await worker.claim(2)
        await driver.pause_queue()
        repeat = await driver.exchange(worker.id, worker.sequence, (), 2)
        assert [claim.token for claim in repeat.claims] == [claim.token for claim in claims]
        assert repeat.until_next is None

    @conformance_test(Capability.PAUSE_QUEUE)
    async def test_pausing_the_queue_goes_on_otherwise(self, kit: SuiteContext) -> None:
        """Pushes are stored, and the jobs of dead workers recovered, while the queue is paused."""
        driver = await kit.driver()
        lost = await kit.push(driver)
        dead = await kit.worker(driver, kit.unit)
        await dead.claim_one()
        await driver.pause_queue()
        await kit.advance(kit.unit)
        assert await driver.recover() == 1
        pushed = await kit.push(driver)
        assert await kit.claimed(driver) == []
        await driver.resume_queue()
        assert await kit.claimed(driver) == [lost, pushed]

    @conformance_test(Capability.PAUSE_QUEUE, Capability.CLEANUP)
    async def test_pausing_cleanups_go_on(self, kit: SuiteContext) -> None:
        """Cleanups go on while the queue is paused: jobs are removed, or put back for when it is resumed."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        ended = [await kit.in_state(driver, JobStatus.COMPLETED) for _ in range(3)]
        waiting = await kit.push(driver)
        await driver.pause_queue()
        assert await driver.cleanup_step(JobStatus.PENDING, JobCleanup.remove(), max_jobs=5) == 1
        assert await driver.remove(ended[0])
        assert await driver.rerun(ended[1])
        assert await driver.cleanup_step(JobStatus.COMPLETED, JobCleanup.RERUN, max_jobs=5) == 1
        assert await kit.claimed(driver) == []
        await driver.resume_queue()
        assert sorted(await kit.claimed(driver)) == ended[1:]
        assert outcomes(await driver.push([kit.job(job_id=waiting)])) == [STORED]

    @conformance_test(Capability.PAUSE_QUEUE)
    async def test_pausing_one_queue_pauses_no_other(self, kit: SuiteContext) -> None:
        """Each queue is paused by itself."""
        driver = await kit.driver()
        other = await kit.driver(queue_key=f"{kit.configuration.queue_key}:other")
        await driver.pause_queue()
        job_id = await kit.push(other)
        assert await other.is_queue_paused() is False
        assert await kit.claimed(other) == [job_id]

    @conformance_test(Capability.PAUSE_QUEUE)
    async def test_pausing_twice(self, kit: SuiteContext) -> None:
        """Pausing or resuming twice is fine; one resumption ends any number of pauses."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        await driver.resume_queue()
        await driver.pause_queue()
        await driver.pause_queue()
        assert await kit.claimed(driver) == []
        await driver.resume_queue()
        assert await kit.claimed(driver) == [job_id]
        await driver.resume_queue()
        assert await driver.is_queue_paused() is False

    @conformance_test(Capability.PAUSE_QUEUE)
    async def test_pausing_is_an_operation(self, kit: SuiteContext) -> None:
        """A repeat under the same number is answered from memory: a late one does not pause the queue again."""
        driver = await kit.driver()
        number = kit.operations()
        first, second = number(), number()
        await driver.pause_queue(operation=second)
        await driver.resume_queue()
        await driver.pause_queue(operation=second)
        assert await driver.is_queue_paused() is False
        with pytest.raises(OperationRefused):
            await driver.pause_queue(operation=first)
        with pytest.raises(OperationRefused):
            await driver.resume_queue(operation=second)

    @conformance_test(Capability.PAUSE_QUEUE, Hook.DROP_REPLY)
    async def test_pausing_a_lost_reply(self, kit: SuiteContext) -> None:
        """A pause whose reply is lost is a pause."""
        driver = await kit.driver()
        await kit.push(driver)
        async with kit.harness.drop_reply():
            await driver.pause_queue()
        assert await driver.is_queue_paused() is True
        assert await kit.claimed(driver) == []

    @conformance_test(Capability.PAUSE_QUEUE, hints=True)
    async def test_pausing_ends_with_a_hint(self, kit: SuiteContext) -> None:
        """An idle worker is woken when the queue is resumed, well before its poll."""
        driver, idle_driver = await kit.driver(), await kit.driver()
        job_id = await kit.push(driver)
        await driver.pause_queue()
        worker = await kit.worker(idle_driver)
        assert await worker.claim() == []
        async with woken(worker):
            await driver.resume_queue()
        assert (await worker.claim_one()).job_id == job_id
