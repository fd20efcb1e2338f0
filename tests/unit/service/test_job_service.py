import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar, cast

import pytest

from jobsvalkey.contract import (
    RETAIN,
    Capability,
    CleanupParameters,
    ConfigurationError,
    DriverConfiguration,
    JobCleanup,
    JobName,
    JobStatus,
    RetentionPolicy,
    StoreUnavailable,
    UnsupportedOperation,
)
from jobsvalkey.runtime import JobContext, JobOptions, ProcessorOptions, watchdog
from jobsvalkey.scheduling import Accuracy, DuplicateSchedule, ExclusiveLock, Schedule, SchedulerOptions
from jobsvalkey.service import CleanupOptions, JobService, ServiceHealth
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from tests.support.waiting import PATIENCE, until

SECOND = timedelta(seconds=1)
OFTEN = SchedulerOptions(lock=ExclusiveLock(every=timedelta(milliseconds=1), hold_for=SECOND))
NOT_RUNNING = ServiceHealth(connected=False, last_claim=None, running=0, lag=timedelta(0))


@dataclass(frozen=True)
class Greet:
    job_name: ClassVar[str] = "Greet"
    name: str = "you"


class World:
    """A service whose one job waits until it is let go."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock()
        retention = RetentionPolicy(completed_jobs=RETAIN)
        self.driver = MemoryJobQueue(DriverConfiguration(retention_policy=retention), clock=self.clock)
        self.service = JobService(self.driver, scheduler=OFTEN, **options)
        self.started, self.go, self.greeted = asyncio.Event(), asyncio.Event(), list[str]()
        self.service.register_job(Greet, self.greet)

    async def greet(self, parameters: Greet, context: JobContext) -> None:
        self.started.set()
        await self.go.wait()
        self.greeted.append(parameters.name)


async def answer(value: Any) -> Any:
    return value


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with asyncio.timeout(PATIENCE):
        yield World()


async def test_it_runs_within_the_block_and_drains_at_its_end(world: World) -> None:
    service = world.service
    assert service.health() == NOT_RUNNING
    async with service as entered:
        assert entered is service
        job_id = await service.push(Greet("Ann"))
        await world.started.wait()
        assert await service.status(job_id) is JobStatus.PROCESSING
        health = service.health()
        assert (health.connected, health.running, health.last_claim) == (True, 1, world.clock.now())
        asyncio.get_running_loop().call_soon(world.go.set)
    assert world.greeted == ["Ann"]
    assert (await service.counts())[JobStatus.COMPLETED] == 1
    assert service.health() == NOT_RUNNING
    async with service:
        await service.push(Greet("Bob"))
        await until(lambda: answer(len(world.greeted) == 2))


async def test_health_shows_that_a_handler_blocks_the_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "INTERVAL", 0.001)

    @world.service.job(JobName("Block", str))
    async def block(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        monkeypatch.setattr(watchdog, "INTERVAL", 3600)  # the look that is late is the last one
        time.sleep(0.05)  # noqa: ASYNC251 - that is what it must not do

    async with world.service:
        await until(lambda: answer(world.service.health().connected))
        await world.service.push(JobName("Block", str), "")
        await until(lambda: answer(world.service.health().lag >= timedelta(milliseconds=40)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_gracefully(world: World, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    running = asyncio.create_task(world.service.run())
    await world.service.push(Greet("Ann"))
    await world.started.wait()
    os.kill(os.getpid(), number)
    await asyncio.sleep(0)
    world.go.set()
    await running
    assert world.greeted == ["Ann"]
    assert signal.getsignal(number) is before


async def test_cancelling_it_gives_the_running_jobs_back(world: World) -> None:
    running = asyncio.create_task(world.service.run())
    job_id = await world.service.push(Greet())
    await world.started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await world.service.status(job_id) is JobStatus.PENDING


async def test_it_closes_the_driver(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = list[JobStatus | None]()

    async def aclose() -> None:
        closed.append(await world.service.status(job_id))

    monkeypatch.setattr(world.driver, "aclose", aclose)
    world.go.set()
    job_id = await world.service.push(Greet())
    async with world.service:
        await world.started.wait()
    await world.service.run(burst=True)
    assert closed == [JobStatus.COMPLETED, JobStatus.COMPLETED]


async def test_a_burst_ends_when_nothing_is_due(world: World) -> None:
    world.go.set()
    await world.service.push_many([Greet("Ann"), Greet("Bob")])
    later = await world.service.push(Greet("Cid"), options=JobOptions(delay=SECOND))
    await world.service.run(burst=True)
    assert sorted(world.greeted) == ["Ann", "Bob"]
    assert await world.service.status(later) is JobStatus.PENDING


def on_a_schedule(world: World, batch_size: int = 500) -> JobService[MemoryJobQueue[Any]]:
    """The world's service, with a job each second. A service is made for each run, as each is a process."""
    service = JobService(world.driver, scheduler=replace(OFTEN, batch_size=batch_size))
    service.register_job(Greet, world.greet)
    service.add_scheduled_job(Greet("now and then"), Schedule.crontab("* * * * * *"), accuracy=Accuracy.ALL)
    return service


async def test_a_burst_pushes_all_that_is_due_first(world: World) -> None:
    world.go.set()
    await on_a_schedule(world).run(burst=True)
    world.clock.advance(25 * SECOND)
    # Somebody else has the lock, or died with it.
    assert await world.driver.acquire_lock("jobQueue.jobSchedulerLock", b"dead", timedelta(hours=1))
    await on_a_schedule(world, batch_size=10).run(burst=True)
    assert world.greeted == ["now and then"] * 25


async def test_a_burst_does_not_wait_for_a_store_that_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("the store is away", outcome="not_done")

    for step in ("get_metadata", "push_if", "open_worker", "exchange", "acquire_lock"):
        monkeypatch.setattr(world.driver, step, away)
    with pytest.raises(StoreUnavailable, match="the store is away"):
        await on_a_schedule(world).run(burst=True)


async def test_a_burst_that_pushes_can_be_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()

    async def get_metadata(*_: Any) -> Any:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(world.driver, "get_metadata", get_metadata)
    running = asyncio.create_task(on_a_schedule(world).run(burst=True))
    await asked.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    assert world.greeted == []


async def test_scheduled_jobs_run(world: World) -> None:
    world.service.add_scheduled_job(Greet("now and then"), Schedule.crontab("* * * * * *"))
    world.go.set()
    async with world.service:
        key = "jobQueue.Greet.jobScheduleLastDate"
        await until(lambda: world.driver.get_metadata(key))
        world.clock.advance(SECOND)
        await until(lambda: answer(world.greeted))
    assert world.greeted == ["now and then"]
    # Its lock is free: another service need not wait for it.
    assert await world.driver.get_metadata("jobQueue.jobSchedulerLock") is None


async def test_it_cleans_up_on_a_schedule() -> None:
    world = World(
        cleanup=CleanupOptions(
            parameters=CleanupParameters(completed_jobs=JobCleanup.remove()), schedule=Schedule.hourly()
        )
    )
    world.go.set()
    async with world.service as service:
        job_id = await service.push(Greet())
        await until(lambda: answer(world.greeted))
        await until(lambda: world.driver.get_metadata("jobQueue._Jobs_MemoryCleanup_jobQueue.jobScheduleLastDate"))
        world.clock.advance(timedelta(hours=1))

        async def is_gone() -> bool:
            return await service.status(job_id) is None

        await until(is_gone)


async def test_it_is_its_queue(world: World) -> None:
    queue = world.service.queue
    assert queue.driver is world.driver
    job_id = await queue.push(Greet(), options=JobOptions(delay=SECOND))
    assert await world.service.pause(job_id)
    assert await world.service.resume(job_id)
    assert await world.service.cancel(job_id)

    @world.service.job(JobName("Other", str))
    async def other(parameters: str, context: JobContext) -> None: ...

    assert {"Greet", other.__name__.title()} <= set(queue.registered_jobs)


async def test_it_runs_once_at_a_time(world: World) -> None:
    async with world.service:
        with pytest.raises(ConfigurationError, match="runs already"):
            await world.service.run()
        with pytest.raises(ConfigurationError, match="runs already"):
            async with world.service:
                pass
        with pytest.raises(ConfigurationError, match="before it does"):
            world.service.add_scheduled_job(Greet(), Schedule.daily())


async def test_an_error_in_the_block_is_raised_as_it_is(world: World) -> None:
    world.go.set()

    async def application() -> None:
        async with world.service:
            await world.service.push(Greet("Ann"))
            await world.started.wait()
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await application()
    assert world.greeted == ["Ann"]


async def test_a_fault_of_the_driver_ends_the_block(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def exchange(*_: Any) -> Any:
        raise RuntimeError("a bug of the driver")

    monkeypatch.setattr(world.driver, "exchange", exchange)
    with pytest.raises(RuntimeError, match="a bug of the driver"):
        async with world.service:
            await asyncio.Event().wait()


async def test_what_its_driver_cannot_do_is_refused() -> None:
    driver = MemoryJobQueue()
    cast(Any, driver).capabilities = frozenset(Capability) - {Capability.SCHEDULING, Capability.CLEANUP}
    service = JobService(driver)
    with pytest.raises(UnsupportedOperation, match="scheduling"):
        service.add_scheduled_job(Greet(), Schedule.daily())
    with pytest.raises(UnsupportedOperation, match="cleanup"):
        JobService(driver, cleanup=CleanupOptions(parameters=CleanupParameters()))
    # What it can do, it does.
    await service.run(burst=True)


async def test_a_schedule_twice_is_refused(world: World) -> None:
    world.service.add_scheduled_job(Greet(), Schedule.daily())
    with pytest.raises(DuplicateSchedule):
        world.service.add_scheduled_job(Greet(), Schedule.daily())
    assert [job.id for job in world.service.schedule] == ["Greet"]


async def test_the_options_are_the_processors() -> None:
    world = World(processor=ProcessorOptions(num_workers=1))
    async with world.service as service:
        await service.push_many([Greet("Ann"), Greet("Bob")])
        await world.started.wait()
        assert (await service.counts())[JobStatus.PROCESSING] == 1
        world.go.set()
        await until(lambda: answer(len(world.greeted) == 2))
