"""Reports of running handlers: progress that is shown, and state that the next claim gets back."""

import pytest

from jobsvalkey.contract import (
    AbortOutcome,
    Capability,
    Claim,
    Fail,
    Finish,
    JobStatus,
    OperationRefused,
    PayloadTooLarge,
    Release,
    Report,
    Retry,
    SettleOutcome,
    WorkerClosed,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import SuiteContext, Worker
from jobsvalkey_conformance.harness import AnyDriver, Damage, Hook

SETTLED, CLAIM_LOST = SettleOutcome.SETTLED, SettleOutcome.CLAIM_LOST
WAYS = ("retry", "later", "release", "closing", "recovery")
"""How a claim may end so that its job runs on."""


async def claimed(kit: SuiteContext, driver: AnyDriver, request: bytes = b"{}") -> tuple[Worker, Claim]:
    """The claim of a new job, and its worker, whose lock lasts a unit."""
    job_id = await kit.push(driver, request, due=kit.now() - kit.unit)
    worker = await kit.worker(driver, kit.unit)
    claim = await worker.claim_one()
    assert (claim.job_id, claim.state) == (job_id, None)
    return worker, claim


async def reported(
    kit: SuiteContext, driver: AnyDriver, progress: bytes | None = b"half", state: bytes | None = b"state"
) -> tuple[Worker, Claim]:
    """The claim of a new job whose handler has reported."""
    worker, claim = await claimed(kit, driver)
    await report(worker, claim, progress, state)
    return worker, claim


async def report(worker: Worker, claim: Claim, progress: bytes | None = None, state: bytes | None = None) -> None:
    """Report about a claim that is held."""
    answer = await worker.exchange(reports=[Report(claim.job_id, claim.token, progress, state)])
    assert (answer.reported, answer.outcomes, answer.claims) == ([SETTLED], [], [])


async def give_up(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim, way: str) -> None:
    """End a claim in one of the `WAYS`; its job is due afterwards."""
    if way == "retry":
        assert await worker.settle(Retry(claim.job_id, claim.token, b"again", None, b"error")) == [SETTLED]
    elif way == "later":
        assert await worker.settle(Retry(claim.job_id, claim.token, due=kit.unit)) == [SETTLED]
        await kit.advance(kit.unit)
    elif way == "release":
        assert await worker.settle(Release(claim.job_id, claim.token)) == [SETTLED]
    elif way == "closing":
        await driver.close_worker(worker.id)
    else:
        await kit.advance(kit.unit)
        assert await driver.recover() == 1


async def next_claim(kit: SuiteContext, driver: AnyDriver) -> tuple[Worker, Claim]:
    """The claim of the one job that is due, by a new worker."""
    worker = await kit.worker(driver, kit.unit)
    return worker, await worker.claim_one()


async def progress_of(driver: AnyDriver, claim: Claim) -> bytes | None:
    """The progress that a look at a job shows."""
    stored = await driver.get(claim.job_id)
    assert stored is not None
    return stored.progress


class ReportTests(Suite):
    """`exchange(…, reports=…)`: fenced, before the settlements; kept until the job ends."""

    @conformance_test(Capability.REPORTS, Capability.INSPECTION)
    async def test_reports_progress_is_shown(self, kit: SuiteContext) -> None:
        """report of a progress: `get` and `jobs` show the last one; the claim stays as it is."""
        driver = await kit.driver()
        worker, claim = await claimed(kit, driver)
        before = await driver.get(claim.job_id)
        assert before is not None
        assert before.progress is None
        for progress in (b"1", bytes(range(256)), b"", b"x" * 1024):
            await report(worker, claim, progress)
            assert await progress_of(driver, claim) == progress
            listed = [job async for job in driver.jobs(JobStatus.PROCESSING)]
            assert [(job.job_id, job.progress) for job in listed] == [(claim.job_id, progress)]
            assert (listed[0].worker, listed[0].claimed_at) == (before.worker, before.claimed_at)
        assert (await driver.renew(worker.id, kit.unit)).tokens == {claim.token}
        assert await driver.validate() == []
        await worker.finish(claim)

    @conformance_test(Capability.REPORTS, Capability.INSPECTION)
    async def test_reports_the_last_one_wins(self, kit: SuiteContext) -> None:
        """Of several reports of an exchange the last progress and the last state stay; each has its outcome."""
        driver = await kit.driver()
        worker, claim = await claimed(kit, driver)
        identity = claim.job_id, claim.token
        answer = await worker.exchange(
            reports=[
                Report(*identity, b"1", b"a"),
                Report(*identity, b"2", None),
                Report(claim.job_id, b"no such token", b"3", b"c"),
                Report(*identity, None, b"b"),
            ]
        )
        assert answer.reported == [SETTLED, SETTLED, CLAIM_LOST, SETTLED]
        assert await progress_of(driver, claim) == b"2"
        await give_up(kit, driver, worker, claim, "release")
        assert (await next_claim(kit, driver))[1].state == b"b"

    @conformance_test(Capability.REPORTS, Capability.INSPECTION)
    async def test_reports_each_part_is_for_itself(self, kit: SuiteContext) -> None:
        """`None` leaves a progress, or a state, as it was."""
        driver = await kit.driver()
        worker, claim = await reported(kit, driver, b"1", b"a")
        await report(worker, claim, state=b"progress")
        assert await progress_of(driver, claim) == b"1"
        await report(worker, claim, progress=b"state")
        assert await progress_of(driver, claim) == b"state"
        await give_up(kit, driver, worker, claim, "release")
        assert (await next_claim(kit, driver))[1].state == b"progress"

    @pytest.mark.parametrize("way", WAYS)
    @conformance_test(Capability.REPORTS, Capability.INSPECTION)
    async def test_reports_of_a_lost_claim(self, kit: SuiteContext, way: str) -> None:
        """report under a token that was settled, or taken away: `CLAIM_LOST`, and nothing changes."""
        driver = await kit.driver()
        worker, claim = await reported(kit, driver, b"1", b"a")
        await give_up(kit, driver, worker, claim, way)
        stale = Report(claim.job_id, claim.token, b"stale", b"stale")
        if way == "closing":
            worker.sequence += 1
            with pytest.raises(WorkerClosed):
                await driver.exchange(worker.id, worker.sequence, reports=[stale])
        else:
            assert (await worker.exchange(reports=[stale])).reported == [CLAIM_LOST]
        second, held = await next_claim(kit, driver)
        assert held.state == b"a"
        if way != "closing":
            assert (await worker.exchange(reports=[stale])).reported == [CLAIM_LOST]
        assert await progress_of(driver, claim) == b"1"
        await give_up(kit, driver, second, held, "release")
        assert (await next_claim(kit, driver))[1].state == b"a"

    @conformance_test(Capability.REPORTS, Capability.INSPECTION)
    async def test_reports_are_fenced(self, kit: SuiteContext) -> None:
        """report under a token that is another worker's, another job's, or nobody's: `CLAIM_LOST`, nothing changes."""
        driver = await kit.driver()
        worker, claim = await claimed(kit, driver)
        other, held = await claimed(kit, driver)
        answers = [
            (await other.exchange(reports=[Report(claim.job_id, claim.token + b"x", b"bad", b"bad")])).reported,
            (await worker.exchange(reports=[Report(held.job_id, claim.token, b"bad", b"bad")])).reported,
            (await worker.exchange(reports=[Report(claim.job_id, b"", b"bad", b"bad")])).reported,
        ]
        third = await kit.worker(driver)
        answers.append((await third.exchange(reports=[Report(claim.job_id, claim.token, b"bad", b"bad")])).reported)
        assert answers == [[CLAIM_LOST]] * 4
        for each in (claim, held):
            assert await progress_of(driver, each) is None
        await worker.settle(Release(claim.job_id, claim.token))
        assert (await next_claim(kit, driver))[1].state is None

    @conformance_test(Capability.REPORTS)
    async def test_reports_come_before_settlements(self, kit: SuiteContext) -> None:
        """Reports of an exchange are applied before its settlements, and its claims are made after them."""
        driver = await kit.driver()
        worker, claim = await claimed(kit, driver)
        answer = await worker.exchange(
            Release(claim.job_id, claim.token), reports=[Report(claim.job_id, claim.token, b"1", b"a")], limit=1
        )
        assert (answer.reported, answer.outcomes) == ([SETTLED], [SETTLED])
        assert [(again.job_id, again.state) for again in answer.claims] == [(claim.job_id, b"a")]
        (claim,) = answer.claims
        answer = await worker.exchange(
            Retry(claim.job_id, claim.token), reports=[Report(claim.job_id, claim.token, None, b"b")]
        )
        assert (answer.reported, answer.outcomes) == ([SETTLED], [SETTLED])
        assert (await next_claim(kit, driver))[1].state == b"b"

    @conformance_test(Capability.REPORTS, Capability.INSPECTION)
    async def test_reports_an_exchange_that_only_reports_is_recorded(self, kit: SuiteContext) -> None:
        """A repeat of an exchange that reported is answered alike, whatever became of the claim; a lower is refused."""
        driver = await kit.driver()
        worker, claim = await claimed(kit, driver)
        reports = [Report(claim.job_id, claim.token, b"1", b"a"), Report(claim.job_id, b"none", b"2", b"b")]
        first = await worker.exchange(reports=reports)
        assert first.reported == [SETTLED, CLAIM_LOST]
        assert (await driver.exchange(worker.id, worker.sequence, reports=reports)).reported == first.reported
        await kit.advance(kit.unit)
        assert await driver.recover() == 1
        again = await driver.exchange(worker.id, worker.sequence, reports=reports)
        assert (again.reported, again.outcomes, again.claims) == (first.reported, [], [])
        with pytest.raises(OperationRefused):
            await driver.exchange(worker.id, worker.sequence - 1, reports=reports)

    @conformance_test(Capability.REPORTS)
    async def test_reports_a_repeat_has_both_outcomes(self, kit: SuiteContext) -> None:
        """A repeat has the outcomes of settlements and of reports, and the claims; the next exchange has its own."""
        driver = await kit.driver()
        worker, claim = await claimed(kit, driver)
        await kit.push(driver)
        settlements = [Release(claim.job_id, b"none"), Retry(claim.job_id, claim.token, due=kit.unit)]
        reports = [Report(claim.job_id, claim.token, b"1"), Report(claim.job_id, b"none", b"2")]
        first = await worker.exchange(*settlements, limit=1, reports=reports)
        assert (first.outcomes, first.reported) == ([CLAIM_LOST, SETTLED], [SETTLED, CLAIM_LOST])
        again = await driver.exchange(worker.id, worker.sequence, settlements, 1, reports=reports)
        assert (again.outcomes, again.reported, again.claims) == (first.outcomes, first.reported, first.claims)
        (held,) = first.claims
        following = await worker.exchange(Finish(held.job_id, held.token))
        assert (following.outcomes, following.reported) == ([SETTLED], [])
        again = await driver.exchange(worker.id, worker.sequence, [Finish(held.job_id, held.token)])
        assert (again.outcomes, again.reported) == ([SETTLED], [])

    @conformance_test(Capability.REPORTS)
    async def test_reports_that_did_nothing_are_not_recorded(self, kit: SuiteContext) -> None:
        """An exchange of which no report was of a held claim did nothing: its number may be used again."""
        driver = await kit.driver()
        worker = await kit.worker(driver)
        stale = Report(await kit.push(driver, due=kit.unit), b"none", b"1")
        assert (await worker.exchange(reports=[stale])).reported == [CLAIM_LOST]
        await kit.push(driver)
        assert len((await driver.exchange(worker.id, worker.sequence, [], 1)).claims) == 1

    @conformance_test(Capability.REPORTS)
    async def test_reports_of_the_largest_size(self, kit: SuiteContext) -> None:
        """A state of `max_payload` bytes comes back whole, ten times; a larger one is refused, and nothing is done."""
        largest = kit.configuration.max_payload
        driver = await kit.driver()
        worker, claim = await claimed(kit, driver)
        for round_of in range(10):
            state = bytes([round_of, 0, 255]) * (largest // 3) + b"x" * (largest % 3)
            await report(worker, claim, state=state)
            for refused in (Report(claim.job_id, claim.token, b"x" * 1025), Report(claim.job_id, b"", None, state * 2)):
                with pytest.raises(PayloadTooLarge):
                    await driver.exchange(
                        worker.id, worker.sequence + 1, [Release(claim.job_id, claim.token)], 1, reports=[refused]
                    )
            assert (await driver.renew(worker.id, kit.unit)).tokens == {claim.token}
            await give_up(kit, driver, worker, claim, "retry")
            worker, claim = await next_claim(kit, driver)
            assert claim.state == state
        await worker.finish(claim)

    @conformance_test(Capability.REPORTS, Capability.INSPECTION)
    async def test_reports_under_an_expired_lock(self, kit: SuiteContext) -> None:
        """As settlements, reports count until the claim is taken away, whether or not the lock has run out."""
        driver = await kit.driver()
        worker, claim = await claimed(kit, driver)
        await kit.advance(kit.unit)
        answer = await worker.exchange(reports=[Report(claim.job_id, claim.token, b"1", b"a")])
        assert (answer.reported, answer.lock_expired) == ([SETTLED], True)
        assert await driver.recover() == 1
        assert await progress_of(driver, claim) == b"1"
        assert (await next_claim(kit, driver))[1].state == b"a"

    @conformance_test(Capability.REPORTS, Capability.ABORT, Capability.INSPECTION)
    async def test_reports_beside_an_abort(self, kit: SuiteContext) -> None:
        """A claim that is to be aborted is held until it ends: it reports, and the request stands."""
        driver = await kit.driver()
        worker, claim = await claimed(kit, driver)
        assert await driver.abort(claim.job_id) is AbortOutcome.REQUESTED
        answer = await worker.exchange(reports=[Report(claim.job_id, claim.token, b"1", b"a")])
        assert (answer.reported, answer.aborts) == ([SETTLED], {claim.token})
        assert await progress_of(driver, claim) == b"1"
        await give_up(kit, driver, worker, claim, "retry")
        assert await driver.get(claim.job_id) is None

    @conformance_test(Capability.REPORTS, Hook.DAMAGE)
    async def test_reports_of_a_broken_job(self, kit: SuiteContext) -> None:
        """report about a job with a key of the wrong type: `BROKEN`; it is held, and `Fail(keep=True)` ends it."""
        driver = await kit.driver()
        worker, claim = await claimed(kit, driver)
        await kit.damage(claim.job_id, Damage.WRONG_TYPE)
        answer = await worker.exchange(reports=[Report(claim.job_id, claim.token, b"1", b"a")])
        assert answer.reported == [SettleOutcome.BROKEN]
        assert (await driver.renew(worker.id, kit.unit)).tokens == {claim.token}
        assert await worker.settle(Fail(claim.job_id, claim.token, b"broken", keep=True)) == [SETTLED]

    @conformance_test(Capability.REPORTS)
    async def test_reports_of_many_jobs(self, kit: SuiteContext) -> None:
        """One exchange takes reports of many jobs, and tells them apart."""
        driver = await kit.driver()
        worker = await kit.worker(driver)
        await kit.push_many(driver, 300)
        held = await worker.claim(300)
        answer = await worker.exchange(
            *(Retry(claim.job_id, claim.token) for claim in held[:200]),
            reports=[Report(claim.job_id, claim.token, None, claim.request) for claim in held[100:]],
        )
        assert (answer.reported, answer.outcomes) == ([SETTLED] * 200, [SETTLED] * 200)
        states = {claim.job_id: claim.state for claim in await worker.claim(300)}
        expected = {claim.job_id: claim.request if number >= 100 else None for number, claim in enumerate(held[:200])}
        assert states == expected

    @conformance_test(Capability.REPORTS)
    async def test_reports_of_a_worker_that_is_not_known(self, kit: SuiteContext) -> None:
        """report of a worker that was never opened: `WorkerClosed`."""
        driver = await kit.driver()
        with pytest.raises(WorkerClosed):
            await driver.exchange("nobody", 1, reports=[Report(await kit.push(driver), b"1.0", b"1")])

    @conformance_test(Capability.REPORTS, Hook.DROP_REPLY)
    async def test_reports_survive_a_lost_reply(self, kit: SuiteContext) -> None:
        """A report whose reply is lost is repeated, and answered as if it were not."""
        driver = await kit.driver()
        worker, claim = await claimed(kit, driver)
        async with kit.harness.drop_reply():
            answer = await worker.exchange(reports=[Report(claim.job_id, claim.token, b"1", b"a")])
        assert answer.reported == [SETTLED]
        async with kit.harness.drop_reply():
            answer = await worker.exchange(
                Release(claim.job_id, claim.token), reports=[Report(claim.job_id, claim.token, None, b"b")], limit=1
            )
        assert (answer.reported, answer.outcomes) == ([SETTLED], [SETTLED])
        assert [again.state for again in answer.claims] == [b"b"]

    @conformance_test(Capability.REPORTS, Capability.PAUSE_QUEUE)
    async def test_reports_while_the_queue_is_paused(self, kit: SuiteContext) -> None:
        """report while the queue is paused: taken, as a settlement is."""
        driver = await kit.driver()
        worker, claim = await claimed(kit, driver)
        await driver.pause_queue()
        await report(worker, claim, b"1", b"a")
        await give_up(kit, driver, worker, claim, "release")
        await driver.resume_queue()
        assert (await next_claim(kit, driver))[1].state == b"a"
