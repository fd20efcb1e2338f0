"""What a worker asks of the store and hears from it: the size of an exchange, news of its claims, and itself."""

import asyncio
import os
import socket
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from jobsvalkey import ActiveLock, JobCleanup, JobContext, JobQueue, JobStatus, NoRetry
from jobsvalkey.contract import Cancel, Exchanged, Renewed, Report, Settlement
from jobsvalkey.runtime.in_flight import size_of
from tests.support.drivers import status_of
from tests.support.processors import options, run_in_background
from tests.support.waiting import until
from tests.support.work import Handler, Work, counting
from tests.unit.runtime.support import Driver, make_driver


class Watched(Driver):  # type: ignore[misc, valid-type]
    """Notes what it is asked for, and can ask for the end of claims."""

    def __init__(self, **configuration: Any) -> None:
        template = make_driver(**configuration)
        super().__init__(template.configuration, clock=template.clock)
        self.settled: list[list[Settlement]] = []
        self.about = b""
        self.waits: list[bool] = []
        self.news = asyncio.Event()
        self.aborts: frozenset[bytes] = frozenset()
        self.abort_at_claim = False

    async def open_worker(self, worker: str, hold_for: timedelta, *, about: bytes = b"") -> None:
        self.about = about
        await super().open_worker(worker, hold_for, about=about)

    async def renew(self, worker: str, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        renewed = await super().renew(worker, hold_for, leaving=leaving)
        return replace(renewed, aborts=self.aborts & renewed.tokens)

    async def exchange(
        self,
        worker: str,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        if settlements:
            self.settled.append(list(settlements))
        exchanged = await super().exchange(worker, sequence, settlements, limit)
        if self.abort_at_claim:
            self.aborts |= {claim.token for claim in exchanged.claims}
            self.abort_at_claim = False
        return replace(exchanged, aborts=self.aborts)

    async def wait(self, worker: str, timeout: timedelta, *, work: bool = True) -> None:
        self.waits.append(work)
        if work:
            await super().wait(worker, timeout)
        else:
            await self.news.wait()
            self.news.clear()


SELDOM = ActiveLock(every=timedelta(hours=1), hold_for=timedelta(hours=2))


@pytest.mark.parametrize(("budget", "most"), [(500, 1), (1_500, 2), (3_500, 4), (1_000_000, 8)])
async def test_an_exchange_carries_no_more_bytes_than_a_push(budget: int, most: int) -> None:
    driver = Watched(max_atomic_push_bytes=budget)
    queue = JobQueue(driver, default_retry_strategy=NoRetry())
    go_on = asyncio.Event()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        await go_on.wait()
        error = ValueError("x" * 200)
        raise error

    for number in range(8):
        await queue.push(Work(number))
    processor = queue.processor(options(burst=True, num_workers=8))
    task = asyncio.create_task(processor.run())
    await until(lambda: processor.state is not None and processor.state.running == 8)
    go_on.set()
    await task
    assert all(len(batch) == 1 or sum(map(size_of, batch)) <= budget for batch in driver.settled)
    assert sum(len(batch) for batch in driver.settled) == 8
    assert max(len(batch) for batch in driver.settled) <= most
    assert {job.status for job in driver.state.jobs.values()} == {JobStatus.FAILED}


async def test_a_worker_says_what_it_is() -> None:
    driver = Watched()
    async with run_in_background(JobQueue(driver).processor(options(num_workers=7))):
        await until(lambda: driver.about)
    told = msgspec.json.decode(driver.about)
    assert (told["host"], told["process"], told["slots"]) == (socket.gethostname(), os.getpid(), 7)
    assert isinstance(told["version"], str)


async def test_a_full_worker_takes_no_hint_and_one_that_is_free_again_does() -> None:
    driver = Watched(poll_time=timedelta(hours=1))
    queue = JobQueue(driver)
    handler = Handler(queue)
    await queue.push(Work(2))
    async with run_in_background(queue.processor(options(num_workers=1, worker_active_lock=SELDOM))):
        await until(lambda: driver.waits == [False])
        handler.go_on.set()
        await until(lambda: driver.waits == [False, True])
        await queue.push(Work(3))
        await until(lambda: len(handler.ended) == 2)


async def test_a_listener_that_has_become_full_leaves_the_hints_to_others() -> None:
    driver = Watched(poll_time=timedelta(hours=1))
    queue = JobQueue(driver)
    handler = Handler(queue)
    async with run_in_background(queue.processor(options(num_workers=1, worker_active_lock=SELDOM))):
        await until(lambda: driver.waits == [True])
        await queue.push(Work(2))
        await until(lambda: driver.waits == [True, False])
        assert len(driver.state.waiting) == 0
        handler.go_on.set()


@pytest.mark.parametrize("by", ["news", "exchange"])
async def test_a_run_whose_end_is_asked_for_is_cancelled_once(by: str) -> None:
    driver = Watched(poll_time=timedelta(milliseconds=5))
    queue = JobQueue(driver)
    handler = Handler(queue)
    job_id = await queue.push(Work(2))
    slots = 1 if by == "news" else 2  # a full worker exchanges nothing
    async with run_in_background(queue.processor(options(num_workers=slots, worker_active_lock=SELDOM))):
        await until(lambda: handler.running == [2])
        (worker,) = driver.state.workers.values()
        (driver.aborts,) = [frozenset(worker.claims)]
        driver.news.set()
        await until(lambda: handler.cancelled == [2])
        await until(lambda: driver.settled)
        assert isinstance(driver.settled[0][0], Cancel)
        assert driver.settled[0][0].job_id == job_id
        handler.go_on.set()


async def test_a_claim_whose_end_is_asked_for_already_is_not_started() -> None:
    driver = Watched()
    driver.abort_at_claim = True
    queue = JobQueue(driver)
    ran = counting(queue)
    job_id = await queue.push(Work(1))
    async with run_in_background(queue.processor(options())):
        await until(lambda: driver.settled)
        assert isinstance(driver.settled[0][0], Cancel)
    assert ran == []
    assert await status_of(queue, job_id) is JobStatus.CANCELLED


async def test_the_slot_of_a_job_that_was_cleaned_up_is_free_for_another() -> None:
    driver = Watched()
    queue = JobQueue(driver)
    handler = Handler(queue)
    await queue.push(Work(2))
    async with run_in_background(queue.processor(options(num_workers=1))):
        await until(lambda: handler.running == [2])
        await driver.cleanup(processing_jobs=JobCleanup.remove())
        await queue.push(Work(3))
        await until(lambda: handler.running == [2, 3])
        handler.go_on.set()
