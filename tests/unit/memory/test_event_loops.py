"""The twin belongs to the event loop that used it first."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import ConfigurationError, JobCleanup, JobID, JobStatus, LaneLimit, NewJob
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from tests.unit.memory.bench import HOLD, WORKER, Bench


async def all_of(jobs: AsyncIterator[Any]) -> None:
    async for _ in jobs:
        pass


ID = JobID(int=1)
CALLS: dict[str, Callable[[MemoryJobQueue[ManualClock]], Awaitable[Any]]] = {
    "push": lambda queue: queue.push([NewJob(ID, b"")]),
    "push_if": lambda queue: queue.push_if(NewJob(ID, b""), "key", None, b""),
    "exchange": lambda queue: queue.exchange(WORKER, 1),
    "open_worker": lambda queue: queue.open_worker(WORKER, HOLD),
    "renew": lambda queue: queue.renew(WORKER, HOLD),
    "close_worker": lambda queue: queue.close_worker(WORKER),
    "recover": lambda queue: queue.recover(),
    "wait": lambda queue: queue.wait(WORKER, timedelta(0)),
    "cancel": lambda queue: queue.cancel(ID),
    "pause_queue": lambda queue: queue.pause_queue(),
    "resume_queue": lambda queue: queue.resume_queue(),
    "is_queue_paused": lambda queue: queue.is_queue_paused(),
    "abort": lambda queue: queue.abort(ID),
    "pause": lambda queue: queue.pause(ID),
    "resume": lambda queue: queue.resume(ID),
    "rerun": lambda queue: queue.rerun(ID),
    "remove": lambda queue: queue.remove(ID),
    "cleanup_step": lambda queue: queue.cleanup_step(JobStatus.FAILED, JobCleanup.remove(), max_jobs=1),
    "cleanup_steps": lambda queue: all_of(queue.cleanup_steps(JobStatus.FAILED, JobCleanup.remove(), 1)),
    "cleanup": lambda queue: queue.cleanup(failed_jobs=JobCleanup.remove()),
    "cleanup_orphaned_jobs": lambda queue: queue.cleanup_orphaned_jobs(),
    "get_metadata": lambda queue: queue.get_metadata("key"),
    "set_metadata": lambda queue: queue.set_metadata("key", b""),
    "acquire_lock": lambda queue: queue.acquire_lock("key", b"", HOLD),
    "release_lock": lambda queue: queue.release_lock("key", b""),
    "get": lambda queue: queue.get(ID),
    "ended": lambda queue: queue.ended([ID], timedelta(0)),
    "status": lambda queue: queue.status(ID),
    "counts": lambda queue: queue.counts(),
    "jobs": lambda queue: all_of(queue.jobs(JobStatus.PENDING)),
    "page": lambda queue: queue.page(JobStatus.PENDING),
    "workers": lambda queue: queue.workers(),
    "activity": lambda queue: queue.activity(),
    "close_batch": lambda queue: queue.close_batch(ID),
    "set_lane_limit": lambda queue: queue.set_lane_limit("*", LaneLimit(1)),
    "lane_limits": lambda queue: queue.lane_limits(),
    "lanes": lambda queue: queue.lanes(),
    "load": lambda queue: queue.load(),
    "validate": lambda queue: queue.validate(),
}


def test_these_are_all_calls_that_ask_the_store() -> None:
    methods = inspect.getmembers(MemoryJobQueue, inspect.isfunction)
    public = {name for name, _ in methods if not name.startswith("_")}
    assert public - CALLS.keys() == {"now", "is_durable", "aclose"}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_from_another_event_loop_is_refused(
    call: Callable[[MemoryJobQueue[ManualClock]], Awaitable[Any]],
) -> None:
    bench = Bench()
    asyncio.run(bench.queue.open_worker(WORKER, HOLD))

    async def elsewhere() -> None:
        with pytest.raises(ConfigurationError, match="event loop"):
            await call(bench.queue)

    asyncio.run(elsewhere())
