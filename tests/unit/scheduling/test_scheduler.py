import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsvalkey.contract import JobName, JobStatus, StoreUnavailable
from jobsvalkey.middleware import Middleware, PoppedJob, PushedJob
from jobsvalkey.runtime import ExponentialJitter, JobContext, JobOptions, JobQueue
from jobsvalkey.runtime.codec import read_request, to_reference_date
from jobsvalkey.scheduling import Accuracy, Schedule
from jobsvalkey.scheduling import scheduler as scheduler_module
from jobsvalkey_memory import run_until_idle
from tests.unit.scheduling.world import KEY, LOCK, MINUTE, START, World


class Flaky:
    """A driver of which some calls fail."""

    def __init__(self, driver: Any, fails: Callable[[str], Awaitable[None]]) -> None:
        self._driver = driver
        self._fails = fails

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._driver, name)
        if name not in ("push_if", "acquire_lock"):
            return attribute

        async def call(*args: Any, **kwargs: Any) -> Any:
            result = await attribute(*args, **kwargs)
            await self._fails(name)
            return result

        return call


@pytest.fixture
def world() -> World:
    return World()


async def test_the_first_run_starts_the_schedule_and_each_trigger_is_a_job(world: World) -> None:
    scheduler = world.scheduler()
    assert await scheduler.trigger_due() == LOCK.every
    assert await world.driver.get_metadata(KEY) == f"{to_reference_date(START)}".encode()
    assert await world.pending() == []
    world.clock.advance(timedelta(seconds=25))
    assert await scheduler.trigger_due() == timedelta(seconds=5)
    world.clock.advance(timedelta(seconds=5))
    await scheduler.trigger_due()
    (job,) = [job async for job in world.driver.jobs(JobStatus.PENDING)]
    assert job.due == datetime(2024, 1, 1, 12, 1, tzinfo=UTC)
    name, request = read_request(job.request or b"")
    assert (name, bytes(request.parameters)) == ("tick", b'"text"')
    assert request.next_scheduled_at == to_reference_date(datetime(2024, 1, 1, 12, 2, tzinfo=UTC))
    # As Swift's JSONEncoder writes a date: seconds since 2001.
    assert await world.driver.get_metadata(KEY) == b"725803260.0"


@pytest.mark.parametrize(
    ("accuracy", "expected"),
    [(Accuracy.LATEST, ["12:01", "12:05"]), (Accuracy.ALL, ["12:01", "12:02", "12:03", "12:04", "12:05"])],
)
async def test_after_a_stop(world: World, accuracy: Accuracy, expected: list[str]) -> None:
    scheduler = world.scheduler(accuracy)
    await scheduler.trigger_due()
    world.clock.advance(timedelta(seconds=30))
    await scheduler.trigger_due()
    world.clock.advance(4 * MINUTE)
    await world.scheduler(accuracy).trigger_due()
    assert await world.pending() == expected


async def test_thousands_of_missed_triggers_go_in_batches_with_a_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "jobsvalkey.scheduler")
    scheduler = world.scheduler(Accuracy.ALL, batch_size=500)
    await scheduler.trigger_due()
    world.clock.advance(1200 * MINUTE)
    waits = [await scheduler.trigger_due() for _ in range(3)]
    assert waits == [timedelta(0), timedelta(0), LOCK.every]
    assert (await world.driver.counts())[JobStatus.PENDING] == 1200
    assert [record.getMessage().split(" at ")[0] for record in caplog.records] == [
        "job 'tick' of scheduler 'jobQueue': catches up on missed triggers, has come to 2024-01-01 20:20:00+00:00",
        "job 'tick' of scheduler 'jobQueue': catches up on missed triggers, has come to 2024-01-02 04:40:00+00:00",
    ]
    assert {record.__dict__["schedule_id"] for record in caplog.records} == {"tick"}


async def test_one_works_while_the_others_wait_for_its_lock(world: World) -> None:
    first, second = world.scheduler(), world.scheduler()
    await first.trigger_due()
    world.clock.advance(timedelta(seconds=29))
    assert await second.trigger_due() == LOCK.every
    world.clock.advance(timedelta(seconds=1))
    # The lock of the first has run out by now.
    await second.trigger_due()
    assert await world.pending() == ["12:01"]
    assert await first.trigger_due() == LOCK.every


async def test_a_scheduler_that_stops_leaves_its_lock(world: World) -> None:
    locked = asyncio.Event()

    async def fails(name: str) -> None:
        locked.set()

    first, second = world.scheduler(driver=Flaky(world.driver, fails)), world.scheduler()
    running = asyncio.create_task(first.run())
    await locked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    world.clock.advance(MINUTE)
    await second.trigger_due()
    assert await world.pending() == ["12:01"]


@pytest.mark.parametrize("accuracy", Accuracy)
async def test_weakness_10_moved_back_metadata_pushes_nothing_twice(world: World, accuracy: Accuracy) -> None:
    scheduler = world.scheduler(accuracy)
    await scheduler.trigger_due()
    before = await world.driver.get_metadata(KEY)
    assert before is not None
    world.clock.advance(MINUTE)
    await scheduler.trigger_due()
    assert await world.run_and_forget() == 1
    await world.driver.set_metadata(KEY, before)
    await world.scheduler(accuracy).trigger_due()
    await scheduler.trigger_due()
    assert await world.pending() == []
    world.clock.advance(MINUTE)
    await scheduler.trigger_due()
    assert await world.pending() == ["12:02"]


async def test_a_lost_reply_pushes_nothing_twice(world: World) -> None:
    lose = True

    async def fails(name: str) -> None:
        nonlocal lose
        if name == "push_if" and lose:
            lose = False
            raise StoreUnavailable("the reply is lost", outcome="unknown")

    scheduler = world.scheduler(Accuracy.ALL, driver=Flaky(world.driver, fails))
    await scheduler.trigger_due()
    world.clock.advance(2 * MINUTE)
    with pytest.raises(StoreUnavailable):
        await scheduler.trigger_due()
    await world.run_and_forget()
    await scheduler.trigger_due()
    assert await world.pending() == ["12:02"]


async def test_the_loop_survives_a_store_that_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scheduler_module, "_BACKOFF", ExponentialJitter(max_backoff=timedelta(0)))
    calls, done = 0, asyncio.Event()

    async def fails(name: str) -> None:
        nonlocal calls
        calls += 1
        if name == "push_if":
            done.set()
        if calls < 100:
            raise StoreUnavailable("the store is away", outcome="not_done") if calls % 2 else ConnectionError("refused")

    await world.scheduler().trigger_due()
    world.clock.advance(MINUTE)
    running = asyncio.create_task(world.scheduler(driver=Flaky(world.driver, fails)).run())
    await done.wait()
    running.cancel()
    assert await world.pending() == ["12:01"]
    assert len(caplog.records) == 99
    assert "scheduler 'jobQueue': cannot schedule (the store is away), tries again in" in caplog.text


class RefuseTick(Middleware):
    def __init__(self) -> None:
        self.refuses = True
        self.refused = 0

    async def on_push(self, job: PushedJob) -> None:
        if self.refuses and job.name == "tick":
            self.refused += 1
            raise RuntimeError("not today")


async def test_a_job_that_cannot_be_pushed_does_not_hold_up_the_others(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    refuse = RefuseTick()
    scheduler = world.scheduler(names="tick tock", middleware=[refuse])
    await scheduler.trigger_due()
    world.clock.advance(timedelta(seconds=30))
    wait = await scheduler.trigger_due()
    assert timedelta(seconds=1) <= wait <= timedelta(seconds=3)
    (job,) = [job async for job in world.driver.jobs(JobStatus.PENDING)]
    assert read_request(job.request or b"")[0] == "tock"
    assert "job 'tick' of scheduler 'jobQueue': cannot push, tries again in" in caplog.text
    assert "not today" in caplog.text
    refuse.refuses = False
    world.clock.advance(wait)
    await scheduler.trigger_due()
    assert await world.pending() == ["12:01", "12:01"]


async def test_the_wait_for_a_job_that_cannot_be_pushed_is_kept_while_others_are(world: World) -> None:
    refuse = RefuseTick()
    scheduler = world.scheduler(names="tick tock", schedule=Schedule.crontab("* * * * * *"), middleware=[refuse])
    await scheduler.trigger_due()
    for _ in range(60):
        world.clock.advance(timedelta(seconds=1))
        await scheduler.trigger_due()
    # The waits are 2, 4, 8, 16 and 30 s, each half as long at the least.
    assert 3 <= refuse.refused <= 7
    # The wait is over also where the clock goes back.
    world.clock.set(START - timedelta(hours=1))
    await world.driver.set_metadata(KEY, f"{to_reference_date(START - timedelta(hours=2))}".encode())
    refused = refuse.refused
    await scheduler.trigger_due()
    assert refuse.refused == refused + 1


async def test_metadata_that_is_no_date_is_reported(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await world.driver.set_metadata(KEY, b"yesterday")
    await world.scheduler().trigger_due()
    assert f"metadata '{KEY}' holds b'yesterday', not the date of a scheduler" in caplog.text


async def test_a_clock_that_goes_back_a_little_runs_nothing_twice(world: World) -> None:
    scheduler = world.scheduler(Accuracy.ALL)
    await scheduler.trigger_due()
    world.clock.advance(10 * MINUTE)
    await scheduler.trigger_due()
    assert await world.run_and_forget() == 10
    world.clock.set(START)
    for _ in range(10):
        await scheduler.trigger_due()
        world.clock.advance(MINUTE)
    assert await world.pending() == []
    await scheduler.trigger_due()
    assert await world.pending() == []
    world.clock.advance(MINUTE)
    await scheduler.trigger_due()
    assert await world.pending() == ["12:11"]


async def test_a_clock_that_was_far_ahead_does_not_stop_the_schedule(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler = world.scheduler()
    await scheduler.trigger_due()
    world.clock.advance(timedelta(days=300))
    await scheduler.trigger_due()
    assert await world.run_and_forget() == 1
    world.clock.set(START)
    await world.driver.release_lock(
        "jobQueue.jobSchedulerLock", await world.driver.get_metadata("jobQueue.jobSchedulerLock") or b""
    )
    await scheduler.trigger_due()
    assert "which is to come: starts from now" in caplog.text
    world.clock.advance(MINUTE)
    await scheduler.trigger_due()
    assert await world.pending() == ["12:01"]


class Triggers(Middleware):
    """Notes what middleware is told of when a job was scheduled."""

    def __init__(self) -> None:
        self.pushed, self.popped = list[datetime | None](), list[datetime | None]()

    async def on_push(self, job: PushedJob) -> None:
        self.pushed.append(job.scheduled_at)

    async def on_pop(self, job: PoppedJob) -> None:
        assert job.scheduled_at is None or job.scheduled_at == job.queued_at
        self.popped.append(job.scheduled_at)


async def test_a_job_knows_its_trigger_however_late_and_often_it_runs(world: World) -> None:
    middleware, seen = Triggers(), list[tuple[datetime | None, int]]()
    scheduler = world.scheduler(Accuracy.ALL, middleware=[middleware])
    await scheduler.trigger_due()
    world.clock.advance(4 * MINUTE)
    await scheduler.trigger_due()
    triggers = [datetime(2024, 1, 1, 12, minute, tzinfo=UTC) for minute in (1, 2, 3, 4)]
    assert middleware.pushed == triggers
    queue = JobQueue(world.driver, middleware=[middleware])

    @queue.job(JobName("tick", str), retry_strategy=ExponentialJitter(max_attempts=2))
    async def tick(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        assert context.scheduled_at == context.queued_at
        seen.append((context.scheduled_at, context.attempt))
        if context.attempt == 1:
            raise RuntimeError("no luck")

    shown = [record.scheduled_at async for record in queue.jobs(JobStatus.PENDING)]
    assert shown == triggers
    await run_until_idle(queue)
    world.clock.advance(MINUTE)
    shown = [record.scheduled_at async for record in queue.jobs(JobStatus.PENDING)]
    assert sorted(each for each in shown if each is not None) == triggers
    await run_until_idle(queue)
    assert sorted(seen, key=lambda each: (each[1], each[0])) == [(at, run) for run in (1, 2) for at in triggers]
    assert set(middleware.popped) == set(triggers)


async def test_a_job_that_no_schedule_pushed_has_no_trigger(world: World) -> None:
    middleware = Triggers()
    queue = JobQueue(world.driver, middleware=[middleware])

    @queue.job(JobName("tick", str))
    async def tick(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        assert context.scheduled_at is None

    job_id = await queue.push(JobName("tick", str), "", options=JobOptions(delay_until=START - MINUTE))
    record = await queue.get(job_id)
    assert record is not None
    assert record.scheduled_at is None
    assert record.queued_at == START
    await run_until_idle(queue)
    assert middleware.pushed == middleware.popped == [None]
