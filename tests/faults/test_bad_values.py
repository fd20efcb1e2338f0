"""Values that no queue can take: refused before the server is asked."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import (
    InvalidParameters,
    JobCleanup,
    JobName,
    JobOptions,
    JobQueue,
    JobSleep,
    JobStatus,
    PayloadTooLarge,
    Push,
    PushTooLarge,
    Schedule,
    ValkeyConfiguration,
    ValkeyJobQueue,
    new_job_id,
)
from jobsvalkey.contract import Fail, NewJob, Retry
from tests.faults.conftest import QueueOnValkey, Unchanged
from tests.support.work import Work

NAIVE = datetime(2030, 1, 1)  # noqa: DTZ001 - that is the point
ANYTHING: JobName[Any] = JobName("anything", cast("Any", Any))
BEFORE = timedelta(seconds=-1)
MINUTE = timedelta(minutes=1)

Call = Callable[[QueueOnValkey], Awaitable[Any]]


def _push(options: Callable[[], JobOptions]) -> Call:
    """The options are made within the call, as users do."""

    async def call(queue: QueueOnValkey) -> None:
        await queue.push(Work(), options=options())

    return call


def _settle_with_retry(**changes: Any) -> Call:
    async def call(queue: QueueOnValkey) -> None:
        await queue.driver.exchange("worker", 1, [Retry(new_job_id(), b"1.0", **changes)])

    return call


NAIVE_TIMES: dict[str, Call] = {
    "options": _push(lambda: JobOptions(delay_until=NAIVE)),
    "driver": lambda queue: queue.driver.push([NewJob(new_job_id(), b"{}", NAIVE)]),
    "one of many": lambda queue: queue.driver.push([NewJob(new_job_id(), b"{}"), NewJob(new_job_id(), b"{}", NAIVE)]),
    "push_if": lambda queue: queue.driver.push_if(NewJob(new_job_id(), b"{}", NAIVE), "key", None, b"value"),
    "retry": _settle_with_retry(due=NAIVE),
}
NEGATIVE_TIMES: dict[str, Call] = {
    "options": _push(lambda: JobOptions(delay=BEFORE)),
    "driver": lambda queue: queue.driver.push([NewJob(new_job_id(), b"{}", BEFORE)]),
    "push_if": lambda queue: queue.driver.push_if(NewJob(new_job_id(), b"{}", BEFORE), "key", None, b"value"),
    "retry": _settle_with_retry(due=BEFORE),
    "lock": lambda queue: queue.driver.acquire_lock("key", b"holder", BEFORE),
    "no time": lambda queue: queue.driver.acquire_lock("key", b"holder", timedelta(0)),
}


@pytest.mark.parametrize("call", NAIVE_TIMES.values(), ids=NAIVE_TIMES)
async def test_naive_datetimes(queue: QueueOnValkey, unchanged: Unchanged, call: Call) -> None:
    async with unchanged():
        with pytest.raises(ValueError, match=r"naive datetime .*: give it a time zone, as in datetime\.now\(UTC\)"):
            await call(queue)


def test_naive_datetimes_where_no_store_is_asked() -> None:
    with pytest.raises(ValueError, match=r"naive .*time zone"):
        JobSleep(until=NAIVE)
    with pytest.raises(ValueError, match=r"naive .*time zone"):
        Schedule.hourly().next_after(NAIVE)


@pytest.mark.parametrize("call", NEGATIVE_TIMES.values(), ids=NEGATIVE_TIMES)
async def test_negative_times(queue: QueueOnValkey, unchanged: Unchanged, call: Call) -> None:
    async with unchanged():
        with pytest.raises(ValueError, match=r"-1 day|above zero"):
            await call(queue)


async def test_two_delays_at_once(queue: QueueOnValkey, unchanged: Unchanged) -> None:
    async with unchanged():
        with pytest.raises(ValueError, match="delay or delay_until, not both"):
            await queue.push(Work(), options=JobOptions(delay=MINUTE, delay_until=queue.driver.clock.now()))


@pytest.mark.parametrize(
    "parameters",
    [object(), {"socket": asyncio.Event}, {1, object()}, "\ud800", [lambda: None], {"a": [1.0, float("nan")]}],
    ids=["object", "type", "set", "surrogate", "function", "nan"],
)
async def test_parameters_that_cannot_be_encoded(
    queue: QueueOnValkey, unchanged: Unchanged, parameters: object
) -> None:
    async with unchanged():
        with pytest.raises(
            InvalidParameters,
            match=r"job 'anything' cannot be encoded as JSON .*: .* \b(type|function|object|surrogates|NaN)\b",
        ):
            await queue.push(ANYTHING, parameters)
        with pytest.raises(InvalidParameters, match="job 'anything' cannot be encoded"):
            await queue.push_many([Work(1), ANYTHING.with_parameters(parameters)], atomic=False)


async def test_what_names_no_job(queue: QueueOnValkey, unchanged: Unchanged) -> None:
    anything: Any = queue
    async with unchanged():
        with pytest.raises(InvalidParameters, match=r"dict names no job: give it `job_name: ClassVar\[str\]"):
            await anything.push({"to": "somebody"})
        with pytest.raises(InvalidParameters, match=r"pushed without parameters: use push\(name, parameters\)"):
            await anything.push(ANYTHING)
        with pytest.raises(
            InvalidParameters, match=r"only a JobName is pushed together .*: write JobName\(.*with_parameters"
        ):
            await anything.push("anything", 1)


@pytest.mark.parametrize("job_id", ["", "42", "not-a-uuid", "01A20E34-2322-7644-B134-B35B27C1198", "x" * 36])
async def test_bad_ids(queue: QueueOnValkey, unchanged: Unchanged, job_id: str) -> None:
    calls: list[Callable[[Any], Awaitable[Any]]] = [
        *(queue.cancel, queue.pause, queue.resume, queue.rerun, queue.remove, queue.get, queue.status),
        lambda each: queue.push(Work(), options=JobOptions(job_id=each)),
    ]
    async with unchanged():
        for call in calls:
            with pytest.raises(ValueError, match=r"is not a job id: a job id is a UUID, such as [0-9A-F-]{36}$"):
                await call(job_id)


async def test_one_id_for_many_jobs(queue: QueueOnValkey, unchanged: Unchanged) -> None:
    async with unchanged():
        with pytest.raises(ValueError, match=r"give each its own, with Push\(..., options=...\)"):
            await queue.push_many([Work(1), Work(2)], options=JobOptions(job_id=UUID(int=1)))


@pytest.mark.parametrize("key", ["", "_", "_locks", "worker.1"])
async def test_bad_metadata_keys(queue: QueueOnValkey, unchanged: Unchanged, key: str) -> None:
    driver = queue.driver
    async with unchanged():
        for call in (
            lambda: driver.get_metadata(key),
            lambda: driver.set_metadata(key, b"value"),
            lambda: driver.acquire_lock(key, b"holder", MINUTE),
            lambda: driver.release_lock(key, b"holder"),
            lambda: driver.push_if(NewJob(new_job_id(), b"{}"), key, None, b"value"),
        ):
            with pytest.raises(ValueError, match=r"must not be empty or begin with '_' or 'worker\.'"):
                await call()


async def test_a_payload_over_the_limit(queue: QueueOnValkey, valkey_client: Valkey, unchanged: Unchanged) -> None:
    configuration = ValkeyConfiguration(queue_key=queue.driver.configuration.queue_key, max_payload=100)
    async with ValkeyJobQueue(valkey_client, configuration) as driver:
        small = JobQueue(driver)
        async with unchanged():
            for call in (
                small.push(ANYTHING, "x" * 100),
                small.push_many([Work(1), ANYTHING.with_parameters("x" * 100)]),
                small.push_many([Work(1), ANYTHING.with_parameters("x" * 100)], atomic=False),
                driver.push_if(NewJob(new_job_id(), b"x" * 101), "key", None, b"value"),
            ):
                with pytest.raises(PayloadTooLarge, match=r"more than max_payload \(100\): store large data elsewhere"):
                    await call


@pytest.mark.parametrize("limits", [{"max_atomic_push": 2}, {"max_atomic_push_bytes": 150}])
async def test_a_push_too_large_for_one_step(
    queue: QueueOnValkey, valkey_client: Valkey, unchanged: Unchanged, limits: Any
) -> None:
    configuration = ValkeyConfiguration(queue_key=queue.driver.configuration.queue_key, **limits)
    async with ValkeyJobQueue(valkey_client, configuration) as driver:
        small = JobQueue(driver)
        jobs = [Push(Work(number), JobOptions(delay=MINUTE)) for number in range(3)]
        async with unchanged():
            with pytest.raises(PushTooLarge, match=r"3 jobs with [\d,]+ bytes .*: use atomic=False, or smaller pushes"):
                await small.push_many(jobs)
        assert len(await small.push_many(jobs, atomic=False)) == 3


@pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PAUSED])
async def test_a_rerun_of_what_has_not_run(queue: QueueOnValkey, unchanged: Unchanged, status: JobStatus) -> None:
    await queue.push(Work(), options=JobOptions(delay=MINUTE))
    states: dict[str, Any] = {f"{status}_jobs": JobCleanup.RERUN}
    async with unchanged():
        with pytest.raises(ValueError, match=f"{status} jobs cannot be rerun: they have not run"):
            await queue.driver.cleanup(**states)
        with pytest.raises(ValueError, match=f"{status} jobs cannot be rerun: they have not run"):
            await queue.driver.cleanup_step(status, JobCleanup.RERUN, max_jobs=10)


async def test_a_failure_without_a_reason(queue: QueueOnValkey, unchanged: Unchanged) -> None:
    async with unchanged():
        with pytest.raises(ValueError, match="is empty: a failure says why"):
            await queue.driver.exchange("worker", 1, [Fail(new_job_id(), b"1.0", b"")])


async def test_a_limit_below_one_is_none(queue: QueueOnValkey, unchanged: Unchanged) -> None:
    driver = queue.driver
    await driver.open_worker("worker", MINUTE)
    await driver.open_worker("dead", MINUTE)
    await queue.push_many([Work(1), Work(2)])
    assert len((await driver.exchange("dead", 1, limit=1)).claims) == 1
    await driver.renew("dead", timedelta(0))
    async with unchanged():
        assert [job async for job in driver.jobs(JobStatus.PENDING, limit=-1)] == []
        assert await driver.cleanup_step(JobStatus.PENDING, JobCleanup.remove(), max_jobs=-1) == 0
        assert (await driver.exchange("worker", 1, limit=-1)).claims == []
        assert await driver.recover(-1) == 0
