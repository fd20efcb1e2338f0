from dataclasses import dataclass
from typing import Any, ClassVar, cast

import pytest

from jobsvalkey.contract import Capability, InvalidParameters, JobName, JobsError, UnsupportedOperation
from jobsvalkey.runtime import JobQueue
from jobsvalkey.scheduling import Accuracy, DuplicateSchedule, ExclusiveLock, JobSchedule, Schedule, SchedulerOptions
from jobsvalkey_memory import MemoryJobQueue


@dataclass(frozen=True)
class Report:
    job_name: ClassVar[str] = "Report"
    days: int = 1


TEXT = JobName("Text", str)
DAILY = Schedule.daily()


def test_a_job_with_several_schedules_has_an_id_for_each() -> None:
    jobs = JobSchedule()
    jobs.add_job(Report(), DAILY)
    jobs.add_job(Report(7), Schedule.monthly(), accuracy=Accuracy.ALL, id="monthly report")
    jobs.add_job(TEXT, "a", schedule=DAILY)
    jobs.add_job(TEXT.with_parameters("b"), DAILY, id="b")
    assert [(job.id, job.job.job.name, job.job.parameters, job.accuracy) for job in jobs] == [
        ("Report", "Report", Report(), Accuracy.LATEST),
        ("monthly report", "Report", Report(7), Accuracy.ALL),
        ("Text", "Text", "a", Accuracy.LATEST),
        ("b", "Text", "b", Accuracy.LATEST),
    ]
    assert len(jobs) == 4


@pytest.mark.parametrize("taken", [None, "Report"])
def test_the_same_id_twice_is_refused(taken: str | None) -> None:
    jobs = JobSchedule()
    jobs.add_job(Report(), DAILY)
    with pytest.raises(DuplicateSchedule, match="'Report' already: give each"):
        jobs.add_job(Report(2), Schedule.hourly(), id=taken)
    assert issubclass(DuplicateSchedule, JobsError)
    assert issubclass(DuplicateSchedule, ValueError)
    assert len(jobs) == 1


def test_what_is_no_job_or_no_schedule_is_refused() -> None:
    jobs: Any = JobSchedule()
    with pytest.raises(InvalidParameters, match="str names no job"):
        jobs.add_job("text", DAILY)
    with pytest.raises(TypeError, match="'Report' needs a Schedule"):
        jobs.add_job(Report())
    with pytest.raises(ValueError, match="is not empty"):
        jobs.add_job(Report(), DAILY, id="")
    assert len(jobs) == 0


@pytest.mark.parametrize("name", ["", "worker", "worker.1", "_mine"])
def test_names_that_are_ours_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a scheduler's name"):
        JobSchedule().scheduler(JobQueue(MemoryJobQueue()), name)


@pytest.mark.parametrize("missing", [Capability.SCHEDULING, Capability.METADATA])
def test_a_driver_that_cannot_schedule_is_refused(missing: Capability) -> None:
    driver = MemoryJobQueue()
    cast(Any, driver).capabilities = frozenset(Capability) - {missing}
    with pytest.raises(UnsupportedOperation, match=missing.value):
        JobSchedule().scheduler(JobQueue(driver))


def test_options_are_checked() -> None:
    lock = ExclusiveLock()
    with pytest.raises(ValueError, match="below hold_for"):
        ExclusiveLock(every=lock.hold_for)
    with pytest.raises(ValueError, match="batch_size is at least 1"):
        SchedulerOptions(batch_size=0)
