"""A job that its worker calls off goes back as it was claimed, however its handler answers."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import (
    CallNext,
    CompletedJob,
    JobCleanup,
    JobContext,
    JobFail,
    JobOutcome,
    JobSleep,
    JobStatus,
    Middleware,
    NoRetry,
    PoppedJob,
)
from tests.support.drivers import record_of, status_of
from tests.support.processors import options, start
from tests.support.waiting import until
from tests.support.work import Work
from tests.unit.runtime.support import Queue, make_queue

NOTHING = timedelta(0)


async def fails_in_the_clean_up() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_cleans_up())
        await asyncio.Event().wait()


async def _cleans_up() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        raise ConnectionError("the session was gone")


def answering(error: Callable[[], BaseException]) -> Callable[[], Any]:
    async def handler() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise error() from None

    return handler


ANSWERS: dict[str, Callable[[], Any]] = {
    "a child that fails": fails_in_the_clean_up,
    **{
        kind.__name__: answering(kind)
        for kind in (ValueError, KeyboardInterrupt, SystemExit, GeneratorExit, TimeoutError, asyncio.CancelledError)
    },
    "a group": answering(lambda: BaseExceptionGroup("several", [asyncio.CancelledError(), KeyError()])),
}


class Wrapping(Middleware):
    def __init__(self) -> None:
        self.outcomes: list[str] = []

    async def handle(self, job: PoppedJob, call_next: CallNext) -> None:
        try:
            await call_next()
        except BaseException as error:
            raise RuntimeError from error

    async def on_completed(self, job: CompletedJob) -> None:
        self.outcomes.append(job.outcome)


@pytest.mark.parametrize("middleware", [None, Wrapping], ids=["bare", "with middleware"])
@pytest.mark.parametrize("name", ANSWERS)
async def test_a_shutdown_is_no_failure_whatever_the_handler_makes_of_it(
    name: str, middleware: type[Wrapping] | None, caplog: pytest.LogCaptureFixture
) -> None:
    wrapping = [] if middleware is None else [middleware()]
    queue = make_queue(middleware=wrapping, default_retry_strategy=NoRetry())
    running = asyncio.Event()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        running.set()
        await ANSWERS[name]()

    job_id = await queue.push(Work())
    before = await record_of(queue, job_id)
    processor, task = start(queue, graceful_shutdown_timeout=NOTHING)
    await running.wait()
    processor.stop()
    await asyncio.wait_for(task, 10)
    assert await record_of(queue, job_id) == before
    assert caplog.records == []
    assert [each.outcomes for each in wrapping] == [[JobOutcome.CANCELLED]] * len(wrapping)


@pytest.mark.parametrize("name", ANSWERS)
async def test_neither_is_a_claim_that_is_lost(name: str, caplog: pytest.LogCaptureFixture) -> None:
    told = Wrapping()
    queue = make_queue(middleware=[told], default_retry_strategy=NoRetry())
    running = asyncio.Event()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        running.set()
        await ANSWERS[name]()

    await queue.push(Work())
    processor, task = start(queue)
    await running.wait()
    await queue.driver.cleanup(processing_jobs=JobCleanup.remove())
    await until(lambda: told.outcomes)
    processor.stop()
    await task
    assert told.outcomes == [JobOutcome.CANCELLED]
    assert not any("failed" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("error", [asyncio.CancelledError, ValueError, SystemExit])
async def test_a_plain_function_that_sees_its_cancellation_gives_its_job_back_by_an_error(
    error: type[BaseException],
) -> None:
    queue = make_queue(default_retry_strategy=NoRetry())
    running = threading.Event()

    @queue.job(Work)
    def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        running.set()
        while not context.cancelled:
            threading.Event().wait(0.001)
        raise error

    job_id = await queue.push(Work())
    before = await record_of(queue, job_id)
    processor, task = start(queue, graceful_shutdown_timeout=NOTHING)
    await until(running.is_set)
    processor.stop()
    await asyncio.wait_for(task, 10)
    assert await record_of(queue, job_id) == before
    assert queue.driver.state.workers == {}


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    ("error", "status"),
    [(lambda: JobFail("no use"), JobStatus.FAILED), (lambda: JobSleep(for_=timedelta(hours=1)), JobStatus.PENDING)],
    ids=["JobFail", "JobSleep"],
)
async def test_what_the_handler_decides_by_name_counts(
    plain: bool, error: Callable[[], Exception], status: JobStatus
) -> None:
    queue = make_queue()
    running = threading.Event()

    def in_thread(parameters: Work, context: JobContext) -> None:
        running.set()
        while not context.cancelled:
            threading.Event().wait(0.001)
        raise error()

    async def coroutine(parameters: Work, context: JobContext) -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise error()

    queue.register_job(Work, in_thread if plain else coroutine)
    job_id = await queue.push(Work())
    processor, task = start(queue, graceful_shutdown_timeout=NOTHING)
    await until(running.is_set)
    processor.stop()
    await asyncio.wait_for(task, 10)
    record = await record_of(queue, job_id)
    assert record.status is status
    assert record.due == (queue.driver.clock.now() + timedelta(hours=1) if status is JobStatus.PENDING else None)


async def test_a_cancellation_that_is_the_handlers_own_is_a_failure() -> None:
    queue = make_queue(default_retry_strategy=NoRetry())

    @queue.job(Work)
    def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        raise asyncio.CancelledError

    job_id = await queue.push(Work())
    await queue.processor(options(burst=True)).run()
    assert await status_of(queue, job_id) is JobStatus.FAILED


class Stuck:
    """A plain function, or a coroutine that does not listen, which runs until it is let go."""

    def __init__(self, queue: Queue, kind: str) -> None:
        self.go_on = threading.Event()
        self.starts = 0
        queue.register_job(Work, self.plain if kind == "plain" else self.deaf)

    def plain(self, parameters: Work, context: JobContext) -> None:
        self.starts += 1
        self.go_on.wait(10)

    async def deaf(self, parameters: Work, context: JobContext) -> None:
        self.starts += 1
        while not self.go_on.is_set():
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                continue


@pytest.mark.parametrize("kind", ["plain", "deaf"])
@pytest.mark.parametrize("stops", ["stop", "two stops", "cancel"])
async def test_leaving_is_no_death_however_often(kind: str, stops: str) -> None:
    """Deployments, one after the other, while a long job runs: it is never given up."""
    queue = make_queue()
    stuck = Stuck(queue, kind)
    job_id = await queue.push(Work())
    for deployment in range(8):
        processor, task = start(queue, graceful_shutdown_timeout=NOTHING, cancel_grace=NOTHING, max_recoveries=2)
        await until(lambda deployment=deployment: stuck.starts == deployment + 1)
        if stops == "cancel":
            task.cancel()
        else:
            for _ in range(2 if stops == "two stops" else 1):
                processor.stop()
        await asyncio.wait([task], timeout=10)
        record = await record_of(queue, job_id)
        assert (record.status, record.recoveries) == (JobStatus.PROCESSING, 0)
        assert await queue.driver.recover() == 0  # the lock still keeps others from running it
        queue.driver.clock.advance(timedelta(seconds=30))
    stuck.go_on.set()


async def test_a_process_that_is_killed_while_it_shuts_down_has_not_died_of_its_job() -> None:
    queue = make_queue()
    stuck = Stuck(queue, "deaf")
    job_id = await queue.push(Work())
    processor, task = start(queue)
    await until(lambda: stuck.starts)
    processor.stop()  # its handlers may go on for 30 s, and the platform does not wait so long
    (worker,) = queue.driver.state.workers.values()
    await until(lambda: worker.leaving)
    worker.expires = queue.driver.clock.now()
    assert await queue.driver.recover() == 1
    assert (await record_of(queue, job_id)).recoveries == 0
    stuck.go_on.set()
    await task


async def test_a_worker_that_nobody_stopped_has_died() -> None:
    queue = make_queue()
    await queue.driver.open_worker("dead", timedelta(seconds=30))
    job_id = await queue.push(Work())
    await queue.driver.exchange("dead", 1, (), 1)
    queue.driver.clock.advance(timedelta(seconds=30))
    assert await queue.driver.recover() == 1
    assert (await record_of(queue, job_id)).recoveries == 1
