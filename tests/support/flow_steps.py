"""Steps of flows and batches: what they start from, and how each is asked for."""

from collections.abc import Callable

from jobsvalkey.contract import (
    AbortOutcome,
    BatchCounts,
    Claim,
    Fail,
    Finish,
    JobID,
    JobStatus,
    NewJob,
    Settlement,
    SettleOutcome,
    StoreOutcome,
    new_job_id,
)
from jobsvalkey.valkey import ValkeyJobQueue, scripting
from tests.support.asking import Ask, Step, aborting, ending_overdue, number, statuses
from tests.support.drivers import HOUR, open_worker
from tests.support.pushes import STORED, outcomes
from tests.support.scenes import Prepare, Scene

PENDING, WAITING, PROCESSING = JobStatus.PENDING, JobStatus.WAITING, JobStatus.PROCESSING
COMPLETED, FAILED, CANCELLED = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED
SETTLED = [SettleOutcome.SETTLED]


def _child(parent: JobID) -> NewJob:
    return NewJob(new_job_id(), b"request", after=(parent,))


async def family(driver: ValkeyJobQueue) -> Scene:
    """A parent, a child, and one that runs whatever becomes of the parent; there is a worker that has claimed none."""
    parent = NewJob(new_job_id(), b"request", keep_for=HOUR)
    runs = NewJob(new_job_id(), b"request", after=(parent.job_id,), if_failed="run")
    jobs = [parent, _child(parent.job_id), runs]
    assert outcomes(await driver.push(jobs)) == [STORED] * 3
    await open_worker(driver)
    return Scene([job.job_id for job in jobs], [])


async def with_claimed_parent(driver: ValkeyJobQueue) -> Scene:
    """The worker has claimed the parent."""
    scene = await family(driver)
    scene.claims = (await driver.exchange("worker", 1, (), 9)).claims
    return scene


async def with_finished_parent(driver: ValkeyJobQueue) -> Scene:
    """The parent has completed, with a result."""
    scene = await with_claimed_parent(driver)
    await driver.exchange("worker", 2, [_finish(scene.claims[0])])
    return scene


async def with_doomed_child(driver: ValkeyJobQueue) -> Scene:
    """The parent is cancelled, and nobody has come to the store since."""
    scene = await family(driver)
    assert await driver.cancel(scene.ids[0])
    return scene


async def batch(driver: ValkeyJobQueue) -> Scene:
    """A callback, and two members of its batch; there is a worker that has claimed none."""
    callback = new_job_id()
    jobs = [NewJob(each, b"request", batch=callback) for each in (callback, new_job_id(), new_job_id())]
    assert outcomes(await driver.push(jobs)) == [STORED] * 3
    await open_worker(driver)
    return Scene([job.job_id for job in jobs], [])


async def with_claimed_members(driver: ValkeyJobQueue) -> Scene:
    """The batch is closed, and the worker has claimed the members."""
    scene = await batch(driver)
    assert await driver.close_batch(scene.ids[0])
    scene.claims = (await driver.exchange("worker", 1, (), 9)).claims
    return scene


async def with_last_member(driver: ValkeyJobQueue) -> Scene:
    """One member has completed, the worker has the other."""
    scene = await with_claimed_members(driver)
    await driver.exchange("worker", 2, [_finish(scene.claims.pop(0))])
    return scene


async def with_ended_members(driver: ValkeyJobQueue) -> Scene:
    """The members have completed, and the batch is open."""
    scene = await batch(driver)
    claims = (await driver.exchange("worker", 1, (), 9)).claims
    await driver.exchange("worker", 2, [_finish(claim) for claim in claims])
    return scene


def _finish(claim: Claim) -> Settlement:
    return Finish(claim.job_id, claim.token, b"result")


def _fail(claim: Claim) -> Settlement:
    return Fail(claim.job_id, claim.token, b"error")


def _settling(settle: Callable[[Claim], Settlement]) -> Ask:
    """An exchange that settles the first claim."""

    async def ask(driver: ValkeyJobQueue, scene: Scene) -> list[SettleOutcome]:
        return (await driver.exchange("worker", 3, [settle(scene.claims[0])])).outcomes

    return ask


async def _pushing_child(driver: ValkeyJobQueue, scene: Scene) -> list[StoreOutcome]:
    return outcomes(await driver.push([_child(scene.ids[0])]))


async def _pushing_member(driver: ValkeyJobQueue, scene: Scene) -> list[StoreOutcome]:
    return outcomes(await driver.push([NewJob(new_job_id(), b"request", batch=scene.ids[0])]))


async def _claiming_inputs(driver: ValkeyJobQueue, scene: Scene) -> list[bytes | None]:
    claims = (await driver.exchange("worker", 3, (), 9)).claims
    return [told.result for claim in claims for told in claim.inputs]


async def _claiming_members(driver: ValkeyJobQueue, scene: Scene) -> list[BatchCounts | None]:
    return [claim.members for claim in (await driver.exchange("worker", 3, (), 9)).claims]


async def _fired(driver: ValkeyJobQueue) -> Scene:
    scene = await with_ended_members(driver)
    assert await driver.close_batch(scene.ids[0])
    return scene


def _change(script: scripting.Script, prepare: Prepare, name: str, place: int, *left: JobStatus | None) -> Step:
    """A step about one of the three jobs, that is done."""
    return Step(script, prepare, lambda d, s: getattr(d, name)(s.ids[place]), True, statuses, [*left])


def _exchange(prepare: Prepare, settle: Callable[[Claim], Settlement], *left: JobStatus) -> Step:
    return Step(scripting.EXCHANGE, prepare, _settling(settle), SETTLED, statuses, [*left])


FLOW_STEPS = {
    "push of a child": Step(scripting.PUSH, family, _pushing_child, [STORED], number, 4),
    "push of a child of one that has ended": Step(
        scripting.PUSH, with_finished_parent, _pushing_child, [STORED], number, 4
    ),
    "finish of a parent": _exchange(with_claimed_parent, _finish, COMPLETED, PENDING, PENDING),
    "fail of a parent": _exchange(with_claimed_parent, _fail, FAILED, CANCELLED, PENDING),
    "cancel of a parent": _change(scripting.CANCEL, family, "cancel", 0, CANCELLED, WAITING, PENDING),
    "remove of a parent": _change(scripting.CHANGE, family, "remove", 0, None, WAITING, PENDING),
    "abort of a parent": Step(
        scripting.ABORT, family, aborting, AbortOutcome.CANCELLED, statuses, [CANCELLED, WAITING, PENDING]
    ),
    "rerun of a parent": _change(scripting.CHANGE, with_finished_parent, "rerun", 0, PENDING, PENDING, PENDING),
    "exchange that ends the doomed": Step(
        scripting.EXCHANGE, with_doomed_child, ending_overdue, None, statuses, [CANCELLED, CANCELLED, PENDING]
    ),
    "claim with inputs": Step(
        *(scripting.EXCHANGE, with_finished_parent, _claiming_inputs, [b"result", b"result"]),
        *(statuses, [COMPLETED, PROCESSING, PROCESSING]),
    ),
    "resume of a child": _change(scripting.RESUME, family, "resume", 1, PENDING, PENDING, WAITING),
    "cancel of a child": _change(scripting.CANCEL, family, "cancel", 1, PENDING, CANCELLED, WAITING),
    "remove of a child": _change(scripting.CHANGE, family, "remove", 1, PENDING, None, WAITING),
    "push of a member": Step(scripting.PUSH, batch, _pushing_member, [STORED], number, 4),
    "close_batch": _change(scripting.CLOSE_BATCH, batch, "close_batch", 0, WAITING, PENDING, PENDING),
    "close_batch of ended members": _change(
        scripting.CLOSE_BATCH, with_ended_members, "close_batch", 0, PENDING, COMPLETED, COMPLETED
    ),
    "finish of a member": _exchange(with_claimed_members, _finish, WAITING, COMPLETED, PROCESSING),
    "finish of the last member": _exchange(with_last_member, _finish, PENDING, COMPLETED, COMPLETED),
    "rerun of a member": _change(scripting.CHANGE, with_last_member, "rerun", 1, WAITING, PENDING, PROCESSING),
    "claim of a callback": Step(
        *(scripting.EXCHANGE, _fired, _claiming_members, [BatchCounts(completed=2)]),
        *(statuses, [PROCESSING, COMPLETED, COMPLETED]),
    ),
    "cancel of a callback": _change(scripting.CANCEL, batch, "cancel", 0, CANCELLED, PENDING, PENDING),
    "remove of a callback": _change(scripting.CHANGE, batch, "remove", 0, None, PENDING, PENDING),
}
