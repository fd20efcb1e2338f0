"""The lock is renewed in time although a renewal is refused or lost, and before anything is recovered."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from jobsvalkey import ActiveLock, JobContext, JobQueue, JobStatus
from jobsvalkey.contract import ConfigurationError, Exchanged, Renewed, Report, Settlement, StoreUnavailable
from jobsvalkey.runtime.workers import StoreAccess, Worker
from tests.support.processors import options
from tests.support.virtual_time import VirtualLoop, run_virtually
from tests.support.work import Work
from tests.unit.runtime.support import Driver, claim_all, make_driver, second_driver

LOCKS = {"default": (15, 45), "of the guide": (2, 6), "short": (1, 2), "seldom renewed": (30, 45), "long": (60, 600)}
FAULTS: dict[str, Exception | None] = {
    "refused": ConfigurationError("no rights"),
    "away": StoreUnavailable("away", outcome="not_done"),
    "reset": ConnectionResetError(),
    "lost": None,
}


class Failing(Driver):  # type: ignore[misc, valid-type]
    """Answers no renewal within a time."""

    def __init__(self, loop: VirtualLoop, fault: str, begin: float, end: float) -> None:
        template = make_driver()
        super().__init__(template.configuration, clock=template.clock)
        self.loop, self.fault, self.begin, self.end = loop, fault, begin, end
        self.asked: list[float] = []

    async def renew(self, worker: str, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        self.asked.append(self.loop.time())
        if self.begin <= self.loop.time() < self.end:
            error = FAULTS[self.fault]
            if error is None:
                await asyncio.Event().wait()
            else:
                raise error
        return Renewed(frozenset())


def renewed(fault: str, every: float, hold: float, begin: float, end: float) -> Failing:
    """When a worker asked for its second lock while the store does not answer."""

    async def main(loop: VirtualLoop) -> Failing:
        driver = Failing(loop, fault, begin, end)
        worker = Worker(driver, timedelta(seconds=hold), StoreAccess())
        await worker.open()
        await asyncio.sleep(every)
        async with asyncio.timeout(1_000):
            await worker.renew(leaving=False)
        return driver

    return run_virtually(main)


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("fault", FAULTS)
def test_one_renewal_that_is_not_answered_is_asked_for_again_in_good_time(fault: str, lock: str) -> None:
    every, hold = LOCKS[lock]
    asked = renewed(fault, every, hold, every, every + 0.001).asked
    assert len(asked) == 2
    assert asked[1] <= every + (hold - every) * 0.6


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_lock_is_saved_if_the_store_answers_before_it_runs_out(fault: str, lock: str) -> None:
    every, hold = LOCKS[lock]
    driver = renewed(fault, every, hold, every, every + (hold - every) * 0.7)
    assert driver.end <= driver.asked[-1] < hold
    assert len(driver.asked) < 20 + (driver.end - driver.begin) / 3  # and the store is not stormed


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"lost"}))
def test_a_lock_that_has_run_out_is_renewed_soon_after_the_store_answers(fault: str, lock: str) -> None:
    every, hold = LOCKS[lock]
    driver = renewed(fault, every, hold, every, hold + 60)
    assert driver.end <= driver.asked[-1] < driver.end + 7
    assert len(driver.asked) < 20 + (driver.end - driver.begin) / 3


class Stalling(Driver):  # type: ignore[misc, valid-type]
    """Notes its steps; the loop of its worker, or the store, can be stalled for a minute of both their times."""

    def __init__(self, loop: VirtualLoop) -> None:
        template = make_driver(poll_time=timedelta(seconds=1))
        super().__init__(template.configuration, clock=template.clock)
        self.loop = loop
        self.steps: list[str] = []
        self.stall_at = ""
        self.stalls = 0

    def stall(self) -> None:
        self.loop.now += 60
        self.clock.advance(timedelta(minutes=1))
        self.stalls += 1
        self.stall_at = ""
        self.steps.append("stalled")

    def begin(self, step: str) -> None:
        if self.stall_at == step:
            self.stall()
        self.steps.append(step)

    async def exchange(
        self,
        worker: str,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        self.begin("exchange")
        return await super().exchange(worker, sequence, settlements, limit)

    async def renew(self, worker: str, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        self.begin("renew")
        return await super().renew(worker, hold_for, leaving=leaving)

    async def recover(self, max_jobs: int = 1000, *, worker: str | None = None) -> int:
        self.begin("recover")
        return await super().recover(max_jobs, worker=worker)


@pytest.mark.parametrize("second", [0.0, 0.3, 14.9, 15.0, 15.1, 29.9])
@pytest.mark.parametrize("where", ["loop", "renew", "recover", "exchange"])
def test_a_worker_that_was_stalled_never_takes_its_own_jobs(where: str, second: float) -> None:
    """Stalled past its lock, in its loop or in a step that reaches the store late: nothing runs twice."""

    async def main(loop: VirtualLoop) -> tuple[Stalling, list[int], bool]:
        driver = Stalling(loop)
        queue = JobQueue(driver)
        starts: list[int] = []
        cancelled = False

        @queue.job(Work)
        async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
            nonlocal cancelled
            starts.append(parameters.number)
            if parameters.number == 2:
                return
            await asyncio.sleep(second)
            if where == "loop":
                driver.stall()
            else:
                driver.stall_at = where
            try:
                await asyncio.sleep(60)
            finally:
                cancelled = context.cancelled

        await queue.push(Work(1))
        processor = queue.processor(options(worker_active_lock=ActiveLock()))
        task = asyncio.create_task(processor.run())
        while not any(b'"number":1' in (job.request or b"") for job in driver.state.ended):
            await asyncio.sleep(1)
            if where == "exchange" and len(starts) == 1:
                await queue.push(Work(2))
        processor.stop()
        await task
        return driver, starts, cancelled

    driver, starts, cancelled = run_virtually(main)
    assert driver.stalls >= 1
    assert starts.count(1) == 1
    assert not cancelled
    after = driver.steps[driver.steps.index("stalled") + 1 :]
    if where in ("loop", "exchange"):
        assert next(step for step in after if step in ("renew", "recover")) == "renew"
    assert {job.recoveries for job in driver.state.jobs.values()} == {0}


def test_what_others_left_is_recovered_after_a_renewal_and_not_in_the_round_of_a_stall() -> None:
    async def main(loop: VirtualLoop) -> Stalling:
        driver = Stalling(loop)
        queue = JobQueue(driver)
        ran: list[float] = []

        @queue.job(Work)
        async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
            ran.append(loop.time())

        await queue.push(Work(1))
        processor = queue.processor(options(worker_active_lock=ActiveLock()))
        await claim_all(second_driver(driver), "another")
        task = asyncio.create_task(processor.run())
        await asyncio.sleep(1)
        driver.stall()  # the other one may be as stalled as this one
        await asyncio.sleep(0.1)
        assert driver.steps[driver.steps.index("stalled") :].count("recover") == 0
        await asyncio.sleep(16)
        assert len(ran) == 1
        processor.stop()
        await task
        return driver

    assert {job.status for job in run_virtually(main).state.jobs.values()} == {JobStatus.COMPLETED}
