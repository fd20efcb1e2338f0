"""What either side stores, the other one finds: jobs, ends, metadata and locks."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import (
    Accuracy,
    ExponentialJitter,
    JobContext,
    JobID,
    JobName,
    JobOptions,
    JobQueue,
    JobSchedule,
    JobStatus,
    Schedule,
    ValkeyConfiguration,
    ValkeyJobQueue,
)
from jobsvalkey_memory import ManualClock
from tests.support.processors import options, run_in_background
from tests.support.waiting import until
from tests.swift.beside import HOUR, KEEP_ALL, Shared
from tests.swift.peer import SwiftPeer
from tests.swift.recordings import VERSIONS

RUN = "run one to its end; completed jobs are retained"
SERVICE = "JobService: a job for every minute, with a scheduler's lock, over one trigger"
PLAIN: JobName[dict[str, Any]] = JobName("Plain", dict[str, Any])
TEXT = 'é✓ "quoted" / slash 😀 0'


@pytest.fixture
async def shared(server_client: Valkey, queue_key: str) -> AsyncIterator[Shared]:
    clock = ManualClock()
    configuration = ValkeyConfiguration(queue_key=queue_key, retention_policy=KEEP_ALL)
    async with ValkeyJobQueue(server_client, configuration, clock=clock) as driver:
        yield Shared(SwiftPeer(server_client, queue_key, clock), driver)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_job_of_swift_runs_here(shared: Shared, version: str) -> None:
    seen: list[tuple[Any, ...]] = []
    queue = JobQueue(shared.driver)

    @queue.job(PLAIN)
    async def handler(parameters: dict[str, Any], context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        seen.append((parameters, context.job_id, context.attempt, context.queued_at))

    play = shared.peer.plays(version, "push")
    await play.rest()
    job_id = JobID.parse(play.names["<id1>"])
    assert await shared.driver.status(job_id) is JobStatus.PENDING
    assert await shared.driver.validate() == []
    await queue.processor(options(burst=True)).run()
    pushed = shared.peer.clock.now() - timedelta(milliseconds=3)
    assert seen == [({"n": 0, "text": TEXT}, job_id, 1, pushed)]
    assert await shared.driver.status(job_id) is JobStatus.COMPLETED
    assert await shared.peer.client.hget(f"{shared.peer.key}/{job_id}.metadata", "status") == b"completed"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_job_that_swift_has_tried_goes_on_with_its_attempt(shared: Shared, version: str) -> None:
    attempts: list[int] = []
    queue = JobQueue(shared.driver)

    @queue.job(JobName("Fails", dict[str, Any]))
    async def handler(parameters: dict[str, Any], context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        attempts.append(context.attempt)

    await shared.push("Fails")
    play = shared.peer.plays(version, "fail at the first attempt, succeed at the second")
    while not str(play.steps[play.at - 1]).startswith("ZADD Q.pending"):
        await play.step()
    shared.peer.clock.advance(HOUR)
    await queue.processor(options(burst=True)).run()
    assert attempts == [2]


async def test_the_poll_finds_what_swift_pushes(server_client: Valkey, queue_key: str) -> None:
    """A Swift service sends no wake-up."""
    clock = ManualClock(datetime.now(UTC))
    configuration = ValkeyConfiguration(queue_key=queue_key, poll_time=timedelta(milliseconds=20))
    async with ValkeyJobQueue(server_client, configuration) as driver:
        shared = Shared(SwiftPeer(server_client, queue_key, clock), driver)
        async with run_in_background(shared.queue.processor(options())):
            job_id = await shared.peer.push("main", "Plain")
            await until(lambda: shared.runs[job_id] == 1)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_delayed_job_of_swift_keeps_its_time(shared: Shared, version: str) -> None:
    play = shared.peer.plays(version, "push, delayed by 3600 s")
    await play.rest()
    job_id = JobID.parse(play.names["<id1>"].lower())
    due = await shared.peer.client.zscore(f"{shared.peer.key}.pending", str(job_id))
    assert await shared.driver.pause(job_id)
    assert await shared.peer.client.zscore(f"{shared.peer.key}.paused", str(job_id)) == due
    await shared.peer.plays(version, "resume", id1=job_id).rest()
    await shared.work()
    assert not shared.runs
    shared.peer.clock.advance(HOUR)
    await shared.work()
    assert shared.runs == {job_id: 1}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("situation", "status"),
    [
        ("pause", JobStatus.PAUSED),
        ("cancel a pending job; cancelled jobs are retained", JobStatus.CANCELLED),
        ("cancel a pending job; cancelled jobs are not retained", None),
    ],
)
async def test_what_swift_does_to_a_job_of_python_is_seen_here(
    shared: Shared, version: str, situation: str, status: JobStatus | None
) -> None:
    job_id = await shared.push("Plain")
    await shared.peer.plays(version, situation, id1=job_id).rest()
    assert await shared.driver.status(job_id) is status
    assert await shared.driver.validate() == []
    await shared.work()
    assert not shared.runs
    if status is not None:
        assert await (shared.driver.resume(job_id) if status is JobStatus.PAUSED else shared.driver.rerun(job_id))
        await shared.work()
        assert shared.runs == {job_id: 1}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_job_of_python_runs_there(shared: Shared, version: str) -> None:
    job_id = await shared.push("Plain")
    play = shared.peer.plays(version, RUN)
    await play.rest()
    assert play.ended == {str(job_id)}
    assert await shared.driver.status(job_id) is JobStatus.COMPLETED
    assert await shared.driver.validate() == []


async def test_what_is_pushed_here_has_the_form_that_swift_reads(shared: Shared) -> None:
    shared.peer.clock.set(datetime(2025, 1, 1, 11, 59, 30, tzinfo=UTC))
    text = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
    due = shared.peer.clock.now() + timedelta(seconds=90)
    job_options = JobOptions(delay_until=due, job_id=text)
    job_id = await shared.queue.push(PLAIN.with_parameters({"n": 7}), options=job_options)
    assert str(job_id) == text.upper()
    assert job_id == UUID(text)
    assert json.loads(await shared.peer.client.get(f"{shared.peer.key}/{job_id}")) == {
        "Plain": {"p": {"n": 7}, "q": 757425570.0, "a": 1}
    }
    found = await shared.peer.client.zrange(f"{shared.peer.key}.pending", 0, -1, withscores=True)
    assert found == [(str(job_id).encode(), due.timestamp())]
    assert await shared.queue.status(text) is JobStatus.PENDING


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
async def test_what_has_ended_lies_where_swift_looks(shared: Shared, status: str) -> None:
    queue, key = JobQueue(shared.driver), shared.peer.key

    @queue.job(PLAIN, retry_strategy=ExponentialJitter(max_attempts=1))
    async def handler(parameters: dict[str, Any], context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        if status == "failed":
            raise RuntimeError("no")

    job_id = await shared.push("Plain")
    shared.peer.clock.advance(timedelta(seconds=10))
    if status == "cancelled":
        assert await queue.cancel(job_id)
    await queue.processor(options(burst=True)).run()
    found = await shared.peer.client.zrange(f"{key}.{status}", 0, -1, withscores=True)
    assert found == [(str(job_id).encode(), shared.peer.clock.now().timestamp())]
    assert await shared.peer.client.hget(f"{key}/{job_id}.metadata", "status") == status.encode()
    assert "Plain" in json.loads(await shared.peer.client.get(f"{key}/{job_id}"))


async def test_ours_never_appear_on_the_list_of_swift(shared: Shared) -> None:
    await shared.push("Plain")
    await shared.claim()
    assert len(shared.held) == 1
    assert await shared.peer.client.exists(f"{shared.peer.key}.processing") == 0
    pattern = f"{shared.peer.key}.metadata.*"
    keys = [key async for key in shared.peer.client.scan_iter(match=pattern, count=1000)]
    assert keys
    assert [key for key in keys if not key.startswith(f"{shared.peer.key}.metadata._".encode())] == []


async def test_metadata_is_shared(shared: Shared) -> None:
    await shared.peer.client.set(f"{shared.peer.key}.metadata.key", b"from Swift")
    assert await shared.driver.get_metadata("key") == b"from Swift"
    await shared.driver.set_metadata("key", b"from here")
    assert await shared.peer.client.get(f"{shared.peer.key}.metadata.key") == b"from here"


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_lock_of_a_scheduler_is_shared(server_client: Valkey, queue_key: str, version: str) -> None:
    """By the server's own time: Swift's locks are values with an expiry."""
    lock = f"{queue_key}.jobSchedulerLock"
    async with ValkeyJobQueue(server_client, ValkeyConfiguration(queue_key=queue_key)) as driver:
        peer = SwiftPeer(server_client, queue_key, ManualClock())
        play = peer.plays(version, SERVICE)
        while "SET Q.metadata.Q.jobSchedulerLock" not in str(play.steps[play.at - 1]):
            await play.step()
        assert await driver.acquire_lock(lock, b"python", timedelta(seconds=30)) is False
        await play.rest()
        assert await driver.acquire_lock(lock, b"python", timedelta(seconds=30)) is True
        again = peer.plays(version, SERVICE)
        while "SET Q.metadata.Q.jobSchedulerLock" not in str(again.steps[again.at - 1]):
            await again.step()
        client = cast(Any, server_client)
        assert await client.get(f"{queue_key}.metadata.{lock}") == b"python"
        assert 0 < await client.pttl(f"{queue_key}.metadata.{lock}") <= 30_000


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_schedule_goes_on_where_swift_has_left_it(server_client: Valkey, queue_key: str, version: str) -> None:
    """By the server's own time, a few minutes after Swift has scheduled."""
    minute = timedelta(minutes=1)
    peer = SwiftPeer(server_client, queue_key, ManualClock(datetime.now(UTC) - 4 * minute))
    schedule = JobSchedule()
    schedule.add_job(
        JobName("Tick", dict[str, Any]).with_parameters({}), Schedule.every_minute(), accuracy=Accuracy.ALL
    )
    async with ValkeyJobQueue(server_client, ValkeyConfiguration(queue_key=queue_key)) as driver:
        scheduler = schedule.scheduler(JobQueue(driver, values="swift"))

        async def last_date() -> datetime:
            stored = await driver.get_metadata(f"{queue_key}.Tick.jobScheduleLastDate")
            assert stored is not None
            return datetime(2001, 1, 1, tzinfo=UTC) + timedelta(seconds=json.loads(stored))

        play = peer.plays(version, SERVICE)
        while "Q.Tick.jobScheduleLastDate" not in str(play.steps[play.at - 1]):
            await play.step()
        await scheduler.trigger_due()
        assert (await driver.counts())[JobStatus.PENDING] == 0  # Swift has the lock
        await play.rest()
        last = await last_date()
        there = [job.job_id async for job in driver.jobs(JobStatus.PENDING)]
        await scheduler.trigger_due()
        pushed = [job.due async for job in driver.jobs(JobStatus.PENDING) if job.job_id not in there]
        # And Swift finds the date that Python notes.
        newest = await last_date()
        assert newest > datetime.now(UTC) - 2 * minute
        first = last.replace(second=0, microsecond=0) + minute
        assert pushed == [first + n * minute for n in range((newest - first) // minute + 1)]
        assert len(pushed) >= 2
