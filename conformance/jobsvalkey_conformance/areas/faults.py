"""Faults of the store: broken connections, restarts, lost replies."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import (
    Capability,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    Release,
    Retry,
    SettleOutcome,
    StoreOutcome,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, PATIENCE, RETAIN_ALL, STORED, SuiteContext, outcomes
from jobsvalkey_conformance.harness import AnyDriver, Hook
from jobsvalkey_conformance.marks import not_run

HOUR = timedelta(hours=1)
Step = Callable[[AnyDriver, JobID], Awaitable[Any]]

STEPS: dict[str, tuple[Capability, JobStatus, Step, Any]] = {
    "cancel": (Capability.CANCEL, JobStatus.PENDING, lambda d, j: d.cancel(j), True),
    "pause": (Capability.RESUME, JobStatus.PENDING, lambda d, j: d.pause(j), True),
    "resume": (Capability.RESUME, JobStatus.PAUSED, lambda d, j: d.resume(j), True),
    "rerun": (Capability.CLEANUP, JobStatus.FAILED, lambda d, j: d.rerun(j), True),
    "remove": (Capability.CLEANUP, JobStatus.FAILED, lambda d, j: d.remove(j), True),
    "cleanup": (
        Capability.CLEANUP,
        JobStatus.COMPLETED,
        lambda d, _: d.cleanup_step(JobStatus.COMPLETED, JobCleanup.remove(), max_jobs=5),
        1,
    ),
    "release_lock": (Capability.METADATA, JobStatus.PENDING, lambda d, _: d.release_lock("lock", b"holder"), True),
    "acquire_lock": (
        Capability.METADATA,
        JobStatus.PENDING,
        lambda d, _: d.acquire_lock("free", b"holder", HOUR),
        True,
    ),
}


class FaultTests(Suite):
    """The driver repeats a step under the same number: nothing is done twice, lost, or stuck."""

    # -- lost replies

    @conformance_test(Capability.QUEUE, Hook.DROP_REPLY)
    async def test_fault_a_lost_reply_to_a_push(self, kit: SuiteContext) -> None:
        """Any reply is lost: a push is stored once, and its caller is told what the store did."""
        driver = await kit.driver()
        old, new = kit.job(), kit.job()
        await driver.push([old])
        async with kit.harness.drop_reply():
            assert outcomes(await driver.push([old, new])) == [DUPLICATE, STORED]
        assert await kit.claimed(driver) == [old.job_id, new.job_id]

    @conformance_test(Capability.QUEUE, Hook.DROP_REPLY)
    async def test_fault_a_lost_reply_to_a_claim(self, kit: SuiteContext) -> None:
        """Any reply is lost: no claim is forgotten while its worker lives."""
        driver = await kit.driver()
        ids = await kit.push_many(driver, 3)
        worker = await kit.worker(driver)
        async with kit.harness.drop_reply():
            claims = await worker.claim(2)
        assert [claim.job_id for claim in claims] == ids[:2]
        assert (await driver.renew(worker.id, HOUR)).tokens == {claim.token for claim in claims}
        await worker.finish(*claims)
        assert await kit.claimed(driver) == ids[2:]

    @conformance_test(Capability.QUEUE, Hook.DROP_REPLY)
    async def test_fault_a_lost_reply_to_an_idle_exchange(self, kit: SuiteContext) -> None:
        """An exchange that did nothing is not recorded, its repeat neither: its number may be used again, to claim."""
        driver = await kit.driver()
        worker = await kit.worker(driver)
        async with kit.harness.drop_reply():
            assert (await driver.exchange(worker.id, 1, (), 1)).claims == []
        job_id = await kit.push(driver)
        assert [claim.job_id for claim in (await driver.exchange(worker.id, 1, (), 1)).claims] == [job_id]

    @conformance_test(Capability.QUEUE, Hook.DROP_REPLY)
    async def test_fault_a_lost_reply_to_a_settle(self, kit: SuiteContext) -> None:
        """Any reply is lost: no settle is mistaken for a lost one, and none is done twice."""
        driver = await kit.driver()
        ids = await kit.push_many(driver, 3)
        worker = await kit.worker(driver)
        one, two, three = await worker.claim(3)
        async with kit.harness.drop_reply():
            settled = await worker.settle(
                Finish(one.job_id, one.token),
                Finish(one.job_id, one.token),
                Retry(two.job_id, two.token, b"attempt 2"),
                Release(three.job_id, three.token),
            )
        assert settled == [
            SettleOutcome.SETTLED,
            SettleOutcome.CLAIM_LOST,
            SettleOutcome.SETTLED,
            SettleOutcome.SETTLED,
        ]
        claims = await worker.claim(5)
        assert sorted(claim.job_id for claim in claims) == ids[1:]

    @conformance_test(Capability.QUEUE, Hook.DROP_REPLY)
    async def test_fault_a_lost_reply_to_a_workers_step(self, kit: SuiteContext) -> None:
        """`open_worker`, `renew`, `close_worker` and `recover` are idempotent by nature."""
        driver = await kit.driver()
        ids = await kit.push_many(driver, 2)
        async with kit.harness.drop_reply():
            worker = await kit.worker(driver, kit.unit)
        claims = await worker.claim(2)
        async with kit.harness.drop_reply():
            assert (await driver.renew(worker.id, kit.unit)).tokens == {claim.token for claim in claims}
        await worker.finish(claims[1])
        async with kit.harness.drop_reply():
            await driver.close_worker(worker.id)
        dead = await kit.worker(driver, kit.unit)
        assert (await dead.claim_one()).job_id == ids[0]
        await kit.advance(kit.unit)
        async with kit.harness.drop_reply():
            assert await driver.recover() in (0, 1)
        claim = await (await kit.worker(driver)).claim_one()
        assert (claim.job_id, claim.recoveries) == (ids[0], 1)

    @pytest.mark.parametrize("name", STEPS)
    @conformance_test(Capability.QUEUE, Hook.DROP_REPLY)
    async def test_fault_a_lost_reply_to_any_step(self, kit: SuiteContext, name: str) -> None:
        """Any reply is lost: the caller gets the answer that was lost, not that of a second try."""
        capability, status, step, expected = STEPS[name]
        kit.needs(capability)
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        job_id = await kit.in_state(driver, status)
        if capability is Capability.METADATA:
            await driver.acquire_lock("lock", b"holder", HOUR)
        async with kit.harness.drop_reply():
            assert await step(driver, job_id) == expected

    @conformance_test(Capability.SCHEDULING, Hook.DROP_REPLY)
    async def test_fault_a_lost_reply_to_push_if(self, kit: SuiteContext) -> None:
        """Any reply is lost: a scheduler that pushed is told so, though the key holds its new value by then."""
        driver = await kit.driver()
        job = kit.job()
        async with kit.harness.drop_reply():
            assert (await driver.push_if(job, "key", None, b"1")).outcome is StoreOutcome.STORED
        assert await kit.claimed(driver) == [job.job_id]

    @conformance_test(Capability.QUEUE, Hook.DROP_REPLY)
    async def test_fault_a_lost_reply_to_many_pushes(self, kit: SuiteContext) -> None:
        """Any reply is lost: pushes that shared a round trip are each stored once and answered."""
        driver = await kit.driver()
        jobs = [kit.job() for _ in range(50)]
        async with kit.harness.drop_reply():
            answers = await asyncio.gather(*(driver.push([job]) for job in jobs))
        assert [outcomes(answer) for answer in answers] == [[STORED]] * 50
        assert sorted(await kit.claimed(driver)) == [job.job_id for job in jobs]

    # -- broken connections

    @conformance_test(Capability.QUEUE, Hook.KILL_CONNECTIONS)
    async def test_fault_every_step_after_a_broken_connection(self, kit: SuiteContext) -> None:
        """A connection breaks: the driver opens another and goes on; its callers see nothing of it."""
        driver = await kit.driver()
        job_id = await kit.push(driver)
        await kit.harness.kill_connections()
        second = await kit.push(driver)
        await kit.harness.kill_connections()
        worker = await kit.worker(driver)
        await kit.harness.kill_connections()
        claims = await worker.claim(5)
        assert [claim.job_id for claim in claims] == [job_id, second]
        await kit.harness.kill_connections()
        assert (await driver.renew(worker.id, HOUR)).tokens == {claim.token for claim in claims}
        await kit.harness.kill_connections()
        await worker.finish(*claims)
        await kit.harness.kill_connections()
        assert await driver.recover() == 0
        await kit.harness.kill_connections()
        await driver.close_worker(worker.id)

    @conformance_test(Capability.QUEUE, Hook.KILL_CONNECTIONS)
    async def test_fault_connections_that_break_under_load(self, kit: SuiteContext) -> None:
        """Connections break again and again while jobs go through: none is lost, none is doubled."""
        driver, other = await kit.driver(), await kit.driver()
        jobs = [kit.job() for _ in range(120)]
        done: list[JobID] = []

        async def produce() -> None:
            for start in range(0, len(jobs), 4):
                await asyncio.gather(*(driver.push([job]) for job in jobs[start : start + 4]))

        async def work() -> None:
            worker = await kit.worker(other)
            while len(done) < len(jobs):
                claims = await worker.claim(5)
                await worker.finish(*claims)
                done.extend(claim.job_id for claim in claims)

        async def break_connections() -> None:
            for ended in range(0, 96, 16):

                async def have_ended(number: int = ended) -> bool:
                    return len(done) >= number

                assert await kit.repeated_within(PATIENCE, have_ended)
                await kit.harness.kill_connections()

        async with asyncio.timeout(PATIENCE * 3), asyncio.TaskGroup() as group:
            for job in (produce(), work(), work(), break_connections()):
                group.create_task(job)
        assert sorted(done) == [job.job_id for job in jobs]

    @conformance_test(Capability.QUEUE, Hook.KILL_CONNECTIONS)
    async def test_fault_a_broken_connection_ends_a_wait(self, kit: SuiteContext) -> None:
        """A hint may be lost with its connection: `wait` returns at a reconnection or the timeout, without an error."""
        driver, producer = await kit.driver(), await kit.driver()
        worker = await kit.worker(driver)
        assert await worker.claim() == []
        waiting = asyncio.ensure_future(driver.wait(worker.id, timedelta(seconds=2)))
        await asyncio.sleep(0.05)
        assert not waiting.done(), "woken by nothing"
        await kit.harness.kill_connections()
        job_id = await kit.push(producer)
        async with asyncio.timeout(PATIENCE):
            await waiting
        assert (await worker.claim_one()).job_id == job_id

    # -- restarts

    @conformance_test(Capability.DURABILITY, Hook.RESTART_STORE)
    async def test_fault_the_store_restarts(self, kit: SuiteContext) -> None:
        """The store restarts: the driver goes on with what the store kept, and its workers with their claims."""
        driver = await kit.driver()
        if not await driver.is_durable():
            not_run("the store is not durable")
        ids = await kit.push_many(driver, 3)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        await kit.harness.restart_store()
        assert (await driver.renew(worker.id, HOUR)).tokens == {claim.token}
        await worker.finish(claim)
        assert [claim.job_id for claim in await worker.claim(5)] == ids[1:]
        new = await kit.push(driver)
        assert await kit.claimed(driver) == [new]

    @conformance_test(Capability.DURABILITY, Hook.KILL_STORE)
    async def test_fault_the_store_is_killed(self, kit: SuiteContext) -> None:
        """A store that says that it is durable has, after a crash, what it has acknowledged: jobs, claims and ends."""
        driver = await kit.driver()
        if not await driver.is_durable():
            not_run("the store is not durable")
        ids = await kit.push_many(driver, 3)
        worker = await kit.worker(driver)
        one, two = await worker.claim(2)
        await worker.finish(one)
        await kit.harness.kill_store()
        assert (await driver.renew(worker.id, HOUR)).tokens == {two.token}
        assert await worker.settle(Finish(two.job_id, two.token)) == [SettleOutcome.SETTLED]
        assert await kit.claimed(driver) == ids[2:]

    @conformance_test(Capability.DURABILITY, Hook.FORGETFUL_STORE)
    async def test_fault_a_store_that_would_forget_is_not_durable(self, kit: SuiteContext) -> None:
        """A driver says that its store is durable only as long as it is, and says it of the store as it is now."""
        driver = await kit.driver()
        before = await driver.is_durable()
        async with kit.harness.forgetful_store():
            assert await driver.is_durable() is False
            assert await (await kit.driver()).is_durable() is False
        assert await driver.is_durable() is before

    @conformance_test(Capability.QUEUE, Hook.REFUSE_FOR_A_WHILE)
    async def test_fault_the_store_refuses_for_a_while(self, kit: SuiteContext) -> None:
        """A store that cannot take a step just now is asked again until it can: the step is done, and done once."""
        driver = await kit.driver()
        ids: list[JobID] = []
        async with kit.harness.refuse_for_a_while():
            ids.append(await kit.push(driver))
        async with kit.harness.refuse_for_a_while():
            worker = await kit.worker(driver)
        async with kit.harness.refuse_for_a_while():
            claim = await worker.claim_one()
        async with kit.harness.refuse_for_a_while():
            assert (await driver.renew(worker.id, HOUR)).tokens == {claim.token}
        async with kit.harness.refuse_for_a_while():
            assert await worker.settle(Release(claim.job_id, claim.token)) == [SettleOutcome.SETTLED]
        async with kit.harness.refuse_for_a_while():
            assert await driver.recover() == 0
        async with kit.harness.refuse_for_a_while():
            await driver.close_worker(worker.id)
        assert await kit.claimed(driver) == ids

    @conformance_test(Capability.QUEUE, Hook.RESTART_STORE)
    async def test_fault_the_store_restarts_while_it_is_used(self, kit: SuiteContext) -> None:
        """A call that meets a restart is repeated until the store is back; it is done once."""
        driver = await kit.driver()
        await kit.push_many(driver, 2)
        jobs = [kit.job() for _ in range(40)]

        async def produce() -> None:
            for job in jobs:
                await driver.push([job])
                await asyncio.sleep(0.002)

        async with asyncio.timeout(PATIENCE * 3), asyncio.TaskGroup() as group:
            group.create_task(produce())
            await asyncio.sleep(0.01)
            await kit.harness.restart_store()
        claimed = await kit.claimed(driver)
        assert len(claimed) == len(set(claimed))
        assert claimed[-1] == jobs[-1].job_id
