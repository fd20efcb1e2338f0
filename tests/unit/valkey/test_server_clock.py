"""The server's own clock: which keys the server drops by itself, and when. The kit cannot wait for a day."""

from datetime import timedelta
from typing import Any, cast

from valkey.asyncio import Valkey

from jobsvalkey.contract import LaneLimit, NewJob, Operation, Report, Retry, Unique, new_job_id
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue

HOLD = timedelta(seconds=20)
DAY, PRODUCER, NEWS = timedelta(hours=24), timedelta(minutes=10), timedelta(minutes=10)


async def times_left(client: Valkey, queue_key: str) -> dict[str, timedelta]:
    """For how long each key of the queue is there, of those that are not there for good."""
    left: dict[str, timedelta] = {}
    async for key in cast(Any, client).scan_iter(match=f"{queue_key}*", count=1000):
        milliseconds = await cast(Any, client).pttl(key)
        if milliseconds >= 0:
            name = key.decode() if isinstance(key, bytes) else key
            left[name.removeprefix(f"{queue_key}.metadata.")] = timedelta(milliseconds=milliseconds)
    return left


def is_nearly(left: timedelta, whole: timedelta) -> bool:
    """Whether hardly any of a time has gone by."""
    return whole - timedelta(seconds=9) < left <= whole + timedelta(milliseconds=1)


async def test_only_memories_and_locks_run_out(server_client: Valkey, queue_key: str) -> None:
    """Workers are known for a day after their lock, producers and news for ten minutes; jobs are there for good."""
    configuration = ValkeyConfiguration(queue_key=queue_key, activity=True)
    async with ValkeyJobQueue(server_client, configuration) as driver:
        await driver.open_worker("worker", HOLD, about=b"about")
        await driver.set_lane_limit("*", LaneLimit(concurrency=99, rate=(9, timedelta(seconds=1))))
        batch, parent = new_job_id(), new_job_id()
        jobs = [
            NewJob(parent, b"{}", remember=True, keep_for=timedelta(seconds=1), unique=Unique("name")),
            NewJob(batch, b"{}", batch=batch),
            NewJob(new_job_id(), b"{}", batch=batch, lane="a", priority=3, expires=timedelta(days=1)),
            NewJob(new_job_id(), b"{}", after=(parent,)),
            NewJob(new_job_id(), b"{}", due=timedelta(seconds=5), unique=Unique("timed", timedelta(seconds=1))),
        ]
        await driver.push(jobs, operation=Operation("user", 1))
        claims = (await driver.exchange("worker", 1, (), 9)).claims
        assert len(claims) == 2
        retry = Retry(claims[0].job_id, claims[0].token, error=b"error")
        report = Report(claims[1].job_id, claims[1].token, b"half", b"state")
        await driver.exchange("worker", 2, [retry], 0, reports=[report])
        await driver.abort(claims[1].job_id, operation=Operation("user", 2))
        await driver.set_metadata("value", b"1")
        await driver.acquire_lock("lock", b"holder", HOLD)
        await driver.pause_queue()

        left = await times_left(server_client, queue_key)
        producers = {name for name in left if name.startswith("_producer.")}
        news = {name for name in left if name.startswith("_news.")}
        assert "_producer.user" in producers
        assert left.keys() == producers | news | {"_worker.worker", "lock"}
        assert is_nearly(left["_worker.worker"], HOLD + DAY)
        assert is_nearly(left["lock"], HOLD)
        assert all(is_nearly(left[name], PRODUCER) for name in producers)
        assert all(is_nearly(left[name], NEWS) for name in news)


async def test_memories_last_from_the_last_use(server_client: Valkey, queue_key: str) -> None:
    """A renewal, another opening, a repeat, and the same holder's lock begin the time anew, longer or shorter."""
    async with ValkeyJobQueue(server_client, ValkeyConfiguration(queue_key=queue_key)) as driver:
        operation = Operation("user", 1)
        await driver.set_metadata("value", b"1", operation=operation)
        await cast(Any, server_client).pexpire(f"{queue_key}.metadata._producer.user", 5_000)
        await driver.set_metadata("value", b"1", operation=operation)
        assert is_nearly((await times_left(server_client, queue_key))["_producer.user"], PRODUCER)
        await driver.open_worker("worker", HOLD)
        for hold_for in (HOLD * 100, HOLD * 50):
            await driver.renew("worker", hold_for)
            assert is_nearly((await times_left(server_client, queue_key))["_worker.worker"], hold_for + DAY)
            await driver.open_worker("worker", hold_for * 3)
            assert is_nearly((await times_left(server_client, queue_key))["_worker.worker"], hold_for * 3 + DAY)
            assert await driver.acquire_lock("lock", b"holder", hold_for)
            assert is_nearly((await times_left(server_client, queue_key))["lock"], hold_for)
        await driver.close_worker("worker")
        assert "_worker.worker" not in await times_left(server_client, queue_key)
