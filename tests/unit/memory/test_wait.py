"""Moving the clock wakes idle workers."""

import asyncio
import threading
from datetime import timedelta

from tests.support.waiting import PATIENCE
from tests.unit.memory.bench import SECOND, WORKER, Bench

LONG = timedelta(minutes=1)


async def waiting(bench: Bench, *workers: str) -> list[asyncio.Task[None]]:
    """Workers that have looked for work, found none, and wait."""
    tasks: list[asyncio.Task[None]] = []
    for worker in workers:
        await bench.find_nothing(worker)
        tasks.append(asyncio.create_task(bench.queue.wait(worker, LONG)))
    while len(bench.queue.state.waiting) < len(workers):  # noqa: ASYNC110 - each task needs one turn
        await asyncio.sleep(0)
    return tasks


async def test_moving_the_clock_wakes_a_worker_when_a_job_is_due(bench: Bench) -> None:
    await bench.push(2 * SECOND)
    (task,) = await waiting(bench, WORKER)
    bench.clock.advance(SECOND)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()
    bench.clock.advance(SECOND)
    async with asyncio.timeout(PATIENCE):
        await task


async def test_the_clock_may_be_moved_by_another_thread(bench: Bench) -> None:
    await bench.push(SECOND)
    (task,) = await waiting(bench, WORKER)
    thread = threading.Thread(target=bench.clock.advance, args=(SECOND,))
    thread.start()
    async with asyncio.timeout(PATIENCE):
        await task
    thread.join()


async def test_a_hint_whose_wait_is_given_up_in_the_same_moment_goes_to_another(bench: Bench) -> None:
    given_up, another = await waiting(bench, "one", "another")
    await bench.push()
    given_up.cancel()
    async with asyncio.timeout(PATIENCE):
        await another
    assert given_up.cancelled()
