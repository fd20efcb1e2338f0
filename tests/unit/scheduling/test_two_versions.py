"""Schedulers of one name whose jobs are not the same, as while a new version is rolled out."""

import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsvalkey.contract import DriverConfiguration, Finish, JobName, JobStatus
from jobsvalkey.runtime import JobQueue
from jobsvalkey.runtime.codec import read_request, to_reference_date
from jobsvalkey.scheduling import Accuracy, JobSchedule, Schedule, Scheduler, SchedulerOptions
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from tests.unit.scheduling.world import EVERY_MINUTE, KEY, LOCK, MINUTE, START, World

SAYS = "job 'tock' of scheduler 'jobQueue': the scheduler with the lock does not push this job: does so from now on"
SECOND = timedelta(seconds=1)


class Rollout(World):
    """Runs schedulers side by side, and each job as it comes due."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: dict[str, list[datetime]] = {"tick": [], "tock": []}
        self.late: dict[str, list[timedelta]] = {"tick": [], "tock": []}
        self._sequence = 0

    async def go(self, *schedulers: Scheduler, until: datetime) -> None:
        """Each scheduler runs when it wants to, as it would by itself."""
        wakes = dict.fromkeys(schedulers, self.clock.now())
        while (now := self.clock.now()) < until:
            for scheduler in schedulers:
                if wakes[scheduler] <= now:
                    wakes[scheduler] = now + await scheduler.trigger_due()
            await self._run_jobs()
            self.clock.set(min(*wakes.values(), until))

    async def _run_jobs(self) -> None:
        await self.driver.open_worker("worker", timedelta(days=1))
        self._sequence += 1
        claims = (await self.driver.exchange("worker", self._sequence, limit=1000)).claims
        for claim in claims:
            name, _ = read_request(claim.request or b"")
            self.ran[name].append(claim.due)
            self.late[name].append(self.clock.now() - claim.due)
        self._sequence += 1
        await self.driver.exchange("worker", self._sequence, [Finish(claim.job_id, claim.token) for claim in claims])


class CountedCalls:
    """A driver that counts the reads and pushes of a scheduler."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._driver, name)
        if name not in ("get_metadata", "push_if"):
            return attribute

        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            return await attribute(*args, **kwargs)

        return call


@pytest.fixture
def rollout() -> Rollout:
    return Rollout()


@pytest.mark.parametrize("accuracy", Accuracy)
@pytest.mark.parametrize("schedule", ["* * * * *", "*/7 * * * * *", "0 * * * *"])
async def test_what_only_the_new_version_knows_fires_while_the_old_one_has_the_lock(
    rollout: Rollout, accuracy: Accuracy, schedule: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "jobsvalkey.scheduler")
    times = Schedule.crontab(schedule)
    old = rollout.scheduler(accuracy, names="tick", schedule=times)
    new = rollout.scheduler(accuracy, names="tick tock", schedule=times)
    another = rollout.scheduler(accuracy, names="tick tock", schedule=times)
    end = START + timedelta(hours=5)
    await rollout.go(old, new, another, until=end)

    expected = list[datetime]()
    trigger = times.next_after(START)
    while trigger < end:
        expected.append(trigger)
        trigger = times.next_after(trigger)
    assert rollout.ran["tick"] == expected
    assert set(rollout.late["tick"]) == {timedelta(0)}
    # Nobody does it at first; from then on it is on time.
    assert max(rollout.late["tock"]) <= LOCK.hold_for + LOCK.every
    late = [due for due, late in zip(rollout.ran["tock"], rollout.late["tock"], strict=True) if late]
    missed = [trigger for trigger in expected if trigger <= late[-1]]
    assert rollout.ran["tock"] == (expected if accuracy is Accuracy.ALL else expected[len(missed) - 1 :])
    assert max(late) <= expected[0] + LOCK.hold_for + LOCK.every
    # One of the two new ones does it.
    assert caplog.messages == [SAYS]


@pytest.mark.parametrize(
    ("schedule", "minutes", "reads"),
    # A trigger an hour; and so many that there is always one overdue: each look is as far from the last one.
    [("0 * * * *", 5 * 60 + 1, 5), ("* * * * * *", 10, 10 * MINUTE // (LOCK.hold_for + LOCK.every))],
)
async def test_to_watch_costs_a_read_where_a_trigger_is_overdue_and_nothing_else(
    rollout: Rollout, schedule: str, minutes: int, reads: int
) -> None:
    times = Schedule.crontab(schedule)
    counted = CountedCalls(rollout.driver)
    holder, watches = rollout.scheduler(schedule=times), rollout.scheduler(schedule=times, driver=counted)
    await rollout.go(holder, watches, until=START + minutes * MINUTE)
    assert counted.calls["push_if"] == 0
    assert counted.calls["get_metadata"] <= 1 + reads


async def test_it_leaves_the_job_as_soon_as_another_one_is_first(rollout: Rollout) -> None:
    old = rollout.scheduler()
    counted = CountedCalls(rollout.driver)
    new = rollout.scheduler(names="tick tock", driver=counted)
    await rollout.go(old, new, until=START + 10 * MINUTE)
    # The old version ends, and another process of the new one is the quickest to take the lock.
    await rollout.driver.release_lock(
        "jobQueue.jobSchedulerLock", await rollout.driver.get_metadata("jobQueue.jobSchedulerLock") or b""
    )
    another = rollout.scheduler(names="tick tock")
    counted.calls.clear()
    await rollout.go(another, new, until=START + 20 * MINUTE)
    assert counted.calls["push_if"] == 1
    for ran in rollout.ran.values():
        assert ran == [START + 30 * SECOND + minutes * MINUTE for minutes in range(20)]


async def test_triggers_that_were_missed_are_left_to_the_one_with_the_lock_for_a_while(rollout: Rollout) -> None:
    await rollout.driver.set_metadata(KEY, f"{to_reference_date(START - timedelta(days=1))}".encode())
    holder, waits = rollout.scheduler(names=""), rollout.scheduler()
    await holder.trigger_due()
    await waits.trigger_due()
    rollout.clock.advance(LOCK.hold_for)
    await holder.trigger_due()
    await waits.trigger_due()
    assert await rollout.pending() == []
    rollout.clock.advance(SECOND)
    await waits.trigger_due()
    assert await rollout.pending() == ["12:01"]


async def test_a_clock_that_was_far_ahead_does_not_stop_the_watch(rollout: Rollout) -> None:
    rollout.clock.set(START + timedelta(days=3000))
    await rollout.driver.set_metadata(KEY, f"{to_reference_date(START - timedelta(hours=1))}".encode())
    await rollout.scheduler(names="").trigger_due()
    new = rollout.scheduler()
    await new.trigger_due()
    rollout.clock.set(START)
    await new.trigger_due()
    assert await rollout.pending() == ["12:00"]


async def test_a_last_date_that_is_far_ahead_is_watched_from_now(rollout: Rollout) -> None:
    await rollout.driver.set_metadata(KEY, f"{to_reference_date(START + timedelta(days=300))}".encode())
    await rollout.go(rollout.scheduler(names=""), rollout.scheduler(Accuracy.ALL), until=START + 5 * MINUTE)
    assert rollout.ran["tick"] == [START + 30 * SECOND + minutes * MINUTE for minutes in range(5)]


@pytest.mark.parametrize("stored", [b"725803260.0", b"725803260", b"725803260.25"])
async def test_a_date_that_swift_left_is_taken_over(stored: bytes) -> None:
    clock = ManualClock(START)
    driver = MemoryJobQueue(DriverConfiguration(queue_key="_hbJobQueue"), clock=clock)
    await driver.set_metadata("_hbJobQueue.Tick.jobScheduleLastDate", stored)  # 12:01
    jobs = JobSchedule()
    jobs.add_job(JobName("Tick", str), "text", EVERY_MINUTE, accuracy=Accuracy.ALL)
    scheduler = jobs.scheduler(JobQueue(driver), options=SchedulerOptions(lock=LOCK))
    clock.set(datetime(2024, 1, 1, 12, 2, 10, tzinfo=UTC))
    assert await driver.acquire_lock("_hbJobQueue.jobSchedulerLock", b"swift's", LOCK.hold_for)
    assert await scheduler.trigger_due() == LOCK.every
    assert [job async for job in driver.jobs(JobStatus.PENDING)] == []  # Swift's has the lock
    clock.set(datetime(2024, 1, 1, 12, 3, 5, tzinfo=UTC))
    await scheduler.trigger_due()
    assert [f"{job.due:%H:%M}" async for job in driver.jobs(JobStatus.PENDING)] == ["12:02", "12:03"]
