"""The meaning of a number: the method and each of its arguments."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from jobsvalkey.contract import (
    Capability,
    JobCleanup,
    JobID,
    JobStatus,
    NewJob,
    Operation,
    OperationRefused,
    Unique,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import RETAIN_ALL, STORED, SuiteContext, outcomes
from jobsvalkey_conformance.harness import AnyDriver

HOUR = timedelta(hours=1)
ID = JobID(int=(0xABCDEF << 100) + 1)
OTHER = JobID(int=(0xABCDEF << 100) + 2)
JOB = NewJob(ID, b"request", timedelta(hours=1))
REMOVE = JobCleanup.remove()
Call = Callable[[AnyDriver, Operation], Awaitable[Any]]
KEPT = frozenset({Capability.RESULTS})
NONE: frozenset[Capability] = frozenset()


def push(*jobs: NewJob) -> Call:
    """A push."""
    return lambda driver, operation: driver.push(jobs, operation=operation)


def push_if(job: NewJob = JOB, key: str = "key", expected: bytes | None = None, value: bytes = b"1") -> Call:
    """A push on a condition."""
    return lambda driver, operation: driver.push_if(job, key, expected, value, operation=operation)


def change(name: str, job_id: JobID = ID) -> Call:
    """A change of one job."""
    return lambda driver, operation: getattr(driver, name)(job_id, operation=operation)


def clean(status: JobStatus = JobStatus.COMPLETED, cleanup: JobCleanup = REMOVE, **others: Any) -> Call:
    """A step of a cleanup."""
    arguments: dict[str, Any] = {"max_jobs": 5, **others}
    return lambda driver, operation: driver.cleanup_step(status, cleanup, operation=operation, **arguments)


def metadata(name: str, *arguments: object) -> Call:
    """A write of metadata."""
    return lambda driver, operation: getattr(driver, name)(*arguments, operation=operation)


def pausing(name: str) -> Call:
    """A pause of the queue, or its end."""
    return lambda driver, operation: getattr(driver, name)(operation=operation)


CALLS: dict[str, tuple[frozenset[Capability], Call, dict[str, tuple[frozenset[Capability], Call]]]] = {
    "push": (
        NONE,
        push(JOB),
        {
            "id": (NONE, push(replace(JOB, job_id=OTHER))),
            "request": (NONE, push(replace(JOB, request=b"Request"))),
            "empty request": (NONE, push(replace(JOB, request=b""))),
            "no due": (NONE, push(replace(JOB, due=None))),
            "due": (NONE, push(replace(JOB, due=timedelta(hours=1, microseconds=1)))),
            "remember": (NONE, push(replace(JOB, remember=True))),
            "keep_for": (KEPT, push(replace(JOB, keep_for=HOUR))),
            "expires": (frozenset({Capability.EXPIRY}), push(replace(JOB, expires=HOUR * 2))),
            "unique": (frozenset({Capability.UNIQUE}), push(replace(JOB, unique=Unique("name")))),
            "twice": (NONE, push(JOB, JOB)),
            "more": (NONE, push(JOB, replace(JOB, job_id=OTHER))),
            "nothing": (NONE, push()),
        },
    ),
    "push of two": (
        NONE,
        push(JOB, replace(JOB, job_id=OTHER)),
        {
            "order": (NONE, push(replace(JOB, job_id=OTHER), JOB)),
            "number": (NONE, push(JOB)),
            "id": (NONE, push(JOB, JOB)),
        },
    ),
    "push_if": (
        frozenset({Capability.SCHEDULING}),
        push_if(),
        {
            "id": (NONE, push_if(replace(JOB, job_id=OTHER))),
            "request": (NONE, push_if(replace(JOB, request=b""))),
            "due": (NONE, push_if(replace(JOB, due=timedelta(hours=1, microseconds=1)))),
            "remember": (NONE, push_if(replace(JOB, remember=True))),
            "keep_for": (KEPT, push_if(replace(JOB, keep_for=HOUR))),
            "key": (NONE, push_if(key="Key")),
            "expected": (NONE, push_if(expected=b"1")),
            "expected empty": (NONE, push_if(expected=b"")),
            "value": (NONE, push_if(value=b"2")),
            "border": (NONE, push_if(expected=b"1", value=b"")),
            "push": (NONE, push(JOB)),
        },
    ),
    "cleanup_step": (
        frozenset({Capability.CLEANUP}),
        clean(),
        {
            "status": (NONE, clean(JobStatus.FAILED)),
            "action": (NONE, clean(cleanup=JobCleanup.rerun())),
            "max_age": (NONE, clean(cleanup=JobCleanup("remove", timedelta(0)))),
            "max_jobs": (NONE, clean(max_jobs=6)),
            "only_orphans": (NONE, clean(only_orphans=True)),
            "except_for": (NONE, clean(except_for=ID)),
            "as_of": (NONE, clean(as_of=datetime(2025, 1, 1, tzinfo=UTC))),
        },
    ),
    "set_metadata": (
        frozenset({Capability.METADATA}),
        metadata("set_metadata", "key", b"value"),
        {
            "key": (NONE, metadata("set_metadata", "KEY", b"value")),
            "value": (NONE, metadata("set_metadata", "key", b"")),
            "border": (NONE, metadata("set_metadata", "keyv", b"alue")),
            "release_lock": (NONE, metadata("release_lock", "key", b"value")),
        },
    ),
    "acquire_lock": (
        frozenset({Capability.METADATA}),
        metadata("acquire_lock", "key", b"holder", HOUR),
        {
            "key": (NONE, metadata("acquire_lock", "Key", b"holder", HOUR)),
            "holder": (NONE, metadata("acquire_lock", "key", b"other", HOUR)),
            "expires_in": (NONE, metadata("acquire_lock", "key", b"holder", HOUR * 2)),
            "border": (NONE, metadata("acquire_lock", "keyh", b"older", HOUR)),
            "release_lock": (NONE, metadata("release_lock", "key", b"holder")),
        },
    ),
    "release_lock": (
        frozenset({Capability.METADATA}),
        metadata("release_lock", "key", b"holder"),
        {
            "key": (NONE, metadata("release_lock", "Key", b"holder")),
            "holder": (NONE, metadata("release_lock", "key", b"other")),
            "border": (NONE, metadata("release_lock", "keyh", b"older")),
            "set_metadata": (NONE, metadata("set_metadata", "key", b"holder")),
        },
    ),
    "pause_queue": (
        frozenset({Capability.PAUSE_QUEUE}),
        pausing("pause_queue"),
        {"resume_queue": (NONE, pausing("resume_queue"))},
    ),
    "resume_queue": (
        frozenset({Capability.PAUSE_QUEUE}),
        pausing("resume_queue"),
        {"pause_queue": (NONE, pausing("pause_queue"))},
    ),
}
CHANGES = {
    "cancel": Capability.CANCEL,
    "abort": Capability.ABORT,
    "pause": Capability.RESUME,
    "resume": Capability.RESUME,
    "rerun": Capability.CLEANUP,
    "remove": Capability.CLEANUP,
}
for _name, _capability in CHANGES.items():
    _others = {other: (frozenset({needed}), change(other)) for other, needed in CHANGES.items() if other != _name}
    _variants = {"id": (NONE, change(_name, OTHER)), **_others}
    CALLS[_name] = (frozenset({_capability}), change(_name), _variants)


class DigestTests(Suite):
    """The same sequence with the same digest is a repeat; with another method or argument it is refused."""

    @pytest.mark.parametrize("name", CALLS)
    @conformance_test()
    async def test_digest_each_argument_counts(self, kit: SuiteContext, name: str) -> None:
        """The digest is of the method and all its arguments: another one is refused, and nothing changes."""
        needs, call, variants = CALLS[name]
        kit.needs(*needs)
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        operation = Operation("producer", 5)
        first = await call(driver, operation)
        for variant, (more, other) in variants.items():
            if not more <= kit.capabilities:
                continue
            try:
                answer = await other(driver, operation)
            except OperationRefused:
                pass
            else:
                raise AssertionError(f"{name} with another {variant} was taken for a repeat, and answered {answer}")
            assert await call(driver, operation) == first, "the repeat itself is not known any more"
        assert len(await kit.claimed(driver)) == 0
        await kit.advance(kit.unit)
        assert await call(driver, operation) == first

    @conformance_test()
    async def test_digest_the_same_in_other_words(self, kit: SuiteContext) -> None:
        """Arguments that are the same are, by name or by place, in a list or in a tuple, with a default or without."""
        driver, number = await kit.driver(retention_policy=RETAIN_ALL), kit.operations()
        operation = number()
        assert outcomes(await driver.push([JOB], operation=operation)) == [STORED]
        assert outcomes(await driver.push(operation=operation, items=(JOB,))) == [STORED]
        if Capability.CANCEL in kit.capabilities:
            operation = number()
            assert await driver.cancel(ID, operation=operation)
            assert await driver.cancel(operation=operation, job_id=ID)
        if kit.capabilities.issuperset({Capability.CANCEL, Capability.CLEANUP}):
            operation, cleanup = number(), JobCleanup.remove()
            defaults: dict[str, Any] = {"only_orphans": False, "except_for": None, "as_of": None}
            assert await driver.cleanup_step(JobStatus.CANCELLED, cleanup, max_jobs=5, operation=operation) == 1
            again = driver.cleanup_step(
                cleanup=cleanup, status=JobStatus.CANCELLED, max_jobs=5, operation=operation, **defaults
            )
            assert await again == 1

    @pytest.mark.parametrize("name", CALLS)
    @conformance_test()
    async def test_digest_a_lower_number_is_refused(self, kit: SuiteContext, name: str) -> None:
        """A lower sequence is refused, whatever the step; a higher one is a new step, though it asks for the same."""
        needs, call, _ = CALLS[name]
        kit.needs(*needs)
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        await call(driver, Operation("producer", 5))
        for sequence in (4, 0):
            with pytest.raises(OperationRefused):
                await call(driver, Operation("producer", sequence))
        await call(driver, Operation("producer", 6))
        with pytest.raises(OperationRefused):
            await call(driver, Operation("producer", 5))
        await call(driver, Operation("producer", 2**53 - 1))

    @conformance_test()
    async def test_digest_zero_is_a_number(self, kit: SuiteContext) -> None:
        """A sequence is a whole number from 0: the first one is remembered as any other."""
        driver = await kit.driver()
        job, operation = kit.job(), Operation("producer", 0)
        assert outcomes(await driver.push([job], operation=operation)) == [STORED]
        assert outcomes(await driver.push([job], operation=operation)) == [STORED]
        worker = await kit.worker(driver)
        worker.sequence = -1
        claim = await worker.claim_one()
        again = await driver.exchange(worker.id, 0, (), 1)
        assert (claim.job_id, again.claims) == (job.job_id, [claim])

    @pytest.mark.parametrize("other", ["Producer", "producer ", "producer.", "produce", "", "-producer", "prödücer"])
    @conformance_test()
    async def test_digest_producers_are_told_apart(self, kit: SuiteContext, other: str) -> None:
        """Producers whose names differ by case, by a sign or by a letter are two: each has numbers of its own."""
        driver = await kit.driver()
        one, two = kit.job(), kit.job()
        assert outcomes(await driver.push([one], operation=Operation("producer", 7))) == [STORED]
        assert outcomes(await driver.push([two], operation=Operation(other, 3))) == [STORED]
        assert outcomes(await driver.push([one], operation=Operation("producer", 7))) == [STORED]
        assert await kit.claimed(driver) == [one.job_id, two.job_id]
