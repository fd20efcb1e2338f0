"""Every step of the driver."""

from collections.abc import Callable
from typing import Any

from jobsvalkey.contract import (
    AbortOutcome,
    Cancel,
    Claim,
    Fail,
    Finish,
    JobCleanup,
    JobStatus,
    Release,
    Retry,
    Settlement,
    SettleOutcome,
    StoreOutcome,
)
from jobsvalkey.valkey import ValkeyJobQueue, scripting
from jobsvalkey.valkey.scripting import Script
from tests.support.asking import (
    Step,
    aborting,
    asked_for,
    claiming,
    claiming_what_lives,
    closed,
    closing,
    ending,
    ending_overdue,
    hearing,
    held,
    in_turn,
    is_paused,
    metadata,
    names_held,
    number,
    opening,
    progress,
    pushing,
    pushing_expiring,
    pushing_if,
    pushing_kept,
    pushing_named,
    pushing_to_a_line,
    recovered,
    renewing,
    replacing_in_a_line,
    reporting,
    settling,
    shown,
    statuses,
)
from tests.support.drivers import HOUR
from tests.support.flow_steps import FLOW_STEPS
from tests.support.limit_steps import LIMIT_STEPS
from tests.support.pushes import STORED
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
    failed,
    kept_for,
    kept_for_and_claimed,
    laned,
    laned_and_claimed,
    laned_and_failed,
    laned_and_orphaned,
    laned_and_paused,
    named,
    named_and_claimed,
    named_and_failed,
    orphaned,
    paused,
    pending,
    queue_paused,
    two_orphaned,
    worker,
)

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
    "report": Step(scripting.EXCHANGE, claimed, reporting, SETTLED, progress, [b"half", None, None]),
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
    "push to a line": Step(scripting.PUSH, pending, pushing_to_a_line, [STORED], number, 4),
    "push that replaces in a line": Step(
        scripting.PUSH, laned, replacing_in_a_line, [StoreOutcome.REPLACED], in_turn, [1, 2, 0]
    ),
    "claim from lines": Step(scripting.EXCHANGE, laned, claiming, None, in_turn, [2]),
    "finish of a line": _settle(_finish, COMPLETED, laned_and_claimed),
    "release to a line": Step(scripting.EXCHANGE, laned_and_claimed, settling(_release), SETTLED, in_turn, [0]),
    "cancel in a line": Step(scripting.CANCEL, laned, lambda d, s: d.cancel(s.ids[0]), True, in_turn, [1, 2]),
    "pause in a line": Step(scripting.PAUSE, laned, lambda d, s: d.pause(s.ids[0]), True, in_turn, [1, 2]),
    "resume to a line": Step(scripting.RESUME, laned_and_paused, lambda d, s: d.resume(s.ids[0]), True, in_turn, [0]),
    "rerun to a line": Step(scripting.CHANGE, laned_and_failed, lambda d, s: d.rerun(s.ids[0]), True, in_turn, [0]),
    "remove in a line": Step(scripting.CHANGE, laned, lambda d, s: d.remove(s.ids[0]), True, in_turn, [1, 2]),
    "cleanup of lines": Step(
        scripting.CLEANUP,
        laned,
        lambda d, _: d.cleanup_step(PENDING, JobCleanup.remove(), max_jobs=2),
        2,
        in_turn,
        [2],
    ),
    "recover to lines": Step(scripting.RECOVER, laned_and_orphaned, lambda d, _: d.recover(), JOBS, in_turn, [0, 1, 2]),
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
    **FLOW_STEPS,
    **LIMIT_STEPS,
}
