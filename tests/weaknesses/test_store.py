"""Weaknesses of the store, of the look into it, and of its double: 11, 12."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import (
    Inconsistency,
    InconsistencyKind,
    JobID,
    JobStatus,
    RetentionPolicy,
    ValkeyJobQueue,
    new_job_id,
    retain_for,
    retain_last,
)
from jobsvalkey.contract import Fail, Finish, NewJob, Retry
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from tests.weaknesses.conftest import MakeDriver

MINUTE = timedelta(minutes=1)


async def test_weakness_11_each_kind_of_finding_is_told_apart(
    driver: ValkeyJobQueue, valkey_client: Valkey, queue_key: str
) -> None:
    """The kinds of what the original's validation finds all compare equal.

    Here each defect of a store is told by its kind and its job, and no two are the same.
    """
    client = cast(Any, valkey_client)
    jobs = [NewJob(new_job_id(), b"{}") for _ in range(5)]
    missing, unlisted, several, wrong_status, wrong_type = (job.job_id for job in jobs)
    await driver.push(jobs)
    await client.delete(f"{queue_key}/{missing}")
    await client.zrem(f"{queue_key}.pending", str(unlisted))
    await client.zadd(f"{queue_key}.paused", {str(several): 1})
    await client.hset(f"{queue_key}/{wrong_status}.metadata", "status", "completed")
    await client.delete(f"{queue_key}/{wrong_type}")
    await client.rpush(f"{queue_key}/{wrong_type}", "x")
    await client.zadd(f"{queue_key}.pending", {"garbage": 1})
    expected = {
        Inconsistency(InconsistencyKind.MISSING_PAYLOAD, missing),
        Inconsistency(InconsistencyKind.UNLISTED_PAYLOAD, unlisted),
        Inconsistency(InconsistencyKind.SEVERAL_STATES, several),
        Inconsistency(InconsistencyKind.WRONG_STATUS, wrong_status),
        Inconsistency(InconsistencyKind.WRONG_TYPE, wrong_type),
        Inconsistency(InconsistencyKind.NO_ID, "garbage"),
    }
    assert len(expected) == len(set(InconsistencyKind)) == 6
    found = await driver.validate()
    assert (set(found), len(found)) == (expected, 6)


class Story:
    """What one driver answers to a number of steps. Ids are given, so that two stories can be compared."""

    def __init__(self, driver: ValkeyJobQueue | MemoryJobQueue[ManualClock], clock: ManualClock) -> None:
        self.driver = driver
        self.clock = clock
        self.ids = [JobID(int=number + 1) for number in range(8)]

    async def due_times(self, status: JobStatus) -> list[tuple[JobID, object]]:
        return [(job.job_id, job.due) async for job in self.driver.jobs(status)]

    async def resume_keeps_the_delay(self) -> object:
        await self.driver.push([NewJob(self.ids[0], b"{}", MINUTE)])
        await self.driver.pause(self.ids[0])
        self.clock.advance(MINUTE / 2)
        await self.driver.resume(self.ids[0])
        return await self.due_times(JobStatus.PENDING)

    async def delayed_jobs_keep_their_order(self) -> object:
        await self.driver.push([NewJob(job_id, b"{}", MINUTE * (9 - n)) for n, job_id in enumerate(self.ids)])
        await self.driver.open_worker("worker", timedelta(hours=1))
        claimed: list[list[JobID]] = []
        for sequence in range(1, 9):
            exchanged = await self.driver.exchange("worker", sequence, (), 2)
            claimed.append([claim.job_id for claim in exchanged.claims])
            self.clock.advance(MINUTE)
        return claimed, await self.due_times(JobStatus.PENDING)

    async def locks_expire(self) -> object:
        seen = [await self.driver.acquire_lock("key", b"one", MINUTE), await self.driver.get_metadata("key")]
        seen.append(await self.driver.acquire_lock("key", b"two", MINUTE))
        self.clock.advance(MINUTE)
        return [*seen, await self.driver.get_metadata("key"), await self.driver.acquire_lock("key", b"two", MINUTE)]

    async def what_has_ended_is_retained(self) -> object:
        await self.driver.push([NewJob(job_id, b"{}") for job_id in self.ids])
        await self.driver.open_worker("worker", timedelta(hours=1))
        cancelled = [await self.driver.cancel(job_id) for job_id in self.ids[:3]]
        claims = (await self.driver.exchange("worker", 1, (), 10)).claims
        retries = [Retry(claims[0].job_id, claims[0].token), Fail(claims[1].job_id, claims[1].token, b"error")]
        await self.driver.exchange("worker", 2, [*retries, *(Finish(c.job_id, c.token) for c in claims[2:])])
        before = await self.driver.counts()
        self.clock.advance(MINUTE)
        return cancelled, before, await self.driver.counts(), [await self.driver.status(each) for each in self.ids]


STORIES: list[Callable[[Story], Any]] = [
    Story.resume_keeps_the_delay,
    Story.delayed_jobs_keep_their_order,
    Story.locks_expire,
    Story.what_has_ended_is_retained,
]


@pytest.mark.parametrize("tell", STORIES, ids=lambda tell: tell.__name__)
async def test_weakness_12_the_double_behaves_as_the_server_does(
    make_driver: MakeDriver, queue_key: str, tell: Callable[[Story], Any]
) -> None:
    """The original's in-memory queue is not a model of the real one: resume forgets the delay, delayed jobs rotate,
    metadata never expires, and there is no retention of cancelled and completed jobs.

    Here the twin answers as the server does. The whole suite compares them; these are the cases named.
    """
    policy = RetentionPolicy(completed_jobs=retain_last(2), cancelled_jobs=retain_for(MINUTE))
    real_clock, twin_clock = ManualClock(), ManualClock()
    real = make_driver(clock=real_clock, retention_policy=policy)
    twin = MemoryJobQueue(real.configuration, clock=twin_clock)
    answer = await tell(Story(real, real_clock))
    assert answer == await tell(Story(twin, twin_clock))
    assert answer
