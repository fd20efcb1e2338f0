"""How idle workers wait, and what wakes them."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from jobsvalkey.contract import Fail, JobID, JobStatus, Release, Retry
from tests.support.waiting import PATIENCE
from tests.unit.memory.bench import HOLD, SECOND, WORKER, Bench

LONG = timedelta(minutes=1)
TWO = ("worker-1", "worker-2")


async def waiting(bench: Bench, *workers: str) -> list[asyncio.Task[None]]:
    """Workers that have looked for work, found none, and wait."""
    tasks: list[asyncio.Task[None]] = []
    for worker in workers:
        await bench.exchange(limit=5, worker=worker)
        tasks.append(asyncio.create_task(bench.queue.wait(worker, LONG)))
    while len(bench.queue.state.waiting) < len(workers):  # noqa: ASYNC110 - each task needs one turn
        await asyncio.sleep(0)
    return tasks


async def cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_wait_returns_after_its_timeout(bench: Bench) -> None:
    await bench.queue.open_worker(WORKER, HOLD)
    async with asyncio.timeout(PATIENCE):
        await bench.queue.wait(WORKER, timedelta(milliseconds=1))
    assert not bench.queue.state.waiting


async def test_a_push_wakes_one_worker_that_waits(bench: Bench) -> None:
    first, second = await waiting(bench, *TWO)
    await bench.push()
    async with asyncio.timeout(PATIENCE):
        await first
    assert not second.done()
    await cancel(second)
    assert not bench.queue.state.waiting


async def test_a_hint_that_came_between_claim_and_wait_is_not_missed(bench: Bench) -> None:
    await bench.exchange(limit=1)
    await bench.push()
    async with asyncio.timeout(PATIENCE):
        await bench.queue.wait(WORKER, LONG)


async def test_a_hint_is_seen_once(bench: Bench) -> None:
    await bench.exchange(limit=1)
    await bench.push()
    await bench.queue.wait(WORKER, LONG)
    task = asyncio.create_task(bench.queue.wait(WORKER, LONG))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()
    await cancel(task)


Event = Callable[[Bench], Awaitable[object]]


async def _settle(bench: Bench, kind: type[Retry | Release]) -> None:
    (claim,) = bench.queue.state.workers["busy"].claims.items()
    await bench.settle(kind(claim[1], claim[0]), worker="busy")


async def _recover(bench: Bench) -> None:
    bench.clock.advance(HOLD)
    await bench.queue.recover()


def _only(bench: Bench, status: JobStatus) -> JobID:
    (place,) = bench.queue.state.lines[status]
    return place[1]


EVENTS: dict[str, Event] = {
    "resume": lambda bench: bench.queue.resume(_only(bench, JobStatus.PAUSED)),
    "rerun": lambda bench: bench.queue.rerun(_only(bench, JobStatus.FAILED)),
    "retry": lambda bench: _settle(bench, Retry),
    "release": lambda bench: _settle(bench, Release),
    "recover": _recover,
    "close": lambda bench: bench.queue.close_worker("busy"),
}


@pytest.mark.parametrize("name", EVENTS)
async def test_whatever_makes_a_job_pending_wakes_a_worker(bench: Bench, name: str) -> None:
    await bench.in_state(JobStatus.PAUSED)
    failed = await bench.push()
    await bench.push()
    first, _ = await bench.claim(2, worker="busy")
    await bench.settle(Fail(failed, first.token, b"an error"), worker="busy")
    (task,) = await waiting(bench, "idle")
    await EVENTS[name](bench)
    async with asyncio.timeout(PATIENCE):
        await task


async def test_a_worker_that_leaves_jobs_wakes_the_next(bench: Bench) -> None:
    await bench.push(SECOND)
    await bench.push(SECOND)
    first, second = await waiting(bench, *TWO)
    bench.clock.advance(SECOND)
    async with asyncio.timeout(PATIENCE):
        await first
    assert not second.done()
    await bench.claim(1)
    async with asyncio.timeout(PATIENCE):
        await second


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
