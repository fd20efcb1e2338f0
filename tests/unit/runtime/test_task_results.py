"""What a task returns, for whoever waits for it: by the type that its function declares."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsvalkey import GIVEN, JobContext, JobFail, JobFailed, JobGone, JobOptions, JobQueue, ProcessorOptions, Push
from jobsvalkey.contract import DriverConfiguration
from jobsvalkey_memory import ManualClock, MemoryJobQueue, run_until_idle
from tests.support.processors import run_in_background
from tests.support.waiting import PATIENCE

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Size:
    width: int
    at: datetime


def make_queue() -> JobQueue[MemoryJobQueue[ManualClock]]:
    """A queue that keeps nothing unless it is asked to."""
    return JobQueue(MemoryJobQueue(DriverConfiguration(), clock=ManualClock()))


@pytest.mark.parametrize("style", ["coroutine", "plain"])
async def test_a_result_is_what_the_function_declares(style: str) -> None:
    queue, at = make_queue(), datetime(2026, 1, 1, tzinfo=UTC)

    async def measure(path: str, *, context: JobContext = GIVEN) -> Size:
        return Size(len(path), at)

    def measure_in_a_thread(path: str) -> Size:
        return Size(len(path), at)

    function: Any = measure if style == "coroutine" else measure_in_a_thread
    task = queue.task(keep_result=MINUTE)(function)
    job_id = await task.push("a.png")
    await run_until_idle(queue)
    assert await task.result(job_id, timeout=MINUTE) == Size(5, at)
    assert await queue.result(job_id) == Size(5, at)


async def test_one_that_is_kept_by_its_options() -> None:
    queue = make_queue()

    @queue.task
    async def measure(path: str) -> int:
        return len(path)

    kept = await measure.with_options(JobOptions(keep_for=MINUTE)).push("a.png")
    dropped = await measure.push("a.png")
    await run_until_idle(queue)
    assert await measure.result(kept) == 5
    with pytest.raises(JobGone):
        await measure.result(dropped)


@pytest.mark.parametrize("keep_result", [None, MINUTE])
async def test_a_call_waits_for_what_a_worker_returns(keep_result: timedelta | None) -> None:
    queue = make_queue()

    @queue.task(keep_result=keep_result)
    async def divide(a: int, b: int = 1) -> float:
        if b == 0:
            raise JobFail("by zero")
        return a / b

    async with asyncio.timeout(PATIENCE), run_in_background(queue.processor(ProcessorOptions())):
        assert await divide.call(5, b=2) == 2.5
        with pytest.raises(JobFailed, match="by zero"):
            await divide.call(5, 0)
    queue.driver.clock.advance(5 * MINUTE)
    await run_until_idle(queue)
    assert await divide(1) == 1


async def test_a_call_that_is_given_up_leaves_the_job() -> None:
    queue = make_queue()

    @queue.task
    async def divide(a: int) -> float:
        return a / 2

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await divide.call(5)
    assert await run_until_idle(queue) == 1


async def test_parameters_of_a_task_say_on_any_queue_how_long_the_job_is_kept() -> None:
    queue, other = make_queue(), make_queue()

    @queue.task(keep_result=MINUTE)
    async def measure(path: str) -> int:
        return len(path)

    parameters = measure.with_parameters("a.png")
    assert parameters == replace(parameters, keep_for=None)
    later = JobOptions(keep_for=2 * MINUTE)
    ids = [
        await other.push(parameters),
        *await other.push_many([parameters, Push(parameters, JobOptions(delay=MINUTE))]),
        await other.push(parameters, options=later),
        *await other.push_many([parameters, Push(parameters, later)], options=later),
    ]
    records = [await other.get(job_id) for job_id in ids]
    assert [record.keep_for for record in records if record] == [MINUTE] * 3 + [2 * MINUTE] * 3
