"""Steps that a driver sends again, as their connection was cut, and whose first request arrives later."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeAlias

import pytest

from jobsvalkey.contract import Capability, Fail, Finish, JobCleanup, JobStatus, LaneLimit, SettleOutcome, new_job_id
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import RETAIN_ALL, STORED, SuiteContext, outcomes
from jobsvalkey_conformance.harness import AnyDriver, Hook

HOUR = timedelta(hours=1)
LIMIT, OTHER_LIMIT = LaneLimit(concurrency=1), LaneLimit(concurrency=2)
Way: TypeAlias = AsyncGenerator[Awaitable[Any] | None]
"""Gives a step. When it was answered, undoes what it did, and gives `None`. When its first request has arrived as well,
looks."""


class Ways:
    """Each step that is never done twice, what undoes it, and what is found then. A second driver does the rest.

    `acquire_lock` is not among them: if it is repeated, it takes again what the holder has lost since.
    """

    def __init__(self, kit: SuiteContext, driver: AnyDriver, other: AnyDriver) -> None:
        self.kit: SuiteContext = kit
        self.driver: AnyDriver = driver
        self.other: AnyDriver = other

    async def push(self) -> Way:
        """The job was claimed and removed."""
        job = self.kit.job()
        yield self.driver.push([job])
        assert await self.kit.claimed(self.other) == [job.job_id]
        assert await self.other.cleanup_step(JobStatus.PROCESSING, JobCleanup.remove(), max_jobs=1) == 1
        yield None
        assert await self.kit.claimed(self.other) == []

    async def exchange(self) -> Way:
        """Another job came."""
        await self.kit.push_many(self.other, 2)
        worker = await self.kit.worker(self.driver)
        claim = await worker.claim_one()
        yield worker.exchange(Finish(claim.job_id, claim.token), limit=1)
        held = (await self.other.renew(worker.id, HOUR)).tokens
        await self.kit.push(self.other)
        yield None
        assert (await self.other.renew(worker.id, HOUR)).tokens == held
        assert len(held) == len(await self.kit.claimed(self.other)) == 1

    async def exchange_in_vain(self) -> Way:
        """There was nothing to do, and a job came."""
        worker = await self.kit.worker(self.driver)
        yield worker.exchange(limit=1)
        job_id = await self.kit.push(self.other)
        yield None
        assert (await self.other.renew(worker.id, HOUR)).tokens == frozenset()
        assert await self.kit.claimed(self.other) == [job_id]

    async def push_if(self) -> Way:
        """The key has its former value again."""
        job = self.kit.job()
        await self.other.set_metadata("key", b"0")
        yield self.driver.push_if(job, "key", b"0", b"1")
        await self.other.set_metadata("key", b"0")
        yield None
        assert await self.other.get_metadata("key") == b"0"
        assert await self.kit.claimed(self.other) == [job.job_id]

    async def cancel(self) -> Way:
        """The job was rerun."""
        job_id = await self.kit.push(self.other)
        yield self.driver.cancel(job_id)
        assert await self.other.rerun(job_id)
        yield None
        assert await self.kit.claimed(self.other) == [job_id]

    async def abort(self) -> Way:
        """The job was rerun and claimed again."""
        job = self.kit.job()
        await self.other.push([job])
        worker = await self.kit.worker(self.other)
        claim = await worker.claim_one()
        yield self.driver.abort(job.job_id)
        assert await worker.settle(Fail(job.job_id, claim.token, b"error")) == [SettleOutcome.SETTLED]
        assert await self.other.rerun(job.job_id)
        again = await worker.claim_one()
        yield None
        held = await self.other.renew(worker.id, HOUR)
        assert (held.tokens, held.aborts) == ({again.token}, frozenset())

    async def pause(self) -> Way:
        """The job was resumed."""
        job_id = await self.kit.push(self.other)
        yield self.driver.pause(job_id)
        assert await self.other.resume(job_id)
        yield None
        assert await self.kit.claimed(self.other) == [job_id]

    async def resume(self) -> Way:
        """The job was paused again."""
        job_id = await self.kit.in_state(self.other, JobStatus.PAUSED)
        yield self.driver.resume(job_id)
        assert await self.other.pause(job_id)
        yield None
        assert await self.kit.claimed(self.other) == []

    async def rerun(self) -> Way:
        """The job failed again."""
        job_id = await self.kit.in_state(self.other, JobStatus.FAILED)
        yield self.driver.rerun(job_id)
        worker = await self.kit.worker(self.other)
        claim = await worker.claim_one()
        assert await worker.settle(Fail(job_id, claim.token, b"error")) == [SettleOutcome.SETTLED]
        yield None
        assert await self.kit.claimed(self.other) == []

    async def remove(self) -> Way:
        """A job of the same id was pushed."""
        job = self.kit.job()
        await self.other.push([job])
        yield self.driver.remove(job.job_id)
        assert outcomes(await self.other.push([job])) == [STORED]
        yield None
        assert await self.kit.claimed(self.other) == [job.job_id]

    async def cleanup_step(self) -> Way:
        """Another job came into that state."""
        await self.kit.push(self.other)
        yield self.driver.cleanup_step(JobStatus.PENDING, JobCleanup.remove(), max_jobs=10)
        after = await self.kit.push(self.other)
        yield None
        assert await self.kit.claimed(self.other) == [after]

    async def close_batch(self) -> Way:
        """The callback was removed, and one of the same id was pushed."""
        callback = new_job_id()
        job = self.kit.job(job_id=callback, batch=callback)
        await self.other.push([job])
        yield self.driver.close_batch(callback)
        assert await self.other.remove(callback)
        assert outcomes(await self.other.push([job])) == [STORED]
        yield None
        assert await self.kit.claimed(self.other) == []

    async def set_metadata(self) -> Way:
        """The key was set anew."""
        yield self.driver.set_metadata("key", b"1")
        await self.other.set_metadata("key", b"0")
        yield None
        assert await self.other.get_metadata("key") == b"0"

    async def release_lock(self) -> Way:
        """The holder acquired it again."""
        assert await self.other.acquire_lock("key", b"holder", HOUR)
        yield self.driver.release_lock("key", b"holder")
        assert await self.other.acquire_lock("key", b"holder", HOUR)
        yield None
        assert await self.other.get_metadata("key") == b"holder"

    async def pause_queue(self) -> Way:
        """The queue was resumed."""
        yield self.driver.pause_queue()
        await self.other.resume_queue()
        yield None
        assert not await self.other.is_queue_paused()

    async def resume_queue(self) -> Way:
        """The queue was paused again."""
        await self.other.pause_queue()
        yield self.driver.resume_queue()
        await self.other.pause_queue()
        yield None
        assert await self.other.is_queue_paused()

    async def set_lane_limit(self) -> Way:
        """The limit was changed."""
        yield self.driver.set_lane_limit("lane", LIMIT)
        await self.other.set_lane_limit("lane", OTHER_LIMIT)
        yield None
        assert await self.other.lane_limits() == {"lane": OTHER_LIMIT}


WAYS: dict[Callable[[Ways], Way], tuple[Capability, ...]] = {
    Ways.push: (Capability.CLEANUP,),
    Ways.exchange: (),
    Ways.exchange_in_vain: (),
    Ways.push_if: (Capability.SCHEDULING, Capability.METADATA),
    Ways.cancel: (Capability.CANCEL, Capability.CLEANUP),
    Ways.abort: (Capability.ABORT, Capability.CLEANUP),
    Ways.pause: (Capability.RESUME,),
    Ways.resume: (Capability.RESUME,),
    Ways.rerun: (Capability.CLEANUP,),
    Ways.remove: (Capability.CLEANUP,),
    Ways.cleanup_step: (Capability.CLEANUP,),
    Ways.close_batch: (Capability.FLOWS, Capability.CLEANUP),
    Ways.set_metadata: (Capability.METADATA,),
    Ways.release_lock: (Capability.METADATA,),
    Ways.pause_queue: (Capability.PAUSE_QUEUE,),
    Ways.resume_queue: (Capability.PAUSE_QUEUE,),
    Ways.set_lane_limit: (Capability.LANES,),
}


class OvertakenTests(Suite):
    """A step that the driver has sent again, without being given a number, is done once."""

    @pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
    @conformance_test(Capability.QUEUE, Hook.OVERTAKE_REQUEST)
    async def test_overtaken_it_does_nothing_any_more(self, kit: SuiteContext, way: Callable[[Ways], Way]) -> None:
        """A step that was sent again does nothing when its first request arrives, though another has undone it."""
        kit.needs(*WAYS[way])
        driver, other = [await kit.driver(retention_policy=RETAIN_ALL) for _ in range(2)]
        ways = way(Ways(kit, driver, other))
        await driver.push([kit.job(due=HOUR)])  # a store that keeps scripts has it from now on
        step = await anext(ways)
        assert step is not None
        async with kit.harness.overtake_request() as is_held:
            call = asyncio.ensure_future(step)
            await is_held()
            await call
            assert await anext(ways) is None
        async for _ in ways:
            raise AssertionError("it looks once")
