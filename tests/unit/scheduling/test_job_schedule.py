from dataclasses import dataclass
from typing import Any, ClassVar, cast

import pytest

from jobsvalkey.contract import (
    Capability,
    DriverConfiguration,
    InvalidParameters,
    JobName,
    JobsError,
    UnsupportedOperation,
    check_metadata_key,
)
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


def keys_of(queue_key: str, name: str | None, *ids: str, options: SchedulerOptions | None = None) -> list[str]:
    """The metadata keys of a scheduler of these jobs: its lock, and the last date of each job."""
    jobs = JobSchedule()
    for each in ids:
        jobs.add_job(Report(), DAILY, id=each)
    driver = MemoryJobQueue(DriverConfiguration(queue_key=queue_key))
    scheduler: Any = jobs.scheduler(JobQueue(driver), name, options)
    return [scheduler._lock, *(progress.key for progress in scheduler._jobs)]


@pytest.mark.parametrize("queue_key", ["mail", "_hbJobQueue", "{mail}", "a.b", "_", "default", "a b%2E"])
def test_a_scheduler_is_named_after_its_queue_as_swifts_is(queue_key: str) -> None:
    expected = [f"{queue_key}.jobSchedulerLock", f"{queue_key}.Tick.jobScheduleLastDate"]
    assert keys_of(queue_key, None, "Tick") == expected
    assert keys_of(queue_key, queue_key, "Tick") == expected
    for key in expected:
        assert check_metadata_key(key, queue_key) == key


def test_a_name_that_is_given_wins() -> None:
    options = SchedulerOptions(name="reports")
    assert keys_of("mail", None, options=options) == ["reports.jobSchedulerLock"]
    assert keys_of("mail", "nightly", options=options) == ["nightly.jobSchedulerLock"]
    with pytest.raises(ValueError, match="is not a scheduler's name"):
        keys_of("mail", None, options=SchedulerOptions(name=""))


def test_without_a_queues_key_it_is_named_default() -> None:
    class Nameless(MemoryJobQueue[Any]):
        configuration: Any = None

    driver = Nameless()
    driver.configuration = object()
    scheduler: Any = JobSchedule().scheduler(JobQueue(driver))
    assert scheduler._lock == "default.jobSchedulerLock"


@pytest.mark.parametrize("queue_key", ["worker", "worker.1", "_claims", "_worker.x", "_producer"])
def test_a_queue_whose_key_meets_the_drivers_own_is_refused_with_advice(queue_key: str) -> None:
    with pytest.raises(ValueError, match="use SchedulerOptions"):
        keys_of(queue_key, None)
    assert keys_of(queue_key, "default") == ["default.jobSchedulerLock"]


PARTS = ["a", "b", "c", "a.b", "b.c", "a.b.c", "a%2Eb", "a%252Eb", "%_a", "_a", "%", "a%", ".", "a."]


@pytest.mark.parametrize("queue_key", PARTS)
def test_no_two_schedulers_of_a_queue_share_a_key(queue_key: str) -> None:
    owners = dict[str, str]()
    for name in {queue_key, *(part for part in PARTS if not part.startswith("_"))}:
        for key in keys_of(queue_key, name, *PARTS):
            assert owners.setdefault(key, name) == name, (key, name)
            assert check_metadata_key(key, queue_key) == key


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
