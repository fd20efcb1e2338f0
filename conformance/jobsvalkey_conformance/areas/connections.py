"""Connections of a driver, and the calls that are under way when it is closed."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import Capability, ConfigurationError, Release, StoreUnavailable, WorkerClosed, new_job_id
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import PATIENCE, STORED, SuiteContext, outcomes
from jobsvalkey_conformance.harness import Hook
from jobsvalkey_conformance.hints import FEW, take_old_hints

HOUR = timedelta(hours=1)
SHORT = timedelta(milliseconds=50)
SOON = min(PATIENCE, 3.0)
"""Seconds: sooner than a driver gives an answer up that does not come."""


class ConnectionTests(Suite):
    """A driver holds open what it needs, and a caller is told whether a step that was broken off may have been done."""

    @pytest.mark.parametrize("told_by", ["close_worker", "exchange", "renew"])
    @conformance_test(Capability.QUEUE, Hook.OPEN_CONNECTIONS)
    async def test_connection_of_a_closed_worker(self, kit: SuiteContext, told_by: str) -> None:
        """A driver lets go of what it holds for a worker alone, when that is closed or is found to have been closed."""
        driver, other = await kit.driver(), await kit.driver()
        held = 0

        async def is_let_go() -> bool:
            return await kit.harness.open_connections() <= held

        for number in range(4):
            worker = await kit.worker(driver)
            await worker.claim()
            await (driver if told_by == "close_worker" else other).close_worker(worker.id)
            if told_by == "exchange":
                with pytest.raises(WorkerClosed):
                    await worker.claim()
            elif told_by == "renew":
                with pytest.raises(WorkerClosed):
                    await driver.renew(worker.id, HOUR)
            held = held or await kit.harness.open_connections()
            assert await kit.repeated_within(PATIENCE, is_let_go), f"worker {number} has left something open"

    @pytest.mark.parametrize("is_shortened", [False, True])
    @conformance_test(Capability.QUEUE, Hook.OPEN_CONNECTIONS)
    async def test_connection_of_a_worker_that_left(self, kit: SuiteContext, is_shortened: bool) -> None:
        """It lets go of that also when the lock has run out: a worker may leave without closing.

        A renewal may have let the lock end sooner than before.
        """
        driver = await kit.driver()
        await (await kit.worker(driver)).claim()
        held = await kit.harness.open_connections()
        for _ in range(4):
            worker = await kit.worker(driver, HOUR if is_shortened else SHORT)
            await worker.claim()
            if is_shortened:
                await driver.renew(worker.id, SHORT)

        async def are_let_go() -> bool:
            return await kit.harness.open_connections() <= held

        assert await kit.repeated_within(PATIENCE, are_let_go), "workers that left have left something open"

    @conformance_test(Capability.QUEUE, Hook.OPEN_CONNECTIONS, Hook.DELAY_REQUEST)
    async def test_connection_of_a_worker_that_left_late(self, kit: SuiteContext) -> None:
        """It lets go of that also if the lock runs out while an exchange is on its way."""
        driver = await kit.driver()
        await kit.push(driver)
        await (await kit.worker(driver)).claim()
        held = await kit.harness.open_connections()
        worker = await kit.worker(driver, timedelta(milliseconds=60))
        async with kit.harness.delay_request() as is_held:
            exchange = asyncio.ensure_future(worker.exchange(limit=1))
            await is_held()
            await asyncio.sleep(0.1)  # the lock of 60 ms runs out, by the clock of the driver's own process
        await exchange

        async def is_let_go() -> bool:
            return await kit.harness.open_connections() <= held

        assert await kit.repeated_within(PATIENCE, is_let_go), "a worker that left has left something open"

    @conformance_test(Capability.QUEUE, Hook.DELAY_REQUEST)
    async def test_connection_closing_breaks_calls_off(self, kit: SuiteContext) -> None:
        """Closing ends calls that are under way: a step that was sent may be done, one that was not sent is not."""
        sent, unsent = kit.job(), kit.job()
        async with kit.make(kit.configuration) as driver:
            await kit.push(driver, due=HOUR)
            async with kit.harness.delay_request() as is_held:
                calls = [asyncio.ensure_future(driver.push([job])) for job in (sent, unsent)]
                await is_held()
                async with asyncio.timeout(SOON):
                    await driver.aclose()
                    answers = await asyncio.gather(*calls, return_exceptions=True)
        told: list[str] = []
        for answer in answers:
            assert isinstance(answer, StoreUnavailable)
            told.append(answer.outcome)
        assert told[0] == "unknown"
        done = await kit.claimed(await kit.driver())
        assert sent.job_id in done
        assert (unsent.job_id in done) <= (told[1] == "unknown")

    @pytest.mark.parametrize("then", ["away", "refusing"])
    @pytest.mark.parametrize("step", ["push", "numbered", "settle"])
    @conformance_test(Capability.QUEUE, Hook.LOSE_STORE)
    async def test_connection_every_attempt_counts(self, kit: SuiteContext, step: str, then: str) -> None:
        """A step whose reply was lost may have been done, also if the attempts that follow it surely did nothing."""
        number, job = kit.operations(), kit.job()
        async with kit.make(kit.configuration) as driver:
            # A store that keeps scripts has these from now on.
            await driver.push([first := kit.job()], operation=number())
            worker = await kit.worker(driver)
            await worker.settle(Release(first.job_id, (await worker.claim_one()).token))
            claim = await worker.claim_one()
            async with kit.harness.lose_store(refuses=then == "refusing") as was_told:
                call: asyncio.Future[Any]
                if step == "settle":
                    call = asyncio.ensure_future(worker.finish(claim))
                else:
                    call = asyncio.ensure_future(driver.push([job], operation=number() if step == "numbered" else None))
                async with asyncio.timeout(PATIENCE):
                    await was_told()
                    await driver.aclose()
                    with pytest.raises(StoreUnavailable) as told:
                        await call
                assert told.value.outcome == "unknown"
        other = await kit.driver()
        tokens = (await other.renew(worker.id, HOUR)).tokens
        assert tokens == (frozenset() if step == "settle" else {claim.token})
        assert await kit.claimed(other) == ([] if step == "settle" else [job.job_id])

    @pytest.mark.parametrize("then", ["away", "refusing"])
    @conformance_test(Capability.QUEUE, Hook.LOSE_STORE, Hook.DELAY_REQUEST)
    async def test_connection_each_of_a_shared_step_is_told(self, kit: SuiteContext, then: str) -> None:
        """So each of several calls that may share a step is told: of what was stored, nobody hears that it was not."""
        jobs = [kit.job() for _ in range(4)]
        async with kit.make(kit.configuration) as driver:
            await kit.push(driver, due=HOUR)
            async with kit.harness.delay_request() as is_held:
                calls = [asyncio.ensure_future(driver.push([jobs[0]]))]
                await is_held()  # what comes meanwhile may go together
                calls += [asyncio.ensure_future(driver.push([job])) for job in jobs[1:]]
                await asyncio.sleep(0)
            async with kit.harness.lose_store(refuses=then == "refusing") as was_told:
                told, answered = asyncio.ensure_future(was_told()), asyncio.gather(*calls, return_exceptions=True)
                async with asyncio.timeout(PATIENCE):
                    await asyncio.wait([told, answered], return_when=asyncio.FIRST_COMPLETED)
                    await driver.aclose()
                    answers = await answered
                told.cancel()
        done = await kit.claimed(await kit.driver())
        assert jobs[0].job_id in done
        for job, answer in zip(jobs, answers, strict=True):
            if isinstance(answer, StoreUnavailable):
                assert job.job_id not in done or answer.outcome == "unknown"
            else:
                assert isinstance(answer, list)
                assert job.job_id in done

    @pytest.mark.parametrize("work", [True, False])
    @conformance_test(Capability.CANCEL, Hook.LOSE_STORE, Hook.KILL_CONNECTIONS, hints=True)
    async def test_connection_a_wait_ends_when_the_store_is_back(self, kit: SuiteContext, work: bool) -> None:
        """A hint may be lost with the store: whoever waits looks at a reconnection, though it began without one."""
        driver = await kit.driver()
        worker = await kit.worker(driver)
        await take_old_hints(worker, work=work)
        async with kit.harness.lose_store(refuses=False) as was_told:
            call = asyncio.ensure_future(driver.cancel(new_job_id()))
            await was_told()
            await kit.harness.kill_connections()
            waiting = asyncio.ensure_future(driver.wait(worker.id, HOUR, work=work))
            for _ in range(FEW):
                await asyncio.wait([waiting], timeout=0.2)
                if not waiting.done():
                    break
                waiting = asyncio.ensure_future(driver.wait(worker.id, HOUR, work=work))  # looked for the loss
        async with asyncio.timeout(PATIENCE):
            assert await call is False
            await waiting

    @conformance_test(Capability.RESULTS, Hook.OPEN_CONNECTIONS)
    async def test_connection_closing_ends_waits(self, kit: SuiteContext) -> None:
        """Closing ends calls that wait: `wait` returns, and `ended`, which cannot look any more, says so."""
        async with kit.make(replace(kit.configuration, poll_time=HOUR)) as driver:
            job_id = await kit.push(driver)
            worker = await kit.worker(driver)
            full = await kit.worker(driver)
            waits = [asyncio.ensure_future(driver.wait(worker.id, HOUR))]
            waits.append(asyncio.ensure_future(driver.wait(full.id, HOUR, work=False)))
            ends = [asyncio.ensure_future(driver.ended([job_id], HOUR)) for _ in range(3)]
            await asyncio.sleep(0.05)
            assert not any(call.done() for call in ends)
            async with asyncio.timeout(SOON):
                await driver.aclose()
                for call in ends:
                    with pytest.raises(StoreUnavailable):
                        await call
                await asyncio.gather(*waits)

    @conformance_test()
    async def test_connection_a_queue_key_is_any_text(self, kit: SuiteContext) -> None:
        """A queue key is any text, if the store takes it: one that does not says so, and stores nothing."""
        key = f"{kit.configuration.queue_key.strip('{}')} ä/*?[1]"
        async with kit.make(replace(kit.configuration, queue_key=key)) as driver:
            with suppress(ConfigurationError):
                job = kit.job()
                assert outcomes(await driver.push([job])) == [STORED]
                assert await kit.claimed(driver) == [job.job_id]
