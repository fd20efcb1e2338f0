"""Reports and the exchanges that carry them: how many there are, how large, and to which drivers."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import (
    GIVEN,
    ActiveLock,
    JobContext,
    JobQueue,
    JobSleep,
    Progress,
    UnsupportedOperation,
)
from jobsvalkey.contract import (
    CAPABILITY_PROTOCOLS,
    Capability,
    DriverConfiguration,
    Exchanged,
    Report,
    Settlement,
    WorkerID,
)
from jobsvalkey_memory import MemoryJobQueue, MemoryStore, run_until_idle
from tests.support.processors import options, run_in_background
from tests.support.waiting import PATIENCE, until

HOUR = timedelta(hours=1)
SELDOM = ActiveLock(every=HOUR, hold_for=2 * HOUR)
AT_ONCE = timedelta(0)


async def shown(queue: JobQueue[Any], job_id: Any) -> Progress | None:
    record = await queue.get(job_id)
    assert record is not None
    return record.progress


class Slow(MemoryJobQueue[Any]):
    """Counts the exchanges that report, and those that are under way."""

    capabilities = MemoryJobQueue.capabilities

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reported: list[Sequence[Report]] = []

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        if reports:
            self.reported.append(reports)
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)


async def test_a_thousand_reports_a_second_are_a_few_exchanges() -> None:
    driver = Slow(DriverConfiguration(poll_time=HOUR))
    queue = JobQueue(driver)
    ended = asyncio.Event()
    seconds, calls = 1.0, 0

    @queue.task
    async def work(*, context: JobContext = GIVEN) -> None:
        nonlocal calls
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(10):
                calls += 1
                context.progress(calls)
            await asyncio.sleep(0.005)
        ended.set()
        raise JobSleep(for_=HOUR)

    async with run_in_background(queue.processor(options(worker_active_lock=SELDOM))):
        job_id = await work.push()
        async with asyncio.timeout(PATIENCE):
            await ended.wait()

        async def is_shown() -> bool:
            return await shown(queue, job_id) == Progress(calls)

        await until(is_shown)
    # At 0, 0.25, 0.5 and 0.75 s, and with the settlement; more if the machine stood still meanwhile.
    assert calls > 100
    assert 2 <= len(driver.reported) <= 8


async def test_all_runs_of_a_worker_share_the_exchanges_of_progress() -> None:
    driver = Slow(DriverConfiguration(poll_time=HOUR))
    queue = JobQueue(driver)
    begun: list[int] = []
    go_on = asyncio.Event()

    @queue.task
    async def work(number: int, *, context: JobContext = GIVEN) -> None:
        context.progress(number)
        begun.append(number)
        await go_on.wait()

    async with run_in_background(queue.processor(options(num_workers=50, worker_active_lock=SELDOM))):
        jobs = [await work.push(number) for number in range(50)]

        async def all_are_shown() -> bool:
            return [await shown(queue, job) for job in jobs] == [Progress(number) for number in range(50)]

        await until(all_are_shown)
        go_on.set()
    assert len(driver.reported) < 10


class Without(MemoryJobQueue[Any]):
    capabilities = frozenset(CAPABILITY_PROTOCOLS) - {Capability.REPORTS}


async def test_a_driver_without_the_capability_is_asked_for_nothing() -> None:
    queue = JobQueue(Without())
    errors: list[str] = []

    @queue.task
    async def work(*, context: JobContext = GIVEN) -> None:
        for call in (
            lambda: context.progress(1),
            lambda: context.saved(int),
            lambda: context.step("a"),
            lambda: context.blocking,
        ):
            with pytest.raises(UnsupportedOperation, match="capability 'reports'") as raised:
                call()
            errors.append(str(raised.value))
        with pytest.raises(UnsupportedOperation, match="use a driver that does"):
            await context.save(1)

    job_id = await work.push()
    await run_until_idle(queue)
    assert len(errors) == 4
    assert await queue.get(job_id) is None


async def test_the_budget_of_an_exchange_holds_for_reports_and_settlements() -> None:
    """16 handlers save 60 kB each at once, and return as much: no exchange carries more than 200 kB."""
    configuration = DriverConfiguration(poll_time=HOUR, max_payload=70_000, max_atomic_push_bytes=200_000)
    store = MemoryStore()
    sizes: list[int] = []

    class Weighing(MemoryJobQueue[Any]):
        async def exchange(
            self,
            worker: WorkerID,
            sequence: int,
            settlements: Sequence[Settlement] = (),
            limit: int = 0,
            *,
            reports: Sequence[Report] = (),
        ) -> Exchanged:
            results = (len(getattr(each, "result", None) or b"") for each in settlements)
            states = (len(each.state or b"") + len(each.progress or b"") for each in reports)
            sizes.append(sum(results) + sum(states))
            await asyncio.sleep(0.001)
            return await super().exchange(worker, sequence, settlements, limit, reports=reports)

    queue = JobQueue(Weighing(configuration, store=store))
    done: list[int] = []

    @queue.task(keep_result=HOUR)
    async def work(number: int, *, context: JobContext = GIVEN) -> str:
        for _ in range(3):
            await context.save("x" * 60_000)
            context.progress(1, text="y" * 600)
        done.append(number)
        return "z" * 60_000

    async with run_in_background(queue.processor(options(num_workers=16, worker_active_lock=SELDOM))):
        jobs = [await work.push(number) for number in range(32)]
        for job in jobs:
            assert await work.result(job, timeout=timedelta(seconds=PATIENCE)) == "z" * 60_000
    assert max(sizes) <= 200_000
    assert sum(sizes) > 32 * 4 * 60_000
