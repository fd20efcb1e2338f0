"""How a processor stops, over every driver."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from jobsvalkey import JobContext, JobID, JobStatus, new_job_id
from jobsvalkey.contract import NewJob, WorkerClosed
from tests.support.every_driver import LOCK, Queue, Store, assert_ended, burst, look_at
from tests.support.processors import options, run_in_background, start
from tests.support.waiting import until
from tests.support.work import Handler, Work, counting

NOTHING = timedelta(0)
SHORT = timedelta(milliseconds=20)


@pytest.fixture
async def queue(store: Store) -> Queue:
    return await store.queue()


@pytest.fixture
def handler(queue: Queue) -> Iterator[Handler]:
    handler = Handler(queue)
    yield handler
    handler.go_on.set()  # or the loop waits for it, should the test have failed


async def push_at_attempt_two(queue: Queue) -> JobID:
    """A job that has failed once."""
    job = NewJob(new_job_id(), b'{"Work":{"p":{"number":2},"q":0,"a":2}}')
    await queue.driver.push([job])
    return job.job_id


async def assert_closed(queue: Queue, worker: str) -> None:
    with pytest.raises(WorkerClosed):
        await queue.driver.renew(worker, LOCK)


async def test_running_handlers_end_and_nothing_new_is_claimed(store: Store, queue: Queue, handler: Handler) -> None:
    first = await queue.push(Work(2))
    await queue.push(Work(3))
    processor, task = start(queue, num_workers=1)
    await until(lambda: handler.running)
    assert processor.state is not None
    worker = processor.state.worker
    processor.stop()
    handler.go_on.set()
    await asyncio.wait_for(task, 10)
    assert (handler.ended, handler.cancelled) == ([2], [])
    await assert_closed(queue, worker)
    following = await store.queue()
    ran = counting(following)
    await burst(following)
    assert ran == [3]
    await assert_ended(queue, first, JobStatus.COMPLETED)


@pytest.mark.parametrize("stops", [1, 2])
async def test_what_is_cut_short_is_released_and_runs_again_at_the_same_attempt(
    store: Store, queue: Queue, handler: Handler, stops: int
) -> None:
    """Once the timeout runs out; or at a second stop, which does not wait for it."""
    job_id = await push_at_attempt_two(queue)
    before = await look_at(queue)
    processor, task = start(queue, graceful_shutdown_timeout=SHORT if stops == 1 else timedelta(hours=1))
    await until(lambda: handler.running)
    assert processor.state is not None
    worker = processor.state.worker
    for _ in range(stops):
        processor.stop()
    await asyncio.wait_for(task, 10)
    assert handler.cancelled == [2]
    await assert_closed(queue, worker)
    assert await look_at(queue) == before

    following = await store.queue()
    attempts: list[int] = []

    @following.job(Work)
    async def work(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        attempts.append(context.attempt)

    await burst(following)
    assert attempts == [2]
    await assert_ended(queue, job_id, JobStatus.COMPLETED)


async def test_a_handler_that_does_not_end_keeps_its_claim_until_recovery(
    store: Store, queue: Queue, handler: Handler
) -> None:
    processor, task = start(queue, graceful_shutdown_timeout=NOTHING, cancel_grace=SHORT)
    deaf, _ = await queue.push_many([Work(1), Work(2)])
    await until(lambda: len(handler.running) == 2)
    assert processor.state is not None
    worker = processor.state.worker
    processor.stop()
    await asyncio.wait_for(task, 10)
    assert sorted(handler.cancelled) == [1, 2]
    assert len((await queue.driver.renew(worker, LOCK)).tokens) == 1

    following = await store.queue()
    ran = counting(following)
    async with run_in_background(following.processor(options())):
        await until(lambda: ran == [2])
        store.clock.advance(LOCK)
        await until(lambda: ran == [2, 1])
    handler.go_on.set()  # what it ends with is nobody's business any more
    await until(lambda: handler.ended == [1])
    await assert_ended(queue, deaf, JobStatus.COMPLETED)
