from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from jobsvalkey import JobOptions, JobQueue, JobStatus, UnsupportedOperation
from jobsvalkey.contract import Capability
from jobsvalkey_memory import MemoryJobQueue
from tests.support.work import Work

JOB = uuid4()


async def first_of(queue: JobQueue[Any]) -> None:
    async for _ in queue.jobs(JobStatus.PENDING):
        break


CALLS: list[tuple[Capability, Callable[[JobQueue[Any]], Awaitable[Any]]]] = [
    (Capability.CANCEL, lambda queue: queue.cancel(JOB)),
    (Capability.RESUME, lambda queue: queue.pause(JOB)),
    (Capability.RESUME, lambda queue: queue.resume(JOB)),
    (Capability.CLEANUP, lambda queue: queue.rerun(JOB)),
    (Capability.CLEANUP, lambda queue: queue.remove(JOB)),
    (Capability.INSPECTION, lambda queue: queue.get(JOB)),
    (Capability.INSPECTION, lambda queue: queue.status(JOB)),
    (Capability.INSPECTION, lambda queue: queue.counts()),
    (Capability.INSPECTION, first_of),
    (Capability.SCHEDULING, lambda queue: queue.push_if(Work(), key="key", expected=None, value=b"")),
]


@pytest.mark.parametrize(("capability", "call"), CALLS)
async def test_what_the_driver_does_not_state_is_refused(
    capability: Capability, call: Callable[[JobQueue[Any]], Awaitable[Any]]
) -> None:
    driver = MemoryJobQueue()
    driver.capabilities -= {capability}
    with pytest.raises(UnsupportedOperation, match=f"'{capability.value}'"):
        await call(JobQueue(driver))


async def test_it_is_decided_when_the_queue_is_made() -> None:
    driver = MemoryJobQueue()
    queue = JobQueue(driver)
    driver.capabilities = frozenset()
    assert not await queue.cancel(JOB)


async def test_the_base_needs_nothing_more() -> None:
    driver = MemoryJobQueue()
    driver.capabilities = frozenset({Capability.QUEUE})
    queue = JobQueue(driver)
    assert queue.registered_jobs == ()
    assert await queue.push(Work(), options=JobOptions(job_id=JOB)) == JOB
