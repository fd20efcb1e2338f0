import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from jobsvalkey import (
    ConfigurationError,
    JobContext,
    JobQueue,
    JobRunner,
    JobStatus,
    ProcessorOptions,
    StoreFull,
    StoreUnavailable,
)
from jobsvalkey.contract import (
    Claim,
    Exchanged,
    Fail,
    OperationRefused,
    Renewed,
    Report,
    Settlement,
    SettleOutcome,
    WorkerClosed,
)
from jobsvalkey.runtime import workers
from tests.support.processors import options, run_in_background
from tests.support.waiting import until
from tests.support.work import Work, counting
from tests.unit.runtime.support import Driver, make_driver


class Faulty(Driver):  # type: ignore[misc, valid-type]
    """Before or after a step, a fault may be raised."""

    def __init__(self) -> None:
        template = make_driver()
        super().__init__(template.configuration, clock=template.clock)
        self.before: Callable[[str], None] = _nothing
        self.after: Callable[[str], None] = _nothing
        self.asked: list[tuple[str, int, tuple[Settlement, ...], int]] = []

    async def open_worker(self, worker: str, hold_for: timedelta, *, about: bytes = b"") -> None:
        self.before("open")
        await super().open_worker(worker, hold_for, about=about)
        self.after("open")

    async def exchange(
        self,
        worker: str,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        self.asked.append((worker, sequence, tuple(settlements), limit))
        self.before("exchange")
        exchanged = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        self.after("exchange")
        return exchanged

    async def renew(self, worker: str, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        self.before("renew")
        tokens = await super().renew(worker, hold_for, leaving=leaving)
        self.after("renew")
        return tokens

    async def wait(self, worker: str, timeout: timedelta, *, work: bool = True) -> None:
        self.before("wait")
        await super().wait(worker, timeout, work=work)

    async def recover(self, max_jobs: int = 1000, *, worker: str | None = None) -> int:
        self.before("recover")
        return await super().recover(max_jobs, worker=worker)


def _nothing(step: str) -> None: ...


class EveryThird:
    """A fault at every third step of one kind, at every step there is."""

    def __init__(self, error: Exception, *steps: str) -> None:
        self.error = error
        self.steps = steps
        self.count = 0

    def __call__(self, step: str) -> None:
        if step in self.steps:
            self.count += 1
            if self.count % 3 == 1:
                raise self.error


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "FIRST_PAUSE", 0.0001)
    monkeypatch.setattr(workers, "LONGEST_PAUSE", 0.0005)
    monkeypatch.setattr(workers, "CONFIGURATION_PAUSE", 0.0005)


@pytest.fixture
def driver() -> Faulty:
    return Faulty()


@pytest.fixture
def queue(driver: Faulty) -> JobQueue[Faulty]:
    return JobQueue(driver)


LOST = StoreUnavailable("the reply is lost", outcome="unknown")


@pytest.mark.parametrize("error", [LOST, StoreFull("full"), ConnectionResetError(), ConfigurationError("wrong key")])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_weakness_13_lost_replies_lose_no_job_and_double_none(
    driver: Faulty, queue: JobQueue[Faulty], error: Exception, when: str
) -> None:
    ran = counting(queue)
    await queue.push_many(Work(number) for number in range(100))
    setattr(driver, when, EveryThird(error, "open", "exchange", "renew", "recover", "wait"))
    await queue.processor(options(burst=True, num_workers=7)).run()
    assert sorted(ran) == list(range(100))
    counts = await driver.counts()
    assert counts[JobStatus.COMPLETED] == 100


async def test_a_step_is_repeated_as_it_was(driver: Faulty, queue: JobQueue[Faulty]) -> None:
    counting(queue)
    await queue.push_many(Work(number) for number in range(5))
    driver.after = EveryThird(LOST, "exchange")
    await queue.processor(options(burst=True)).run()
    first, again = driver.asked[:2]
    assert first == again
    assert len({(worker, sequence) for worker, sequence, _, _ in driver.asked}) < len(driver.asked)


async def test_what_needs_repair_is_reported_and_not_repeated_at_once(
    driver: Faulty, queue: JobQueue[Faulty], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(workers, "CONFIGURATION_PAUSE", 3600)
    driver.before = EveryThird(ConfigurationError("jobQueue.pending is a string"), "exchange")
    processor = queue.processor(options())
    async with run_in_background(processor):
        await until(lambda: any("jobQueue.pending is a string" in record.getMessage() for record in caplog.records))
        assert len(driver.asked) == 1
        assert processor.state is not None
        assert not processor.state.connected


async def test_a_driver_that_goes_on_trying_counts_as_not_connected(
    driver: Faulty, queue: JobQueue[Faulty], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "LONGEST_ANSWER", 0.01)
    processor = queue.processor(options())
    async with run_in_background(processor):
        await until(lambda: processor.state is not None and processor.state.connected)
        answer, renew = asyncio.Event(), driver.renew

        async def renew_in_the_end(worker: str, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
            await answer.wait()
            return await renew(worker, hold_for, leaving=leaving)

        monkeypatch.setattr(driver, "renew", renew_in_the_end)
        await until(lambda: processor.state is not None and not processor.state.connected)
        answer.set()
        await until(lambda: processor.state is not None and processor.state.connected)


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("exchange", WorkerClosed("forgotten")),
        ("exchange", OperationRefused("older")),
        ("renew", WorkerClosed("forgotten")),
    ],
)
async def test_a_worker_that_was_forgotten_starts_anew_without_its_claims(
    driver: Faulty, queue: JobQueue[Faulty], error: Exception, step: str
) -> None:
    told: list[bool] = []
    ran: list[int] = []

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        ran.append(parameters.number)
        if parameters.number == 0 and len(ran) == 1:
            try:
                await asyncio.Event().wait()
            finally:
                told.append(context.claim_lost)

    job_id = await queue.push(Work(0))
    processor = queue.processor(options(num_workers=2))
    async with run_in_background(processor):
        await until(lambda: ran)
        assert processor.state is not None
        first = processor.state.worker
        faults = [error]

        def once(each: str) -> None:
            if each == step and faults:
                raise faults.pop()

        driver.before = once
        await until(lambda: told == [True])
        await until(lambda: processor.state is not None and processor.state.worker != first)
        assert (await driver.status(job_id)) is JobStatus.PROCESSING  # the old worker's, until its lock runs out
        driver.clock.advance(timedelta(seconds=30))
        await until(lambda: len(ran) == 2)
    assert await driver.status(job_id) is JobStatus.COMPLETED


class Broken(Faulty):
    """One job has a key of the wrong type; what `Fail(keep=True)` cannot settle either, is left."""

    def __init__(self, mends: bool) -> None:
        super().__init__()
        self.mends = mends
        self.fails: list[Fail] = []

    async def exchange(
        self,
        worker: str,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        broken = [
            index
            for index, settlement in enumerate(settlements)
            if settlement.job_id == min(self.state.jobs) and not (self.mends and isinstance(settlement, Fail))
        ]
        self.fails += [settlement for settlement in settlements if isinstance(settlement, Fail)]
        whole = [settlement for index, settlement in enumerate(settlements) if index not in broken]
        exchanged = await super().exchange(worker, sequence, whole, limit, reports=reports)
        outcomes = list(exchanged.outcomes)
        for index in broken:
            outcomes.insert(index, SettleOutcome.BROKEN)
        return replace(exchanged, outcomes=outcomes)


@pytest.mark.parametrize("mends", [True, False])
async def test_a_job_with_a_broken_key_fails_alone(mends: bool, caplog: pytest.LogCaptureFixture) -> None:
    driver = Broken(mends)
    queue = JobQueue(driver)
    ran = counting(queue)
    ids = await queue.push_many([Work(0), Work(1), Work(2)])
    # A renewal would find that it holds the claim still, and have it fail again: there is none in so short a run.
    await queue.processor(ProcessorOptions(burst=True)).run()
    assert ran == [0, 1, 2]
    assert [(fail.job_id, fail.keep) for fail in driver.fails] == [(ids[0], True)]
    assert [await driver.status(job_id) for job_id in ids[1:]] == [JobStatus.COMPLETED] * 2
    if mends:
        assert await driver.status(ids[0]) is JobStatus.FAILED
    else:
        assert any("cannot be settled" in record.getMessage() for record in caplog.records)


async def test_a_bug_in_the_driver_is_raised_and_leaves_no_handler_behind(
    driver: Faulty, queue: JobQueue[Faulty]
) -> None:
    running, ended = asyncio.Event(), asyncio.Event()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    await queue.push(Work())
    task = asyncio.create_task(queue.processor(options()).run())
    await running.wait()

    def bug(step: str) -> None:
        if step == "renew":
            raise ZeroDivisionError

    driver.before = bug
    with pytest.raises(ZeroDivisionError):
        await task
    assert ended.is_set()


async def test_a_fault_of_ours_fails_the_job_not_the_worker(
    driver: Faulty, queue: JobQueue[Faulty], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = counting(queue)
    run = JobRunner.run
    ids = await queue.push_many([Work(0), Work(1)])

    async def faulty(runner: JobRunner, claim: Claim, control: Any = None) -> Settlement:
        if claim.job_id == ids[0]:
            raise ZeroDivisionError
        return await run(runner, claim, control)

    monkeypatch.setattr(JobRunner, "run", faulty)
    await queue.processor(options(burst=True)).run()
    assert ran == [1]
    assert await driver.status(ids[0]) is JobStatus.FAILED


class Forgetting(Faulty):
    """Forgets the worker in the middle of its first exchange that settles something."""

    def __init__(self) -> None:
        super().__init__()
        self.exchanging = asyncio.Event()
        self.go_on = asyncio.Event()

    async def exchange(
        self,
        worker: str,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        if settlements and not self.exchanging.is_set():
            self.exchanging.set()
            await self.go_on.wait()
            raise WorkerClosed("forgotten")
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)


async def test_what_ended_for_a_forgotten_worker_is_not_settled_by_the_next() -> None:
    driver = Forgetting()
    queue = JobQueue(driver)
    ended: list[int] = []

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        if parameters.number == 1:
            await driver.exchanging.wait()
        ended.append(parameters.number)

    await queue.push_many([Work(0), Work(1)])
    async with run_in_background(queue.processor(options())):
        await until(lambda: ended == [0, 1])
        driver.go_on.set()
        await until(lambda: len({worker for worker, *_ in driver.asked}) == 2)
    assert [settlements for _, _, settlements, _ in driver.asked if settlements] == []


class Late(Faulty):
    """Forgets the worker at its first claims, and answers with them when it is another one."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    async def open_worker(self, worker: str, hold_for: timedelta, *, about: bytes = b"") -> None:
        await super().open_worker(worker, hold_for, about=about)
        self.opened.append(worker)

    async def exchange(
        self,
        worker: str,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        exchanged = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        if exchanged.claims and len(self.opened) == 1:
            await self.close_worker(worker)
            await until(lambda: len(self.opened) == 2)
        return exchanged


async def test_what_a_forgotten_worker_had_claimed_is_not_run_by_the_next() -> None:
    """Its claims are void, and have the tokens that the next worker's first claims have."""
    queue = JobQueue(Late())
    ran: list[int] = []

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        ran.append(parameters.number)
        await asyncio.sleep(0)

    ids = await queue.push_many([Work(0), Work(1)])
    async with run_in_background(queue.processor(options())):
        await until(lambda: len(ran) >= 2)
    assert sorted(ran) == [0, 1]
    assert [await queue.status(job_id) for job_id in ids] == [JobStatus.COMPLETED] * 2
