"""Drivers of tests, and jobs of theirs."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

from valkey.asyncio import Valkey

from jobsvalkey import JobID, JobQueue, JobRecord, JobStatus, new_job_id
from jobsvalkey.contract import Claim, Exchanged, NewJob, QueueDriver
from jobsvalkey.runtime.capabilities import InspectionQueueDriver
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from tests.support.retention import KEEP_ALL

HOUR = timedelta(hours=1)


def client_of(url: str, **settings: Any) -> Any:
    """A client, which has no complete types."""
    return cast(Any, Valkey).from_url(url, **settings)


@asynccontextmanager
async def driver_at(
    url: str, queue_key: str, *, read_timeout: float = 5.0, **configuration: Any
) -> AsyncGenerator[ValkeyJobQueue]:
    """A driver that keeps what has ended, and polls often."""
    settings: dict[str, Any] = {"retention_policy": KEEP_ALL, "poll_time": timedelta(seconds=0.05), **configuration}
    client = client_of(url, socket_timeout=read_timeout)
    try:
        async with ValkeyJobQueue(client, ValkeyConfiguration(queue_key=queue_key, **settings)) as driver:
            yield driver
    finally:
        await client.aclose()


def new_job(request: bytes = b"request") -> NewJob:
    """A job to store."""
    return NewJob(new_job_id(), request)


async def open_worker(driver: QueueDriver, name: str = "worker", hold_for: timedelta = HOUR) -> str:
    """A worker with that id."""
    await driver.open_worker(name, hold_for)
    return name


async def claims_of(driver: QueueDriver, limit: int, worker: str = "worker") -> list[Claim]:
    """What a fresh worker claims first."""
    await open_worker(driver, worker)
    return (await driver.exchange(worker, 1, (), limit)).claims


async def claim_all(driver: QueueDriver, worker: str = "worker") -> Exchanged:
    """Claim what is due, as a worker of that name, which dies when its lock of 30 s runs out."""
    await driver.open_worker(worker, timedelta(seconds=30))
    return await driver.exchange(worker, 1, (), 1000)


async def all_completed(driver: ValkeyJobQueue, number: int) -> bool:
    """Whether so many jobs are completed, and none is in another state."""
    counts = await driver.counts()
    assert sum(counts.values()) == number, counts
    return counts[JobStatus.COMPLETED] == number


async def record_of(queue: JobQueue[InspectionQueueDriver], job_id: JobID) -> JobRecord:
    """The record of a job that is there."""
    record = await queue.get(job_id)
    assert record is not None
    return record


async def status_of(queue: JobQueue[InspectionQueueDriver], job_id: JobID) -> JobStatus | None:
    """Where a job is."""
    return await queue.status(job_id)
