"""Two steps of two threads that have to do with the same jobs, at the same moment: one comes first."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest

from jobsvalkey.contract import (
    DO_NOT_RETAIN,
    RETAIN,
    Capability,
    Claim,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    NewJob,
    Operation,
    RetentionPolicy,
    SettleOutcome,
    WorkerClosed,
)
from jobsvalkey_conformance.beside import Encounter, in_threads
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import STORED, SuiteContext, outcomes
from jobsvalkey_conformance.harness import AnyDriver

HOUR = timedelta(hours=1)
KEEP_NOTHING = RetentionPolicy(completed_jobs=DO_NOT_RETAIN, failed_jobs=DO_NOT_RETAIN, cancelled_jobs=DO_NOT_RETAIN)
KEEP_COMPLETED = RetentionPolicy(completed_jobs=RETAIN)
CLEANUP = frozenset({Capability.CLEANUP})


@dataclass(slots=True)
class Scene:
    """A worker, and its claims of all jobs, which ids of users name."""

    kit: SuiteContext
    workers: list[str]
    jobs: list[NewJob]
    claims: list[Claim] = field(default_factory=list[Claim])

    @property
    def ids(self) -> list[JobID]:
        """The jobs."""
        return [job.job_id for job in self.jobs]


Step = Callable[[AnyDriver, Scene], Awaitable[Any]]
"""A step, and what came of it, in a word or a number."""


async def renew(driver: AnyDriver, scene: Scene) -> frozenset[bytes]:
    """All that the worker holds."""
    return (await driver.renew(scene.workers[0], HOUR)).tokens


async def claim(driver: AnyDriver, scene: Scene, limit: int = 3) -> list[Claim]:
    """All that the exchange has claimed; nothing if the worker is closed."""
    try:
        return (await driver.exchange(scene.workers[0], 1, (), limit)).claims
    except WorkerClosed:
        return []


async def claim_beside(driver: AnyDriver, scene: Scene) -> list[Claim]:
    """All that another worker has claimed."""
    return (await driver.exchange(scene.workers[1], 1, (), 3)).claims


async def settle(driver: AnyDriver, scene: Scene) -> int:
    """How many claims were settled."""
    try:
        done = await driver.exchange(scene.workers[0], 2, [Finish(claim.job_id, claim.token) for claim in scene.claims])
    except WorkerClosed:
        return 0
    return done.outcomes.count(SettleOutcome.SETTLED)


async def push(driver: AnyDriver, scene: Scene) -> int:
    """How many of the jobs were stored once more."""
    return outcomes(await driver.push(scene.jobs)).count(STORED)


async def numbered_push(driver: AnyDriver, scene: Scene) -> int:
    """The same under a number."""
    return outcomes(await driver.push(scene.jobs, operation=Operation(str(scene.ids[0]), 1))).count(STORED)


async def each(call: Callable[[JobID], Awaitable[bool]], scene: Scene) -> int:
    """How many jobs a step was done to."""
    return sum([await call(job_id) for job_id in scene.ids])


CLAIM_TWO: Step = lambda driver, scene: claim(driver, scene, 2)  # noqa: E731
RECOVER: Step = lambda driver, _: driver.recover()  # noqa: E731
CLOSE: Step = lambda driver, scene: driver.close_worker(scene.workers[0])  # noqa: E731
PAUSE: Step = lambda driver, scene: each(driver.pause, scene)  # noqa: E731
CANCEL: Step = lambda driver, scene: each(driver.cancel, scene)  # noqa: E731
RERUN: Step = lambda driver, scene: each(driver.rerun, scene)  # noqa: E731
REMOVE: Step = lambda driver, scene: each(driver.remove, scene)  # noqa: E731
RERUN_ALL: Step = lambda driver, _: driver.cleanup_step(JobStatus.COMPLETED, JobCleanup.RERUN, max_jobs=3)  # noqa: E731


@dataclass(frozen=True, slots=True)
class Meeting:
    """Two steps; what comes of them is `(one answer, other answer, how many the worker holds, how many are pending)`.

    Of answers that are lists it is their length.
    """

    one: Step
    other: Step
    right: Callable[[Any, Any, int, int], bool]
    """Whether that is what one of the two orders leads to."""
    state: str = "claimed"
    """The state of the jobs before: `absent`, `pending`, `claimed`, `lost` (the lock has run out) or `completed`."""
    needs: frozenset[Capability] = frozenset()


MEETINGS = {
    "push beside the same push": Meeting(
        push, push, lambda p, q, held, left: p + q == 3 and (held, left) == (0, 3), "absent"
    ),
    "push beside its repeat": Meeting(
        numbered_push, numbered_push, lambda p, q, held, left: (p, q, held, left) == (3, 3, 0, 3), "absent"
    ),
    "recovery beside renewal": Meeting(
        RECOVER, renew, lambda r, n, held, left: (r, n, held, left) in {(3, 0, 0, 3), (0, 3, 3, 0)}, "lost"
    ),
    "recovery beside settlement": Meeting(
        RECOVER, settle, lambda r, s, held, left: (r, s) in {(3, 0), (0, 3)} and (held, left) == (0, r), "lost"
    ),
    "recovery beside recovery": Meeting(
        RECOVER, RECOVER, lambda r, q, held, left: r + q == 3 and (held, left) == (0, 3), "lost"
    ),
    "recovery beside closing": Meeting(
        RECOVER, CLOSE, lambda r, _, held, left: r in (0, 3) and (held, left) == (0, 3), "lost"
    ),
    "claim beside closing": Meeting(
        claim, CLOSE, lambda c, _, held, left: c in (0, 3) and (held, left) == (0, 3), "pending"
    ),
    "claim beside the same claim": Meeting(
        CLAIM_TWO, CLAIM_TWO, lambda c, d, held, left: (c, d, held, left) == (2, 2, 2, 1), "pending"
    ),
    "claim beside the claim of another": Meeting(
        claim, claim_beside, lambda c, d, held, left: c + d == held == 3 and left == 0, "pending"
    ),
    "settlement beside closing": Meeting(
        settle, CLOSE, lambda s, _, held, left: s in (0, 3) and (held, left) == (0, 3 - s)
    ),
    "settlement beside the same settlement": Meeting(
        settle, settle, lambda s, t, held, left: (s, t, held, left) == (3, 3, 0, 0)
    ),
    "settlement beside push": Meeting(settle, push, lambda s, p, held, left: (s, p, held, left) == (3, 0, 0, 0)),
    "cancellation beside push": Meeting(
        CANCEL,
        push,
        lambda c, p, held, left: (c, p, held, left) == (3, 0, 0, 0),
        "pending",
        frozenset({Capability.CANCEL}),
    ),
    "claim beside cancellation": Meeting(
        claim,
        CANCEL,
        lambda c, n, held, left: c + n == 3 and (held, left) == (c, 0),
        "pending",
        frozenset({Capability.CANCEL}),
    ),
    "claim beside pause": Meeting(
        claim,
        PAUSE,
        lambda c, n, held, left: c + n == 3 and (held, left) == (c, 0),
        "pending",
        frozenset({Capability.RESUME}),
    ),
    "removal beside push": Meeting(
        REMOVE, push, lambda n, p, held, left: (n, p, held, left) == (3, 0, 0, 0), "completed", CLEANUP
    ),
    "rerun beside the same rerun": Meeting(
        RERUN, RERUN, lambda r, q, held, left: r + q == 3 and (held, left) == (0, 3), "completed", CLEANUP
    ),
    "rerun beside removal": Meeting(
        RERUN, REMOVE, lambda r, n, held, left: n == 3 and 0 <= r <= 3 and (held, left) == (0, 0), "completed", CLEANUP
    ),
    "rerun beside cleanup": Meeting(
        RERUN, RERUN_ALL, lambda r, c, held, left: r + c == 3 and (held, left) == (0, 3), "completed", CLEANUP
    ),
}


class MeetingTests(Suite):
    """Steps of two threads are done one after the other, whichever is first."""

    @pytest.mark.parametrize("meeting", MEETINGS)
    @conformance_test(several_loops=True)
    async def test_thread_two_steps_meet(self, kit: SuiteContext, meeting: str) -> None:
        """Each row is one atomic step: whatever line one has reached when another comes, one is done first."""
        how = MEETINGS[meeting]
        kit.needs(*how.needs)
        policy = KEEP_COMPLETED if how.state == "completed" else KEEP_NOTHING
        most = kit.harness.lines_of_a_step if kit.clock or how.state != "lost" else 1
        encounter = Encounter()
        scene: Scene

        async def part(driver: AnyDriver, thread: int) -> None:
            nonlocal scene

            async def step() -> Any:
                return await (how.other if thread else how.one)(driver, scene)

            async for _ in encounter.rounds(thread, most):
                if thread == 0:
                    scene = await prepared(kit, driver, how.state)
                await encounter.meet(thread, driver, step)
                if thread == 0:
                    await check(driver, scene, *encounter.answers)

        async def check(driver: AnyDriver, scene: Scene, *answers: Any) -> None:
            held = [await held_by(driver, worker) for worker in scene.workers]
            following = await kit.worker(driver)
            left = await following.claim(10)
            one, other = (
                len(cast(list[object], each)) if isinstance(each, list | frozenset) else each for each in answers
            )
            assert how.right(one, other, sum(map(len, held)), len(left)), (
                f"{answers}, {held} are held, {left} are pending, {encounter}"
            )
            if how.one is RECOVER:
                died = (one or 0) + (other or 0 if how.other is RECOVER else 0)
                assert [claim.recoveries for claim in left] == [1 if died else 0] * len(left)
            if how.one is how.other is CLAIM_TWO:
                assert answers[0] == answers[1]
                assert {claim.token for claim in answers[0]} == held[0]
            await following.finish(*left)
            for worker in scene.workers:
                await driver.close_worker(worker)
            again = await following.claim(10)
            assert len(again) == sum(map(len, held))
            await following.finish(*again)
            if how.needs == CLEANUP:
                await each(driver.remove, scene)

        await in_threads(kit, part, 2, retention_policy=policy)


async def held_by(driver: AnyDriver, worker: str) -> frozenset[bytes]:
    """The tokens of what a worker holds, if it is there."""
    try:
        return (await driver.renew(worker, HOUR)).tokens
    except WorkerClosed:
        return frozenset()


async def prepared(kit: SuiteContext, driver: AnyDriver, state: str) -> Scene:
    """Three new jobs in a state, and a worker."""
    worker = await kit.worker(driver, kit.unit if state == "lost" else HOUR)
    scene = Scene(kit, [worker.id, (await kit.worker(driver)).id], [kit.job(remember=True) for _ in range(3)])
    if state == "absent":
        return scene
    assert outcomes(await driver.push(scene.jobs)) == [STORED] * 3
    if state == "pending":
        return scene
    scene.claims = await worker.claim(3)
    assert [claim.job_id for claim in scene.claims] == scene.ids
    if state == "lost":
        await kit.advance(kit.unit)
    elif state == "completed":
        await worker.finish(*scene.claims)
    return scene
