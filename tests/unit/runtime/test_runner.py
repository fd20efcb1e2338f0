import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal
from uuid import uuid4

import pytest

from jobsvalkey import (
    Claim,
    ExponentialJitter,
    Fail,
    Finish,
    JobContext,
    JobFail,
    JobID,
    JobName,
    JobOptions,
    JobQueue,
    JobSleep,
    JobStatus,
    NewJob,
    NoRetry,
    ProcessorOptions,
    Release,
    Retry,
)
from jobsvalkey.contract import Settlement
from jobsvalkey.runtime.codec import read_request
from jobsvalkey.runtime.context import RunControl
from jobsvalkey.runtime.failure import decode_error
from tests.unit.runtime.support import Queue, Work, claim_all, make_queue, record_of, run_all, status_of, until

SECOND = timedelta(seconds=1)
EXACT = ExponentialJitter(min_jitter=0, max_jitter=0)


@pytest.fixture
def queue() -> Queue:
    return make_queue(default_retry_strategy=EXACT)


async def claim_one(queue: Queue) -> Claim:
    (claim,) = (await claim_all(queue.driver)).claims
    return claim


async def settle(queue: Queue, **options: Any) -> Settlement:
    """Push a job, run it, and tell what it ended with."""
    await queue.push(Work(1))
    return await queue.runner(ProcessorOptions(**options)).run(await claim_one(queue))


def raising(queue: Queue, error: BaseException, **options: Any) -> None:
    async def handler(parameters: Work, context: JobContext) -> None:
        raise error

    queue.register_job(Work, handler, **options)


async def test_a_handler_gets_its_parameters_and_context(queue: Queue) -> None:
    seen: list[Any] = []

    async def handler(parameters: Work, context: JobContext) -> None:
        seen.extend([parameters, context.job_id, context.name, context.attempt, context.is_last_attempt])
        seen.extend([context.queued_at, context.next_scheduled_at, context.claim_lost, context.cancelled])

    queue.register_job(Work, handler)
    job_id = await queue.push(Work(7))
    await run_all(queue)
    now = queue.driver.clock.now()
    assert seen == [Work(7), job_id, "Work", 1, False, now, None, False, False]
    assert await status_of(queue, job_id) is JobStatus.COMPLETED


async def test_the_logger_names_the_job(queue: Queue, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(parameters: Work, context: JobContext) -> None:
        context.logger.warning("here", extra={"mine": 1})

    queue.register_job(Work, handler)
    job_id = await queue.push(Work())
    await run_all(queue)
    fields = vars(next(record for record in caplog.records if record.getMessage() == "here"))
    assert (fields["job_id"], fields["job_name"], fields["attempt"], fields["mine"]) == (str(job_id), "Work", 1, 1)


async def test_a_job_that_fails_is_tried_again_as_its_strategy_says(queue: Queue) -> None:
    raising(queue, ValueError("no"))
    job_id = await queue.push(Work())
    for attempt, delay in ((1, 2), (2, 4), (3, 8)):
        await run_all(queue)
        record = await record_of(queue, job_id)
        assert (record.status, record.attempt) == (JobStatus.PENDING, attempt + 1)
        assert record.due == queue.driver.clock.now() + timedelta(seconds=delay)
        assert record.error is not None
        assert (record.error.type, record.error.message, record.error.attempt) == ("ValueError", "no", attempt)
        assert "in handler" in record.error.traceback
        queue.driver.clock.advance(timedelta(seconds=delay))
    await run_all(queue)
    record = await record_of(queue, job_id)
    assert (record.status, record.attempt, record.error and record.error.attempt) == (JobStatus.FAILED, 4, 4)


async def test_a_retry_keeps_all_but_the_attempt(queue: Queue) -> None:
    raising(queue, ValueError("no"))
    retry = await settle(queue)
    assert isinstance(retry, Retry)
    assert retry.request is not None
    name, request = read_request(retry.request)
    assert (name, bytes(request.parameters), request.attempt) == ("Work", b'{"number":1}', 2)


async def test_is_last_attempt_says_when_there_is_none_after(queue: Queue) -> None:
    seen: list[bool] = []

    async def handler(parameters: Work, context: JobContext) -> None:
        seen.append(context.is_last_attempt)
        raise ValueError

    queue.register_job(Work, handler, retry_strategy=ExponentialJitter(max_attempts=2))
    await queue.push(Work())
    for _ in range(3):
        await run_all(queue)
        queue.driver.clock.advance(timedelta(minutes=5))
    assert seen == [False, True]


async def test_no_retry_fails_at_once_and_keeps_the_error(queue: Queue) -> None:
    raising(queue, ValueError("no"), retry_strategy=NoRetry())
    job_id = await queue.push(Work())
    await run_all(queue)
    record = await record_of(queue, job_id)
    assert (record.status, record.error and record.error.message) == (JobStatus.FAILED, "no")


async def test_job_fail_is_not_tried_again(queue: Queue) -> None:
    raising(queue, JobFail("wrong address"))
    fail = await settle(queue)
    assert isinstance(fail, Fail)
    assert not fail.keep
    assert decode_error(fail.error).message == "wrong address"


@pytest.mark.parametrize("error", [SystemExit(1), asyncio.CancelledError(), BaseExceptionGroup("many", [KeyError()])])
async def test_whatever_a_handler_raises_fails_the_job_not_the_worker(queue: Queue, error: BaseException) -> None:
    raising(queue, error, retry_strategy=NoRetry())
    fail = await settle(queue)
    assert isinstance(fail, Fail)
    assert decode_error(fail.error).type == type(error).__qualname__.replace(
        "Cancelled", "asyncio.exceptions.Cancelled"
    )


async def test_the_callers_cancellation_is_not_the_handlers_error(queue: Queue) -> None:
    running = asyncio.Event()

    async def handler(parameters: Work, context: JobContext) -> None:
        running.set()
        await asyncio.Event().wait()

    queue.register_job(Work, handler)
    task = asyncio.create_task(settle(queue))
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Strategy:
    def __init__(self, delay: Callable[[], timedelta]) -> None:
        self._delay = delay

    def should_retry(self, attempt: int, error: BaseException | None) -> bool:
        return isinstance(error, ValueError)

    def delay(self, attempt: int) -> timedelta:
        return self._delay()


@pytest.mark.parametrize("delay", [timedelta(-1), timedelta.max])
async def test_a_strategy_of_ones_own_decides_within_bounds(queue: Queue, delay: timedelta) -> None:
    raising(queue, ValueError("no"), retry_strategy=Strategy(lambda: delay))
    retry = await settle(queue)
    assert isinstance(retry, Retry)
    assert isinstance(retry.due, timedelta)
    assert timedelta(0) <= retry.due <= timedelta(days=36_500)


async def test_a_strategy_that_fails_fails_the_job(queue: Queue) -> None:
    def broken() -> timedelta:
        raise RuntimeError("strategy")

    raising(queue, ValueError("no"), retry_strategy=Strategy(broken))
    fail = await settle(queue)
    assert isinstance(fail, Fail)
    error = decode_error(fail.error)
    assert error.message == "strategy"
    assert "ValueError: no" in error.traceback


@pytest.mark.parametrize(("attempts", "following"), [("keep", 2), ("reset", 1), ("increment", 3)])
async def test_weakness_18_a_sleeping_job_is_not_finished(
    queue: Queue, attempts: Literal["keep", "reset", "increment"], following: int
) -> None:
    errors: list[Exception] = [ValueError("first"), JobSleep(for_=timedelta(hours=1), attempts=attempts)]

    async def handler(parameters: Work, context: JobContext) -> None:
        if errors:
            raise errors.pop(0)

    queue.register_job(Work, handler)
    job_id = await queue.push(Work())
    await run_all(queue)
    queue.driver.clock.advance(timedelta(seconds=2))
    await run_all(queue)
    record = await record_of(queue, job_id)
    assert (record.status, record.attempt) == (JobStatus.PENDING, following)
    assert record.due == queue.driver.clock.now() + timedelta(hours=1)
    assert record.error is not None  # the sleep is no failure, and leaves the last one as it was
    assert record.error.message == "first"
    queue.driver.clock.advance(timedelta(hours=1))
    await run_all(queue)
    assert await status_of(queue, job_id) is JobStatus.COMPLETED


async def test_a_job_sleeps_until_a_time(queue: Queue) -> None:
    tomorrow = queue.driver.clock.now() + timedelta(days=1)
    raising(queue, JobSleep(until=tomorrow))
    retry = await settle(queue)
    assert isinstance(retry, Retry)
    assert (retry.request, retry.due, retry.error) == (None, tomorrow, None)


async def test_a_sleep_after_the_last_attempt_gives_nothing_up(queue: Queue) -> None:
    raising(queue, JobSleep(for_=SECOND, attempts="increment"), retry_strategy=NoRetry())
    assert isinstance(await settle(queue), Retry)


async def test_weakness_20_a_rerun_starts_at_attempt_one(queue: Queue) -> None:
    attempts: list[int] = []

    async def handler(parameters: Work, context: JobContext) -> None:
        attempts.append(context.attempt)
        raise ValueError

    queue.register_job(Work, handler, retry_strategy=ExponentialJitter(max_attempts=2, max_backoff=timedelta(0)))
    job_id = await queue.push(Work())
    await run_all(queue)
    await run_all(queue)
    assert await status_of(queue, job_id) is JobStatus.FAILED
    assert await queue.rerun(job_id)
    assert (await record_of(queue, job_id)).attempt == 1
    await run_all(queue)
    await run_all(queue)
    assert attempts == [1, 2, 1, 2]


async def test_a_rerun_that_sleeps_stays_at_attempt_one(queue: Queue) -> None:
    errors: list[Exception] = [ValueError(), ValueError(), JobSleep(for_=timedelta(0))]
    attempts: list[int] = []

    async def handler(parameters: Work, context: JobContext) -> None:
        attempts.append(context.attempt)
        if errors:
            raise errors.pop(0)

    queue.register_job(Work, handler, retry_strategy=ExponentialJitter(max_attempts=2, max_backoff=timedelta(0)))
    job_id = await queue.push(Work())
    await run_all(queue)
    await run_all(queue)
    await queue.rerun(job_id)
    await run_all(queue)
    await run_all(queue)
    assert attempts == [1, 2, 1, 1]


async def die(queue: Queue, worker: str) -> None:
    """Claim as a worker which dies, so that the job is recovered."""
    assert (await claim_all(queue.driver, worker)).claims
    queue.driver.clock.advance(timedelta(seconds=30))
    assert await queue.driver.recover() == 1


@pytest.mark.parametrize("limit", [0, 2, None])
async def test_weakness_19_a_job_that_kills_its_workers_is_given_up(queue: Queue, limit: int | None) -> None:
    ran: list[int] = []

    async def handler(parameters: Work, context: JobContext) -> None:
        ran.append(context.attempt)

    queue.register_job(Work, handler)
    job_id = await queue.push(Work())
    for death in range(3):
        await die(queue, f"worker {death}")
    await run_all(queue, queue.runner(ProcessorOptions(max_recoveries=limit)))
    record = await record_of(queue, job_id)
    if limit is None:
        assert (record.status, ran) == (JobStatus.COMPLETED, [1])
    else:
        assert (record.status, ran) == (JobStatus.FAILED, [])
        assert record.error is not None
        assert "JobAbandoned" in record.error.type
        assert "3 workers died" in record.error.message


async def test_as_many_recoveries_as_allowed_are_allowed(queue: Queue) -> None:
    raising(queue, JobSleep(for_=timedelta(0)))
    job_id = await queue.push(Work())
    for death in range(2):
        await die(queue, f"worker {death}")
    await run_all(queue, queue.runner(ProcessorOptions(max_recoveries=2)))
    record = await record_of(queue, job_id)
    assert (record.status, record.recoveries) == (JobStatus.PENDING, 0)


@pytest.mark.parametrize(
    ("request_", "kind", "attempt"),
    [
        (b"\xff", "InvalidParameters", 0),
        (b'{"Work":{"p":{"number":"x"},"q":0,"a":3}}', "InvalidParameters", 3),
        (b'{"Work":{"q":0,"a":1}}', "InvalidParameters", 0),
        (b'{"Unknown":{"p":{},"q":0,"a":2}}', "UnknownJob", 2),
    ],
)
async def test_a_job_that_cannot_run_fails_and_is_kept(queue: Queue, request_: bytes, kind: str, attempt: int) -> None:
    raising(queue, AssertionError("must not run"))
    job_id = JobID.parse(uuid4())
    await queue.driver.push([NewJob(job_id, request_)])
    fail = await queue.runner().run(await claim_one(queue))
    assert isinstance(fail, Fail)
    assert fail.keep
    error = decode_error(fail.error)
    assert error.type == f"jobsvalkey.contract.errors.{kind}"
    assert (error.attempt, error.traceback) == (attempt, "")


async def test_a_job_whose_request_is_lost_becomes_a_tombstone(queue: Queue) -> None:
    await queue.push(Work())
    claim = await claim_one(queue)
    lost = Claim(claim.job_id, claim.token, None, claim.due, claim.stored_at)
    fail = await queue.runner().run(lost)
    assert isinstance(fail, Fail)
    assert fail.keep
    assert "lost" in decode_error(fail.error).message


async def test_an_unknown_job_may_go_back_instead(queue: Queue) -> None:
    runner = queue.runner(ProcessorOptions(unknown_job="retry"))
    job_id = await queue.push(JobName("new", int), 1)
    delays: list[float] = []
    for _ in range(8):
        await run_all(queue, runner)
        record = await record_of(queue, job_id)
        assert (record.status, record.attempt, record.error) == (JobStatus.PENDING, 1, None)
        assert record.due is not None
        delays.append((record.due - queue.driver.clock.now()).total_seconds())
        queue.driver.clock.advance(timedelta(seconds=delays[-1]))
    assert delays == [1, 1, 2, 4, 8, 16, 32, 60]


async def test_an_unknown_job_that_was_rerun_still_starts_at_attempt_one(queue: Queue) -> None:
    first = make_queue(default_retry_strategy=ExponentialJitter(max_attempts=2, max_backoff=timedelta(0)))
    raising(first, ValueError())
    job_id = await first.push(Work())
    await run_all(first)
    await run_all(first)
    assert await first.rerun(job_id)
    older = JobQueue(first.driver)
    await run_all(older, older.runner(ProcessorOptions(unknown_job="retry")))
    assert (await record_of(first, job_id)).attempt == 1


async def test_what_has_no_name_does_not_go_back(queue: Queue) -> None:
    await queue.driver.push([NewJob(JobID.parse(uuid4()), b'{"Unknown":5}')])
    fail = await queue.runner(ProcessorOptions(unknown_job="retry")).run(await claim_one(queue))
    assert isinstance(fail, Fail)


async def test_a_job_that_takes_too_long_has_failed(queue: Queue) -> None:
    async def handler(parameters: Work, context: JobContext) -> None:
        await asyncio.Event().wait()

    queue.register_job(Work, handler, timeout=timedelta(milliseconds=5), retry_strategy=NoRetry())
    fail = await settle(queue)
    assert isinstance(fail, Fail)
    error = decode_error(fail.error)
    assert error.type.endswith("JobTimeout")
    assert "timeout of 0.005 s" in error.message


async def test_a_timeout_of_the_handlers_own_is_not_ours(queue: Queue) -> None:
    raising(queue, TimeoutError("mine"), timeout=timedelta(seconds=30), retry_strategy=NoRetry())
    fail = await settle(queue)
    assert isinstance(fail, Fail)
    assert decode_error(fail.error).type == "TimeoutError"


async def test_a_plain_function_runs_in_a_thread(queue: Queue) -> None:
    seen: list[Any] = []

    def handler(parameters: Work, context: JobContext) -> None:
        seen.extend([parameters, threading.current_thread() is threading.main_thread(), context.claim_lost])

    queue.register_job(Work, handler)
    assert isinstance(await settle(queue), Finish)
    assert seen == [Work(1), False, False]


@pytest.mark.parametrize("error", [ValueError("no"), StopIteration("no"), SystemExit("no")])
async def test_an_error_in_a_thread_fails_the_job(queue: Queue, error: BaseException) -> None:
    def handler(parameters: Work, context: JobContext) -> None:
        raise error

    queue.register_job(Work, handler, retry_strategy=NoRetry())
    fail = await settle(queue)
    assert isinstance(fail, Fail)
    assert f"{type(error).__name__}: no" in decode_error(fail.error).traceback


async def test_a_coroutine_behind_a_plain_function_is_awaited(queue: Queue) -> None:
    ran: list[bool] = []

    async def inner() -> None:
        ran.append(threading.current_thread() is threading.main_thread())

    def handler(parameters: Work, context: JobContext) -> Any:
        return inner()

    queue.register_job(Work, handler)
    assert isinstance(await settle(queue), Finish)
    assert ran == [True]


async def test_a_thread_that_takes_too_long_keeps_its_claim_until_it_ends(queue: Queue) -> None:
    go_on = threading.Event()
    told: list[bool] = []

    def handler(parameters: Work, context: JobContext) -> None:
        while not context.cancelled:
            go_on.wait(0.001)
        go_on.wait()
        told.append(context.cancelled)

    queue.register_job(Work, handler, timeout=timedelta(milliseconds=5), retry_strategy=NoRetry())
    await queue.push(Work())
    control = RunControl()
    task = asyncio.create_task(queue.runner().run(await claim_one(queue), control))
    await until(lambda: control.cancelled)
    assert not task.done()
    go_on.set()
    fail = await task
    assert isinstance(fail, Fail)
    assert decode_error(fail.error).type.endswith("JobTimeout")
    assert told == [True]


async def test_a_cancelled_job_is_released_unchanged(queue: Queue) -> None:
    running = asyncio.Event()

    async def handler(parameters: Work, context: JobContext) -> None:
        running.set()
        await asyncio.Event().wait()

    queue.register_job(Work, handler)
    await queue.push(Work())
    claim, control = await claim_one(queue), RunControl()
    task = asyncio.create_task(queue.runner().run(claim, control))
    control.task = task
    await running.wait()
    control.cancel()
    assert await task == Release(claim.job_id, claim.token)


async def test_failures_are_logged_with_the_job(queue: Queue, caplog: pytest.LogCaptureFixture) -> None:
    raising(queue, ValueError("no"), retry_strategy=ExponentialJitter(max_attempts=2, max_backoff=timedelta(0)))
    job_id = await queue.push(Work(), options=JobOptions())
    await run_all(queue)
    await run_all(queue)
    logged = [(record.levelno, vars(record)["attempt"], vars(record)["job_id"]) for record in caplog.records]
    assert logged == [(logging.WARNING, 1, str(job_id)), (logging.ERROR, 2, str(job_id))]
