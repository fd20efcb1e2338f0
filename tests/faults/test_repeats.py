"""The contract's *Repeats*, through the driver's own methods, each repeat over a new connection or another driver."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from jobsvalkey.contract import (
    AbortOutcome,
    Exchanged,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    Operation,
    OperationRefused,
    Pushed,
    PushedIf,
    Release,
    SettleOutcome,
    StoreOutcome,
)
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.drivers import HOUR, claims_of, driver_at, new_job, open_worker
from tests.support.proxy import Proxy
from tests.support.pushes import STORED, outcomes
from tests.support.scenes import Prepare, claimed, failed, kept_job, paused, pending, queue_paused
from tests.support.steps import STEPS

Ask: TypeAlias = Callable[[ValkeyJobQueue, JobID, Operation], Awaitable[Any]]
JOB = new_job()
KEPT = kept_job()
REMOVE = JobCleanup.remove()

NUMBERED: dict[str, tuple[Prepare, Ask, Any]] = {
    "push": (pending, lambda d, _, o: d.push([JOB], operation=o), [Pushed(STORED, JOB.job_id)]),
    "push_if": (
        pending,
        lambda d, _, o: d.push_if(JOB, "value", b"0", b"1", operation=o),
        PushedIf(STORED, JOB.job_id),
    ),
    "cancel": (pending, lambda d, i, o: d.cancel(i, operation=o), True),
    "pause": (pending, lambda d, i, o: d.pause(i, operation=o), True),
    "resume": (paused, lambda d, i, o: d.resume(i, operation=o), True),
    "rerun": (failed, lambda d, i, o: d.rerun(i, operation=o), True),
    "remove": (failed, lambda d, i, o: d.remove(i, operation=o), True),
    "cleanup": (failed, lambda d, _, o: d.cleanup_step(JobStatus.FAILED, REMOVE, max_jobs=2, operation=o), 2),
    "push with keep_for": (pending, lambda d, _, o: d.push([KEPT], operation=o), [Pushed(STORED, KEPT.job_id)]),
    "abort of a pending job": (pending, lambda d, i, o: d.abort(i, operation=o), AbortOutcome.CANCELLED),
    "abort": (claimed, lambda d, i, o: d.abort(i, operation=o), AbortOutcome.REQUESTED),
    "pause_queue": (pending, lambda d, _, o: d.pause_queue(operation=o), None),
    "resume_queue": (queue_paused, lambda d, _, o: d.resume_queue(operation=o), None),
    "set_metadata": (pending, lambda d, _, o: d.set_metadata("value", b"1", operation=o), None),
    "acquire_lock": (pending, lambda d, _, o: d.acquire_lock("lock", b"me", HOUR, operation=o), True),
    "release_lock": (pending, lambda d, _, o: d.release_lock("held", b"holder", operation=o), True),
}


@pytest.fixture
async def other(proxy: Proxy, queue_key: str) -> AsyncIterator[ValkeyJobQueue]:
    async with driver_at(proxy.url, queue_key) as driver:
        yield driver


def number(sequence: int) -> Operation:
    return Operation("a producer", sequence)


async def everything(client: Any, queue_key: str) -> dict[bytes, bytes]:
    """All that is stored, but for what the producers' own keys say."""
    keys = [key async for key in client.scan_iter(match=f"{queue_key}*", count=1000)]
    return {key: await client.dump(key) for key in keys if b"._producer." not in key}


@pytest.mark.parametrize("name", NUMBERED)
async def test_the_same_number_again(
    name: str, proxy: Proxy, driver: ValkeyJobQueue, other: ValkeyJobQueue, queue_key: str, valkey_client: Any
) -> None:
    prepare, ask, answer = NUMBERED[name]
    job_id = (await prepare(driver)).ids[0]
    assert await ask(driver, job_id, number(7)) == answer
    before = await everything(valkey_client, queue_key)
    proxy.cut()
    assert await ask(driver, job_id, number(7)) == answer
    assert await ask(other, job_id, number(7)) == answer
    with pytest.raises(OperationRefused):
        await ask(driver, job_id, number(6))
    with pytest.raises(OperationRefused):
        await driver.push([new_job()], operation=number(7))
    assert await everything(valkey_client, queue_key) == before
    await ask(driver, job_id, number(8))


async def run_and_remove(driver: ValkeyJobQueue, job_id: JobID) -> None:
    (claim,) = await claims_of(driver, 1)
    assert claim.job_id == job_id
    await driver.exchange("worker", 2, [Finish(job_id, claim.token)])
    assert await driver.remove(job_id)


async def test_a_push_again_when_its_job_has_run_and_gone(driver: ValkeyJobQueue, other: ValkeyJobQueue) -> None:
    await driver.push([JOB], operation=number(1))
    await run_and_remove(driver, JOB.job_id)
    assert outcomes(await driver.push([JOB], operation=number(1))) == [STORED]
    assert outcomes(await other.push([JOB], operation=number(1))) == [STORED]
    assert sum((await driver.counts()).values()) == 0
    assert outcomes(await driver.push([JOB], operation=number(2))) == [STORED]


async def test_a_push_if_again_when_its_job_has_run_and_gone(driver: ValkeyJobQueue, other: ValkeyJobQueue) -> None:
    assert (await driver.push_if(JOB, "key", None, b"1", operation=number(1))).outcome is StoreOutcome.STORED
    await run_and_remove(driver, JOB.job_id)
    assert (await other.push_if(JOB, "key", None, b"1", operation=number(1))).outcome is StoreOutcome.STORED
    assert sum((await driver.counts()).values()) == 0


async def test_a_number_for_something_else(driver: ValkeyJobQueue) -> None:
    await driver.push([JOB], operation=number(1))
    changed = new_job(b"another request")
    for items in ([changed], [JOB, changed], [type(JOB)(JOB.job_id, b"another request")]):
        with pytest.raises(OperationRefused):
            await driver.push(items, operation=number(1))
    assert (await driver.counts())[JobStatus.PENDING] == 1


async def exchange_twice(
    driver: ValkeyJobQueue, other: ValkeyJobQueue, sequence: int, *asked: Any
) -> tuple[Exchanged, Exchanged]:
    return await driver.exchange("worker", sequence, *asked), await other.exchange("worker", sequence, *asked)


async def test_the_same_exchange_again(driver: ValkeyJobQueue, other: ValkeyJobQueue) -> None:
    await driver.push([new_job() for _ in range(5)])
    await open_worker(driver)
    first, again = await exchange_twice(driver, other, 1, (), 2)
    assert len(first.claims) == 2
    assert again.claims == first.claims
    one, two = first.claims
    settlements = [Finish(one.job_id, one.token), Release(two.job_id, two.token), Finish(one.job_id, b"0.0")]
    second, again = await exchange_twice(driver, other, 2, settlements, 1)
    assert second.outcomes == [SettleOutcome.SETTLED, SettleOutcome.SETTLED, SettleOutcome.CLAIM_LOST]
    assert (again.outcomes, again.claims) == (second.outcomes, second.claims)
    assert (await driver.renew("worker", HOUR)).tokens == frozenset(claim.token for claim in second.claims)
    with pytest.raises(OperationRefused):
        await driver.exchange("worker", 1, settlements, 1)


async def test_the_same_exchange_again_when_its_job_has_run_and_gone(
    driver: ValkeyJobQueue, other: ValkeyJobQueue
) -> None:
    await driver.push([new_job()])
    (claim,) = await claims_of(driver, 1)
    release = [Release(claim.job_id, claim.token)]
    assert (await driver.exchange("worker", 2, release)).outcomes == [SettleOutcome.SETTLED]
    (taken,) = await claims_of(driver, 1, "another worker")
    await driver.exchange("another worker", 2, [Finish(taken.job_id, taken.token)])
    assert await driver.remove(claim.job_id)
    again = await other.exchange("worker", 2, release, 5)
    assert (again.outcomes, again.claims) == ([SettleOutcome.SETTLED], [])
    assert sum((await driver.counts()).values()) == 0


async def test_what_is_idempotent_by_nature(driver: ValkeyJobQueue, other: ValkeyJobQueue) -> None:
    for name in ("open_worker", "renew", "close_worker"):
        step = STEPS[name]
        scene = await step.prepare(driver)
        assert await step.ask(driver, scene) == step.answer
        assert await step.ask(other, scene) == step.answer
        await driver.close_worker("worker")
        for job_id in scene.ids:
            assert await driver.remove(job_id)
