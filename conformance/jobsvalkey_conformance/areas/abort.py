"""Ending jobs that run."""

import asyncio
from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    AbortOutcome,
    Cancel,
    Capability,
    Claim,
    Fail,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    OperationRefused,
    Release,
    RetentionPolicy,
    Retry,
    Settlement,
    SettleOutcome,
    new_job_id,
    retain_last,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, PATIENCE, RETAIN_ALL, STORED, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.harness import AnyDriver, Hook
from jobsvalkey_conformance.hints import LONG, take_old_hints, woken

WAYS = ("retry", "release", "closing", "recovery", "cleanup")
"""How a claim may end so that its job would run again."""


async def aborted(kit: SuiteContext, driver: AnyDriver, request: bytes = b"{}") -> tuple[Worker, Claim]:
    """A claim that is to be aborted, and its worker, whose lock lasts a unit."""
    job_id = await kit.push(driver, request)
    worker = await kit.worker(driver, kit.unit)
    claim = await worker.claim_one()
    assert claim.job_id == job_id
    assert await driver.abort(job_id) is AbortOutcome.REQUESTED
    return worker, claim


async def end(kit: SuiteContext, driver: AnyDriver, worker: Worker, claim: Claim, way: str) -> None:
    """End a claim in one of the `WAYS`."""
    if way == "retry":
        retry = Retry(claim.job_id, claim.token, b"again", timedelta(0), b"error")
        assert await worker.settle(retry) == [SettleOutcome.SETTLED]
    elif way == "release":
        assert await worker.settle(Release(claim.job_id, claim.token)) == [SettleOutcome.SETTLED]
    elif way == "closing":
        await driver.close_worker(worker.id)
    elif way == "recovery":
        await kit.advance(kit.unit)
        assert await driver.recover() == 1
    else:
        kit.needs(Capability.CLEANUP)
        rerun = JobCleanup("rerun")
        assert await driver.cleanup_step(JobStatus.PROCESSING, rerun, max_jobs=10) == 1


class AbortTests(Suite):
    """`abort`: as `cancel` before the job runs; a request that ends with the claim while it runs."""

    @pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PAUSED])
    @conformance_test(Capability.ABORT, Capability.INSPECTION)
    async def test_abort_what_has_not_run_is_cancelled(self, kit: SuiteContext, status: JobStatus) -> None:
        """abort: pending, paused → cancelled, as `cancel`."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.in_state(driver, status)
        assert await driver.abort(job_id) is AbortOutcome.CANCELLED
        stored = await driver.get(job_id)
        assert stored is not None
        assert (stored.status, stored.due) == (JobStatus.CANCELLED, None)
        assert await kit.claimed(driver) == []
        assert await driver.abort(job_id) is AbortOutcome.NOTHING

    @conformance_test(Capability.ABORT)
    async def test_abort_what_has_not_run_may_be_gone(self, kit: SuiteContext) -> None:
        """abort: pending → absent, where cancelled jobs are not retained; an id of the user's is remembered."""
        driver = await kit.driver(idempotency_window=kit.unit)
        job = kit.job(remember=True)
        await driver.push([job])
        assert await driver.abort(job.job_id) is AbortOutcome.CANCELLED
        assert outcomes(await driver.push([job])) == [DUPLICATE]
        await kit.advance(kit.unit)
        assert outcomes(await driver.push([job])) == [STORED]

    @pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, None])
    @conformance_test(Capability.ABORT, Capability.INSPECTION)
    async def test_abort_what_has_ended_is_left_as_it_is(self, kit: SuiteContext, status: JobStatus | None) -> None:
        """abort of a job that has ended, or is not there, is `NOTHING`, and changes nothing."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = new_job_id() if status is None else await kit.in_state(driver, status)
        before = await driver.get(job_id)
        assert await driver.abort(job_id) is AbortOutcome.NOTHING
        assert await driver.get(job_id) == before

    @conformance_test(Capability.ABORT)
    async def test_abort_its_worker_is_told_until_the_claim_ends(self, kit: SuiteContext) -> None:
        """The token is in the `aborts` of each exchange and renewal of the worker, until the claim ends."""
        driver, other = await kit.driver(), await kit.driver()
        bystander = await kit.push(driver)
        worker = await kit.worker(driver)
        alone = await worker.claim_one()
        assert alone.job_id == bystander
        job_id = await kit.push(driver)
        claim = await worker.claim_one()
        assert (await worker.exchange()).aborts == frozenset()
        assert await other.abort(job_id) is AbortOutcome.REQUESTED
        assert await other.abort(job_id) is AbortOutcome.REQUESTED
        for _ in range(2):
            assert (await worker.exchange(limit=1)).aborts == {claim.token}
            renewed = await driver.renew(worker.id, kit.unit * 10)
            assert (renewed.aborts, renewed.tokens) == ({claim.token}, {claim.token, alone.token})
        ended = await worker.exchange(Finish(claim.job_id, claim.token))
        assert (ended.outcomes, ended.aborts) == ([SettleOutcome.SETTLED], frozenset())
        assert (await driver.renew(worker.id, kit.unit)).aborts == frozenset()
        assert (await worker.exchange(Finish(alone.job_id, alone.token))).outcomes == [SettleOutcome.SETTLED]

    @conformance_test(Capability.ABORT)
    async def test_abort_several_claims_of_one_worker(self, kit: SuiteContext) -> None:
        """Each request is the claim's own: when one ends, the others are still asked for."""
        driver = await kit.driver()
        worker = await kit.worker(driver)
        ids = await kit.push_many(driver, 3)
        claims = await worker.claim(3)
        for job_id in ids[:2]:
            await driver.abort(job_id)
        first, second, third = claims
        assert (await worker.exchange()).aborts == {first.token, second.token}
        assert (await worker.exchange(Cancel(first.job_id, first.token))).aborts == {second.token}
        assert (await driver.renew(worker.id, kit.unit)).aborts == {second.token}
        await driver.abort(third.job_id)
        assert (await worker.exchange()).aborts == {second.token, third.token}

    @conformance_test(Capability.ABORT, Capability.INSPECTION)
    async def test_abort_the_job_is_processing_until_its_claim_ends(self, kit: SuiteContext) -> None:
        """A job that is to be aborted is `processing`, as it was."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        await worker.claim_one()
        before = await driver.get(job_id)
        await driver.abort(job_id)
        assert await driver.get(job_id) == before
        assert (await driver.counts())[JobStatus.PROCESSING] == 1
        assert await driver.validate() == []

    @pytest.mark.parametrize("is_asked_for", [True, False])
    @pytest.mark.parametrize("reason", [b"", b"enough"])
    @conformance_test(Capability.ABORT, Capability.INSPECTION)
    async def test_abort_a_cancelled_claim(self, kit: SuiteContext, *, is_asked_for: bool, reason: bytes) -> None:
        """`Cancel`: processing, claim held → cancelled, with the reason, where retained."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.push(driver, b"request")
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        if is_asked_for:
            await driver.abort(job_id)
        await kit.advance(kit.unit)
        assert await worker.settle(Cancel(job_id, claim.token, reason)) == [SettleOutcome.SETTLED]
        stored = await driver.get(job_id)
        assert stored is not None
        assert (stored.status, stored.request) == (JobStatus.CANCELLED, b"request")
        assert (stored.error, stored.worker) == (reason or None, None)
        assert kit.same_time(stored.ended_at, kit.now())
        assert await worker.settle(Cancel(job_id, claim.token)) == [SettleOutcome.CLAIM_LOST]

    @conformance_test(Capability.ABORT, Capability.INSPECTION)
    async def test_abort_a_cancelled_claim_may_leave_nothing(self, kit: SuiteContext) -> None:
        """`Cancel`: → absent, where cancelled jobs are not retained; an id of the user's is remembered."""
        driver = await kit.driver()
        job = kit.job(remember=True)
        await driver.push([job])
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        await driver.abort(job.job_id)
        assert await worker.settle(Cancel(job.job_id, claim.token, b"enough")) == [SettleOutcome.SETTLED]
        assert await driver.get(job.job_id) is None
        assert outcomes(await driver.push([job])) == [DUPLICATE]
        assert await driver.validate() == []

    @pytest.mark.parametrize("ending", ["finish", "fail"])
    @conformance_test(Capability.ABORT, Capability.INSPECTION)
    async def test_abort_the_end_that_the_handler_came_to_counts(self, kit: SuiteContext, ending: str) -> None:
        """A job that finishes, or fails, in the same instant has finished or failed."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        worker, claim = await aborted(kit, driver)
        settlement: Settlement = Finish(claim.job_id, claim.token)
        if ending == "fail":
            settlement = Fail(claim.job_id, claim.token, b"error")
        assert await worker.settle(settlement) == [SettleOutcome.SETTLED]
        expected = JobStatus.COMPLETED if ending == "finish" else JobStatus.FAILED
        assert await driver.status(claim.job_id) is expected
        assert await driver.abort(claim.job_id) is AbortOutcome.NOTHING

    @pytest.mark.parametrize("way", WAYS)
    @conformance_test(Capability.ABORT, Capability.INSPECTION)
    async def test_abort_whatever_ends_the_claim_it_does_not_run_again(self, kit: SuiteContext, way: str) -> None:
        """Retry, release, closing, recovery and a cleanup's rerun of such a claim end in cancelled."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        worker, claim = await aborted(kit, driver, b"request")
        await end(kit, driver, worker, claim, way)
        stored = await driver.get(claim.job_id)
        assert stored is not None
        assert (stored.status, stored.request, stored.due) == (JobStatus.CANCELLED, b"request", None)
        assert stored.error is None
        assert kit.same_time(stored.ended_at, kit.now())
        assert await kit.claimed(driver) == []
        assert await driver.validate() == []

    @pytest.mark.parametrize("way", WAYS)
    @conformance_test(Capability.ABORT, Capability.INSPECTION)
    async def test_abort_whatever_ends_the_claim_may_leave_nothing(self, kit: SuiteContext, way: str) -> None:
        """The same ways end in absent, where cancelled jobs are not retained."""
        driver = await kit.driver(idempotency_window=kit.unit * 10)
        job = kit.job(remember=True)
        await driver.push([job])
        worker = await kit.worker(driver, kit.unit)
        claim = await worker.claim_one()
        await driver.abort(job.job_id)
        await end(kit, driver, worker, claim, way)
        assert await driver.get(job.job_id) is None
        assert outcomes(await driver.push([job])) == [DUPLICATE]
        assert await driver.validate() == []

    @pytest.mark.parametrize("way", [*WAYS, "finish", "cancel", "revoked"])
    @conformance_test(Capability.ABORT)
    async def test_abort_a_request_ends_with_its_claim(self, kit: SuiteContext, way: str) -> None:
        """A request never outlives its claim: a later run of the id, by the same worker too, is not ended."""
        driver = await kit.driver()
        worker, claim = await aborted(kit, driver)
        if way == "finish":
            await worker.finish(claim)
        elif way == "cancel":
            assert await worker.settle(Cancel(claim.job_id, claim.token)) == [SettleOutcome.SETTLED]
        elif way == "revoked":
            kit.needs(Capability.CLEANUP)
            assert await driver.cleanup_step(JobStatus.PROCESSING, JobCleanup("remove"), max_jobs=10) == 1
        else:
            await end(kit, driver, worker, claim, way)
        if way == "closing":
            worker = await kit.worker(driver, kit.unit)
        await driver.renew(worker.id, kit.unit)
        assert outcomes(await driver.push([kit.job(job_id=claim.job_id)])) == [STORED]
        answer = await worker.exchange(limit=1)
        (again,) = answer.claims
        assert (again.job_id, answer.aborts) == (claim.job_id, frozenset())
        assert (await driver.renew(worker.id, kit.unit)).aborts == frozenset()
        assert await worker.settle(Retry(again.job_id, again.token)) == [SettleOutcome.SETTLED]
        assert (await worker.claim_one()).job_id == claim.job_id

    @conformance_test(Capability.ABORT)
    async def test_abort_just_before_the_worker_dies(self, kit: SuiteContext) -> None:
        """A job that nobody has recovered yet, though its lock has run out, can be asked to end: it runs no more."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        worker = await kit.worker(driver, kit.unit)
        await worker.claim_one()
        await kit.advance(kit.unit)
        assert await driver.abort(job_id) is AbortOutcome.REQUESTED
        assert await driver.recover() == 1
        assert await kit.claimed(driver) == []

    @conformance_test(Capability.ABORT)
    async def test_abort_a_repeated_exchange_shows_it(self, kit: SuiteContext) -> None:
        """A repeat that returns a claim whose end was asked for meanwhile says so: its job must not be started."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        await driver.abort(job_id)
        repeat = await driver.exchange(worker.id, worker.sequence, (), 1)
        assert [one.token for one in repeat.claims] == [claim.token]
        assert repeat.aborts == {claim.token}

    @conformance_test(Capability.ABORT)
    async def test_abort_is_an_operation(self, kit: SuiteContext) -> None:
        """A repeat under the same number is answered from memory, and requests nothing again."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        number = kit.operations()
        first, second = number(), number()
        assert await driver.abort(job_id, operation=second) is AbortOutcome.REQUESTED
        await worker.finish(claim)
        assert outcomes(await driver.push([kit.job(job_id=job_id)])) == [STORED]
        assert await driver.abort(job_id, operation=second) is AbortOutcome.REQUESTED
        with pytest.raises(OperationRefused):
            await driver.abort(job_id, operation=first)
        answer = await worker.exchange(limit=1)
        assert ([one.job_id for one in answer.claims], answer.aborts) == ([job_id], frozenset())

    @conformance_test(Capability.ABORT, Capability.INSPECTION, Hook.DROP_REPLY)
    async def test_abort_a_lost_reply(self, kit: SuiteContext) -> None:
        """An abort whose reply is lost is done once, and answered as it was done."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        async with kit.harness.drop_reply():
            assert await driver.abort(job_id) is AbortOutcome.CANCELLED
        assert await driver.status(job_id) is None

    @pytest.mark.parametrize("work", [True, False])
    @pytest.mark.parametrize("is_waiting", [True, False])
    @conformance_test(Capability.ABORT, hints=True)
    async def test_abort_wakes_its_worker(self, kit: SuiteContext, *, work: bool, is_waiting: bool) -> None:
        """A worker that waits, for work or for news alone, is woken; so is one that waits just after the request."""
        driver, other = await kit.driver(), await kit.driver()
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        if is_waiting:
            async with woken(worker, work=work):
                assert await other.abort(job_id) is AbortOutcome.REQUESTED
        else:
            await take_old_hints(worker, work=work)
            assert await other.abort(job_id) is AbortOutcome.REQUESTED
            await asyncio.wait_for(driver.wait(worker.id, LONG, work=work), PATIENCE)
        assert (await driver.renew(worker.id, kit.unit)).aborts == {claim.token}

    @conformance_test(Capability.ABORT, hints=True)
    async def test_abort_wakes_no_other_worker(self, kit: SuiteContext) -> None:
        """The news go to the worker that has the claim: one on another driver sleeps on."""
        driver, other = await kit.driver(), await kit.driver()
        job_id = await kit.push(driver)
        worker, idle = await kit.worker(driver), await kit.worker(other)
        await worker.claim_one()
        assert await idle.claim() == []
        waiting = [
            asyncio.ensure_future(other.wait(idle.id, LONG, work=False)),
            asyncio.ensure_future(driver.wait(worker.id, LONG, work=False)),
        ]
        try:
            await asyncio.sleep(0.05)
            assert not any(wait.done() for wait in waiting), "woken by nothing"
            await driver.abort(job_id)
            await asyncio.wait_for(waiting[1], PATIENCE)
            await asyncio.sleep(0.05)
            assert not waiting[0].done(), "woken by news of another worker's claim"
        finally:
            for wait in waiting:
                wait.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    @conformance_test(Capability.ABORT, Capability.INSPECTION)
    async def test_abort_keeps_what_a_job_has_been_through(self, kit: SuiteContext) -> None:
        """The past of a job is shown of the cancelled one: its error, and that a worker died with it."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        _, claim = await kit.claim_with_a_past(driver, rerun=False, hold_for=kit.unit)
        await driver.abort(claim.job_id)
        await kit.advance(kit.unit)
        assert await driver.recover() == 1
        stored = await driver.get(claim.job_id)
        assert stored is not None
        assert (stored.status, stored.error, stored.recoveries) == (JobStatus.CANCELLED, b"error", 2)

    @conformance_test(Capability.ABORT, Capability.INSPECTION)
    async def test_abort_retention_counts_what_was_cancelled(self, kit: SuiteContext) -> None:
        """Jobs that end as cancelled, in whatever way, are trimmed as the policy of cancelled jobs says."""
        driver = await kit.driver(retention_policy=RetentionPolicy(cancelled_jobs=retain_last(1)))
        ids: list[JobID] = []
        for way in ("release", "closing", "cancel"):
            worker, claim = await aborted(kit, driver)
            ids.append(claim.job_id)
            if way == "cancel":
                await worker.settle(Cancel(claim.job_id, claim.token))
            else:
                await end(kit, driver, worker, claim, way)
            await kit.advance(kit.unit / 10)
        assert [await driver.status(job_id) for job_id in ids] == [None, None, JobStatus.CANCELLED]
