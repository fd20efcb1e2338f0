"""Steps that move jobs to and fro, seen by others that never stop looking: a job is always on exactly one list."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from jobsvalkey.contract import (
    Capability,
    Claim,
    Fail,
    Finish,
    JobCleanup,
    JobStatus,
    NewJob,
    Release,
    Retry,
    Settlement,
    SettleOutcome,
)
from jobsvalkey_conformance.beside import beside
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, RETAIN_ALL, SuiteContext, Worker, outcomes
from jobsvalkey_conformance.harness import AnyDriver

JOBS = 4
"""How many there are, which go through each step together."""
ROUNDS = 8
"""How often they do."""
CLEANUP = frozenset({Capability.CLEANUP})
Move = Callable[[SuiteContext, AnyDriver, Worker, list[Claim]], Awaitable[None]]


async def settled(worker: Worker, settlements: list[Settlement]) -> None:
    """Settle what is held."""
    assert await worker.settle(*settlements) == [SettleOutcome.SETTLED] * JOBS


async def recovery(kit: SuiteContext, driver: AnyDriver, worker: Worker, _: list[Claim]) -> None:
    """The worker has died."""
    await driver.renew(worker.id, kit.unit)
    await kit.advance(kit.unit)
    assert await driver.recover() == JOBS


async def closing(_: SuiteContext, driver: AnyDriver, worker: Worker, __: list[Claim]) -> None:
    """The worker goes."""
    await driver.close_worker(worker.id)


async def release(_: SuiteContext, __: AnyDriver, worker: Worker, claims: list[Claim]) -> None:
    """The worker gives all back."""
    await settled(worker, [Release(claim.job_id, claim.token) for claim in claims])


async def retry(_: SuiteContext, __: AnyDriver, worker: Worker, claims: list[Claim]) -> None:
    """The worker will try again."""
    await settled(worker, [Retry(claim.job_id, claim.token, None, None) for claim in claims])


async def rerun(_: SuiteContext, driver: AnyDriver, worker: Worker, claims: list[Claim]) -> None:
    """All have failed, and are rerun one by one."""
    await settled(worker, [Fail(claim.job_id, claim.token, b"error") for claim in claims])
    for claim in claims:
        assert await driver.rerun(claim.job_id)


async def cleanup(_: SuiteContext, driver: AnyDriver, worker: Worker, claims: list[Claim]) -> None:
    """All have ended, and a cleanup reruns them."""
    await settled(worker, [Finish(claim.job_id, claim.token) for claim in claims])
    assert await driver.cleanup_step(JobStatus.COMPLETED, JobCleanup.RERUN, max_jobs=JOBS) == JOBS


async def cleanup_of_claims(_: SuiteContext, driver: AnyDriver, __: Worker, ___: list[Claim]) -> None:
    """A cleanup takes the claims away."""
    assert await driver.cleanup_step(JobStatus.PROCESSING, JobCleanup.RERUN, max_jobs=JOBS) == JOBS


async def pause(_: SuiteContext, driver: AnyDriver, worker: Worker, claims: list[Claim]) -> None:
    """Each one is set aside, and goes on."""
    await settled(worker, [Release(claim.job_id, claim.token) for claim in claims])
    for claim in claims:
        assert await driver.pause(claim.job_id)
        assert await driver.resume(claim.job_id)


MOVES: dict[str, tuple[frozenset[Capability], Move]] = {
    "recovery": (frozenset(), recovery),
    "closing": (frozenset(), closing),
    "release": (frozenset(), release),
    "retry": (frozenset(), retry),
    "rerun": (CLEANUP, rerun),
    "cleanup": (CLEANUP, cleanup),
    "cleanup of claims": (CLEANUP, cleanup_of_claims),
    "pause": (frozenset({Capability.RESUME}), pause),
}
"""Ways of all jobs from a claim back to the pending ones, and what they need."""
ONE_BY_ONE = ("rerun", "pause")


class HalfTests(Suite):
    """A step happens as a whole, also for those who look all the time."""

    @pytest.mark.parametrize("move", MOVES)
    @conformance_test()
    async def test_half_a_job_is_always_on_one_list(self, kit: SuiteContext, move: str) -> None:
        """Nobody sees half of a step: its jobs are on one list before, on one after, and known at every moment."""
        needs, back = MOVES[move]
        kit.needs(*needs)
        driver = await kit.driver(retention_policy=RETAIN_ALL)
        ids = await kit.push_many(driver, JOBS)
        over = threading.Event()

        async def part(driver: AnyDriver, number: int) -> list[object]:
            seen: list[object] = []
            if number == 0:
                try:
                    for _ in range(ROUNDS if kit.clock or move != "recovery" else 2):
                        worker = await kit.worker(driver)
                        claims = await worker.claim(JOBS)
                        assert [claim.job_id for claim in claims] == ids
                        await asyncio.sleep(0)
                        await back(kit, driver, worker, claims)
                        await asyncio.sleep(0)
                finally:
                    over.set()
            while not over.is_set():
                if number == 1:
                    seen.append(outcomes(await driver.push([NewJob(job_id, b"") for job_id in ids])))
                else:
                    seen.append({status: count for status, count in (await driver.counts()).items() if count})
                await asyncio.sleep(0)
            return seen

        readers = 2 if Capability.INSPECTION in kit.capabilities else 1
        _, known, *looks = await beside(kit, part, 1 + readers, retention_policy=RETAIN_ALL)
        assert [answer for answer in known if answer != [DUPLICATE] * JOBS] == [], "a job was absent for a moment"
        for counts in cast(list[dict[JobStatus, int]], looks[0] if looks else []):
            assert sum(counts.values()) == JOBS, f"a job was on no list, or on two: {counts}"
            assert len(counts) == 1 or move in ONE_BY_ONE, f"a step was seen while it was half done: {counts}"
        assert await kit.claimed(driver) == ids
