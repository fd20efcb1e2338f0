"""The memory of a job, a worker or a number, whatever else happens to it."""

from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    DO_NOT_RETAIN,
    Cancel,
    Capability,
    Claim,
    Fail,
    Finish,
    JobID,
    NewJob,
    Operation,
    OperationRefused,
    Release,
    Retry,
    SettleOutcome,
    retain_for,
    retain_last,
)
from jobsvalkey_conformance.areas.retention import policy
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, RETAIN_ALL, STORED, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.harness import AnyDriver, Damage, Hook

DAY = timedelta(days=1)
SETTLED = [SettleOutcome.SETTLED]


class Life:
    """One job, and what happens to it from claim to claim."""

    def __init__(self, kit: SuiteContext, driver: AnyDriver, job_id: JobID, worker: Worker) -> None:
        self.kit = kit
        self.driver = driver
        self.job_id = job_id
        self.worker = worker

    async def claim(self) -> Claim:
        """Claim it: nothing else is due."""
        claim = await self.worker.claim_one()
        assert claim.job_id == self.job_id
        return claim

    async def release(self) -> None:
        """Claimed, and given back."""
        assert await self.worker.settle(Release(self.job_id, (await self.claim()).token)) == SETTLED

    async def retry(self) -> None:
        """Claimed, and to be tried again."""
        retry = Retry(self.job_id, (await self.claim()).token, b"again", error=b"error")
        assert await self.worker.settle(retry) == SETTLED

    async def recovery(self) -> None:
        """Claimed by a worker that died."""
        dead = await self.kit.worker(self.driver, self.kit.unit)
        assert (await dead.claim_one()).job_id == self.job_id
        await self.driver.renew(dead.id, self.kit.unit)
        await self.kit.advance(self.kit.unit)
        assert await self.driver.recover() == 1

    async def leaving(self) -> None:
        """Claimed by a worker that was leaving, and did not come to an end."""
        left = await self.kit.worker(self.driver, self.kit.unit)
        assert (await left.claim_one()).job_id == self.job_id
        await self.driver.renew(left.id, self.kit.unit, leaving=True)
        await self.kit.advance(self.kit.unit)
        assert await self.driver.recover() == 1

    async def close(self) -> None:
        """Claimed by a worker that was closed."""
        other = await self.kit.worker(self.driver)
        assert (await other.claim_one()).job_id == self.job_id
        await self.driver.close_worker(other.id)

    async def pause(self) -> None:
        """Paused and resumed."""
        assert await self.driver.pause(self.job_id)
        await self.kit.advance(self.kit.unit)
        assert await self.driver.resume(self.job_id)

    async def rerun(self) -> None:
        """Completed and rerun."""
        await self.worker.finish(await self.claim())
        await self.kit.advance(self.kit.unit)
        assert await self.driver.rerun(self.job_id)


WAYS: dict[str, frozenset[Capability]] = {
    "release": frozenset(),
    "retry": frozenset(),
    "recovery": frozenset(),
    "leaving": frozenset(),
    "close": frozenset(),
    "pause": frozenset({Capability.RESUME}),
    "rerun": frozenset({Capability.CLEANUP}),
}
"""The ways of a job between its push and its end, and the capabilities that they need."""
each_way: pytest.MarkDecorator = pytest.mark.parametrize("way", WAYS)
STEPS: dict[str, tuple[int, bool, bytes | None]] = {
    "recovery": (1, False, None),
    "release": (1, False, None),
    "pause": (1, False, None),
    "close": (1, False, None),
    "leaving": (1, False, None),
    "recovery again": (2, False, None),
    "retry": (0, False, b"error"),
    "release again": (0, False, b"error"),
    "recovery once more": (1, False, b"error"),
    "pause again": (1, False, b"error"),
    "rerun": (0, True, None),
    "close again": (0, True, None),
    "release with a reset": (0, True, None),
    "recovery with a reset": (1, True, None),
    "pause with a reset": (1, True, None),
    "retry with a reset": (0, False, b"error"),
}
"""Steps of a life, one after the other: recoveries, reset of the attempt, and error after each."""
ENDS: dict[str, frozenset[Capability]] = {
    "finish": frozenset(),
    "fail": frozenset(),
    "end": frozenset({Capability.ABORT}),
    "cancel": frozenset({Capability.CANCEL}),
    "count": frozenset(),
    "age": frozenset(),
    "remove": frozenset({Capability.CLEANUP}),
}
"""The ways to absence, and the capabilities that they need."""


class LifeTests(Suite):
    """A memory lasts through all that may happen, and nothing is left for the next of its name."""

    @each_way
    @conformance_test()
    async def test_life_an_id_of_the_user_is_remembered(self, kit: SuiteContext, way: str) -> None:
        """A job that was pushed with `remember` leaves its id behind, whatever happened to it before it ended."""
        kit.needs(*WAYS[way])
        driver = await kit.driver(retention_policy=policy(DO_NOT_RETAIN), idempotency_window=kit.unit)
        keeping = await kit.driver(retention_policy=RETAIN_ALL)
        job = kit.job(remember=True)
        await driver.push([job])
        await getattr(Life(kit, keeping, job.job_id, await kit.worker(keeping)), way)()
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        assert outcomes(await driver.push([job])) == [DUPLICATE]
        await kit.advance(kit.unit)
        assert outcomes(await driver.push([job])) == [STORED]

    @each_way
    @conformance_test()
    async def test_life_the_time_stored_stays(self, kit: SuiteContext, way: str) -> None:
        """The envelope says when the job was stored: at its push, whatever happened to it since."""
        kit.needs(*WAYS[way])
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        stored_at = kit.now()
        job_id = await kit.push(driver)
        await kit.advance(kit.unit)
        life = Life(kit, driver, job_id, await kit.worker(driver))
        for _ in range(2):
            await getattr(life, way)()
        assert kit.same_time((await life.claim()).stored_at, stored_at)

    @conformance_test()
    async def test_life_the_envelope_from_step_to_step(self, kit: SuiteContext) -> None:
        """Each step changes of the envelope what its row says, and leaves the rest: also the second time."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        life = Life(kit, driver, await kit.push(driver), await kit.worker(driver))
        for step, (recoveries, reset_attempt, error) in STEPS.items():
            way = step.partition(" ")[0]
            if not WAYS[way] <= kit.capabilities:
                return
            await getattr(life, way)()
            claim = await life.claim()
            assert (claim.recoveries, claim.reset_attempt, claim.error) == (recoveries, reset_attempt, error), step
            assert await life.worker.settle(Release(claim.job_id, claim.token)) == SETTLED

    @pytest.mark.parametrize("end", ENDS)
    @conformance_test()
    async def test_life_a_new_job_of_an_old_id(self, kit: SuiteContext, end: str) -> None:
        """absent → pending: a job whose id another one had before it is as new as any; nothing of that is left."""
        kit.needs(*ENDS[end])
        kept = {"count": retain_last(1), "age": retain_for(kit.unit), "remove": retain_last(5)}
        if kit.harness.spare_jobs and end in ("count", "remove"):
            return
        driver = await kit.driver(retention_policy=policy(kept.get(end, DO_NOT_RETAIN)))
        worker, claim = await kit.claim_with_a_past(driver, rerun=False)
        job_id = claim.job_id
        assert (claim.recoveries, claim.error) != (0, None)
        await take_away(kit, driver, worker, claim, end)
        await kit.advance(kit.unit * 2)
        now = kit.now()
        assert outcomes(await driver.push([kit.job(b"new", job_id=job_id)])) == [STORED]
        await kit.advance(kit.unit)
        claim = await worker.claim_one()
        assert (claim.job_id, claim.request) == (job_id, b"new")
        assert (claim.recoveries, claim.reset_attempt, claim.error, claim.keep_for) == (0, False, None, None)
        assert kit.same_time(claim.stored_at, now)
        assert kit.same_time(claim.due, now)
        if Capability.INSPECTION in kit.capabilities:
            shown = await driver.get(job_id)
            assert shown is not None
            assert (shown.ended_at, shown.error, shown.result, shown.worker) == (None, None, None, worker.id)
            assert (shown.recoveries, shown.reset_attempt, shown.runs) == (0, False, ())

    @conformance_test()
    async def test_life_a_duplicate_makes_nothing_remembered(self, kit: SuiteContext) -> None:
        """A duplicate changes nothing: the id of a job that was pushed without `remember` is free when it is gone."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        assert outcomes(await driver.push([kit.job(job_id=job_id, remember=True)])) == [DUPLICATE]
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        assert outcomes(await driver.push([kit.job(job_id=job_id)])) == [STORED]

    @conformance_test()
    async def test_life_an_id_is_remembered_once(self, kit: SuiteContext) -> None:
        """When the window is over, a job that is pushed without `remember` leaves nothing behind."""
        driver = await kit.driver(idempotency_window=kit.unit)
        job = kit.job(remember=True)
        worker = await kit.worker(driver)
        await driver.push([job])
        await worker.finish(await worker.claim_one())
        await kit.advance(kit.unit)
        for _ in range(2):
            assert outcomes(await driver.push([kit.job(job_id=job.job_id)])) == [STORED]
            await worker.finish(await worker.claim_one())

    @conformance_test(Capability.CLEANUP)
    async def test_life_the_window_begins_anew(self, kit: SuiteContext) -> None:
        """The window counts from when the job became absent: after a rerun, from its second end."""
        driver = await kit.driver(retention_policy=policy(retain_for(kit.unit * 2)), idempotency_window=kit.unit * 2)
        job = kit.job(remember=True)
        await driver.push([job])
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        await kit.advance(kit.unit)
        assert await driver.rerun(job.job_id)
        await kit.advance(kit.unit * 4)
        await worker.finish(await worker.claim_one())
        await kit.advance(kit.unit * 3)
        assert outcomes(await driver.push([job])) == [DUPLICATE]
        await kit.advance(kit.unit)
        assert outcomes(await driver.push([job])) == [STORED]

    @conformance_test(Capability.RESULTS)
    async def test_life_the_window_of_a_kept_job(self, kit: SuiteContext) -> None:
        """If `keep_for` made a job absent, the window begins at that moment, whenever somebody looked."""
        driver = await kit.driver(idempotency_window=kit.unit * 4)
        job = kit.job(remember=True, keep_for=kit.unit * 2)
        await driver.push([job])
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        await kit.advance(kit.unit * 4)
        await kit.push(driver)
        await worker.finish(await worker.claim_one())  # trims it, late
        await kit.advance(kit.unit)
        assert outcomes(await driver.push([job])) == [DUPLICATE]
        await kit.advance(kit.unit)
        assert outcomes(await driver.push([job])) == [STORED]

    @conformance_test(Capability.QUEUE, Hook.DAMAGE)
    async def test_life_an_id_is_remembered_without_its_request(self, kit: SuiteContext) -> None:
        """An id that the user gave is remembered, though the job had lost its request when it became absent."""
        driver = await kit.driver(retention_policy=policy(DO_NOT_RETAIN), idempotency_window=kit.unit)
        job = kit.job(remember=True)
        await driver.push([job])
        await kit.damage(job.job_id, Damage.LOST_REQUEST)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert claim.request is None
        assert await worker.settle(Fail(job.job_id, claim.token, b"lost")) == SETTLED
        assert outcomes(await driver.push([job])) == [DUPLICATE]
        await kit.advance(kit.unit)
        assert outcomes(await driver.push([job])) == [STORED]

    # -- workers and numbers

    @pytest.mark.parametrize(
        "event",
        ["nothing", "opened again", "stalled", "stalled and renewed", "stalled and opened again", "idle", "others"],
    )
    @conformance_test()
    async def test_life_the_last_exchange(self, kit: SuiteContext, event: str) -> None:
        """A repeat of the last exchange returns its outcomes and claims, whatever the worker did since; any number."""
        driver = await kit.driver()
        ids = await kit.push_many(driver, 6)
        worker = await kit.worker(driver, kit.unit * 2)
        first = await worker.claim(3)
        settlements = [
            Finish(first[0].job_id, first[0].token),
            Finish(first[0].job_id, first[0].token),
            Release(first[1].job_id, first[1].token),
        ]
        answer = await worker.exchange(*settlements, limit=2)
        assert [claim.job_id for claim in answer.claims] == [ids[1], ids[3]]
        sequence = worker.sequence
        if event.startswith("stalled"):
            await kit.advance(kit.unit * 2)
        if event.endswith("opened again"):
            await driver.open_worker(worker.id, kit.unit * 3)
        if event == "stalled and renewed":
            await driver.renew(worker.id, kit.unit * 2)
        if event == "idle":
            assert (await driver.exchange(worker.id, sequence + 1, (), 0)).claims == []
        if event == "others":
            other = await kit.worker(driver)
            await other.finish(await other.claim_one())
        for _ in range(3):
            again = await driver.exchange(worker.id, sequence, settlements, 5)
            assert (again.outcomes, again.claims) == (answer.outcomes, answer.claims)
            assert again.lock_expired is (event == "stalled")
        held = (await driver.renew(worker.id, kit.unit)).tokens
        assert held == {first[2].token, *(claim.token for claim in answer.claims)}, "a repeat claimed again"
        with pytest.raises(OperationRefused):
            await driver.exchange(worker.id, sequence - 1, (), 5)

    @conformance_test()
    async def test_life_a_number_of_a_step_that_failed(self, kit: SuiteContext) -> None:
        """A step that is refused as wrong was never done, and leaves its number free: for exchanges, too."""
        driver = await kit.driver(max_payload=10)
        operation = Operation("producer", 1)
        wrong, right = kit.job(b"x" * 11), kit.job()
        for _ in range(2):
            with pytest.raises(ValueError, match="bytes"):
                await driver.push([right, wrong], operation=operation)
        assert outcomes(await driver.push([right], operation=operation)) == [STORED]
        worker = await kit.worker(driver)
        with pytest.raises(ValueError, match="due"):
            await driver.exchange(worker.id, 1, [Retry(right.job_id, b"", due=timedelta(days=10**6))], 1)
        assert [claim.job_id for claim in (await driver.exchange(worker.id, 1, (), 1)).claims] == [right.job_id]

    @conformance_test()
    async def test_life_a_repeat_of_a_push_after_a_second_life(self, kit: SuiteContext) -> None:
        """A repeat is answered from memory, though the id has had a second job since."""
        driver, operation = await kit.driver(), Operation("producer", 1)
        job = kit.job()
        worker = await kit.worker(driver)
        assert outcomes(await driver.push([job], operation=operation)) == [STORED]
        await worker.finish(await worker.claim_one())
        assert outcomes(await driver.push([kit.job(b"second", job_id=job.job_id)])) == [STORED]
        assert outcomes(await driver.push([job], operation=operation)) == [STORED]
        assert (await worker.claim_one()).request == b"second"
        assert await worker.claim() == []

    @conformance_test()
    async def test_life_a_claim_of_a_worker_that_was_opened_again(self, kit: SuiteContext) -> None:
        """Opening again renews: claims stay held and are settled by their tokens; what was lost before stays lost."""
        driver = await kit.driver()
        await kit.push_many(driver, 2)
        worker = await kit.worker(driver, kit.unit)
        lost = await worker.claim_one()
        await kit.advance(kit.unit)
        assert await driver.recover() == 1
        await driver.open_worker(worker.id, kit.unit)
        held = await worker.claim_one()
        await driver.open_worker(worker.id, kit.unit)
        assert (await driver.renew(worker.id, kit.unit)).tokens == {held.token}
        settled = await worker.settle(Finish(lost.job_id, lost.token), Finish(held.job_id, held.token))
        assert settled == [SettleOutcome.CLAIM_LOST, SettleOutcome.SETTLED]


async def take_away(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim, end: str) -> None:
    """Make a claimed job absent in one of the ways."""
    job_id, token = claim.job_id, claim.token
    if end == "fail":
        assert await worker.settle(Fail(job_id, token, b"last")) == SETTLED
    elif end == "end":
        assert await worker.settle(Cancel(job_id, token, b"reason")) == SETTLED
    elif end == "cancel":
        assert await worker.settle(Release(job_id, token)) == SETTLED
        assert await driver.cancel(job_id)
    else:
        result = b"result" if Capability.RESULTS in kit.capabilities else None
        assert await worker.settle(Finish(job_id, token, result)) == SETTLED
    if end == "remove":
        assert await driver.remove(job_id)
    if end == "count":
        await kit.advance(kit.unit)
        other = NewJob(kit.job().job_id, b"other")
        await driver.push([other])
        await worker.finish(await worker.claim_one())
