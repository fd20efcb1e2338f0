"""What the tests of the runtime share."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, TypeAlias

from jobsvalkey import (
    ActiveLock,
    Claim,
    JobContext,
    JobID,
    JobQueue,
    JobRecord,
    JobRunner,
    JobStatus,
    Processor,
    ProcessorOptions,
    RetentionPolicy,
    retain_last,
)
from jobsvalkey.contract import DriverConfiguration, Exchanged, QueueDriver, Settlement
from jobsvalkey.runtime.capabilities import InspectionQueueDriver
from jobsvalkey_memory import ManualClock, MemoryJobQueue

Driver: TypeAlias = MemoryJobQueue[ManualClock]
Queue: TypeAlias = JobQueue[Driver]

KEEP_ALL = RetentionPolicy(completed_jobs=retain_last(100_000))
QUICK_LOCK = ActiveLock(every=timedelta(milliseconds=10), hold_for=timedelta(seconds=30))


@dataclass(frozen=True)
class Work:
    job_name: ClassVar[str] = "Work"
    number: int = 0


def make_driver(**configuration: Any) -> Driver:
    """A driver on a clock of its own that keeps what has ended."""
    settings: dict[str, Any] = {"retention_policy": KEEP_ALL, "poll_time": timedelta(milliseconds=20), **configuration}
    return MemoryJobQueue(DriverConfiguration(**settings), clock=ManualClock())


def make_queue(**options: Any) -> Queue:
    """A queue on such a driver."""
    return JobQueue(make_driver(), **options)


def second_driver(driver: Driver) -> Driver:
    """Another driver of the same store, on the same clock."""
    return MemoryJobQueue(driver.configuration, clock=driver.clock, store=driver.store)


def options(**changes: Any) -> ProcessorOptions:
    """Options of a processor that renews and recovers all the time."""
    settings: dict[str, Any] = {"worker_active_lock": QUICK_LOCK, **changes}
    return ProcessorOptions(**settings)


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something to become true, for ten seconds at the longest."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it may look at anything
            await asyncio.sleep(0.001)


@asynccontextmanager
async def run_in_background(processor: Processor) -> AsyncGenerator["asyncio.Task[None]"]:
    """Run a processor beside the block, and stop it at the end."""
    task = asyncio.create_task(processor.run())
    try:
        yield task
    finally:
        processor.stop()
        async with asyncio.timeout(10):
            await task


async def claim_all(driver: QueueDriver, worker: str = "worker") -> Exchanged:
    """Claim what is due, as a worker of that name, which dies when its lock of 30 s runs out."""
    await driver.open_worker(worker, timedelta(seconds=30))
    return await driver.exchange(worker, 1, (), 1000)


async def run_all(queue: Queue, runner: JobRunner | None = None) -> None:
    """Run what is due, once, without a processor."""
    runner = runner or queue.runner()
    worker = "runner"
    await queue.driver.open_worker(worker, timedelta(seconds=30))
    exchanged = await queue.driver.exchange(worker, 1, (), 1000)
    settlements = [await runner.run(claim) for claim in exchanged.claims]
    await queue.driver.exchange(worker, 2, settlements)
    await queue.driver.close_worker(worker)


async def record_of(queue: JobQueue[InspectionQueueDriver], job_id: JobID) -> JobRecord:
    """The record of a job that is there."""
    record = await queue.get(job_id)
    assert record is not None
    return record


async def status_of(queue: JobQueue[InspectionQueueDriver], job_id: JobID) -> JobStatus | None:
    """Where a job is."""
    return await queue.status(job_id)


async def claim_one(queue: Queue) -> Claim:
    """Claim the one job that is due."""
    (claim,) = (await claim_all(queue.driver)).claims
    return claim


async def settle(queue: Queue, **options: Any) -> Settlement:
    """Push a job, run it, and tell what it ended with."""
    await queue.push(Work(1))
    return await queue.runner(ProcessorOptions(**options)).run(await claim_one(queue))


def raising(queue: JobQueue[Any], error: BaseException, **options: Any) -> None:
    """Register a handler that raises `error`."""

    async def handler(parameters: Work, context: JobContext) -> None:
        raise error

    queue.register_job(Work, handler, **options)


def counting(queue: JobQueue[Any]) -> list[int]:
    """Register a handler that notes the numbers of its jobs."""
    ran: list[int] = []

    async def handler(parameters: Work, context: JobContext) -> None:
        ran.append(parameters.number)
        await asyncio.sleep(0)

    queue.register_job(Work, handler)
    return ran


class Handler:
    """Runs until it is let go; number 1 does not listen to its cancellation."""

    def __init__(self, queue: JobQueue[Any]) -> None:
        self.go_on = asyncio.Event()
        self.running: list[int] = []
        self.cancelled: list[int] = []
        self.ended: list[int] = []
        queue.register_job(Work, self.run)

    async def run(self, parameters: Work, context: JobContext) -> None:
        self.running.append(parameters.number)
        while not self.go_on.is_set():
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.cancelled.append(parameters.number)
                if parameters.number != 1:
                    raise
        self.ended.append(parameters.number)


def start(queue: JobQueue[Any], **changes: Any) -> "tuple[Processor, asyncio.Task[None]]":
    """A processor that runs, to be stopped by the test."""
    processor = queue.processor(options(**changes))
    return processor, asyncio.create_task(processor.run())
