"""Every writing step of the driver: what it starts from, how it is asked for, its answer, and what it leaves."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from jobsvalkey.contract import (
    Claim,
    Exchanged,
    Fail,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    Release,
    Retry,
    Settlement,
    SettleOutcome,
    StoreOutcome,
)
from jobsvalkey.valkey import ValkeyJobQueue, scripting
from jobsvalkey.valkey.scripting import Script
from tests.support.drivers import HOUR, claims_of, new_job, open_worker
from tests.support.pushes import STORED, outcomes

JOBS = 3
MOMENT = timedelta(milliseconds=1)


@dataclass
class Scene:
    """Three jobs in the state that a step starts from."""

    ids: list[JobID]
    claims: list[Claim]


Prepare: TypeAlias = Callable[[ValkeyJobQueue], Awaitable[Scene]]
Ask: TypeAlias = Callable[[ValkeyJobQueue, Scene], Awaitable[Any]]
See: TypeAlias = Callable[[ValkeyJobQueue, Scene], Awaitable[Any]]


@dataclass(frozen=True)
class Step:
    """`ask` is answered with `answer`, and `see` shows `left` afterwards."""

    script: Script
    prepare: Prepare
    ask: Ask
    answer: Any
    see: See
    left: Any


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


async def statuses(driver: ValkeyJobQueue, scene: Scene) -> list[JobStatus | None]:
    """Where the three are."""
    return [await driver.status(job_id) for job_id in scene.ids]


async def held(driver: ValkeyJobQueue, scene: Scene) -> tuple[int, int]:
    """How many jobs are pending, and how many claims the worker holds."""
    return (await driver.counts())[JobStatus.PENDING], len((await driver.renew("worker", HOUR)).tokens)


async def recovered(driver: ValkeyJobQueue, scene: Scene) -> list[int]:
    """How often each was recovered, where it is pending."""
    jobs = [await driver.get(job_id) for job_id in scene.ids]
    return [job.recoveries for job in jobs if job is not None and job.status is JobStatus.PENDING]


def metadata(key: str) -> See:
    """What stands under `key`."""

    async def see(driver: ValkeyJobQueue, scene: Scene) -> bytes | None:
        return await driver.get_metadata(key)

    return see


async def number(driver: ValkeyJobQueue, scene: Scene) -> int:
    """How many jobs there are."""
    return sum((await driver.counts()).values())


def settling(settle: Callable[[Claim], Settlement]) -> Ask:
    """An exchange that settles the first claim, and the second by a token that never was."""

    async def ask(driver: ValkeyJobQueue, scene: Scene) -> list[SettleOutcome]:
        first, second = scene.claims[:2]
        exchanged = await driver.exchange("worker", 2, [settle(first), Finish(second.job_id, b"0.0")])
        return exchanged.outcomes

    return ask


async def claiming(driver: ValkeyJobQueue, scene: Scene) -> list[JobID]:
    """An exchange that claims two."""
    exchanged: Exchanged = await driver.exchange("worker", 1, (), 2)
    assert len({claim.token for claim in exchanged.claims}) == len(exchanged.claims)
    return [claim.job_id for claim in exchanged.claims if claim.job_id in scene.ids[:2]]


async def opening(driver: ValkeyJobQueue, scene: Scene) -> None:
    """Another worker."""
    await driver.open_worker("worker", HOUR)


async def renewing(driver: ValkeyJobQueue, scene: Scene) -> bool:
    """The lock is extended; whether all claims are told."""
    return (await driver.renew("worker", HOUR)).tokens == frozenset(claim.token for claim in scene.claims)


async def pushing(driver: ValkeyJobQueue, count: int) -> list[StoreOutcome]:
    """A push of some jobs."""
    return outcomes(await driver.push([new_job() for _ in range(count)]))


async def pushing_if(driver: ValkeyJobQueue, scene: Scene) -> StoreOutcome:
    """A push on a condition."""
    return (await driver.push_if(new_job(), "value", b"0", b"1")).outcome


async def closed(driver: ValkeyJobQueue, scene: Scene) -> list[Any]:
    """How often the pending ones were recovered, and the claims that another worker gets."""
    return [*await recovered(driver, scene), len(await claims_of(driver, 9, "other"))]


SETTLED = [SettleOutcome.SETTLED, SettleOutcome.CLAIM_LOST]
PENDING, PROCESSING, FAILED = JobStatus.PENDING, JobStatus.PROCESSING, JobStatus.FAILED


def _settle(settle: Callable[[Claim], Settlement], status: JobStatus) -> Step:
    left = [status, PROCESSING, PROCESSING]
    return Step(scripting.EXCHANGE, claimed, settling(settle), SETTLED, statuses, left)


def _single(script: Script, prepare: Prepare, name: str, left: JobStatus | None) -> Step:
    async def ask(driver: ValkeyJobQueue, scene: Scene) -> bool:
        return await getattr(driver, name)(scene.ids[0])

    async def see(driver: ValkeyJobQueue, scene: Scene) -> JobStatus | None:
        return await driver.status(scene.ids[0])

    return Step(script, prepare, ask, True, see, left)


STEPS = {
    "push": Step(scripting.PUSH, pending, lambda d, _: pushing(d, 1), [STORED], number, 4),
    "push many": Step(scripting.PUSH, pending, lambda d, _: pushing(d, 50), [STORED] * 50, number, 53),
    "push_if": Step(scripting.PUSH_IF, pending, pushing_if, StoreOutcome.STORED, number, 4),
    "push_if: the key": Step(scripting.PUSH_IF, pending, pushing_if, StoreOutcome.STORED, metadata("value"), b"1"),
    "claim": Step(scripting.EXCHANGE, worker, claiming, None, held, (1, 2)),
    "finish": _settle(lambda claim: Finish(claim.job_id, claim.token), JobStatus.COMPLETED),
    "fail": _settle(lambda claim: Fail(claim.job_id, claim.token, b"error"), FAILED),
    "fail and keep": _settle(lambda claim: Fail(claim.job_id, claim.token, b"error", keep=True), FAILED),
    "retry": _settle(lambda claim: Retry(claim.job_id, claim.token, b"again", HOUR, b"error"), PENDING),
    "release": _settle(lambda claim: Release(claim.job_id, claim.token), PENDING),
    "cancel": _single(scripting.CANCEL, pending, "cancel", JobStatus.CANCELLED),
    "pause": _single(scripting.PAUSE, pending, "pause", JobStatus.PAUSED),
    "resume": _single(scripting.RESUME, paused, "resume", PENDING),
    "rerun": _single(scripting.CHANGE, failed, "rerun", PENDING),
    "remove": _single(scripting.CHANGE, failed, "remove", None),
    "cleanup": Step(
        scripting.CLEANUP,
        failed,
        lambda d, _: d.cleanup_step(FAILED, JobCleanup.remove(), max_jobs=2),
        2,
        statuses,
        [None, None, FAILED],
    ),
    "cleanup by rerun": Step(
        scripting.CLEANUP,
        failed,
        lambda d, _: d.cleanup_step(FAILED, JobCleanup.RERUN, max_jobs=2),
        2,
        statuses,
        [PENDING, PENDING, FAILED],
    ),
    "cleanup of orphans": Step(
        scripting.CLEANUP,
        two_orphaned,
        lambda d, _: d.cleanup_step(PROCESSING, JobCleanup.RERUN, max_jobs=3, only_orphans=True),
        2,
        statuses,
        [PENDING, PENDING, PROCESSING],
    ),
    "set_metadata": Step(
        scripting.SET_METADATA, pending, lambda d, _: d.set_metadata("value", b"1"), None, metadata("value"), b"1"
    ),
    "acquire_lock": Step(
        scripting.ACQUIRE_LOCK, pending, lambda d, _: d.acquire_lock("lock", b"me", HOUR), True, metadata("lock"), b"me"
    ),
    "release_lock": Step(
        scripting.RELEASE_LOCK, pending, lambda d, _: d.release_lock("held", b"holder"), True, metadata("held"), None
    ),
    "open_worker": Step(scripting.RENEW, pending, opening, None, held, (JOBS, 0)),
    "renew": Step(scripting.RENEW, claimed, renewing, True, held, (0, JOBS)),
    "close_worker": Step(
        scripting.CLOSE_WORKER, claimed, lambda d, _: d.close_worker("worker"), None, closed, [0, 0, 0, JOBS]
    ),
    "recover": Step(scripting.RECOVER, orphaned, lambda d, _: d.recover(), JOBS, recovered, [1, 1, 1]),
}
