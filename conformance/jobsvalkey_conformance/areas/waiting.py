"""Idle workers: hints, the poll, and what they cost."""

import asyncio
import time
import warnings
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import Capability, JobStatus, Release, Retry
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import PATIENCE, RETAIN_ALL, ConformanceWarning, SuiteContext, Worker
from jobsvalkey_conformance.harness import AnyDriver, Hook
from jobsvalkey_conformance.hints import LONG, take_old_hints, woken


class WaitingTests(Suite):
    """`wait` returns at a hint, a reconnection or the timeout, and changes no job."""

    @conformance_test()
    async def test_wait_it_ends_at_the_timeout(self, kit: SuiteContext) -> None:
        """`wait` returns at the timeout if nothing happens."""
        driver = await kit.driver()
        worker = await kit.worker(driver)
        await worker.claim()
        started = time.monotonic()
        await asyncio.wait_for(driver.wait(worker.id, timedelta(milliseconds=50)), PATIENCE)
        assert time.monotonic() - started < PATIENCE / 2

    @conformance_test()
    async def test_wait_the_poll_is_the_guarantee(self, kit: SuiteContext) -> None:
        """A hint may be lost; the poll is the guarantee: claim, wait, claim again finds what was pushed."""
        driver, producer = await kit.driver(), await kit.driver()
        worker = await kit.worker(driver)
        job_id = await kit.push(producer)

        async def attempt() -> bool:
            claims = await worker.claim()
            if not claims:
                await driver.wait(worker.id, driver.configuration.poll_time)
            return [claim.job_id for claim in claims] == [job_id]

        assert await kit.repeated_within(PATIENCE, attempt)

    @conformance_test()
    async def test_wait_it_changes_no_job(self, kit: SuiteContext) -> None:
        """`wait` changes no job: what was due before is due after, and held claims stay held."""
        driver = await kit.driver()
        await kit.push_many(driver, 2)
        worker = await kit.worker(driver)
        claim = await worker.claim_one()
        await driver.wait(worker.id, timedelta(milliseconds=20))
        assert (await driver.renew(worker.id, kit.unit)).tokens == {claim.token}
        assert len(await kit.claimed(driver)) == 1

    @conformance_test()
    async def test_wait_a_wait_can_be_cancelled(self, kit: SuiteContext) -> None:
        """A worker that shuts down cancels its wait; the driver goes on, and so does the worker."""
        driver = await kit.driver()
        worker = await kit.worker(driver)
        await worker.claim()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(driver.wait(worker.id, LONG), 0.01)
        job_id = await kit.push(driver)
        assert (await worker.claim_one()).job_id == job_id
        await driver.close_worker(worker.id)

    @conformance_test(hints=True)
    async def test_wait_a_hint_is_not_lost_with_its_wait(self, kit: SuiteContext) -> None:
        """A wait that is cancelled in the moment of its hint leaves it to the next: nobody else would be woken."""
        driver, producer = await kit.driver(), await kit.driver()
        worker, other = await kit.worker(driver), await kit.worker(driver)
        assert await worker.claim() == await other.claim() == []
        for turns in (0, 1, 2, 3, 5, 10, 20):
            waits = [asyncio.ensure_future(driver.wait(each.id, LONG)) for each in (worker, other)]
            await asyncio.sleep(0.02)
            assert not any(wait.done() for wait in waits), "woken by nothing"
            await kit.push(producer)
            for _ in range(turns):
                await asyncio.sleep(0)
            waits[0].cancel()
            await asyncio.wait([waits[0]])
            if not waits[0].cancelled():  # it has returned before
                waits[1].cancel()
            _, asleep = await asyncio.wait([waits[1]], timeout=PATIENCE)
            assert not asleep, f"the hint was lost: its wait was cancelled {turns} turns of the loop after the push"
            await worker.finish(await worker.claim_one())

    @pytest.mark.parametrize("cause", ["push", "resume", "retry", "release", "rerun", "recovery", "close", "push_if"])
    @conformance_test(hints=True)
    async def test_wait_what_makes_work_wakes(self, kit: SuiteContext, cause: str) -> None:
        """An idle worker is woken by a push, resume, retry, release, rerun or recovery, well before the poll."""
        driver, idle_driver = await kit.driver(retention_policy=RETAIN_ALL), await kit.driver()
        act = await prepared(kit, driver, cause)
        worker = await kit.worker(idle_driver)
        assert await worker.claim() == []
        async with woken(worker):
            await act()
        assert len(await worker.claim()) == 1

    @conformance_test(hints=True)
    async def test_wait_a_push_between_claim_and_wait(self, kit: SuiteContext) -> None:
        """Its subscription stands before `wait` is first awaited: subscribe, claim, then wait."""
        driver, producer = await kit.driver(), await kit.driver()
        worker = await kit.worker(driver)
        await driver.wait(worker.id, timedelta(milliseconds=1))
        assert await worker.claim() == []
        await kit.push(producer)
        started = time.monotonic()
        await driver.wait(worker.id, LONG)
        assert time.monotonic() - started < PATIENCE, "the hint came between claim and wait, and was lost"
        await worker.claim_one()

    @pytest.mark.parametrize("fields", [{}, {"keep_for": LONG}, {"lane": "a"}, {"priority": 1}], ids=str)
    @conformance_test(hints=True)
    async def test_wait_a_sooner_job_wakes(self, kit: SuiteContext, fields: dict[str, Any]) -> None:
        """A worker that waits for a delayed job is woken by one that is due before it, and learns when that is."""
        if fields:
            kit.needs(Capability.RESULTS if "keep_for" in fields else Capability.LANES)
        driver, producer = await kit.driver(), await kit.driver()
        await driver.push([kit.job(due=kit.unit * 99), kit.job(due=kit.unit * 99, **fields)])
        worker = await kit.worker(driver)
        for units in (50, 20):
            async with woken(worker):
                await kit.push(producer, due=kit.unit * units, **fields)
            until_next = (await worker.exchange(limit=1)).until_next
            assert until_next is not None
            assert 0 < until_next <= kit.unit.total_seconds() * units

    @pytest.mark.parametrize("units", [(5, None, 5), (None, 5, 3), (9, 5, None)], ids=str)
    @conformance_test(hints=True)
    async def test_wait_any_job_of_a_push_wakes(self, kit: SuiteContext, units: tuple[int | None, ...]) -> None:
        """A push of several leaves a hint if one of them is due, wherever it stands among the others."""
        driver, producer = await kit.driver(), await kit.driver()
        await kit.push(producer, due=kit.unit)
        worker = await kit.worker(driver)
        assert await worker.claim() == []
        jobs = [kit.job(due=None if unit is None else kit.unit * unit) for unit in units]
        async with woken(worker):
            await producer.push(jobs)
        assert (await worker.claim_one()).job_id == jobs[units.index(None)].job_id

    @conformance_test(hints=True)
    async def test_wait_a_full_worker_takes_no_hint(self, kit: SuiteContext) -> None:
        """`wait` without `work`: a worker that can take no more leaves the hint to one that can."""
        driver, idle_driver = await kit.driver(), await kit.driver()
        full, idle = await kit.worker(driver), await kit.worker(idle_driver)
        assert await full.claim() == await idle.claim() == []
        started = time.monotonic()
        waiting = asyncio.ensure_future(driver.wait(full.id, LONG, work=False))
        try:
            await asyncio.sleep(0.05)
            assert not waiting.done(), "woken by nothing"
            await kit.push(driver)
            await idle_driver.wait(idle.id, LONG)
            assert time.monotonic() - started < PATIENCE, "the idle worker slept on until its poll"
            await asyncio.sleep(0.05)
            assert not waiting.done(), "woken by work that it cannot take"
            await idle.claim_one()
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    @conformance_test()
    async def test_wait_without_work_ends_at_the_timeout(self, kit: SuiteContext) -> None:
        """`wait` without `work` returns at the timeout as well."""
        driver = await kit.driver()
        worker = await kit.worker(driver)
        await asyncio.wait_for(driver.wait(worker.id, timedelta(milliseconds=50), work=False), PATIENCE)

    @conformance_test(hints=True)
    async def test_wait_without_work_leaves_the_hint(self, kit: SuiteContext) -> None:
        """`wait` without `work` takes no hint: a worker that waits for work next is told of what came meanwhile."""
        driver = await kit.driver()
        worker = await kit.worker(driver)
        assert await worker.claim() == []
        await kit.push(driver)
        await asyncio.wait_for(driver.wait(worker.id, timedelta(milliseconds=20), work=False), PATIENCE)
        await asyncio.wait_for(driver.wait(worker.id, LONG), PATIENCE)
        await worker.claim_one()

    @conformance_test(hints=True)
    async def test_wait_one_job_should_not_wake_the_fleet(self, kit: SuiteContext) -> None:
        """A wake-up should not wake the whole fleet."""
        drivers = [await kit.driver() for _ in range(2)]
        workers = [await kit.worker(drivers[number % 2]) for number in range(6)]
        for worker in workers:
            assert await worker.claim() == []
        waits = {asyncio.ensure_future(worker.driver.wait(worker.id, LONG)): worker for worker in workers}
        try:
            await asyncio.sleep(0.05)
            assert not any(wait.done() for wait in waits), "woken by nothing"
            await kit.push(drivers[0])
            woken, _ = await asyncio.wait(waits, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            assert woken, "nobody was woken"
            assert await waits[next(iter(woken))].claim(5)
            await asyncio.sleep(0.05)
            if all(wait.done() for wait in waits):
                warnings.warn("one push woke every idle worker", ConformanceWarning, stacklevel=2)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    @conformance_test(hints=True)
    async def test_wait_many_jobs_wake_enough_workers(self, kit: SuiteContext) -> None:
        """A worker that cannot take all that is due leaves nobody asleep who could."""
        driver = await kit.driver()
        workers = [await kit.worker(driver) for _ in range(3)]

        async def run(worker: Worker) -> int:
            claims = await worker.claim()
            while not claims:
                await driver.wait(worker.id, LONG)
                claims = await worker.claim()
            return len(claims)

        tasks = [asyncio.ensure_future(run(worker)) for worker in workers]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in tasks)
        await kit.push_many(driver, 3)
        async with asyncio.timeout(PATIENCE):
            assert await asyncio.gather(*tasks) == [1, 1, 1]

    @conformance_test(hints=True)
    async def test_wait_a_full_answer_wakes_the_next(self, kit: SuiteContext) -> None:
        """A claim that ends since its requests are as many bytes as one exchange takes leaves the rest to the next."""
        driver, idle_driver = await kit.driver(max_atomic_push_bytes=100), await kit.driver()
        worker, idle = await kit.worker(driver), await kit.worker(idle_driver)
        assert await worker.claim() == await idle.claim() == []
        await kit.push(idle_driver, b"x" * 60)
        await kit.push(idle_driver, b"x" * 60)
        async with woken(idle):
            assert len(await worker.claim(5)) == 1
        assert len(await idle.claim(5)) == 1

    @conformance_test(Capability.QUEUE, Hook.FINGERPRINT)
    async def test_wait_an_idle_worker_writes_nothing(self, kit: SuiteContext) -> None:
        """An idle worker writes nothing but its lock: an idle poll leaves the store as it is."""
        driver = await kit.driver()
        await kit.push(driver, due=timedelta(days=1))
        worker = await kit.worker(driver)

        async def idle_polls_are_quiet() -> bool:
            before = await kit.harness.fingerprint(kit.configuration)
            for _ in range(3):
                assert await worker.claim() == []
                await driver.wait(worker.id, timedelta(milliseconds=5))
                assert await driver.recover() == 0
            return await kit.harness.fingerprint(kit.configuration) == before

        # What is left of the push, a hint say, may be taken up first.
        assert await kit.repeated_within(PATIENCE, idle_polls_are_quiet)
        before = await kit.harness.fingerprint(kit.configuration)
        await kit.push(driver)
        assert await kit.harness.fingerprint(kit.configuration) != before

    @pytest.mark.parametrize("way", ["exchange", "renewal"])
    @conformance_test(Capability.ABORT)
    async def test_wait_news_that_a_worker_was_told_wake_it_once(self, kit: SuiteContext, way: str) -> None:
        """`wait` returns at news. What an answer has told the worker is none: it does not end wait after wait."""
        driver = await kit.driver()
        worker = await kit.worker(driver)
        job_id = await kit.push(driver)
        claim = await worker.claim_one()
        await driver.abort(job_id)
        answer = await (worker.exchange() if way == "exchange" else driver.renew(worker.id, timedelta(hours=1)))
        assert answer.aborts == {claim.token}
        await take_old_hints(worker, work=False)


async def prepared(kit: SuiteContext, driver: AnyDriver, cause: str) -> Callable[[], Awaitable[object]]:
    """A step that makes one job due when it is called, with all that it needs done before."""
    if cause == "push":
        return lambda: kit.push(driver)
    if cause == "push_if":
        kit.needs(Capability.SCHEDULING)
        return lambda: driver.push_if(kit.job(), "key", None, b"1")
    if cause == "resume":
        job_id = await kit.in_state(driver, JobStatus.PAUSED)
        return lambda: driver.resume(job_id)
    if cause == "rerun":
        kit.needs(Capability.CLEANUP)
        job_id = await kit.in_state(driver, JobStatus.COMPLETED)
        return lambda: driver.rerun(job_id)
    await kit.push(driver)
    other = await kit.worker(driver, kit.unit)
    claim = await other.claim_one()
    if cause == "retry":
        return lambda: other.settle(Retry(claim.job_id, claim.token))
    if cause == "release":
        return lambda: other.settle(Release(claim.job_id, claim.token))
    if cause == "close":
        return lambda: driver.close_worker(other.id)
    await kit.advance(kit.unit)
    return driver.recover
