"""Jobs for whose end too many others wait: the worker settles them with its next exchange."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from jobsvalkey import Flow, JobContext, JobQueue, JobStatus, ProcessorOptions
from jobsvalkey.contract import Exchanged, Renewed, Report, Settlement, SettleOutcome
from jobsvalkey_memory import MemoryJobQueue
from jobsvalkey_memory import queue as twin
from tests.support.processors import options
from tests.support.work import Work, counting


async def test_all_is_settled_in_the_end(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(twin, "MOST_CHILDREN", 2)
    outcomes = list[SettleOutcome]()

    class Noting(MemoryJobQueue[Any]):
        async def exchange(self, *args: Any, **named: Any) -> Exchanged:
            exchanged = await super().exchange(*args, **named)
            outcomes.extend(exchanged.outcomes)
            return exchanged

    jobs = JobQueue(Noting())
    ran = counting(jobs)
    flow = Flow()
    parents = [flow.add(Work(number)) for number in range(3)]
    for number in range(6):
        flow.add(Work(10 + number), after=[parents[number % 3]])
    await jobs.push_flow(flow)
    with caplog.at_level(logging.WARNING):
        await jobs.processor(ProcessorOptions(num_workers=3, burst=True)).run()
    assert SettleOutcome.AGAIN in outcomes
    assert outcomes.count(SettleOutcome.SETTLED) == 9
    assert set(outcomes) == {SettleOutcome.SETTLED, SettleOutcome.AGAIN}
    assert sorted(ran) == [0, 1, 2, *range(10, 16)]
    assert caplog.records == []


class Crowded(MemoryJobQueue[Any]):
    """Settles nothing until the worker has renewed its lock twice."""

    renewed = 0

    async def exchange(
        self,
        worker: str,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        taken = settlements if self.renewed > 1 else ()
        exchanged = await super().exchange(worker, sequence, taken, limit, reports=reports)
        return replace(exchanged, outcomes=exchanged.outcomes or [SettleOutcome.AGAIN] * len(settlements))

    async def renew(self, worker: str, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        self.renewed += 1
        return await super().renew(worker, hold_for, leaving=leaving)


async def test_a_renewal_meanwhile_gives_nothing_back(caplog: pytest.LogCaptureFixture) -> None:
    driver = Crowded()
    jobs = JobQueue(driver)
    ran = list[int]()

    @jobs.job(Work)
    async def work(parameters: Work, context: JobContext) -> str:  # pyright: ignore[reportUnusedFunction]
        ran.append(parameters.number)
        return "result"

    job_id = await jobs.push(Work(1))
    with caplog.at_level(logging.WARNING):
        await jobs.processor(options(burst=True)).run()
    assert driver.renewed > 1
    assert ran == [1]
    assert await jobs.status(job_id) in (None, JobStatus.COMPLETED)
    assert caplog.records == []


class Late(MemoryJobQueue[Any]):
    """Settles nothing the first time, and meanwhile the other job ends."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile = asyncio.Event()
        self.asked = list[list[str]]()

    async def exchange(
        self,
        worker: str,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        taken = settlements if self.asked else ()
        if settlements:
            self.asked.append([str(each.job_id) for each in settlements])
        exchanged = await super().exchange(worker, sequence, taken, limit, reports=reports)
        if settlements and not taken:
            self.meanwhile.set()
            for _ in range(20):  # the handler ends, and its settlement is ready
                await asyncio.sleep(0)
            return replace(exchanged, outcomes=[SettleOutcome.AGAIN] * len(settlements))
        return exchanged


async def test_what_is_to_be_settled_again_comes_first() -> None:
    """The first one always fits, so a job for which many wait is passed over once, however many others end."""
    driver = Late()
    jobs = JobQueue(driver)

    @jobs.job(Work)
    async def work(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        if parameters.number:
            await driver.meanwhile.wait()

    ids = [str(await jobs.push(Work(number))) for number in range(2)]
    await jobs.processor(ProcessorOptions(num_workers=2, burst=True)).run()
    assert driver.asked == [ids[:1], ids]
