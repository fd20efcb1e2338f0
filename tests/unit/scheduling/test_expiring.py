"""Jobs of a schedule that expire."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from jobsvalkey.contract import (
    CAPABILITY_PROTOCOLS,
    Capability,
    DriverConfiguration,
    JobName,
    JobStatus,
    RetentionPolicy,
    UnsupportedOperation,
    retain_last,
)
from jobsvalkey.runtime import JobQueue
from jobsvalkey.scheduling import Accuracy, JobSchedule
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from tests.unit.scheduling.world import EVERY_MINUTE, MINUTE, START

TICK = JobName("tick", str)


def schedule(expires_in: timedelta | None, accuracy: Accuracy = Accuracy.LATEST) -> JobSchedule:
    jobs = JobSchedule()
    jobs.add_job(TICK, "text", EVERY_MINUTE, accuracy=accuracy, expires_in=expires_in)
    return jobs


async def test_each_job_expires_so_long_after_its_trigger() -> None:
    """Whoever pushes it, and however late: of the triggers that were missed, those that are too old do not run."""
    clock = ManualClock(START)
    driver = MemoryJobQueue(DriverConfiguration(retention_policy=RetentionPolicy(cancelled_jobs=retain_last(9))), clock)
    scheduler = schedule(2 * MINUTE, Accuracy.ALL).scheduler(JobQueue(driver))
    await scheduler.trigger_due()
    clock.advance(4 * MINUTE)
    await scheduler.trigger_due()
    jobs = [job async for job in driver.jobs(JobStatus.PENDING)]
    assert [job.expires for job in jobs] == [_due(job.due) + 2 * MINUTE for job in jobs]
    assert len(jobs) == 4
    await driver.recover()
    assert [f"{job.due:%H:%M}" async for job in driver.jobs(JobStatus.PENDING)] == ["12:03", "12:04"]
    assert (await driver.counts())[JobStatus.CANCELLED] == 2


def _due(due: datetime | None) -> datetime:
    assert due is not None
    return due


async def test_a_driver_without_expiry_is_refused_at_once() -> None:
    class Without(MemoryJobQueue[Any]):
        capabilities: frozenset[Capability] = frozenset(CAPABILITY_PROTOCOLS) - {Capability.EXPIRY}

    queue = JobQueue(Without())
    schedule(None).scheduler(queue)
    with pytest.raises(UnsupportedOperation, match="'expiry'"):
        schedule(MINUTE).scheduler(queue)


@pytest.mark.parametrize("wrong", [timedelta(0), -MINUTE], ids=["zero", "negative"])
def test_a_time_that_is_none(wrong: timedelta) -> None:
    with pytest.raises(ValueError, match="expires_in is a time above zero"):
        schedule(wrong)
