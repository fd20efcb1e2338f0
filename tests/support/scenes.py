"""What a step of the driver starts from: three jobs, in one state or another."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

from jobsvalkey.contract import AbortOutcome, Claim, Fail, JobID, NewJob, Unique, new_job_id
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.drivers import HOUR, claims_of, new_job, open_worker

JOBS = 3
MOMENT = timedelta(milliseconds=1)


@dataclass
class Scene:
    """Three jobs in the state that a step starts from."""

    ids: list[JobID]
    claims: list[Claim]


Prepare: TypeAlias = Callable[[ValkeyJobQueue], Awaitable[Scene]]


def kept_job() -> NewJob:
    """A job with a field that Swift does not know."""
    return NewJob(new_job_id(), b"request", keep_for=HOUR)


async def pending(driver: ValkeyJobQueue) -> Scene:
    """Nothing has been done to them."""
    jobs = [new_job() for _ in range(JOBS)]
    await driver.push(jobs)
    await driver.set_metadata("value", b"0")
    await driver.acquire_lock("held", b"holder", HOUR)
    return Scene([job.job_id for job in jobs], [])


async def worker(driver: ValkeyJobQueue) -> Scene:
    """There is a worker that has claimed none."""
    scene = await pending(driver)
    await open_worker(driver)
    return scene


async def claimed(driver: ValkeyJobQueue) -> Scene:
    """The worker has claimed them all."""
    scene = await pending(driver)
    scene.claims = await claims_of(driver, JOBS)
    return scene


async def orphaned(driver: ValkeyJobQueue) -> Scene:
    """The worker that had claimed them is dead."""
    scene = await claimed(driver)
    await driver.renew("worker", MOMENT)
    await asyncio.sleep(5 * MOMENT.total_seconds())
    return scene


async def two_orphaned(driver: ValkeyJobQueue) -> Scene:
    """Each of three workers has claimed one; the first two are dead."""
    scene = await pending(driver)
    for name in ("other", "worker", "alive"):
        scene.claims += await claims_of(driver, 1, name)
    for name in ("other", "worker"):
        await driver.renew(name, MOMENT)
    await asyncio.sleep(5 * MOMENT.total_seconds())
    return scene


async def paused(driver: ValkeyJobQueue) -> Scene:
    """They are paused."""
    scene = await pending(driver)
    for job_id in scene.ids:
        assert await driver.pause(job_id)
    return scene


async def failed(driver: ValkeyJobQueue) -> Scene:
    """They have failed."""
    scene = await claimed(driver)
    await driver.exchange("worker", 2, [Fail(each.job_id, each.token, b"error") for each in scene.claims])
    return scene


async def kept_for(driver: ValkeyJobQueue) -> Scene:
    """They have a field that Swift does not know, and there is a worker that has claimed none."""
    jobs = [kept_job() for _ in range(JOBS)]
    await driver.push(jobs)
    await open_worker(driver)
    return Scene([job.job_id for job in jobs], [])


async def kept_for_and_claimed(driver: ValkeyJobQueue) -> Scene:
    """The worker has claimed them all."""
    scene = await kept_for(driver)
    scene.claims = (await driver.exchange("worker", 1, (), JOBS)).claims
    return scene


def named_job(number: int, otherwise: Literal["skip", "replace"] = "skip") -> NewJob:
    """A job with a name of its own: the first until it ends, the second until it starts, the third for an hour."""
    until: tuple[Literal["end", "start"] | timedelta, ...] = ("end", "start", HOUR)
    return NewJob(new_job_id(), b"request", unique=Unique(f"name {number}", until[number], otherwise))


async def named(driver: ValkeyJobQueue) -> Scene:
    """They hold names, and there is a worker that has claimed none."""
    jobs = [named_job(number) for number in range(JOBS)]
    await driver.push(jobs)
    await open_worker(driver)
    return Scene([job.job_id for job in jobs], [])


async def named_and_claimed(driver: ValkeyJobQueue) -> Scene:
    """The worker has claimed them all."""
    scene = await named(driver)
    scene.claims = (await driver.exchange("worker", 1, (), JOBS)).claims
    return scene


async def named_and_failed(driver: ValkeyJobQueue) -> Scene:
    """They have failed."""
    scene = await named_and_claimed(driver)
    await driver.exchange("worker", 2, [Fail(each.job_id, each.token, b"error") for each in scene.claims])
    return scene


def laned_job(number: int, unique: Unique | None = None) -> NewJob:
    """A job with a line: the first two have the same, and go before the third."""
    return NewJob(new_job_id(), b"request", lane="ab"[number // 2], priority=(5, 5, 0)[number], unique=unique)


async def laned(driver: ValkeyJobQueue) -> Scene:
    """They wait in lines, and there is a worker that has claimed none."""
    jobs = [laned_job(number, Unique(f"lane {number}", otherwise="replace")) for number in range(JOBS)]
    await driver.push(jobs)
    await open_worker(driver)
    return Scene([job.job_id for job in jobs], [])


async def laned_and_claimed(driver: ValkeyJobQueue) -> Scene:
    """The worker has claimed them all."""
    scene = await laned(driver)
    scene.claims = (await driver.exchange("worker", 1, (), JOBS)).claims
    return scene


async def laned_and_failed(driver: ValkeyJobQueue) -> Scene:
    """They have failed."""
    scene = await laned_and_claimed(driver)
    await driver.exchange("worker", 2, [Fail(each.job_id, each.token, b"error") for each in scene.claims])
    return scene


async def laned_and_orphaned(driver: ValkeyJobQueue) -> Scene:
    """Their worker's lock has run out."""
    scene = await laned_and_claimed(driver)
    await driver.renew("worker", timedelta(0))
    return scene


async def laned_and_paused(driver: ValkeyJobQueue) -> Scene:
    """They are paused."""
    scene = await laned(driver)
    for job_id in scene.ids:
        assert await driver.pause(job_id)
    return scene


def expiring_job(expires: timedelta) -> NewJob:
    """A job that expires."""
    return NewJob(new_job_id(), b"request", expires=expires)


async def expired(driver: ValkeyJobQueue) -> Scene:
    """Two have expired, of which the second is paused, the third has not; there is a worker that has claimed none."""
    jobs = [expiring_job(expires) for expires in (timedelta(0), timedelta(0), HOUR)]
    await driver.push(jobs)
    await driver.pause(jobs[1].job_id)
    await open_worker(driver)
    return Scene([job.job_id for job in jobs], [])


async def expired_and_claimed(driver: ValkeyJobQueue) -> Scene:
    """The worker has claimed them all, and they have expired since."""
    for seconds in (0.05, 0.5, 5):  # on a busy machine they may expire too soon, and others have to do
        jobs = [expiring_job(timedelta(seconds=seconds)) for _ in range(JOBS)]
        await driver.push(jobs)
        await open_worker(driver)
        claims = (await driver.exchange("worker", 1, (), JOBS)).claims
        if len(claims) == JOBS:
            await asyncio.sleep(seconds)
            return Scene([job.job_id for job in jobs], claims)
        await driver.close_worker("worker")
    raise AssertionError("the jobs expire before they are claimed")


async def expired_and_cancelled(driver: ValkeyJobQueue) -> Scene:
    """Two have ended as having expired, the third has not."""
    scene = await expired(driver)
    await driver.exchange("worker", 1)
    return scene


async def asked(driver: ValkeyJobQueue) -> Scene:
    """The worker has claimed them all, and is to end the first."""
    scene = await claimed(driver)
    assert await driver.abort(scene.ids[0]) is AbortOutcome.REQUESTED
    return scene


async def asked_and_orphaned(driver: ValkeyJobQueue) -> Scene:
    """The worker that was to end the first of them is dead."""
    scene = await asked(driver)
    await driver.renew("worker", MOMENT)
    await asyncio.sleep(5 * MOMENT.total_seconds())
    return scene


async def queue_paused(driver: ValkeyJobQueue) -> Scene:
    """The queue is paused; the worker has claimed two."""
    scene = await pending(driver)
    scene.claims = await claims_of(driver, 2)
    await driver.pause_queue()
    return scene


ASKED = (asked, asked_and_orphaned)
"""Where the end of the first is asked for, so that it never runs again."""
