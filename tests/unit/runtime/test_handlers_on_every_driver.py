"""What becomes of jobs whose handlers run, over every driver."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from jobsvalkey import ExponentialJitter, JobCleanup, JobContext, JobFail, JobOptions, JobSleep, JobStatus
from jobsvalkey.contract import Renewed
from jobsvalkey.runtime.failure import decode_error
from jobsvalkey_memory.clock import START
from tests.support.every_driver import COMPLETE_DRIVERS, LOCK, Queue, Store, assert_ended, burst, due_in, look_at
from tests.support.processors import options, run_in_background
from tests.support.waiting import until
from tests.support.work import Work, raising

HOUR = timedelta(hours=1)
TWO_SECONDS = timedelta(seconds=2)


@pytest.fixture
async def queue(store: Store) -> Queue:
    return await store.queue()


async def test_a_burst_runs_what_is_due_in_order_and_what_that_pushes_and_returns(queue: Queue) -> None:
    ran: list[int] = []

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        ran.append(parameters.number)
        if parameters.number == 9:
            await queue.push(Work(10))

    await burst(queue)
    await queue.push_many(Work(number) for number in range(10))
    await queue.push(Work(99), options=JobOptions(delay=HOUR))
    await burst(queue, num_workers=3)
    assert ran == list(range(11))
    assert await due_in(queue) == HOUR.total_seconds()


async def test_a_job_that_fails_is_tried_again_until_its_last_attempt(store: Store, queue: Queue) -> None:
    seen: list[tuple[int, bool]] = []

    async def handler(parameters: Work, context: JobContext) -> None:
        seen.append((context.attempt, context.is_last_attempt))
        raise ValueError(f"attempt {context.attempt}")

    queue.register_job(Work, handler, retry_strategy=ExponentialJitter(max_attempts=3, min_jitter=0, max_jitter=0))
    job_id = await queue.push(Work())
    for delay in (2.0, 4.0):
        await burst(queue)
        assert await due_in(queue) == delay
        store.clock.advance(timedelta(seconds=delay))
    await burst(queue)
    assert seen == [(1, False), (2, False), (3, True)]
    await assert_ended(queue, job_id, JobStatus.FAILED, "ValueError: attempt 3")


async def test_job_fail_is_not_tried_again(queue: Queue) -> None:
    raising(queue, JobFail("wrong address"))
    job_id = await queue.push(Work())
    await burst(queue)
    await assert_ended(queue, job_id, JobStatus.FAILED, "JobFail: wrong address")


async def test_a_job_that_sleeps_has_not_ended_and_keeps_its_error(store: Store, queue: Queue) -> None:
    sleeps = [
        JobSleep(for_=HOUR),
        JobSleep(for_=HOUR, attempts="reset"),
        JobSleep(for_=HOUR, attempts="increment"),
        JobSleep(until=START + TWO_SECONDS + HOUR, attempts="keep"),
    ]
    attempts: list[list[int]] = [[] for _ in sleeps]

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        runs = attempts[parameters.number]
        runs.append(context.attempt)
        if len(runs) == 1:
            raise ValueError("once")
        if len(runs) == 2:
            raise sleeps[parameters.number]

    job_ids = await queue.push_many(Work(number) for number in range(len(sleeps)))
    await burst(queue)
    store.clock.advance(TWO_SECONDS)
    await burst(queue)
    assert await due_in(queue) == HOUR.total_seconds()
    store.clock.advance(HOUR - timedelta(microseconds=1))
    await burst(queue)
    assert attempts == [[1, 2]] * 4
    store.clock.advance(timedelta(microseconds=1))
    await burst(queue)
    assert attempts == [[1, 2, 2], [1, 2, 1], [1, 2, 3], [1, 2, 2]]
    for job_id in job_ids:
        await assert_ended(queue, job_id, JobStatus.COMPLETED, "ValueError: once")


async def test_a_job_that_takes_too_long_is_cancelled_and_tried_again(store: Store, queue: Queue) -> None:
    cancelled: list[int] = []

    @queue.job(Work, timeout=timedelta(milliseconds=10))
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        if context.attempt == 1:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(context.attempt)

    job_id = await queue.push(Work())
    await burst(queue)
    assert cancelled == [1]
    store.clock.advance(TWO_SECONDS)
    error = (await look_at(queue)).error
    assert error is not None
    assert decode_error(error).type.endswith("JobTimeout")
    await burst(queue)
    await assert_ended(queue, job_id, JobStatus.COMPLETED)


async def test_plain_functions_run_beside_each_other_in_threads(store: Store, queue: Queue) -> None:
    both = threading.Barrier(2, timeout=10)
    threads: set[int] = set()

    @queue.job(Work)
    def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        both.wait()
        threads.add(threading.get_ident())
        if context.attempt == 1:
            raise ValueError("once")

    job_ids = await queue.push_many([Work(1), Work(2)])
    await burst(queue)
    assert await due_in(queue) == 2.0
    store.clock.advance(TWO_SECONDS)
    await burst(queue)
    assert threading.get_ident() not in threads
    for job_id in job_ids:
        await assert_ended(queue, job_id, JobStatus.COMPLETED, "ValueError: once")


Taking = Callable[[Store, Queue, str], Awaitable[object]]


async def close(store: Store, other: Queue, worker: str) -> None:
    """Close the worker in its place."""
    await other.driver.close_worker(worker)


async def recover(store: Store, other: Queue, worker: str) -> None:
    """Take its job once its lock has run out."""
    store.clock.advance(LOCK)
    await other.driver.recover()


async def remove(store: Store, other: Queue, worker: str) -> None:
    """Clean the job up."""
    await other.driver.cleanup(processing_jobs=JobCleanup.remove())


async def check_that_a_lost_claim_cancels_its_handler(store: Store, queue: Queue, take: Taking) -> None:
    told: list[tuple[bool, bool]] = []
    ran: list[int] = []
    running, look = asyncio.Event(), asyncio.Event()
    renew = queue.driver.renew

    async def renew_later(worker: str, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        # Else the lock is renewed before it has run out.
        if running.is_set():
            await look.wait()
        return await renew(worker, hold_for, leaving=leaving)

    queue.driver.renew = renew_later

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        if not running.is_set():
            running.set()
            try:
                await asyncio.Event().wait()
            finally:
                told.append((context.claim_lost, context.cancelled))
        ran.append(parameters.number)

    await queue.push(Work(1))
    processor = queue.processor(options(num_workers=1, graceful_shutdown_timeout=timedelta(0)))
    async with run_in_background(processor):
        await until(running.is_set)
        assert processor.state is not None
        await take(store, await store.queue(), processor.state.worker)
        look.set()
        await until(lambda: told)
        assert told == [(True, True)]
        await queue.push(Work(2))  # the slot is free again
        await until(lambda: 2 in ran)
    assert ran == ([2] if take is remove else [1, 2])
    assert await due_in(queue) is None


@pytest.mark.parametrize("take", [close, recover])
async def test_a_lost_claim_cancels_its_handler(store: Store, queue: Queue, take: Taking) -> None:
    await check_that_a_lost_claim_cancels_its_handler(store, queue, take)


@pytest.mark.parametrize("store", COMPLETE_DRIVERS, indirect=True)
async def test_a_removed_job_cancels_its_handler(store: Store, queue: Queue) -> None:
    await check_that_a_lost_claim_cancels_its_handler(store, queue, remove)
