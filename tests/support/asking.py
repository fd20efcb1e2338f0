"""A step of the driver: what it starts from, how it is asked for, its answer, and what it leaves."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from jobsvalkey.contract import (
    AbortOutcome,
    Claim,
    Exchanged,
    Finish,
    JobID,
    JobStatus,
    Report,
    Settlement,
    SettleOutcome,
    StoreOutcome,
    Unique,
)
from jobsvalkey.valkey import ValkeyJobQueue
from jobsvalkey.valkey.scripting import Script
from tests.support.drivers import HOUR, claims_of, new_job
from tests.support.pushes import outcomes
from tests.support.scenes import (
    JOBS,
    Prepare,
    Scene,
    expiring_job,
    kept_job,
    laned_job,
    named_job,
)

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


async def shown(driver: ValkeyJobQueue, scene: Scene) -> tuple[JobStatus, bytes | None, bytes | None] | None:
    """The state, the result and the error of the first."""
    job = await driver.get(scene.ids[0])
    return None if job is None else (job.status, job.result, job.error)


async def is_paused(driver: ValkeyJobQueue, scene: Scene) -> bool:
    """Whether the queue is paused."""
    return await driver.is_queue_paused()


async def asked_for(driver: ValkeyJobQueue, scene: Scene) -> list[bool]:
    """Whether the worker hears that it is to end the job, for each of its claims."""
    aborts = (await driver.renew("worker", HOUR)).aborts
    return [claim.token in aborts for claim in scene.claims]


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


async def reporting(driver: ValkeyJobQueue, scene: Scene) -> list[SettleOutcome]:
    """An exchange that reports of the first claim, and of the second by a token that never was."""
    first, second = scene.claims[:2]
    reports = [Report(first.job_id, first.token, b"half", b"page 5"), Report(second.job_id, b"0.0", b"half")]
    return (await driver.exchange("worker", 2, reports=reports)).reported


async def progress(driver: ValkeyJobQueue, scene: Scene) -> list[bytes | None]:
    """How far each has come."""
    jobs = [await driver.get(job_id) for job_id in scene.ids]
    return [job and job.progress for job in jobs]


async def claiming(driver: ValkeyJobQueue, scene: Scene) -> list[JobID]:
    """An exchange that claims two."""
    exchanged: Exchanged = await driver.exchange("worker", 1, (), 2)
    assert len({claim.token for claim in exchanged.claims}) == len(exchanged.claims)
    return [claim.job_id for claim in exchanged.claims if claim.job_id in scene.ids[:2]]


async def hearing(driver: ValkeyJobQueue, scene: Scene) -> list[bool]:
    """An exchange of which the answer says the end of which claims is asked for."""
    aborts = (await driver.exchange("worker", 2, (), 1)).aborts
    return [claim.token in aborts for claim in scene.claims]


async def ending(driver: ValkeyJobQueue, scene: Scene) -> list[JobStatus | None]:
    """A wait for the ends of jobs."""
    return [job and job.status for job in await driver.ended(scene.ids, HOUR)]


async def aborting(driver: ValkeyJobQueue, scene: Scene) -> AbortOutcome:
    """A request to end the first."""
    return await driver.abort(scene.ids[0])


async def opening(driver: ValkeyJobQueue, scene: Scene) -> None:
    """Another worker."""
    await driver.open_worker("worker", HOUR)


async def renewing(driver: ValkeyJobQueue, scene: Scene) -> bool:
    """The lock is extended; whether all claims are told."""
    return (await driver.renew("worker", HOUR)).tokens == frozenset(claim.token for claim in scene.claims)


async def closing(driver: ValkeyJobQueue, scene: Scene) -> None:
    """The end of the worker."""
    await driver.close_worker("worker")


async def pushing(driver: ValkeyJobQueue, count: int) -> list[StoreOutcome]:
    """A push of some jobs."""
    return outcomes(await driver.push([new_job() for _ in range(count)]))


async def pushing_kept(driver: ValkeyJobQueue, scene: Scene) -> list[StoreOutcome]:
    """A push of a job with a field that Swift does not know."""
    return outcomes(await driver.push([kept_job()]))


async def pushing_if(driver: ValkeyJobQueue, scene: Scene) -> StoreOutcome:
    """A push on a condition."""
    return (await driver.push_if(new_job(), "value", b"0", b"1")).outcome


def pushing_named(otherwise: Literal["skip", "replace"], number: int = 0) -> Ask:
    """A push of a job with a name that may be held."""

    async def ask(driver: ValkeyJobQueue, scene: Scene) -> list[StoreOutcome]:
        return outcomes(await driver.push([named_job(number, otherwise)]))

    return ask


async def names_held(driver: ValkeyJobQueue, scene: Scene) -> list[bool]:
    """Whether the three names are held: by what a push of each says."""
    return [await pushing_named("skip", each)(driver, scene) == [StoreOutcome.DUPLICATE] for each in range(JOBS)]


async def pushing_expiring(driver: ValkeyJobQueue, scene: Scene) -> list[StoreOutcome]:
    """A push of a job that expires."""
    return outcomes(await driver.push([expiring_job(HOUR)]))


async def ending_overdue(driver: ValkeyJobQueue, scene: Scene) -> None:
    """An exchange that settles nothing and claims nothing."""
    assert (await driver.exchange("worker", 1)).claims == []


async def claiming_what_lives(driver: ValkeyJobQueue, scene: Scene) -> list[int]:
    """An exchange that claims up to two; which it was, by their places."""
    return [scene.ids.index(claim.job_id) for claim in (await driver.exchange("worker", 1, (), 2)).claims]


async def closed(driver: ValkeyJobQueue, scene: Scene) -> list[Any]:
    """How often the pending ones were recovered, and the claims that another worker gets."""
    return [*await recovered(driver, scene), len(await claims_of(driver, 9, "other"))]


async def pushing_to_a_line(driver: ValkeyJobQueue, scene: Scene) -> list[StoreOutcome]:
    """A push of a job with a lane and a priority."""
    return outcomes(await driver.push([laned_job(0)]))


async def replacing_in_a_line(driver: ValkeyJobQueue, scene: Scene) -> list[StoreOutcome]:
    """A push that makes of the first of one line the last of another."""
    return outcomes(await driver.push([laned_job(2, Unique("lane 0", otherwise="replace"))]))


async def in_turn(driver: ValkeyJobQueue, scene: Scene) -> list[int]:
    """Which of the three another worker claims, in their order."""
    claims = await claims_of(driver, 9, "other")
    return [scene.ids.index(claim.job_id) for claim in claims if claim.job_id in scene.ids]
