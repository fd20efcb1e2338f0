"""Jobs that run and are aborted, from the call to what becomes of them: on the twin, and on a server."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from statistics import median
from typing import Any

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import (
    RETAIN,
    AbortOutcome,
    ActiveLock,
    CompletedJob,
    JobContext,
    JobFail,
    JobID,
    JobOutcome,
    JobQueue,
    JobSleep,
    JobStatus,
    Middleware,
    RetentionPolicy,
    ValkeyConfiguration,
    ValkeyJobQueue,
)
from jobsvalkey.contract import Capability, DriverConfiguration, UnsupportedOperation
from jobsvalkey_memory import ManualClock, MemoryJobQueue, MemoryStore, run_until_idle
from tests.support.processors import options, run_in_background
from tests.support.waiting import until
from tests.support.work import Work

SELDOM = ActiveLock(every=timedelta(hours=1), hold_for=timedelta(hours=2))
KEEP = RetentionPolicy(completed_jobs=RETAIN, failed_jobs=RETAIN, cancelled_jobs=RETAIN)


class Outcomes(Middleware):
    """Notes what became of each run."""

    def __init__(self) -> None:
        self.seen: list[JobOutcome] = []

    async def on_completed(self, job: CompletedJob) -> None:
        self.seen.append(job.outcome)


@pytest.fixture(params=["memory", "valkey"])
async def drivers(
    request: pytest.FixtureRequest, valkey_client: Valkey, queue_key: str
) -> AsyncIterator[tuple[Any, Any]]:
    """The driver of a worker, and that of a producer, on one store. Neither polls, so that hints alone bring news."""
    hour = timedelta(hours=1)
    if request.param == "memory":
        store, settings = MemoryStore(), DriverConfiguration(poll_time=hour, retention_policy=KEEP)
        yield MemoryJobQueue(settings, store=store), MemoryJobQueue(settings, store=store)
        return
    configuration = ValkeyConfiguration(queue_key=queue_key, poll_time=hour, retention_policy=KEEP)
    async with (
        ValkeyJobQueue(valkey_client, configuration) as one,
        ValkeyJobQueue(valkey_client, configuration) as other,
    ):
        yield one, other


class Handled:
    """A handler that runs until it is cancelled or let go, and then does what it was told."""

    def __init__(self, queue: JobQueue[Any], then: BaseException | None) -> None:
        self.started = asyncio.Event()
        self.go_on = asyncio.Event()
        self.aborted: list[bool] = []
        self.cancelled_at = 0.0

        @queue.job(Work)
        async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
            self.started.set()
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.cancelled_at = time.perf_counter()
                self.aborted += [context.aborted and context.cancelled]
                if then is not None:
                    raise then from None


async def has_left(queue: JobQueue[Any], job_id: JobID, status: JobStatus) -> None:
    """Wait until a job is in another state."""

    async def left() -> bool:
        return await queue.status(job_id) is not status

    await until(left)


ENDS: dict[str, tuple[BaseException | None, JobStatus, JobOutcome]] = {
    "returns": (None, JobStatus.COMPLETED, JobOutcome.SUCCEEDED),
    "lets it pass": (asyncio.CancelledError(), JobStatus.CANCELLED, JobOutcome.CANCELLED),
    "raises": (ValueError("clean-up failed"), JobStatus.CANCELLED, JobOutcome.CANCELLED),
    "raises SystemExit": (SystemExit(3), JobStatus.CANCELLED, JobOutcome.CANCELLED),
    "sleeps": (JobSleep(for_=timedelta(0)), JobStatus.CANCELLED, JobOutcome.CANCELLED),
    "gives up": (JobFail("no"), JobStatus.FAILED, JobOutcome.FAILED),
}


@pytest.mark.parametrize("slots", [1, 2], ids=["full worker", "free worker"])
@pytest.mark.parametrize("end", ENDS)
async def test_a_coroutine_is_cancelled(drivers: tuple[Any, Any], end: str, slots: int) -> None:
    then, status, outcome = ENDS[end]
    outcomes = Outcomes()
    queue, producer = JobQueue(drivers[0], middleware=[outcomes]), JobQueue(drivers[1])
    handled = Handled(queue, then)
    job_id = await producer.push(Work(1))
    async with run_in_background(queue.processor(options(num_workers=slots, worker_active_lock=SELDOM))):
        await handled.started.wait()
        assert await producer.abort(job_id) is AbortOutcome.REQUESTED
        await until(lambda: handled.aborted)
        await has_left(producer, job_id, JobStatus.PROCESSING)
    assert handled.aborted == [True]
    assert await producer.status(job_id) is status
    assert outcomes.seen == [outcome]
    assert (await producer.counts())[JobStatus.PENDING] == 0


@pytest.mark.parametrize("end", ["returns", "lets it pass", "raises"])
async def test_a_thread_sees_that_it_is_aborted(drivers: tuple[Any, Any], end: str) -> None:
    then, status, _ = ENDS[end]
    queue, producer = JobQueue(drivers[0]), JobQueue(drivers[1])
    started, seen = threading.Event(), list[bool]()

    @queue.job(Work)
    def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        started.set()
        while not context.cancelled:
            time.sleep(0.001)
        seen.append(context.aborted)
        if then is not None:
            raise then

    job_id = await producer.push(Work(1))
    async with run_in_background(queue.processor(options(num_workers=1, worker_active_lock=SELDOM))):
        await until(started.is_set)
        assert await producer.abort(job_id) is AbortOutcome.REQUESTED
        await has_left(producer, job_id, JobStatus.PROCESSING)
    assert seen == [True]
    assert await producer.status(job_id) is status


async def test_the_next_job_of_that_id_runs_to_its_end(drivers: tuple[Any, Any]) -> None:
    queue, producer = JobQueue(drivers[0]), JobQueue(drivers[1])
    handled = Handled(queue, asyncio.CancelledError())
    job_id = await producer.push(Work(1))
    async with run_in_background(queue.processor(options(num_workers=1, worker_active_lock=SELDOM))):
        await handled.started.wait()
        await producer.abort(job_id)
        await has_left(producer, job_id, JobStatus.PROCESSING)
        handled.started.clear()
        assert await producer.rerun(job_id)
        await handled.started.wait()
        await asyncio.sleep(0)
        handled.go_on.set()
        await has_left(producer, job_id, JobStatus.PROCESSING)
    assert await producer.status(job_id) is JobStatus.COMPLETED
    assert handled.aborted == [True]


async def test_only_the_job_that_is_meant_ends(drivers: tuple[Any, Any]) -> None:
    queue, producer = JobQueue(drivers[0]), JobQueue(drivers[1])
    running, ended = set[int](), list[int]()
    go_on = asyncio.Event()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        running.add(parameters.number)
        await go_on.wait()
        ended.append(parameters.number)

    ids = [await producer.push(Work(number)) for number in range(3)]
    async with run_in_background(queue.processor(options(num_workers=3, worker_active_lock=SELDOM))):
        await until(lambda: len(running) == 3)
        await producer.abort(ids[1])
        await has_left(producer, ids[1], JobStatus.PROCESSING)
        go_on.set()
        await until(lambda: len(ended) == 2)
    assert sorted(ended) == [0, 2]


async def test_a_job_that_is_given_back_at_shutdown_after_its_abort_does_not_run_again(
    drivers: tuple[Any, Any],
) -> None:
    queue, producer = JobQueue(drivers[0]), JobQueue(drivers[1])
    handled = Handled(queue, asyncio.CancelledError())
    job_id = await producer.push(Work(1))
    processor = queue.processor(options(num_workers=1, worker_active_lock=SELDOM))
    async with run_in_background(processor):
        await handled.started.wait()
        await producer.abort(job_id)
        processor.stop()
    assert await producer.status(job_id) is JobStatus.CANCELLED


async def test_abort_is_quick(drivers: tuple[Any, Any], record_property: Any) -> None:
    queue, producer = JobQueue(drivers[0]), JobQueue(drivers[1])
    handled = Handled(queue, asyncio.CancelledError())
    took = list[float]()
    async with run_in_background(queue.processor(options(num_workers=1, worker_active_lock=SELDOM))):
        for number in range(20):
            handled.started.clear()
            job_id = await producer.push(Work(number))
            await handled.started.wait()
            began = time.perf_counter()
            await producer.abort(job_id)
            await until(lambda: len(handled.aborted) == number + 1)  # noqa: B023
            took.append(handled.cancelled_at - began)
            await has_left(producer, job_id, JobStatus.PROCESSING)
    record_property("median", median(took))
    assert median(took) < 0.5


@pytest.mark.parametrize("end", ENDS)
async def test_run_until_idle_hears_of_it(end: str) -> None:
    then, status, outcome = ENDS[end]
    outcomes = Outcomes()
    driver = MemoryJobQueue(DriverConfiguration(retention_policy=KEEP), ManualClock())
    queue = JobQueue(driver, middleware=[outcomes])
    handled = Handled(queue, then)
    job_id, other = await queue.push(Work(1)), await queue.push(Work(2))
    running = asyncio.create_task(run_until_idle(queue))
    await handled.started.wait()
    assert await queue.abort(job_id) is AbortOutcome.REQUESTED
    await until(lambda: handled.aborted)
    handled.go_on.set()
    assert await running == 2
    assert running.cancelling() == 0
    assert await queue.status(job_id) is status
    assert await queue.status(other) is JobStatus.COMPLETED
    assert outcomes.seen == [outcome, JobOutcome.SUCCEEDED]


async def test_run_until_idle_itself_can_be_cancelled() -> None:
    queue = JobQueue(MemoryJobQueue(DriverConfiguration(retention_policy=KEEP), ManualClock()))
    handled = Handled(queue, asyncio.CancelledError())
    job_id = await queue.push(Work(1))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await run_until_idle(queue)
    assert handled.aborted == [False]
    assert await queue.status(job_id) is JobStatus.PENDING


async def test_without_the_capability_it_is_refused() -> None:
    driver = MemoryJobQueue()
    driver.capabilities = driver.capabilities - {Capability.ABORT}  # type: ignore[misc]
    with pytest.raises(UnsupportedOperation, match="'abort'"):
        await JobQueue(driver).abort("2B1C0C4E-6F5A-4B1C-9D2E-3F4A5B6C7D8E")
