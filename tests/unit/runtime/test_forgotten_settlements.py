"""A store that fails over may forget a settlement that it has acknowledged, and hold the claim still."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from jobsvalkey import ActiveLock, JobContext, JobQueue, JobStatus, ProcessorOptions
from jobsvalkey.contract import (
    Clock,
    DriverConfiguration,
    Exchanged,
    Report,
    Settlement,
    SettleOutcome,
    SystemClock,
)
from jobsvalkey_memory import MemoryJobQueue, MemoryStore
from tests.support.processors import run_in_background
from tests.support.retention import KEEP_ALL
from tests.support.waiting import until
from tests.support.work import Work

OFTEN = ProcessorOptions(
    worker_active_lock=ActiveLock(every=timedelta(milliseconds=10), hold_for=timedelta(seconds=30))
)


class Forgetful(MemoryJobQueue[Clock]):
    """Acknowledges settlements and does nothing of them, as a primary whose replica does not get them."""

    forgets = 1

    async def exchange(
        self,
        worker: str,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        if not settlements or not self.forgets:
            return await super().exchange(worker, sequence, settlements, limit, reports=reports)
        self.forgets -= 1
        exchanged = await super().exchange(worker, sequence, (), limit, reports=reports)
        exchanged.outcomes[:] = [SettleOutcome.SETTLED] * len(settlements)
        return exchanged


@pytest.mark.parametrize(("fails", "runs"), [(False, 1), (True, 2)])
async def test_a_job_whose_end_was_forgotten_does_not_stay_in_processing(fails: bool, runs: int) -> None:
    """One that has simply completed does not even run again."""
    ran: list[int] = []
    driver = Forgetful(DriverConfiguration(retention_policy=KEEP_ALL), SystemClock(), MemoryStore())
    queue = JobQueue(driver)

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        ran.append(parameters.number)
        if fails and len(ran) == 1:
            raise RuntimeError("once")
        await asyncio.sleep(0)

    async with run_in_background(queue.processor(OFTEN)):
        job_id = await queue.push(Work(1))

        async def is_completed() -> bool:
            return await queue.status(job_id) == JobStatus.COMPLETED

        await until(is_completed)
    assert len(ran) == runs
