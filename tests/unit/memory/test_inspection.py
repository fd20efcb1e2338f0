"""What a look into the queue shows, and what the driver says of itself."""

from typing import Any, cast

import pytest

from jobsvalkey.contract import CAPABILITY_PROTOCOLS, JobCleanup, JobStatus, new_job_id
from jobsvalkey_memory import MemoryJobQueue
from tests.unit.memory.bench import HOLD, SECOND, Bench


async def test_counts_lists_all_states(bench: Bench) -> None:
    for status in reversed(JobStatus):
        await bench.in_state(status)
    assert await bench.queue.counts() == dict.fromkeys(JobStatus, 1)


async def test_jobs_go_by_due_time_or_by_end_latest_first(bench: Bench) -> None:
    late, soon = await bench.push(20 * SECOND), await bench.push(10 * SECOND)
    assert await bench.listed(JobStatus.PENDING) == [soon, late]
    await bench.queue.pause(late)
    await bench.queue.pause(soon)
    assert await bench.listed(JobStatus.PAUSED) == [soon, late]
    for job_id in (late, soon):
        bench.clock.advance(SECOND)
        await bench.queue.cancel(job_id)
    assert await bench.listed(JobStatus.CANCELLED) == [soon, late]
    assert [job.job_id async for job in bench.queue.jobs(JobStatus.CANCELLED, limit=1)] == [soon]


async def test_a_limit_below_one_is_none(bench: Bench) -> None:
    failed, held = await bench.failed(), await bench.in_state(JobStatus.PROCESSING)
    assert [job async for job in bench.queue.jobs(JobStatus.FAILED, limit=-1)] == []
    assert await bench.queue.cleanup_step(JobStatus.FAILED, JobCleanup.remove(), max_jobs=-1) == 0
    assert await bench.claim(-1) == []
    bench.clock.advance(HOLD)
    assert await bench.queue.recover(-1) == 0
    assert (await bench.status(failed), await bench.status(held)) == (JobStatus.FAILED, JobStatus.PROCESSING)


async def test_jobs_passes_over_what_has_moved_meanwhile(bench: Bench) -> None:
    first, second = await bench.push(), await bench.push()
    seen = bench.queue.jobs(JobStatus.PENDING)
    assert (await anext(seen)).job_id == first
    await bench.queue.pause(second)
    with pytest.raises(StopAsyncIteration):
        await anext(seen)


async def test_absent_jobs_have_no_status(bench: Bench) -> None:
    assert await bench.queue.get(new_job_id()) is None
    assert await bench.queue.status(new_job_id()) is None


async def test_a_store_in_order_has_no_findings(bench: Bench) -> None:
    for status in reversed(JobStatus):
        await bench.in_state(status)
    assert await bench.queue.validate() == []


async def test_every_capability_is_there_but_the_store_does_not_last(bench: Bench) -> None:
    assert bench.queue.capabilities == set(CAPABILITY_PROTOCOLS)
    for protocol in CAPABILITY_PROTOCOLS.values():
        assert isinstance(cast(Any, bench.queue), protocol)
    assert not await bench.queue.is_durable()


def test_the_clock_is_the_machines_unless_given() -> None:
    assert MemoryJobQueue().clock.now().tzinfo is not None
