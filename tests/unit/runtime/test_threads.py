"""Threads that live never exceed the slots, whatever cancels the waiting for them."""

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import CallNext, JobContext, JobStatus, Middleware, PoppedJob
from jobsvalkey.contract import Retry
from jobsvalkey.runtime.codec import read_request
from tests.support.drivers import record_of, status_of
from tests.support.processors import options, run_in_background
from tests.support.waiting import until
from tests.support.work import Work
from tests.unit.runtime.support import Queue, claim_one, make_queue


class Living:
    """A plain function that ends when it is let go, and counts how many of it live."""

    def __init__(self, queue: Queue, **options: Any) -> None:
        self.go_on = threading.Event()
        self.lock = threading.Lock()
        self.living = self.most = self.starts = 0
        self.saw_cancellation = False
        queue.register_job(Work, self.run, **options)

    def run(self, parameters: Work, context: JobContext) -> None:
        with self.lock:
            self.starts += 1
            self.living += 1
            self.most = max(self.most, self.living)
        self.go_on.wait(10)
        self.saw_cancellation |= context.cancelled
        with self.lock:
            self.living -= 1


class TimeoutBlock(Middleware):
    async def handle(self, job: PoppedJob, call_next: CallNext) -> None:
        async with asyncio.timeout(0.005):
            await call_next()


class WaitFor(Middleware):
    async def handle(self, job: PoppedJob, call_next: CallNext) -> None:
        await asyncio.wait_for(call_next(), 0.005)


class LeavesItAlone(Middleware):
    async def handle(self, job: PoppedJob, call_next: CallNext) -> None:
        self.task = asyncio.ensure_future(call_next())
        await asyncio.wait([self.task], timeout=0.005)
        raise TimeoutError


class CallsAgain(Middleware):
    async def handle(self, job: PoppedJob, call_next: CallNext) -> None:
        for _ in range(3):
            try:
                async with asyncio.timeout(0.005):
                    return await call_next()
            except TimeoutError:
                continue
        raise TimeoutError


class AtOnce:
    def should_retry(self, attempt: int, error: BaseException | None) -> bool:
        return attempt < 4

    def delay(self, attempt: int) -> timedelta:
        return timedelta(0)


@pytest.mark.parametrize("middleware", [TimeoutBlock, WaitFor, LeavesItAlone, CallsAgain])
async def test_a_timeout_around_a_thread_keeps_its_slot_until_it_ends(middleware: type[Middleware]) -> None:
    queue = make_queue(middleware=[middleware()], default_retry_strategy=AtOnce())
    living = Living(queue)
    job_id = await queue.push(Work())
    async with run_in_background(queue.processor(options(num_workers=1))):
        await until(lambda: living.starts)
        await asyncio.sleep(0.03)  # several times the middleware's patience
        assert (living.starts, living.most) == (1, 1)
        living.go_on.set()
        await until(lambda: queue.driver.state.jobs[job_id].status is not JobStatus.PROCESSING)
    assert living.most == 1
    assert living.saw_cancellation or middleware is LeavesItAlone


class CallsTooLate(Middleware):
    """Leaves calls behind, some of which have not even begun."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Future[None]] = []

    async def handle(self, job: PoppedJob, call_next: CallNext) -> None:
        self.tasks += [asyncio.ensure_future(call_next()) for _ in range(3)]


@pytest.mark.parametrize("plain", [True, False])
async def test_a_call_that_begins_when_the_run_has_ended_is_refused(plain: bool) -> None:
    middleware = CallsTooLate()
    queue = make_queue(middleware=[middleware])
    starts: list[int] = []

    def function(parameters: Work, context: JobContext) -> None:
        starts.append(parameters.number)

    async def coroutine(parameters: Work, context: JobContext) -> None:
        function(parameters, context)

    queue.register_job(Work, function if plain else coroutine)
    await queue.push_many([Work(number) for number in range(4)])
    await queue.processor(options(burst=True, num_workers=1)).run()
    assert len(middleware.tasks) == 12
    for error in await asyncio.gather(*middleware.tasks, return_exceptions=True):
        assert isinstance(error, RuntimeError)
        assert "has ended" in str(error)
    assert starts == []


async def test_an_attempt_that_middleware_broke_off_has_failed() -> None:
    queue = make_queue(middleware=[TimeoutBlock()])
    living = Living(queue)
    job_id = await queue.push(Work())
    async with run_in_background(queue.processor(options(num_workers=1))):
        await until(lambda: living.starts)
        await asyncio.sleep(0.01)
        living.go_on.set()
        await until(lambda: queue.driver.state.jobs[job_id].error)
    error = (await record_of(queue, job_id)).error
    assert error is not None
    assert error.type == "TimeoutError"


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
@pytest.mark.parametrize("reset", [False, True])
async def test_a_job_that_gets_no_thread_goes_back_for_a_while_at_the_same_attempt(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reset: bool
) -> None:
    queue = make_queue()
    ran: list[int] = []

    @queue.job(Work)
    def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        ran.append(context.attempt)

    job_id = await queue.push(Work())
    if reset:
        await queue.cancel(job_id)
        await queue.rerun(job_id)

    def start(thread: threading.Thread) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        claim = await claim_one(queue)
        settlement = await queue.runner().run(claim)
    assert isinstance(settlement, Retry)
    assert isinstance(settlement.due, timedelta)
    assert settlement.due > timedelta(0)
    assert settlement.error is None
    if reset:
        assert settlement.request is not None
        assert read_request(settlement.request)[1].attempt == 1
    else:
        assert settlement.request is None
    await queue.driver.exchange("worker", 2, [settlement])
    queue.driver.clock.advance(settlement.due)
    await queue.processor(options(burst=True)).run()
    assert ran == [1]
    assert await status_of(queue, job_id) is JobStatus.COMPLETED
