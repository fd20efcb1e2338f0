"""Retrying jobs."""

from datetime import UTC, datetime, timedelta

import pytest

from jobsvalkey.contract import Capability, Due, Fail, JobStatus, Retry, SettleOutcome
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import RETAIN_ALL, SuiteContext


class RetryTests(Suite):
    """retry: processing → pending with that request."""

    @pytest.mark.parametrize(
        ("request_bytes", "expected"),
        [
            *((b"attempt 2", b"attempt 2"), (None, b"attempt 1"), (b"", b""), (b"None", b"None")),
            *((b"=", b"="), (b"=2", b"=2"), (b"-", b"-"), (b"\x00\xff 1\n", b"\x00\xff 1\n")),
        ],
    )
    @conformance_test()
    async def test_retry_the_request_is_new_or_unchanged(
        self, kit: SuiteContext, request_bytes: bytes | None, expected: bytes
    ) -> None:
        """retry: pending with that request, or the one that it has."""
        driver = await kit.driver()
        job_id = await kit.push(driver, b"attempt 1")
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert await worker.settle(Retry(job_id, claim.token, request_bytes)) == [SettleOutcome.SETTLED]
        again = await worker.claim_one()
        assert (again.job_id, again.request) == (job_id, expected)
        await worker.finish(again)

    @pytest.mark.parametrize("form", ["delay", "moment", "nothing"])
    @conformance_test()
    async def test_retry_it_is_due_when_it_says(self, kit: SuiteContext, form: str) -> None:
        """`due` of a retry is an aware datetime, a `timedelta` which the store resolves, or nothing: now."""
        driver = await kit.driver()
        await kit.push(driver, due=kit.now() - kit.unit)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        now = kit.now()
        dues: dict[str, Due] = {"delay": kit.unit, "moment": now + kit.unit, "nothing": None}
        due = dues[form]
        assert await worker.settle(Retry(claim.job_id, claim.token, due=due)) == [SettleOutcome.SETTLED]
        if due is not None:
            assert await worker.claim() == []
            await kit.advance(kit.unit)
        again = await worker.claim_one()
        assert kit.same_time(again.due, now if due is None else now + kit.unit)

    @conformance_test()
    async def test_retry_it_stays_stored(self, kit: SuiteContext) -> None:
        """A job that is put back stays: nothing ends it afterwards, and the time stored is what it was."""
        driver = await kit.driver()
        stored_at = kit.now()
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        for _ in range(3):
            claim = await worker.claim_one()
            assert kit.same_time(claim.stored_at, stored_at)
            assert await worker.settle(Retry(job_id, claim.token, due=kit.unit / 4)) == [SettleOutcome.SETTLED]
            await kit.advance(kit.unit / 4)
            assert await driver.recover() == 0
        assert (await worker.claim_one()).job_id == job_id

    @conformance_test()
    async def test_retry_it_clears_recoveries(self, kit: SuiteContext) -> None:
        """retry clears `recoveries`: a handler that ended did not kill its worker."""
        driver = await kit.driver()
        await kit.push(driver)
        for _ in range(2):
            dead = await kit.worker(driver, kit.unit)
            await dead.claim_one()
            await kit.advance(kit.unit)
            assert await driver.recover() == 1
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert claim.recoveries == 2
        await worker.settle(Retry(claim.job_id, claim.token))
        assert (await worker.claim_one()).recoveries == 0

    @conformance_test(Capability.CLEANUP)
    async def test_retry_it_clears_reset_attempt(self, kit: SuiteContext) -> None:
        """retry clears `reset_attempt`: the request now carries the attempt to go on from."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.in_state(driver, JobStatus.FAILED)
        assert await driver.rerun(job_id)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert claim.reset_attempt
        await worker.settle(Retry(job_id, claim.token, b"attempt 2"))
        assert not (await worker.claim_one()).reset_attempt

    @conformance_test()
    async def test_retry_the_error_of_the_last_failure(self, kit: SuiteContext) -> None:
        """The envelope keeps the error of the last failure; a retry without one leaves what is there."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        for error, kept in ((b"first", b"first"), (None, b"first"), (b"\xff\x00", b"\xff\x00")):
            claim = await worker.claim_one()
            await worker.settle(Retry(job_id, claim.token, error=error))
            again = await worker.claim_one()
            assert again.error == kept
            await worker.settle(Retry(job_id, again.token))
        claim = await worker.claim_one()
        assert await worker.settle(Fail(job_id, claim.token, b"last")) == [SettleOutcome.SETTLED]

    @conformance_test()
    async def test_retry_what_is_wrong_is_refused_before_the_first_write(self, kit: SuiteContext) -> None:
        """A step checks before its first write, so that nothing is half done."""
        driver = await kit.driver(max_payload=100)
        await kit.push_many(driver, 2)
        worker = await kit.worker(driver)
        one, other = await worker.claim(2)
        naive = datetime(2030, 1, 1, tzinfo=UTC).replace(tzinfo=None)
        for due in (naive, timedelta(seconds=-1)):
            with pytest.raises(ValueError, match="due"):
                await worker.settle(Retry(one.job_id, one.token), Retry(other.job_id, other.token, due=due))
        with pytest.raises(ValueError, match="error"):
            await worker.settle(Retry(one.job_id, one.token), Fail(other.job_id, other.token, b""))
        assert (await driver.renew(worker.id, kit.unit)).tokens == {one.token, other.token}
        await worker.finish(one, other)

    @conformance_test()
    async def test_retry_of_any_size(self, kit: SuiteContext) -> None:
        """A job that a queue has taken in can go back, even with a request that has grown beyond `max_payload`."""
        driver = await kit.driver(max_payload=100)
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        assert await worker.settle(Retry(job_id, claim.token, b"x" * 101)) == [SettleOutcome.SETTLED]
        assert (await worker.claim_one()).request == b"x" * 101

    @conformance_test(Capability.QUEUE, Capability.INSPECTION)
    async def test_retry_it_is_pending(self, kit: SuiteContext) -> None:
        """retry: processing → pending, at its due time."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        await worker.settle(Retry(job_id, claim.token, b"attempt 2", due=kit.unit, error=b"error"))
        stored = await driver.get(job_id)
        assert stored is not None
        assert stored.status is JobStatus.PENDING
        assert kit.same_time(stored.due, kit.now() + kit.unit)
        assert (stored.request, stored.error, stored.worker) == (b"attempt 2", b"error", None)
