"""A service with several drivers, and several services in one process."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import (
    RETAIN,
    CleanupParameters,
    ConfigurationError,
    DriverConfiguration,
    DuplicateJob,
    JobCleanup,
    JobName,
    JobStatus,
    RetentionPolicy,
)
from jobsvalkey.runtime import GIVEN, JobContext, JobQueue, ProcessorOptions
from jobsvalkey.scheduling import Schedule
from jobsvalkey.service import CleanupOptions, JobService
from jobsvalkey.service.group import QueueMember, ServiceGroup
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from tests.support.waiting import PATIENCE, until

Driver = MemoryJobQueue[ManualClock]
NOTE = JobName("Note", str)


class Closed(Driver):  # type: ignore[misc, valid-type]
    """Notes that it was closed."""

    def __init__(self, clock: ManualClock) -> None:
        retention = RetentionPolicy(completed_jobs=RETAIN)
        super().__init__(DriverConfiguration(retention_policy=retention, poll_time=timedelta(hours=1)), clock=clock)
        self.closed = 0

    async def aclose(self) -> None:
        self.closed += 1
        await super().aclose()


@dataclass(frozen=True)
class Images:
    name: str


class World:
    """A service of several drivers, whose handler notes what it is told."""

    def __init__(self, number: int = 3, **options: Any) -> None:
        clock = ManualClock()
        self.drivers = [Closed(clock) for _ in range(number)]
        self.notes: list[str] = []
        self.service = JobService(self.drivers, **options)
        self.service.register_job(NOTE, self.note)

    async def note(self, parameters: str, context: JobContext) -> None:
        self.notes.append(parameters)

    async def push(self, *numbers: int) -> None:
        for place, (queue, number) in enumerate(zip(self.service.queues, numbers, strict=True)):
            await queue.push_many(NOTE.with_parameters(str(place)) for _ in range(number))


async def burst(runs: JobService[Any] | ServiceGroup) -> None:
    async with asyncio.timeout(PATIENCE):
        await runs.run(burst=True, handle_signals=False)


async def test_what_is_registered_at_any_queue_runs_from_each_and_a_task_is_pushed_to_its_own() -> None:
    world = World(2)
    first, second = world.service.queues
    assert first is world.service
    assert [queue.driver for queue in world.service.queues] == world.drivers
    ran: list[tuple[str, int]] = []

    @first.task
    async def early(number: int) -> None:
        ran.append(("early", number))

    @second.task
    async def late(number: int) -> None:
        ran.append(("late", number))

    with pytest.raises(DuplicateJob):
        second.register_job(NOTE, world.note)
    assert set(first.registered_jobs) == set(second.registered_jobs) >= {"early", "late", "Note"}
    await early.push(1)
    await late.push(2)
    assert [(await queue.counts())[JobStatus.PENDING] for queue in world.service.queues] == [1, 1]
    await second.push(early.with_parameters(3))
    await first.push(late.with_parameters(4))
    await burst(world.service)
    assert sorted(ran) == [("early", 1), ("early", 3), ("late", 2), ("late", 4)]


async def test_the_order_is_strict_unless_there_are_weights() -> None:
    world = World(3, processor=ProcessorOptions(num_workers=1))
    await world.push(3, 3, 3)
    await burst(world.service)
    assert world.notes == ["0"] * 3 + ["1"] * 3 + ["2"] * 3
    world = World(2, processor=ProcessorOptions(num_workers=1), weights=[3, 1])
    await world.push(80, 80)
    await burst(world.service)
    assert world.notes[:80].count("0") == pytest.approx(60, abs=3)


async def test_the_lifespan_is_entered_once_and_gives_its_state_to_the_handlers_of_all() -> None:
    entered: list[object] = []

    @asynccontextmanager
    async def lifespan(service: JobService[Any]) -> AsyncGenerator[Images]:
        entered.append(service)
        yield Images("all")

    world = World(2, lifespan=lifespan)
    seen: list[tuple[str, str]] = []

    @world.service.queues[1].task
    async def show(text: str, images: Images = GIVEN) -> None:
        seen.append((text, images.name))

    for queue in world.service.queues:
        await queue.push(show.with_parameters("hello"))
    await burst(world.service)
    assert entered == [world.service]
    assert seen == [("hello", "all")] * 2


async def test_each_queue_is_cleaned_up_and_scheduled_jobs_go_to_the_first() -> None:
    cleanup = CleanupOptions(
        parameters=CleanupParameters(completed_jobs=JobCleanup.remove()),
        schedule=Schedule.hourly(minute=0),
    )
    world = World(2, cleanup=cleanup)
    world.service.add_scheduled_job(NOTE, "tick", Schedule.hourly(minute=30))
    await burst(world.service)  # from here on times count
    await world.push(2, 3)
    await burst(world.service)
    assert [(await queue.counts())[JobStatus.COMPLETED] for queue in world.service.queues] == [2, 3]
    world.drivers[0].clock.advance(timedelta(hours=1))
    await burst(world.service)
    # The cleanups themselves, and what was scheduled.
    assert [(await queue.counts())[JobStatus.COMPLETED] for queue in world.service.queues] == [2, 1]
    assert world.notes.count("tick") == 1


async def test_all_drivers_are_closed_and_health_is_that_of_all() -> None:
    world = World(2)
    assert world.service.health().queues == ()
    async with world.service:
        await until(lambda: world.service.health().connected)
        assert world.service.health().queues == (True, True)
        await world.push(1, 1)
        await until(lambda: len(world.notes) == 2)
        assert world.service.health().last_claim == world.drivers[0].clock.now()
    assert [driver.closed for driver in world.drivers] == [1, 1]
    assert not world.service.health().connected


def test_drivers_that_are_none_or_twice_or_weigh_nothing_are_refused() -> None:
    driver = Closed(ManualClock())
    with pytest.raises(ValueError, match="its list is empty"):
        JobService([])
    with pytest.raises(ValueError, match="given twice"):
        JobService([driver, driver])
    with pytest.raises(ValueError, match="one for each queue: 1, not 2"):
        JobService(driver, weights=[1, 2])
    with pytest.raises(TypeError, match="a queue takes a driver"):
        JobService([driver, "valkey://"])  # type: ignore[list-item] # pyright: ignore[reportArgumentType]


async def test_a_driver_runs_its_own_cleanup_jobs_alone() -> None:
    world = World(2)
    first, second = world.service.queues
    await world.push(1, 1)
    await burst(world.service)
    job = second.driver.cleanup_job
    await second.push(job, CleanupParameters(completed_jobs=JobCleanup.remove()))
    await burst(world.service)
    assert (await first.counts())[JobStatus.COMPLETED] == 1
    assert (await second.counts())[JobStatus.COMPLETED] == 1  # the cleanup itself


def test_queues_that_share_jobs_write_values_alike() -> None:
    queue = JobQueue(Closed(ManualClock()), values="swift")
    with pytest.raises(ConfigurationError, match="values='swift'"):
        JobQueue(Closed(ManualClock()), jobs_of=queue)


# Several services.


def service_of(name: str, notes: list[str], states: list[str], number: int = 1, **options: Any) -> JobService[Driver]:
    """A service whose handlers note its name, and the state that they are given."""

    @asynccontextmanager
    async def lifespan(service: JobService[Any]) -> AsyncGenerator[Images]:
        notes.append(f"{name} opens")
        yield Images(name)
        notes.append(f"{name} closes")

    clock = ManualClock()
    service = JobService([Closed(clock) for _ in range(number)], lifespan=lifespan, **options)

    @service.task
    async def work(images: Images = GIVEN) -> None:  # pyright: ignore[reportUnusedFunction]
        notes.append(name)
        states.append(images.name)

    return service


async def fill(services: Sequence[JobQueue[Any]], number: int) -> None:
    """Push so many jobs to each queue."""
    for service in services:
        await service.push_many(JobName("work", dict[str, int]).with_parameters({}) for _ in range(number))


async def test_services_share_the_slots_of_the_first_and_each_gives_its_own_state() -> None:
    notes, states = list[str](), list[str]()
    first = service_of("a", notes, states, processor=ProcessorOptions(num_workers=1))
    second = service_of("b", notes, states)
    await fill([first, second], 2)
    await burst(ServiceGroup([first, second]))
    assert notes == ["a opens", "b opens", "a", "a", "b", "b", "b closes", "a closes"]
    assert states == ["a", "a", "b", "b"]


async def test_weights_of_services_are_shared_by_their_queues() -> None:
    notes, states = list[str](), list[str]()
    one_slot = ProcessorOptions(num_workers=1)
    first = service_of("a", notes, states, 2, processor=one_slot)
    second = service_of("b", notes, states)
    await fill([*first.queues, second], 100)
    await burst(ServiceGroup([first, second], weights=[1, 1]))
    assert states[:100].count("a") == pytest.approx(50, abs=3)
    weighted = service_of("c", notes, states, 2, weights=[1, 2])
    with pytest.raises(ValueError, match="give weights for the services"):
        ServiceGroup([first, weighted])
    ServiceGroup([first, weighted], weights=[1, 1])


async def test_a_service_and_a_queue_run_together_and_neither_runs_twice() -> None:
    notes, states = list[str](), list[str]()
    service = service_of("a", notes, states)
    queue = JobQueue(Closed(ManualClock()))

    @queue.job(NOTE)
    async def note(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        notes.append(parameters)

    await queue.push(NOTE, "queue")
    group = ServiceGroup([service, QueueMember(queue)])
    running = asyncio.create_task(group.run(handle_signals=False))
    await until(lambda: "queue" in notes)
    await until(lambda: group.health().connected)
    assert service.health().queues == (True, True)
    with pytest.raises(ConfigurationError, match="runs already"):
        await service.run()
    group.stop()
    await running
    assert service.health().queues == ()
    with pytest.raises(ConfigurationError, match="the same driver"):
        await ServiceGroup([QueueMember(queue), QueueMember(queue)]).run()
    assert notes[-1] == "a closes"
