"""Every step of the driver: what it starts from, how it is asked for, its answer, and what it leaves."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from jobsvalkey.contract import (
    AbortOutcome,
    Cancel,
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
from tests.support.drivers import HOUR, claims_of, new_job
from tests.support.pushes import STORED, outcomes
from tests.support.scenes import (
    JOBS,
    Prepare,
    Scene,
    asked,
    asked_and_orphaned,
    claimed,
    expired,
    expired_and_cancelled,
    expired_and_claimed,
    expiring_job,
    failed,
    kept_for,
    kept_for_and_claimed,
    kept_job,
    named,
    named_and_claimed,
    named_and_failed,
    named_job,
    orphaned,
    paused,
    pending,
    queue_paused,
    two_orphaned,
    worker,
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


SETTLED = [SettleOutcome.SETTLED, SettleOutcome.CLAIM_LOST]
PENDING, PROCESSING, FAILED = JobStatus.PENDING, JobStatus.PROCESSING, JobStatus.FAILED
COMPLETED, CANCELLED = JobStatus.COMPLETED, JobStatus.CANCELLED


def _settle(settle: Callable[[Claim], Settlement], status: JobStatus, prepare: Prepare = claimed) -> Step:
    left = [status, PROCESSING, PROCESSING]
    return Step(scripting.EXCHANGE, prepare, settling(settle), SETTLED, statuses, left)


def _settle_and_show(settle: Callable[[Claim], Settlement], prepare: Prepare, *left: Any) -> Step:
    return Step(scripting.EXCHANGE, prepare, settling(settle), SETTLED, shown, left)


def _finish(claim: Claim) -> Settlement:
    return Finish(claim.job_id, claim.token)


def _finish_with_result(claim: Claim) -> Settlement:
    return Finish(claim.job_id, claim.token, b"result")


def _retry(claim: Claim) -> Settlement:
    return Retry(claim.job_id, claim.token, b"again", HOUR, b"error")


def _release(claim: Claim) -> Settlement:
    return Release(claim.job_id, claim.token)


def _cancel(claim: Claim) -> Settlement:
    return Cancel(claim.job_id, claim.token, b"reason")


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
    "finish": _settle(_finish, COMPLETED),
    "fail": _settle(lambda claim: Fail(claim.job_id, claim.token, b"error"), FAILED),
    "fail and keep": _settle(lambda claim: Fail(claim.job_id, claim.token, b"error", keep=True), FAILED),
    "retry": _settle(_retry, PENDING),
    "release": _settle(_release, PENDING),
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
    "close_worker": Step(scripting.CLOSE_WORKER, claimed, closing, None, closed, [0, 0, 0, JOBS]),
    "recover": Step(scripting.RECOVER, orphaned, lambda d, _: d.recover(), JOBS, recovered, [1, 1, 1]),
    "push with keep_for": Step(scripting.PUSH, pending, pushing_kept, [STORED], number, 4),
    "claim with keep_for": Step(scripting.EXCHANGE, kept_for, claiming, None, held, (1, 2)),
    "finish with keep_for": _settle_and_show(_finish_with_result, kept_for_and_claimed, COMPLETED, b"result", None),
    "retry with keep_for": _settle(_retry, PENDING, kept_for_and_claimed),
    "finish with a result": _settle_and_show(_finish_with_result, claimed, COMPLETED, b"result", None),
    "ended": Step(scripting.READ, failed, ending, [FAILED] * JOBS, statuses, [FAILED] * JOBS),
    "push with a name": Step(scripting.PUSH, pending, pushing_named("skip"), [STORED], number, 4),
    "push of a held name": Step(scripting.PUSH, named, pushing_named("skip"), [StoreOutcome.DUPLICATE], number, 3),
    "push that replaces": Step(scripting.PUSH, named, pushing_named("replace"), [StoreOutcome.REPLACED], number, 3),
    "claim of names": Step(scripting.EXCHANGE, named, claiming, None, names_held, [True, False, True]),
    "finish with a name": Step(
        scripting.EXCHANGE, named_and_claimed, settling(_finish), SETTLED, names_held, [False, False, True]
    ),
    "retry with a name": Step(
        scripting.EXCHANGE, named_and_claimed, settling(_retry), SETTLED, names_held, [True, False, True]
    ),
    "rerun with a name": Step(
        scripting.CHANGE, named_and_failed, lambda d, s: d.rerun(s.ids[0]), True, names_held, [True, False, True]
    ),
    "cancel with a name": Step(
        scripting.CANCEL, named, lambda d, s: d.cancel(s.ids[0]), True, names_held, [False, True, True]
    ),
    "remove with a name": Step(
        scripting.CHANGE, named, lambda d, s: d.remove(s.ids[0]), True, names_held, [False, True, True]
    ),
    "push with an expiry": Step(scripting.PUSH, pending, pushing_expiring, [STORED], number, 4),
    "exchange that ends": Step(
        scripting.EXCHANGE, expired, ending_overdue, None, statuses, [CANCELLED, CANCELLED, PENDING]
    ),
    "claim of what expires": Step(
        scripting.EXCHANGE, expired, claiming_what_lives, [2], statuses, [CANCELLED, CANCELLED, PROCESSING]
    ),
    "finish after the expiry": _settle(_finish, COMPLETED, expired_and_claimed),
    "release after the expiry": _settle(_release, CANCELLED, expired_and_claimed),
    "retry after the expiry": _settle(_retry, CANCELLED, expired_and_claimed),
    "recover that ends": Step(
        scripting.RECOVER, expired, lambda d, _: d.recover(), 0, statuses, [CANCELLED, CANCELLED, PENDING]
    ),
    "cancel of what expires": _single(scripting.CANCEL, expired, "cancel", CANCELLED),
    "resume of what expires": Step(
        scripting.RESUME, expired, lambda d, s: d.resume(s.ids[1]), True, statuses, [PENDING] * JOBS
    ),
    "remove of what expires": _single(scripting.CHANGE, expired, "remove", None),
    "rerun of what has expired": _single(scripting.CHANGE, expired_and_cancelled, "rerun", PENDING),
    "pause_queue": Step(scripting.PAUSE_QUEUE, pending, lambda d, _: d.pause_queue(), None, is_paused, True),
    "resume_queue": Step(scripting.PAUSE_QUEUE, queue_paused, lambda d, _: d.resume_queue(), None, is_paused, False),
    "is_queue_paused": Step(scripting.IS_QUEUE_PAUSED, queue_paused, is_paused, True, is_paused, True),
    "finish while paused": Step(
        scripting.EXCHANGE, queue_paused, settling(_finish), SETTLED, statuses, [COMPLETED, PROCESSING, PENDING]
    ),
    "abort a pending job": Step(
        scripting.ABORT, pending, aborting, AbortOutcome.CANCELLED, shown, (CANCELLED, None, None)
    ),
    "abort": Step(scripting.ABORT, claimed, aborting, AbortOutcome.REQUESTED, asked_for, [True, False, False]),
    "abort again": Step(scripting.ABORT, asked, aborting, AbortOutcome.REQUESTED, asked_for, [True, False, False]),
    "abort of nothing": Step(scripting.ABORT, failed, aborting, AbortOutcome.NOTHING, statuses, [FAILED] * JOBS),
    "cancel a claim": _settle_and_show(_cancel, asked, CANCELLED, None, b"reason"),
    "finish under abort": _settle(_finish, COMPLETED, asked),
    "retry under abort": _settle(_retry, CANCELLED, asked),
    "release under abort": _settle(_release, CANCELLED, asked),
    "exchange under abort": Step(
        scripting.EXCHANGE, asked, hearing, [True, False, False], statuses, [PROCESSING] * JOBS
    ),
    "renew under abort": Step(scripting.RENEW, asked, asked_for, [True, False, False], held, (0, JOBS)),
    "close_worker under abort": Step(
        scripting.CLOSE_WORKER,
        asked,
        lambda d, _: d.close_worker("worker"),
        None,
        statuses,
        [CANCELLED, PENDING, PENDING],
    ),
    "recover under abort": Step(
        scripting.RECOVER, asked_and_orphaned, lambda d, _: d.recover(), JOBS, statuses, [CANCELLED, PENDING, PENDING]
    ),
    "cleanup under abort": Step(
        scripting.CLEANUP,
        asked,
        lambda d, _: d.cleanup_step(PROCESSING, JobCleanup.RERUN, max_jobs=2),
        2,
        statuses,
        [CANCELLED, PENDING, PROCESSING],
    ),
}
