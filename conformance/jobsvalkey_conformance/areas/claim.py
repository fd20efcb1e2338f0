"""Claiming jobs."""

import pytest

from jobsvalkey.contract import (
    Capability,
    Finish,
    JobID,
    JobStatus,
    Release,
    Report,
    SettleOutcome,
    UnsupportedOperation,
    WorkerClosed,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import SuiteContext


class ClaimTests(Suite):
    """`exchange`, the claims: pending and due → processing."""

    @conformance_test()
    async def test_claim_no_more_than_the_limit(self, kit: SuiteContext) -> None:
        """A claim takes up to `limit` jobs."""
        driver = await kit.driver()
        jobs = await kit.push_many(driver, 5)
        worker = await kit.worker(driver)
        assert [claim.job_id for claim in await worker.claim(2)] == jobs[:2]
        assert [claim.job_id for claim in await worker.claim(1)] == jobs[2:3]
        assert await worker.claim(0) == []
        assert [claim.job_id for claim in await worker.claim(10)] == jobs[3:]

    @conformance_test()
    async def test_claim_no_more_bytes_than_a_push_takes(self, kit: SuiteContext) -> None:
        """One exchange claims at most `max_atomic_push_bytes` of requests, but at least one job; the rest stays due."""
        driver, narrow = await kit.driver(), await kit.driver(max_atomic_push_bytes=10)
        jobs = [await kit.push(driver, b"x" * size) for size in (4, 6, 1, 30, 2, 2, 20)]
        worker = await kit.worker(narrow)
        found: list[list[JobID]] = []
        while sum(map(len, found)) < len(jobs):
            answer = await worker.exchange(limit=10)
            found.append([claim.job_id for claim in answer.claims])
            assert found[-1], "at least one job is claimed"
            assert answer.until_next == (None if sum(map(len, found)) == len(jobs) else 0)
        assert found == [jobs[:2], jobs[2:3], jobs[3:4], jobs[4:6], jobs[6:]]

    @conformance_test()
    async def test_claim_a_job_is_claimed_by_one_worker(self, kit: SuiteContext) -> None:
        """A claimed job is processing: nobody else can claim it."""
        driver, other = await kit.driver(), await kit.driver()
        jobs = await kit.push_many(driver, 3)
        assert await kit.claimed(driver) == jobs
        assert await kit.claimed(driver) == []
        assert await kit.claimed(other) == []

    @conformance_test()
    async def test_claim_a_claim_brings_the_envelope(self, kit: SuiteContext) -> None:
        """A claim comes with request and envelope: due time, time stored, `recoveries`, `reset_attempt`, error."""
        driver = await kit.driver()
        stored_at = kit.now()
        await kit.push(driver, b"request", due=kit.unit)
        await kit.advance(kit.unit * 2)
        claim = await (await kit.worker(driver)).claim_one()
        assert claim.request == b"request"
        assert kit.same_time(claim.stored_at, stored_at)
        assert kit.same_time(claim.due, stored_at + kit.unit)
        assert (claim.recoveries, claim.reset_attempt, claim.error) == (0, False, None)

    @conformance_test()
    async def test_claim_tokens_are_never_reused(self, kit: SuiteContext) -> None:
        """A claim has a token that is never reused."""
        driver = await kit.driver()
        await kit.push_many(driver, 3)
        worker = await kit.worker(driver)
        tokens: list[bytes] = []
        for _ in range(4):
            claims = await worker.claim(3)
            tokens.extend(claim.token for claim in claims)
            await worker.settle(*(Release(claim.job_id, claim.token) for claim in claims))
        assert len(tokens) == 12
        assert len(set(tokens)) == 12

    @conformance_test()
    async def test_claim_one_exchange_settles_and_claims(self, kit: SuiteContext) -> None:
        """`exchange` settles what was run and claims what is due, in one step."""
        driver = await kit.driver()
        first, second = await kit.push_many(driver, 2)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert claim.job_id == first
        exchanged = await worker.exchange(Finish(first, claim.token), limit=5)
        assert exchanged.outcomes == [SettleOutcome.SETTLED]
        assert [claim.job_id for claim in exchanged.claims] == [second]

    @conformance_test()
    async def test_claim_what_is_released_is_there_for_the_same_exchange(self, kit: SuiteContext) -> None:
        """`exchange` settles first, then claims: a job that it puts back, due now, is one that it can claim."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        exchanged = await worker.exchange(Release(job_id, claim.token), limit=1)
        assert [again.job_id for again in exchanged.claims] == [job_id]
        assert exchanged.claims[0].token != claim.token

    @conformance_test()
    async def test_claim_the_time_until_the_next_job(self, kit: SuiteContext) -> None:
        """An exchange also returns the time until the next due job: 0 if one is due, `None` if none is."""
        driver = await kit.driver()
        worker = await kit.worker(driver)
        assert (await worker.exchange(limit=1)).until_next is None
        await kit.push(driver, due=kit.unit * 9)
        await kit.push(driver, due=kit.unit * 3)
        tolerance = kit.tolerance.total_seconds() + 1e-6
        until_next = (await worker.exchange(limit=1)).until_next
        assert until_next == pytest.approx((kit.unit * 3).total_seconds(), abs=tolerance)
        await kit.push_many(driver, 2)
        assert (await worker.exchange(limit=1)).until_next == 0.0
        until_next = (await worker.exchange(limit=1)).until_next
        assert until_next == pytest.approx((kit.unit * 3).total_seconds(), abs=tolerance)

    @conformance_test()
    async def test_claim_reports_are_taken_or_refused(self, kit: SuiteContext) -> None:
        """Reports to a driver that does not support them: `UnsupportedOperation`, and nothing is settled or claimed."""
        driver = await kit.driver()
        await kit.push_many(driver, 2)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        report = Report(claim.job_id, claim.token, b"half")
        if Capability.REPORTS in kit.capabilities:
            answer = await driver.exchange(worker.id, 2, [Finish(claim.job_id, claim.token)], 1, reports=[report])
            assert (len(answer.reported), len(answer.outcomes), len(answer.claims)) == (1, 1, 1)
            return
        with pytest.raises(UnsupportedOperation):
            await driver.exchange(worker.id, 2, [Finish(claim.job_id, claim.token)], 1, reports=[report])
        assert (await driver.renew(worker.id, kit.unit)).tokens == {claim.token}
        assert len(await kit.claimed(driver)) == 1

    @conformance_test(Capability.RESUME)
    async def test_claim_a_paused_job_is_not_the_next_one(self, kit: SuiteContext) -> None:
        """The next due job is a pending one."""
        driver = await kit.driver()
        assert await driver.pause(await kit.push(driver))
        assert (await (await kit.worker(driver)).exchange(limit=1)).until_next is None

    @conformance_test()
    async def test_claim_an_unknown_worker_claims_nothing(self, kit: SuiteContext) -> None:
        """Using a worker that was never opened is `WorkerClosed`."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        with pytest.raises(WorkerClosed):
            await driver.exchange("nobody", 1, (), 1)
        assert await kit.claimed(driver) == [job_id]

    @conformance_test(Capability.QUEUE, Capability.INSPECTION)
    async def test_claim_a_claimed_job_is_processing(self, kit: SuiteContext) -> None:
        """pending and due → processing, in the same step."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        assert await driver.status(job_id) is JobStatus.PENDING
        worker = await kit.worker(driver)
        await worker.claim_one()
        stored = await driver.get(job_id)
        assert stored is not None
        assert stored.status is JobStatus.PROCESSING
        assert stored.worker == worker.id
        assert kit.same_time(stored.claimed_at, kit.now())
