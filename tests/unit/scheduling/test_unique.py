"""Schedules of jobs with a unique name."""

from typing import Any

import pytest

from jobsvalkey.contract import (
    CAPABILITY_PROTOCOLS,
    Capability,
    Finish,
    JobName,
    JobStatus,
    Unique,
    UnsupportedOperation,
)
from jobsvalkey.runtime import JobOptions, JobQueue
from jobsvalkey.scheduling import Accuracy, JobSchedule, Scheduler
from jobsvalkey_memory import MemoryJobQueue
from tests.unit.scheduling.world import EVERY_MINUTE, KEY, MINUTE, World

JOB = JobName("tick", str)


def scheduler(world: World, unique: Unique | None, accuracy: Accuracy = Accuracy.LATEST) -> Scheduler:
    jobs = JobSchedule()
    jobs.add_job(JOB, "text", EVERY_MINUTE, unique=unique, accuracy=accuracy)
    return jobs.scheduler(JobQueue(world.driver))


async def test_a_trigger_is_left_to_the_job_that_still_runs() -> None:
    """The date moves all the same: a trigger that was left out is not made up for."""
    world = World()
    schedule = scheduler(world, Unique("tick"))
    await schedule.trigger_due()
    world.clock.advance(MINUTE)
    await schedule.trigger_due()
    await world.driver.open_worker("w", MINUTE * 60)
    (claim,) = (await world.driver.exchange("w", 1, limit=5)).claims
    for _ in range(3):
        world.clock.advance(MINUTE)
        await schedule.trigger_due()
    assert await world.pending() == []
    before = await world.driver.get_metadata(KEY)
    await world.driver.exchange("w", 2, [Finish(claim.job_id, claim.token)])
    await schedule.trigger_due()
    assert (await world.pending(), await world.driver.get_metadata(KEY)) == ([], before)
    world.clock.advance(MINUTE)
    await schedule.trigger_due()
    assert await world.pending() == ["12:05"]


async def test_the_last_trigger_takes_the_place_of_one_that_waits() -> None:
    world = World()
    schedule = scheduler(world, Unique("tick", otherwise="replace"), Accuracy.ALL)
    await schedule.trigger_due()
    world.clock.advance(MINUTE * 3)
    await schedule.trigger_due()
    assert await world.pending() == ["12:03"]
    (job_id,) = [job.job_id async for job in world.driver.jobs(JobStatus.PENDING)]
    record = await JobQueue(world.driver).get(job_id)
    assert record is not None
    assert record.scheduled_at is not None
    assert f"{record.scheduled_at:%H:%M}" == "12:03"


async def test_a_push_by_hand_holds_the_name_as_well() -> None:
    world = World()
    by_hand = await JobQueue(world.driver).push(JOB, "by hand", options=JobOptions(unique=Unique("tick")))
    schedule = scheduler(world, Unique("tick"))
    await schedule.trigger_due()
    world.clock.advance(MINUTE)
    await schedule.trigger_due()
    assert [job.job_id async for job in world.driver.jobs(JobStatus.PENDING)] == [by_hand]


def test_what_is_no_name_is_refused() -> None:
    name: Any = "tick"
    with pytest.raises(TypeError, match="unique"):
        JobSchedule().add_job(JOB, "text", EVERY_MINUTE, unique=name)


def test_a_driver_without_names_cannot_schedule_them() -> None:
    class Lacking(MemoryJobQueue[Any]):
        capabilities: frozenset[Capability] = frozenset(CAPABILITY_PROTOCOLS) - {Capability.UNIQUE}

    jobs = JobSchedule()
    jobs.add_job(JOB, "text", EVERY_MINUTE, unique=Unique("tick"))
    with pytest.raises(UnsupportedOperation, match="unique"):
        jobs.scheduler(JobQueue(Lacking()))
