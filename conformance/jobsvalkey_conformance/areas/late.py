"""Requests that reach the store when nobody waits for them any more."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import Capability, Finish, JobStatus, Operation, Release, SettleOutcome
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import RETAIN_ALL, STORED, SuiteContext, outcomes
from jobsvalkey_conformance.harness import AnyDriver, Hook

HOUR = timedelta(hours=1)
Step = Callable[[AnyDriver, Any, Operation], Coroutine[Any, Any, Any]]
STEPS: dict[str, tuple[Capability, JobStatus, Step]] = {
    "cancel": (Capability.CANCEL, JobStatus.PENDING, lambda d, j, o: d.cancel(j, operation=o)),
    "pause": (Capability.RESUME, JobStatus.PENDING, lambda d, j, o: d.pause(j, operation=o)),
    "rerun": (Capability.CLEANUP, JobStatus.FAILED, lambda d, j, o: d.rerun(j, operation=o)),
    "remove": (Capability.CLEANUP, JobStatus.PENDING, lambda d, j, o: d.remove(j, operation=o)),
    "set_metadata": (Capability.METADATA, JobStatus.PENDING, lambda d, _, o: d.set_metadata("key", b"1", operation=o)),
    "acquire_lock": (
        Capability.METADATA,
        JobStatus.PENDING,
        lambda d, _, o: d.acquire_lock("lock", b"holder", HOUR, operation=o),
    ),
}
"""Steps, what they need, and the state of the job that they are done to."""


class LateTests(Suite):
    """A call that was given up, and arrives after a later one was answered, changes nothing any more."""

    @conformance_test(Capability.QUEUE, Hook.DELAY_REQUEST)
    async def test_late_a_push_after_the_next(self, kit: SuiteContext) -> None:
        """A push that was given up, and arrives when a later one of its producer was answered, stores nothing."""
        driver, other, number = await kit.driver(), await kit.driver(), kit.operations()
        await driver.push([before := kit.job()], operation=number())
        later = kit.job()
        async with given_up(kit, driver.push([kit.job()], operation=number())):
            assert outcomes(await other.push([later], operation=number())) == [STORED]
        assert await kit.claimed(other) == [before.job_id, later.job_id]

    @pytest.mark.parametrize("name", STEPS)
    @conformance_test(Capability.QUEUE, Hook.DELAY_REQUEST)
    async def test_late_a_step_after_the_next(self, kit: SuiteContext, name: str) -> None:
        """Nor does any other step that was given up: what a later one of its producer found is as it was found."""
        capability, status, step = STEPS[name]
        kit.needs(capability)
        driver, other = await kit.driver(retention_policy=RETAIN_ALL), await kit.driver(retention_policy=RETAIN_ALL)
        number = kit.operations()
        await step(driver, kit.job().job_id, number())  # of which a store that keeps scripts has this one, too
        if capability is Capability.METADATA:
            await driver.release_lock("lock", b"holder", operation=number())
            await driver.set_metadata("key", b"0", operation=number())
        job_id, later = await kit.in_state(driver, status), kit.job()
        async with given_up(kit, step(driver, job_id, number())):
            assert outcomes(await other.push([later], operation=number())) == [STORED]
        left = [later.job_id] if status is JobStatus.FAILED else [job_id, later.job_id]
        assert await kit.claimed(other) == left
        if capability is Capability.METADATA:
            assert await other.get_metadata("key") == b"0"
            assert await other.get_metadata("lock") is None

    @conformance_test(Capability.QUEUE, Hook.DELAY_REQUEST)
    async def test_late_an_exchange_after_its_repeat(self, kit: SuiteContext) -> None:
        """An exchange that was given up, and arrives when its repeat was answered, claims nothing more."""
        driver, other = await kit.driver(), await kit.driver()
        worker = await kit.worker(driver)
        assert await worker.claim() == []
        async with given_up(kit, worker.exchange(limit=1)):
            assert (await driver.exchange(worker.id, worker.sequence, (), 1)).claims == []
            job_id = await kit.push(other)
        assert (await other.renew(worker.id, HOUR)).tokens == frozenset()
        assert await kit.claimed(other) == [job_id]

    @conformance_test(Capability.QUEUE, Hook.DELAY_REQUEST)
    async def test_late_a_settlement_after_the_next_exchange(self, kit: SuiteContext) -> None:
        """A settlement that was given up, and arrives when a later exchange was answered, ends nothing."""
        driver, other = await kit.driver(), await kit.driver()
        job_id = await kit.push(driver)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        async with given_up(kit, worker.settle(Finish(job_id, claim.token))):
            worker.sequence += 1
            release = Release(job_id, claim.token)
            answer = await other.exchange(worker.id, worker.sequence, [release], 1)
            assert answer.outcomes == [SettleOutcome.SETTLED]
            assert [again.job_id for again in answer.claims] == [job_id]
        assert (await other.renew(worker.id, HOUR)).tokens == {again.token for again in answer.claims}

    @conformance_test()
    async def test_late_an_answer_is_its_own_calls(self, kit: SuiteContext) -> None:
        """A caller abandons a call whenever it likes: the answer that is on its way is not taken for another call's."""
        driver = await kit.driver()
        await kit.push_many(driver, 3)
        one, two = await kit.worker(driver), await kit.worker(driver)
        claim = await two.claim_one()
        assert len(await one.claim(2)) == 2
        for turns in range(6):
            begun = asyncio.ensure_future(driver.renew(one.id, HOUR))
            for _ in range(turns):
                await asyncio.sleep(0)
            begun.cancel()
            await asyncio.wait([begun])
            assert (await driver.renew(two.id, HOUR)).tokens == {claim.token}


@asynccontextmanager
async def given_up(kit: SuiteContext, call: Coroutine[Any, Any, Any]) -> AsyncGenerator[None]:
    """Within the block a call has been given up while its request was on its way; after it, it has arrived."""
    async with kit.harness.delay_request() as is_held:
        begun = asyncio.ensure_future(call)
        await is_held()
        begun.cancel()
        await asyncio.wait([begun])
        yield
