"""A push and the note that it was made, in one step."""

import asyncio
from datetime import timedelta

import pytest
from msgspec import structs

from jobsvalkey.contract import (
    Capability,
    ConfigurationError,
    JobStatus,
    PayloadTooLarge,
    PushedIf,
    RefusalKind,
    Release,
    StoreOutcome,
    new_job_id,
)
from jobsvalkey_conformance.areas.push import FIELDS
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import RETAIN_ALL, SuiteContext, outcomes


class SchedulingTests(Suite):
    """`push_if`: absent → pending, and metadata `key` becomes `value`; only if `key` holds `expected`."""

    @conformance_test(Capability.SCHEDULING, Capability.METADATA)
    async def test_scheduling_the_job_and_the_note(self, kit: SuiteContext) -> None:
        """push_if: absent → pending, and metadata `key` becomes `value`."""
        driver = await kit.driver()
        jobs = [kit.job(b"first"), kit.job(b"second")]
        assert await driver.push_if(jobs[0], "key", None, b"1") == PushedIf(StoreOutcome.STORED, jobs[0].job_id)
        assert await driver.get_metadata("key") == b"1"
        assert (await driver.push_if(jobs[1], "key", b"1", b"2")).outcome is StoreOutcome.STORED
        assert await driver.get_metadata("key") == b"2"
        claims = await (await kit.worker(driver)).claim(5)
        assert [claim.request for claim in claims] == [b"first", b"second"]

    @pytest.mark.parametrize("expected", [None, b"", b"other", b"1 "])
    @conformance_test(Capability.SCHEDULING, Capability.METADATA)
    async def test_scheduling_something_else_is_there(self, kit: SuiteContext, expected: bytes | None) -> None:
        """push_if: only if `key` holds `expected`, else nothing."""
        driver = await kit.driver()
        await driver.set_metadata("key", b"1")
        assert (await driver.push_if(kit.job(), "key", expected, b"2")).outcome is StoreOutcome.UNEXPECTED
        assert await driver.get_metadata("key") == b"1"
        assert await kit.claimed(driver) == []

    @conformance_test(Capability.SCHEDULING, Capability.METADATA)
    async def test_scheduling_nothing_is_there(self, kit: SuiteContext) -> None:
        """push_if: a value that is expected if there is none is not found; an empty value is a value."""
        driver = await kit.driver()
        for expected in (b"1", b""):
            assert (await driver.push_if(kit.job(), "key", expected, b"2")).outcome is StoreOutcome.UNEXPECTED
        assert await driver.get_metadata("key") is None
        assert await kit.claimed(driver) == []

    @conformance_test(Capability.SCHEDULING, Capability.METADATA)
    async def test_scheduling_a_present_id_moves_the_key(self, kit: SuiteContext) -> None:
        """push_if: an id that is present: `key` moves all the same, reported as a duplicate."""
        driver = await kit.driver()
        job = kit.job(b"first")
        await driver.push([job])
        again = kit.job(b"second", job_id=job.job_id)
        answer = await driver.push_if(again, "key", None, b"1")
        assert (answer.outcome, answer.job_id) == (StoreOutcome.DUPLICATE, job.job_id)
        assert await driver.get_metadata("key") == b"1"
        claims = await (await kit.worker(driver)).claim(5)
        assert [claim.request for claim in claims] == [b"first"]

    @conformance_test(Capability.SCHEDULING, Capability.METADATA)
    async def test_scheduling_a_remembered_id_moves_the_key(self, kit: SuiteContext) -> None:
        """push_if: an id that is remembered, also after its job has run and gone: `key` moves, a duplicate."""
        driver = await kit.driver(idempotency_window=kit.unit)
        job = kit.job(remember=True)
        assert (await driver.push_if(job, "key", None, b"1")).outcome is StoreOutcome.STORED
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        assert (await driver.push_if(job, "key", b"1", b"2")).outcome is StoreOutcome.DUPLICATE
        assert await driver.get_metadata("key") == b"2"
        assert await kit.claimed(driver) == []
        await kit.advance(kit.unit)
        assert (await driver.push_if(job, "key", b"2", b"3")).outcome is StoreOutcome.STORED

    @conformance_test(Capability.SCHEDULING)
    async def test_scheduling_its_due_time(self, kit: SuiteContext) -> None:
        """push_if stores the job as push does: with its due time."""
        driver = await kit.driver()
        job = kit.job(due=kit.unit)
        assert (await driver.push_if(job, "key", None, b"1")).outcome is StoreOutcome.STORED
        assert await kit.claimed(driver) == []
        await kit.advance(kit.unit)
        assert await kit.claimed(driver) == [job.job_id]

    @conformance_test(Capability.SCHEDULING, Capability.METADATA)
    async def test_scheduling_what_is_wrong_is_refused_before_the_first_write(self, kit: SuiteContext) -> None:
        """A step checks before its first write: a payload over the limit, a key of ours, a held lock."""
        driver = await kit.driver(max_payload=100)
        with pytest.raises(PayloadTooLarge):
            await driver.push_if(kit.job(b"x" * 101), "key", None, b"1")
        with pytest.raises(ValueError, match="due"):
            await driver.push_if(kit.job(due=timedelta(seconds=-1)), "key", None, b"1")
        with pytest.raises(ValueError, match="key"):
            await driver.push_if(kit.job(), "_key", None, b"1")
        await driver.acquire_lock("lock", b"holder", timedelta(hours=1))
        for expected in (None, b"holder"):
            with pytest.raises(ConfigurationError):
                await driver.push_if(kit.job(), "lock", expected, b"1")
        assert await driver.get_metadata("key") is None
        assert await driver.get_metadata("lock") == b"holder"
        assert await kit.claimed(driver) == []

    @conformance_test(Capability.SCHEDULING, Capability.METADATA)
    async def test_scheduling_one_of_many_schedulers_pushes(self, kit: SuiteContext) -> None:
        """push_if is one atomic step: of many that see the same last note one pushes."""
        drivers = [await kit.driver() for _ in range(3)]
        for expected, value in ((None, b"1"), (b"1", b"2")):
            jobs = [kit.job() for _ in range(12)]
            answers = await asyncio.gather(
                *(drivers[number % 3].push_if(job, "key", expected, value) for number, job in enumerate(jobs))
            )
            seen = outcomes(answers)
            pushed = seen.index(StoreOutcome.STORED)
            assert seen.count(StoreOutcome.UNEXPECTED) == len(jobs) - 1
            assert await kit.claimed(drivers[0]) == [jobs[pushed].job_id]

    @conformance_test(Capability.SCHEDULING, Capability.METADATA)
    async def test_scheduling_a_field_that_is_not_supported_is_refused(self, kit: SuiteContext) -> None:
        """push_if: a job with a field that the driver does not support is refused, and the key stays as it is."""
        driver = await kit.driver()
        for name, (capability, value) in FIELDS.items():
            if capability in kit.capabilities:
                continue
            job = structs.replace(kit.job(), **{name: value(new_job_id())})
            pushed = await driver.push_if(job, "key", None, b"1")
            assert (pushed.outcome, pushed.job_id) == (StoreOutcome.REFUSED, job.job_id), name
            assert pushed.reason is not None
            assert pushed.reason.kind is RefusalKind.UNSUPPORTED
            assert await driver.get_metadata("key") is None
        assert await kit.claimed(driver) == []

    @conformance_test(Capability.SCHEDULING)
    async def test_scheduling_a_job_that_has_ended_is_present(self, kit: SuiteContext) -> None:
        """push_if: a retained job is present, though it has run."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.in_state(driver, JobStatus.COMPLETED)
        assert (await driver.push_if(kit.job(job_id=job_id), "key", None, b"1")).outcome is StoreOutcome.DUPLICATE
        assert await kit.claimed(driver) == []

    @conformance_test(Capability.SCHEDULING, driven_clock=True)
    async def test_scheduling_the_trigger_comes_with_every_claim(self, kit: SuiteContext) -> None:
        """push_if: the request and a due time in the past stay as they were given, through release and recovery.

        The request of a scheduled job holds its trigger, which is its due time: a job that catches up is claimed late.
        """
        driver = await kit.driver()
        trigger = kit.now() - timedelta(days=3)
        job = kit.job(b"trigger", due=trigger)
        assert (await driver.push_if(job, "key", None, b"value")).outcome is StoreOutcome.STORED
        worker = await kit.worker(driver, hold_for=kit.unit)
        claim = await worker.claim_one()
        await worker.settle(Release(claim.job_id, claim.token))
        again = await worker.claim_one()
        await kit.advance(kit.unit)
        assert await driver.recover() == 1
        recovered = await (await kit.worker(driver)).claim_one()
        for each in (claim, again, recovered):
            assert each.request == job.request
            assert kit.same_time(each.due, trigger)

    @pytest.mark.parametrize("released", [False, True])
    @conformance_test(Capability.SCHEDULING, Capability.METADATA)
    async def test_scheduling_where_a_lock_was(self, kit: SuiteContext, released: bool) -> None:
        """push_if: a key whose lock has run out, or was released, holds nothing; then it holds the value, for good."""
        driver = await kit.driver()
        assert await driver.acquire_lock("key", b"holder", kit.unit)
        if released:
            assert await driver.release_lock("key", b"holder")
        else:
            await kit.advance(kit.unit)
        assert (await driver.push_if(kit.job(), "key", b"holder", b"1")).outcome is StoreOutcome.UNEXPECTED
        assert (await driver.push_if(kit.job(), "key", None, b"1")).outcome is StoreOutcome.STORED
        assert await driver.get_metadata("key") == b"1"
        await kit.advance(kit.unit)
        assert await driver.get_metadata("key") == b"1"
        assert (await driver.push_if(kit.job(), "key", b"1", b"2")).outcome is StoreOutcome.STORED
        with pytest.raises(ConfigurationError):
            await driver.acquire_lock("key", b"holder", kit.unit)
