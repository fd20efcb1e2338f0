"""A queue that Swift services share: what they store runs here, and what is stored here has their form."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import (
    ExponentialJitter,
    JobContext,
    JobID,
    JobOptions,
    JobQueue,
    JobStatus,
    ValkeyConfiguration,
    ValkeyJobQueue,
)
from jobsvalkey.contract import SystemClock
from jobsvalkey_memory import ManualClock
from tests.support.processors import options
from tests.support.retention import KEEP_ALL
from tests.support.waiting import PATIENCE
from tests.support.work import Work, counting

ID = "3F2504E0-4F89-41D3-9A0C-0305E82C3301"
QUEUED = datetime(2025, 1, 1, 11, 59, 30, tzinfo=UTC)
SINCE_2001 = 757425570.0
"""`QUEUED` as Swift writes it."""
REQUEST = b'{"Work":{"p":{"number":7},"q":757425570.0,"a":1}}'
GRACE = timedelta(seconds=5)


class Swift:
    """Does to the keys what a Swift service does."""

    def __init__(self, client: Any, queue_key: str) -> None:
        self.client = client
        self.key = queue_key

    async def push(self, due: datetime) -> None:
        await self.client.set(f"{self.key}/{ID}", REQUEST)
        await self.client.zadd(f"{self.key}.pending", {ID: due.timestamp()})
        await self.client.hset(f"{self.key}/{ID}.metadata", "status", "pending")

    async def pop(self) -> None:
        """The first half of a claim."""
        await self.client.zrem(f"{self.key}.pending", ID)
        await self.client.lpush(f"{self.key}.processing", ID)

    async def own(self, worker: str) -> None:
        """The second half."""
        mapping = {"status": "processing", "workerID": worker, "processingStarted": f"{QUEUED.timestamp()}"}
        await self.client.hset(f"{self.key}/{ID}.metadata", mapping=mapping)

    async def go_back(self, due: datetime) -> None:
        """A retry: on no list but the queue, owned by nobody."""
        await self.client.lrem(f"{self.key}.processing", 0, ID)
        await self.client.delete(f"{self.key}/{ID}.metadata")
        await self.push(due)

    async def hold_lock(self, worker: str) -> None:
        await self.client.set(f"{self.key}.metadata.worker.{worker}", "1", px=60_000)

    async def die(self, worker: str) -> None:
        """Its lock runs out."""
        await self.client.delete(f"{self.key}.metadata.worker.{worker}")


@pytest.fixture
def swift(server_client: Valkey, queue_key: str) -> Swift:
    return Swift(server_client, queue_key)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def driver(server_client: Valkey, queue_key: str, clock: ManualClock) -> AsyncIterator[ValkeyJobQueue]:
    configuration = ValkeyConfiguration(queue_key=queue_key, retention_policy=KEEP_ALL, unowned_grace=GRACE)
    async with ValkeyJobQueue(server_client, configuration, clock=clock) as driver:
        yield driver


async def test_a_job_of_swift_runs_here(swift: Swift, driver: ValkeyJobQueue, clock: ManualClock) -> None:
    seen: list[tuple[Work, JobID, int, datetime]] = []
    queue = JobQueue(driver)

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        seen.append((parameters, context.job_id, context.attempt, context.queued_at))

    await swift.push(clock.now())
    assert await driver.status(JobID(ID)) is JobStatus.PENDING
    assert await driver.validate() == []
    await queue.processor(options(burst=True)).run()
    assert seen == [(Work(7), JobID(ID), 1, QUEUED)]
    assert await driver.status(JobID(ID)) is JobStatus.COMPLETED
    assert await swift.client.hget(f"{swift.key}/{ID}.metadata", "status") == b"completed"
    assert await driver.validate() == []


async def test_the_poll_finds_what_swift_pushes(server_client: Valkey, queue_key: str) -> None:
    """A Swift service sends no wake-up."""
    configuration = ValkeyConfiguration(queue_key=queue_key, poll_time=timedelta(milliseconds=20))
    async with ValkeyJobQueue(server_client, configuration) as driver:
        queue = JobQueue(driver)
        ran = counting(queue)
        processor = queue.processor(options())
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            group.create_task(processor.run())
            await driver.counts()
            await Swift(server_client, queue_key).push(SystemClock().now())
            while not ran:  # noqa: ASYNC110 - the poll tells nobody
                await asyncio.sleep(0.005)
            processor.stop()
        assert ran == [7]


async def test_a_delayed_job_of_swift_keeps_its_time(swift: Swift, driver: ValkeyJobQueue, clock: ManualClock) -> None:
    due = clock.now() + timedelta(minutes=1)
    await swift.push(due)
    await driver.open_worker("worker", timedelta(hours=1))
    assert await driver.pause(JobID(ID.lower()))
    assert await swift.client.zscore(f"{swift.key}.paused", ID) == due.timestamp()
    assert await driver.resume(JobID(ID))
    assert (await driver.exchange("worker", 1, (), 1)).claims == []
    clock.advance(timedelta(minutes=1))
    (claim,) = (await driver.exchange("worker", 2, (), 1)).claims
    assert (claim.job_id, claim.request, claim.due) == (JobID(ID), REQUEST, due)


async def test_the_job_of_a_dead_swift_worker_is_recovered(
    swift: Swift, driver: ValkeyJobQueue, clock: ManualClock
) -> None:
    await swift.push(clock.now())
    await swift.hold_lock("swift-1")
    await swift.pop()
    await swift.own("swift-1")
    for _ in range(3):
        clock.advance(timedelta(hours=1))
        assert await driver.recover() == 0, "it lives"
    assert await driver.status(JobID(ID)) is JobStatus.PROCESSING
    assert await driver.cancel(JobID(ID)) is False
    assert await driver.remove(JobID(ID)) is False
    await swift.die("swift-1")
    assert await driver.recover() == 1
    assert await driver.recover() == 0
    stored = await driver.get(JobID(ID))
    assert stored is not None
    assert (stored.status, stored.recoveries, stored.request) == (JobStatus.PENDING, 1, REQUEST)
    assert await swift.client.llen(f"{swift.key}.processing") == 0
    assert await driver.validate() == []
    queue = JobQueue(driver)
    ran = counting(queue)
    await queue.processor(options(burst=True)).run()
    assert ran == [7]


async def test_a_job_that_nobody_owns_is_recovered_at_the_second_look(
    swift: Swift, driver: ValkeyJobQueue, clock: ManualClock
) -> None:
    """Swift pops first and writes its id in a second step: it may just be about to."""
    await swift.push(clock.now())
    await swift.pop()
    clock.advance(timedelta(minutes=1))
    assert await driver.recover() == 0, "the first look only notes it, however long it has been there"
    clock.advance(GRACE - timedelta(microseconds=1))
    assert await driver.recover() == 0
    clock.advance(timedelta(microseconds=1))
    assert await driver.recover() == 1
    assert await driver.status(JobID(ID)) is JobStatus.PENDING
    assert await driver.validate() == []


async def test_a_job_that_is_owned_by_the_second_look_is_left_alone(
    swift: Swift, driver: ValkeyJobQueue, clock: ManualClock
) -> None:
    await swift.push(clock.now())
    await swift.pop()
    assert await driver.recover() == 0
    await swift.hold_lock("swift-1")
    await swift.own("swift-1")
    clock.advance(GRACE * 10)
    assert await driver.recover() == 0
    assert await driver.status(JobID(ID)) is JobStatus.PROCESSING


@pytest.mark.parametrize("meanwhile", ["recovered", "owned", "back in the queue"])
async def test_a_second_pop_starts_the_grace_anew(
    swift: Swift, driver: ValkeyJobQueue, clock: ManualClock, meanwhile: str
) -> None:
    await swift.push(clock.now())
    await swift.pop()
    assert await driver.recover() == 0
    clock.advance(GRACE)
    if meanwhile == "owned":
        await swift.hold_lock("swift-1")
        await swift.own("swift-1")
    elif meanwhile == "back in the queue":
        await swift.go_back(clock.now())
    assert await driver.recover() == (1 if meanwhile == "recovered" else 0)
    clock.advance(GRACE)
    await swift.go_back(clock.now())
    await swift.pop()
    assert await driver.recover() == 0


async def test_what_is_pushed_here_has_the_form_that_swift_reads(
    swift: Swift, driver: ValkeyJobQueue, clock: ManualClock
) -> None:
    clock.set(QUEUED)
    queue = JobQueue(driver)
    due = QUEUED + timedelta(seconds=90)
    job_id = await queue.push(Work(7), options=JobOptions(delay_until=due, job_id=ID.lower()))
    assert str(job_id) == ID
    assert job_id == UUID(ID)
    assert json.loads(await swift.client.get(f"{swift.key}/{ID}")) == {
        "Work": {"p": {"number": 7}, "q": SINCE_2001, "a": 1}
    }
    assert await swift.client.zrange(f"{swift.key}.pending", 0, -1, withscores=True) == [(ID.encode(), due.timestamp())]
    assert await queue.status(ID.lower()) is JobStatus.PENDING


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
async def test_what_has_ended_lies_where_swift_looks(
    swift: Swift, driver: ValkeyJobQueue, clock: ManualClock, status: str
) -> None:
    queue = JobQueue(driver)

    @queue.job(Work, retry_strategy=ExponentialJitter(max_attempts=1))
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        if status == "failed":
            raise RuntimeError("no")

    job_id = await queue.push(Work(7))
    clock.advance(timedelta(seconds=10))
    if status == "cancelled":
        assert await queue.cancel(job_id)
    await queue.processor(options(burst=True)).run()
    found = await swift.client.zrange(f"{swift.key}.{status}", 0, -1, withscores=True)
    assert found == [(str(job_id).encode(), clock.now().timestamp())]
    assert await swift.client.hget(f"{swift.key}/{job_id}.metadata", "status") == status.encode()
    assert json.loads(await swift.client.get(f"{swift.key}/{job_id}"))["Work"]["p"] == {"number": 7}


async def test_ours_never_appear_on_the_list_of_swift(swift: Swift, driver: ValkeyJobQueue) -> None:
    await JobQueue(driver).push(Work(1))
    await driver.open_worker("worker", timedelta(hours=1))
    assert len((await driver.exchange("worker", 1, (), 1)).claims) == 1
    assert await swift.client.exists(f"{swift.key}.processing") == 0
    keys = [key async for key in swift.client.scan_iter(match=f"{swift.key}.metadata.*", count=1000)]
    assert keys
    assert [key for key in keys if not key.startswith(f"{swift.key}.metadata._".encode())] == []


async def test_metadata_is_shared(swift: Swift, driver: ValkeyJobQueue) -> None:
    await swift.client.set(f"{swift.key}.metadata.key", b"from Swift")
    assert await driver.get_metadata("key") == b"from Swift"
    await driver.set_metadata("key", b"from here")
    assert await swift.client.get(f"{swift.key}.metadata.key") == b"from here"


async def test_a_lock_is_shared(server_client: Valkey, queue_key: str) -> None:
    """By the server's own time: Swift's locks are values with an expiry."""
    client = cast(Any, server_client)
    async with ValkeyJobQueue(server_client, ValkeyConfiguration(queue_key=queue_key)) as driver:
        await client.set(f"{queue_key}.metadata.lock", b"swift", px=60_000)
        assert await driver.acquire_lock("lock", b"python", timedelta(seconds=30)) is False
        await client.delete(f"{queue_key}.metadata.lock")
        assert await driver.acquire_lock("lock", b"python", timedelta(seconds=30)) is True
        assert await client.get(f"{queue_key}.metadata.lock") == b"python"
        assert 0 < await client.pttl(f"{queue_key}.metadata.lock") <= 30_000
