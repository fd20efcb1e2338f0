"""What the tests of the runtime share."""

from datetime import timedelta
from typing import Any, TypeAlias

from jobsvalkey import JobQueue, JobRunner, ProcessorOptions
from jobsvalkey.contract import Claim, DriverConfiguration, Settlement
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from tests.support.drivers import claim_all
from tests.support.retention import KEEP_ALL
from tests.support.work import Work

Driver: TypeAlias = MemoryJobQueue[ManualClock]
Queue: TypeAlias = JobQueue[Driver]


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


async def run_all(queue: Queue, runner: JobRunner | None = None) -> None:
    """Run what is due, once, without a processor."""
    runner = runner or queue.runner()
    worker = "runner"
    await queue.driver.open_worker(worker, timedelta(seconds=30))
    exchanged = await queue.driver.exchange(worker, 1, (), 1000)
    settlements = [await runner.run(claim) for claim in exchanged.claims]
    await queue.driver.exchange(worker, 2, settlements)
    await queue.driver.close_worker(worker)


async def claim_one(queue: Queue) -> Claim:
    """Claim the one job that is due."""
    (claim,) = (await claim_all(queue.driver)).claims
    return claim


async def settle(queue: Queue, **options: Any) -> Settlement:
    """Push a job, run it, and tell what it ended with."""
    await queue.push(Work(1))
    return await queue.runner(ProcessorOptions(**options)).run(await claim_one(queue))
