"""What the tests of faults share: drivers, jobs, and waiting with a deadline."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, TypeAlias, cast

from valkey.asyncio import Valkey

from jobsvalkey import RETAIN, JobContext, JobQueue, JobStatus, Processor, RetentionPolicy, new_job_id
from jobsvalkey.contract import Claim, NewJob
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue

Queue: TypeAlias = JobQueue[ValkeyJobQueue]

HOUR = timedelta(hours=1)
KEEP_ALL = RetentionPolicy(completed_jobs=RETAIN, failed_jobs=RETAIN, cancelled_jobs=RETAIN)


@dataclass(frozen=True)
class Work:
    job_name: ClassVar[str] = "Work"
    number: int = 0


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


async def until(condition: Callable[[], Awaitable[Any] | Any], within: float = 20.0) -> None:
    """Wait for something to become true, for `within` seconds at the longest."""
    async with asyncio.timeout(within):
        while True:
            met = condition()
            if isinstance(met, Awaitable):
                met = await cast("Awaitable[Any]", met)
            if met:
                return
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(processor: Processor) -> AsyncGenerator["asyncio.Task[None]"]:
    """Run a processor beside the block, and stop it at the end."""
    task = asyncio.create_task(processor.run())
    try:
        yield task
    finally:
        processor.stop()
        async with asyncio.timeout(20):
            await task


def counting(queue: Queue, seconds: float = 0.0) -> list[int]:
    """Register a handler that notes the numbers of its jobs."""
    ran: list[int] = []

    async def handler(parameters: Work, context: JobContext) -> None:
        ran.append(parameters.number)
        await asyncio.sleep(seconds)

    queue.register_job(Work, handler)
    return ran


def new_job(request: bytes = b"request") -> NewJob:
    """A job to store."""
    return NewJob(new_job_id(), request)


async def open_worker(driver: ValkeyJobQueue, name: str = "worker", hold_for: timedelta = HOUR) -> str:
    """A worker with that id."""
    await driver.open_worker(name, hold_for)
    return name


async def claims_of(driver: ValkeyJobQueue, limit: int, worker: str = "worker") -> list[Claim]:
    """What a fresh worker claims first."""
    await open_worker(driver, worker)
    return (await driver.exchange(worker, 1, (), limit)).claims


async def all_completed(driver: ValkeyJobQueue, number: int) -> bool:
    """Whether so many jobs are completed, and none is in another state."""
    counts = await driver.counts()
    assert sum(counts.values()) == number, counts
    return counts[JobStatus.COMPLETED] == number
