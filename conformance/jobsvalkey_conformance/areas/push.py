"""Storing jobs."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec import structs

from jobsvalkey.contract import (
    Capability,
    JobID,
    JobStatus,
    PayloadTooLarge,
    PushTooLarge,
    RefusalKind,
    StoreOutcome,
    Unique,
    new_job_id,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, RETAIN_ALL, STORED, SuiteContext, outcomes

FIELDS: dict[str, tuple[Capability, Callable[[JobID], Any]]] = {
    "keep_for": (Capability.RESULTS, lambda _: timedelta(hours=1)),
    "expires": (Capability.EXPIRY, lambda _: timedelta(hours=1)),
    "priority": (Capability.LANES, lambda _: 1),
    "lane": (Capability.LANES, lambda _: "lane"),
    "unique": (Capability.UNIQUE, lambda _: Unique("key")),
    "after": (Capability.FLOWS, lambda parent: (parent,)),
    "batch": (Capability.FLOWS, lambda parent: parent),
}
"""The fields of a job that need a capability, and a value that means something."""


class PushTests(Suite):
    """`push`: absent → pending, all or none."""

    @pytest.mark.parametrize(
        "request_bytes",
        [b'{"name": {"p": 1}}', b"", bytes(range(256)), b"\r\n$5\r\n\x00", b"x" * 300_000],
        ids=["json", "empty", "all bytes", "protocol", "large"],
    )
    @conformance_test()
    async def test_push_a_request_is_opaque_bytes(self, kit: SuiteContext, request_bytes: bytes) -> None:
        """A request is opaque bytes to a driver: what was pushed is what is claimed."""
        driver = await kit.driver()
        job_id = await kit.push(driver, request_bytes)
        claim = await (await kit.worker(driver)).claim_one()
        assert claim.job_id == job_id
        assert claim.request == request_bytes

    @pytest.mark.parametrize(
        "no_bytes", [bytearray(b"{}"), memoryview(b"{}"), "{}", None], ids=lambda it: type(it).__name__
    )
    @conformance_test()
    async def test_push_a_request_that_is_no_bytes(self, kit: SuiteContext, no_bytes: Any) -> None:
        """A request that is not bytes is a `TypeError` that names its job, before anything is stored."""
        driver = await kit.driver()
        good, bad = kit.job(), structs.replace(kit.job(), request=no_bytes)
        with pytest.raises(TypeError, match=str(bad.job_id)):
            await driver.push([good, bad])
        assert await kit.claimed(driver) == []

    @conformance_test()
    async def test_push_a_pushed_job_outlives_its_producer(self, kit: SuiteContext) -> None:
        """All drivers of one store see the same jobs; a job whose push was acknowledged is never lost."""
        async with kit.make(kit.configuration) as producer:
            job_id = await kit.push(producer)
        assert await kit.claimed(await kit.driver()) == [job_id]

    @conformance_test()
    async def test_push_an_empty_push_stores_nothing(self, kit: SuiteContext) -> None:
        """A push answers for each item; there is none."""
        driver = await kit.driver()
        assert await driver.push([]) == []
        assert await kit.claimed(driver) == []

    @conformance_test()
    async def test_push_a_thousand_jobs_are_one_push(self, kit: SuiteContext) -> None:
        """A push is atomic up to `max_atomic_push`: 1,000 jobs."""
        driver = await kit.driver()
        jobs = await kit.push_many(driver, 1000)
        assert await kit.claimed(driver, 1500) == jobs

    @conformance_test()
    async def test_push_a_present_id_changes_nothing(self, kit: SuiteContext) -> None:
        """An id that is present: that item changes nothing and is reported as a duplicate."""
        driver = await kit.driver()
        job_id = await kit.push(driver, b"first")
        assert outcomes(await driver.push([kit.job(b"second", job_id=job_id, due=kit.unit * 5)])) == [DUPLICATE]
        worker = await kit.worker(driver)
        claims = await worker.claim(10)
        assert [(claim.job_id, claim.request) for claim in claims] == [(job_id, b"first")]

    @conformance_test()
    async def test_push_duplicates_leave_the_other_items_alone(self, kit: SuiteContext) -> None:
        """Each item is reported for itself: a duplicate does not keep the others from being stored."""
        driver = await kit.driver()
        known = [kit.job(), kit.job()]
        await driver.push(known)
        new = [kit.job(), kit.job(), kit.job()]
        items = [new[0], known[1], new[1], known[0], new[2]]
        answer = await driver.push(items)
        assert outcomes(answer) == [STORED, DUPLICATE, STORED, DUPLICATE, STORED]
        assert [pushed.job_id for pushed in answer] == [job.job_id for job in items]
        assert sorted(await kit.claimed(driver)) == sorted(job.job_id for job in known + new)

    @conformance_test()
    async def test_push_a_field_that_is_not_supported_is_refused(self, kit: SuiteContext) -> None:
        """A push with a field that the driver does not support is refused as a whole, and nothing is stored."""
        driver = await kit.driver()
        parent = await kit.push(driver, due=kit.unit * 9)
        for name, (capability, value) in FIELDS.items():
            if capability in kit.capabilities:
                continue
            plain, fielded = kit.job(), structs.replace(kit.job(), **{name: value(parent)})
            answer = await driver.push([plain, fielded])
            assert [(each.outcome, each.job_id) for each in answer] == [
                (StoreOutcome.REFUSED, plain.job_id),
                (StoreOutcome.REFUSED, fielded.job_id),
            ], f"{name} needs {capability.name}"
            for each in answer:
                assert each.reason is not None
                assert each.reason.kind is RefusalKind.UNSUPPORTED
                assert name in each.reason.message
        assert await kit.claimed(driver) == []

    @conformance_test()
    async def test_push_an_id_twice_in_one_push_is_stored_once(self, kit: SuiteContext) -> None:
        """The second item with an id finds the first one present."""
        driver = await kit.driver()
        job_id = new_job_id()
        assert outcomes(await driver.push([kit.job(b"first", job_id=job_id), kit.job(b"second", job_id=job_id)])) == [
            STORED,
            DUPLICATE,
        ]
        claim = await (await kit.worker(driver)).claim_one()
        assert claim.request == b"first"

    @pytest.mark.parametrize("status", list(JobStatus))
    @conformance_test(Capability.QUEUE, Capability.INSPECTION)
    async def test_push_an_id_is_present_in_every_state(self, kit: SuiteContext, status: JobStatus) -> None:
        """`push` stores what is *absent*: a job in any other state is a duplicate and stays as it is."""
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.in_state(driver, status)
        before = await driver.get(job_id)
        assert outcomes(await driver.push([kit.job(b"another", job_id=job_id)])) == [DUPLICATE]
        assert before is not None
        assert await driver.get(job_id) == before

    @conformance_test()
    async def test_push_too_many_jobs_are_refused_whole(self, kit: SuiteContext) -> None:
        """A push is atomic up to `max_atomic_push`; more is `PushTooLarge`, and nothing is stored."""
        driver = await kit.driver(max_atomic_push=3)
        with pytest.raises(PushTooLarge):
            await driver.push([kit.job() for _ in range(4)])
        assert await kit.claimed(driver) == []
        assert len(await kit.push_many(driver, 3)) == 3

    @conformance_test()
    async def test_push_too_many_bytes_are_refused_whole(self, kit: SuiteContext) -> None:
        """A push is atomic up to `max_atomic_push_bytes`; more is `PushTooLarge`, and nothing is stored."""
        driver = await kit.driver(max_atomic_push_bytes=100)
        with pytest.raises(PushTooLarge):
            await driver.push([kit.job(b"x" * 60), kit.job(b"y" * 41)])
        assert await kit.claimed(driver) == []
        assert outcomes(await driver.push([kit.job(b"x" * 60), kit.job(b"y" * 40)])) == [STORED, STORED]

    @conformance_test()
    async def test_push_a_large_payload_is_refused_with_its_push(self, kit: SuiteContext) -> None:
        """A request of more than `max_payload` bytes is `PayloadTooLarge`, and nothing is stored."""
        driver = await kit.driver(max_payload=100)
        with pytest.raises(PayloadTooLarge):
            await driver.push([kit.job(), kit.job(b"x" * 101)])
        assert await kit.claimed(driver) == []
        assert outcomes(await driver.push([kit.job(b"x" * 100)])) == [STORED]

    @conformance_test()
    async def test_push_a_due_time_that_says_nothing_is_refused(self, kit: SuiteContext) -> None:
        """`due` is an aware datetime, a `timedelta` from now on, or nothing: all else is a `ValueError`."""
        driver = await kit.driver()
        naive = datetime(2030, 1, 1, tzinfo=UTC).replace(tzinfo=None)
        for due in (naive, timedelta(seconds=-1)):
            with pytest.raises(ValueError, match="due"):
                await driver.push([kit.job(), kit.job(due=due)])
        assert await kit.claimed(driver) == []

    @pytest.mark.parametrize(
        "value",
        [0, 2**128 - 1, UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8").int, 0xABCDEF << 100],
        ids=["nil", "max", "version 1", "no version"],
    )
    @conformance_test()
    async def test_push_any_uuid_is_accepted(self, kit: SuiteContext, value: int) -> None:
        """Any UUID is accepted from a user."""
        driver = await kit.driver()
        job_id = JobID(int=value)
        assert outcomes(await driver.push([kit.job(job_id=job_id)])) == [STORED]
        assert await kit.claimed(driver) == [job_id]

    @conformance_test()
    async def test_push_queues_are_kept_apart(self, kit: SuiteContext) -> None:
        """`queue_key` names the queue: what is in one queue is not in another of the same store."""
        one, job_id = await kit.driver(), new_job_id()
        other_key = replace(kit.configuration, queue_key=kit.configuration.queue_key + "x").queue_key
        other = await kit.driver(queue_key=other_key)
        assert outcomes(await one.push([kit.job(b"one", job_id=job_id)])) == [STORED]
        assert await kit.claimed(other) == []
        assert outcomes(await other.push([kit.job(b"other", job_id=job_id)])) == [STORED]
        for driver, request in ((one, b"one"), (other, b"other")):
            worker = await kit.worker(driver)
            claim = await worker.claim_one()
            assert claim.request == request
            await worker.finish(claim)

    @conformance_test()
    async def test_push_an_id_of_the_user_is_remembered(self, kit: SuiteContext) -> None:
        """An id that the user gave is also remembered for `idempotency_window` after its job became absent."""
        driver = await kit.driver(idempotency_window=kit.unit)
        job = kit.job(remember=True)
        await driver.push([job])
        worker = await kit.worker(driver)
        await worker.finish(await worker.claim_one())
        assert outcomes(await driver.push([job])) == [DUPLICATE]
        assert outcomes(await driver.push([kit.job(job_id=job.job_id)])) == [DUPLICATE]
        await kit.advance(kit.unit)
        assert outcomes(await driver.push([job])) == [STORED]

    @conformance_test(driven_clock=True)
    async def test_push_the_window_begins_when_the_job_is_gone(self, kit: SuiteContext) -> None:
        """The window counts from when the job became absent, however long it was queued and ran."""
        driver = await kit.driver(idempotency_window=kit.unit)
        job = kit.job(remember=True)
        await driver.push([job])
        await kit.advance(kit.unit * 3)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        await kit.advance(kit.unit * 3)
        await worker.finish(claim)
        await kit.advance(kit.unit - kit.harness.time_precision * 2)
        assert outcomes(await driver.push([job])) == [DUPLICATE]
        await kit.advance(kit.harness.time_precision * 4)
        assert outcomes(await driver.push([job])) == [STORED]

    @conformance_test()
    async def test_push_an_id_of_the_library_leaves_nothing_behind(self, kit: SuiteContext) -> None:
        """Library-made ids leave nothing behind."""
        driver = await kit.driver()
        job = kit.job()
        worker = await kit.worker(driver)
        for _ in range(3):
            assert outcomes(await driver.push([job])) == [STORED]
            await worker.finish(await worker.claim_one())
