"""Jobs that expire, as users push them and see them end."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import (
    JobCancelled,
    JobContext,
    JobError,
    JobOptions,
    JobQueue,
    JobSleep,
    JobStatus,
    Push,
    UnsupportedOperation,
    ValkeyConfiguration,
    ValkeyJobQueue,
)
from jobsvalkey.contract import CAPABILITY_PROTOCOLS, EXPIRED, Capability, DriverConfiguration
from jobsvalkey.runtime.failure import decode_error
from jobsvalkey_memory import MemoryJobQueue, assert_cancelled, run_until_idle
from tests.support.every_driver import COMPLETE_DRIVERS, Store, burst
from tests.support.processors import run_in_background
from tests.support.waiting import PATIENCE
from tests.support.work import Work
from tests.unit.runtime.support import make_queue

HOUR = timedelta(hours=1)
SOON = timedelta(milliseconds=1)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
every_driver = pytest.mark.parametrize("store", COMPLETE_DRIVERS, indirect=True)


@every_driver
async def test_a_job_that_has_expired_does_not_run_and_tells_why(store: Store) -> None:
    queue, ran = await store.queue(), list[int]()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        ran.append(parameters.number)

    expires_at = store.clock.now() + HOUR
    late = await queue.push(Work(1), options=JobOptions(expires_in=HOUR, keep_for=HOUR))
    also = await queue.push_many([Push(Work(2), JobOptions(expires_at=expires_at)), Work(3)])
    record = await queue.get(late)
    assert record is not None
    assert record.expires == expires_at
    store.clock.advance(HOUR)
    await burst(queue)
    assert ran == [3]
    for job_id in (late, also[0]):
        record = await queue.get(job_id)
        assert record is not None
        assert (record.status, record.expires) == (JobStatus.CANCELLED, expires_at)
        assert record.error == JobError("JobExpired", decode_error(EXPIRED).message, "", 0)
    with pytest.raises(JobCancelled, match="has expired"):
        await queue.result(late)
    (done,) = [done async for done in queue.results([late])]
    assert (done.status, done.error and done.error.type) == (JobStatus.CANCELLED, "JobExpired")


@every_driver
async def test_an_idle_worker_ends_a_job_when_it_expires(store: Store) -> None:
    queue = await store.queue(poll_time=HOUR)
    queue.register_job(Work, _nothing)
    async with run_in_background(queue.processor()):
        job_id = await queue.push(Work(1), options=JobOptions(delay=HOUR / 2, expires_in=HOUR, keep_for=9 * HOUR))
        first = await queue.push(Work(2), options=JobOptions(keep_for=9 * HOUR))
        await queue.result(first)  # the worker has looked, and knows now when to look again
        store.clock.advance(HOUR)
        other = await queue.push(Work(3), options=JobOptions(keep_for=9 * HOUR))  # time of a driven clock wakes nobody
        await queue.result(other)
        with pytest.raises(JobCancelled):
            await queue.result(job_id, timeout=timedelta(seconds=30))


async def test_a_worker_sleeps_no_longer_than_to_the_next_expiry(valkey_client: Valkey, queue_key: str) -> None:
    """In real time, where the next poll would come too late."""
    configuration = ValkeyConfiguration(queue_key=queue_key, poll_time=HOUR)
    async with ValkeyJobQueue(valkey_client, configuration) as driver:
        queue = JobQueue(driver)
        queue.register_job(Work, _nothing)
        options = JobOptions(delay=3 * HOUR, expires_at=datetime.now(UTC) + timedelta(seconds=0.3), keep_for=HOUR)
        job_id = await queue.push(Work(1), options=options)
        async with run_in_background(queue.processor()):
            with pytest.raises(JobCancelled, match="has expired"):
                await queue.result(job_id, timeout=timedelta(seconds=PATIENCE))


async def _nothing(parameters: Work, context: JobContext) -> None:
    pass


@every_driver
async def test_a_job_that_sleeps_past_its_expiry_is_cancelled(store: Store) -> None:
    queue, runs = await store.queue(), 0

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        nonlocal runs
        runs += 1
        raise JobSleep(for_=2 * HOUR)

    job_id = await queue.push(Work(1), options=JobOptions(expires_in=HOUR))
    await burst(queue)
    assert await queue.status(job_id) is JobStatus.PENDING
    store.clock.advance(HOUR)
    await burst(queue)
    assert (await queue.status(job_id), runs) == (JobStatus.CANCELLED, 1)


@every_driver
async def test_a_rerun_job_runs_though_it_has_expired(store: Store) -> None:
    queue = await store.queue()
    queue.register_job(Work, _nothing)
    job_id = await queue.push(Work(1), options=JobOptions(expires_in=HOUR))
    store.clock.advance(HOUR)
    await burst(queue)
    assert await queue.rerun(job_id)
    await burst(queue)
    assert await queue.status(job_id) is JobStatus.COMPLETED


@every_driver
async def test_a_burst_ends_what_has_expired_while_the_queue_is_paused(store: Store) -> None:
    queue = await store.queue()
    ids = await queue.push_many([Work(number) for number in range(130)], options=JobOptions(expires_in=HOUR))
    kept = await queue.push(Work(1), options=JobOptions(expires_in=3 * HOUR))
    await queue.pause_queue()
    store.clock.advance(HOUR)
    await burst(queue)
    counts = await queue.counts()
    assert (counts[JobStatus.PENDING], counts[JobStatus.CANCELLED]) == (1, len(ids))
    assert await queue.status(kept) is JobStatus.PENDING


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expires_in": HOUR, "expires_at": NEW_YEAR}, "not both"),
        ({"expires_in": timedelta(0)}, "expires_in is a time above zero"),
        ({"expires_in": -HOUR}, "expires_in is a time above zero"),
        ({"expires_in": timedelta(days=40_000)}, "expires_in is a time above zero"),
        ({"expires_at": datetime(2026, 1, 1)}, "expires_at"),  # noqa: DTZ001 - it is what is wrong
        ({"expires_at": datetime(9999, 6, 1, tzinfo=UTC)}, "expires_at"),
        ({"expires_in": HOUR, "delay": HOUR}, "could never run"),
        ({"expires_at": NEW_YEAR, "delay_until": NEW_YEAR}, "could never run"),
    ],
    ids=["both", "zero", "negative", "too long", "naive", "too late", "delay", "delay_until"],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JobOptions(**options)


def test_options_of_wrong_types() -> None:
    with pytest.raises(TypeError, match="expires_in is a timedelta"):
        JobOptions(expires_in=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expires_at is a datetime"):
        JobOptions(expires_at="tomorrow")  # type: ignore[arg-type]


async def test_a_driver_without_expiry_is_asked_for_none() -> None:
    class Without(MemoryJobQueue[Any]):
        capabilities: frozenset[Capability] = frozenset(CAPABILITY_PROTOCOLS) - {Capability.EXPIRY}

    queue = JobQueue(Without(DriverConfiguration()))
    queue.register_job(Work, _nothing)
    options = JobOptions(expires_in=HOUR)
    with pytest.raises(UnsupportedOperation, match="'expiry'"):
        await queue.push(Work(1), options=options)
    with pytest.raises(UnsupportedOperation, match="'expiry'"):
        await queue.push_many([Work(1), Push(Work(2), options)], atomic=False)
    assert (await queue.counts())[JobStatus.PENDING] == 0


async def test_all_that_has_expired_is_ended_in_tests_of_applications() -> None:
    queue = make_queue()
    queue.register_job(Work, _nothing)
    await queue.push_many([Work(number) for number in range(250)], options=JobOptions(expires_in=HOUR))
    await queue.push(Work(1000))
    queue.driver.clock.advance(HOUR)
    assert await run_until_idle(queue) == 1
    assert_cancelled(queue, Work, count=250)


def test_the_reason_is_a_record_of_an_error() -> None:
    error = decode_error(EXPIRED)
    assert (error.type, error.attempt, error.traceback) == ("JobExpired", 0, "")
    assert "expiry" in error.message
