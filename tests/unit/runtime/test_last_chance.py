"""Jobs that are given up should their worker die once more are held one at a time."""

import asyncio
from datetime import timedelta

import pytest

from jobsvalkey import JobContext, JobStatus
from tests.support.drivers import claim_all
from tests.support.processors import options, run_in_background
from tests.support.waiting import until
from tests.support.work import Work
from tests.unit.runtime.support import Queue, make_queue

JOBS = 5


async def queue_of_a_dead_worker() -> tuple[Queue, list[int]]:
    """Jobs with which a worker has died; what notes how many are held whenever one of them begins."""
    queue = make_queue()
    held: list[int] = []

    async def handler(parameters: Work, context: JobContext) -> None:
        held.append((await queue.counts())[JobStatus.PROCESSING])
        await asyncio.sleep(0.002)

    queue.register_job(Work, handler)
    await queue.push_many(Work(number) for number in range(JOBS))
    await claim_all(queue.driver)
    queue.driver.clock.advance(timedelta(seconds=30))
    assert await queue.driver.recover() == JOBS
    return queue, held


@pytest.mark.parametrize(("max_recoveries", "expected"), [(1, [1] * JOBS), (2, [JOBS] * JOBS), (None, [JOBS] * JOBS)])
async def test_held_at_a_time(max_recoveries: int | None, expected: list[int]) -> None:
    queue, held = await queue_of_a_dead_worker()
    await queue.processor(options(burst=True, max_recoveries=max_recoveries)).run()
    assert held == expected
    assert (await queue.counts())[JobStatus.COMPLETED] == JOBS


async def test_others_run_beside_it_if_they_were_claimed_before() -> None:
    queue, held = await queue_of_a_dead_worker()
    await queue.push_many(Work(number) for number in range(JOBS))
    await queue.processor(options(burst=True, max_recoveries=1)).run()
    assert max(held) == 1 + JOBS
    assert (await queue.counts())[JobStatus.COMPLETED] == 2 * JOBS


async def test_a_stop_while_one_runs() -> None:
    queue, held = await queue_of_a_dead_worker()
    async with run_in_background(queue.processor(options(max_recoveries=1))):
        await until(lambda: held)
    counts = await queue.counts()
    assert counts[JobStatus.PROCESSING] == 0
    assert counts[JobStatus.COMPLETED] + counts[JobStatus.PENDING] == JOBS
