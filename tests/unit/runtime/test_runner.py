import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

import pytest

from jobsvalkey import ExponentialJitter, JobContext, JobFail, JobOptions, JobSleep, JobStatus, NoRetry
from jobsvalkey.contract import Fail, Release, Retry
from jobsvalkey.runtime.codec import read_request
from jobsvalkey.runtime.failure import decode_error
from jobsvalkey.runtime.job_run import JobRun
from tests.support.drivers import record_of, status_of
from tests.support.work import Work, raising
from tests.unit.runtime.support import Queue, claim_one, make_queue, run_all, settle

SECOND = timedelta(seconds=1)
EXACT = ExponentialJitter(min_jitter=0, max_jitter=0)


@pytest.fixture
def queue() -> Queue:
    return make_queue(default_retry_strategy=EXACT)


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


async def test_weakness_15_a_failed_job_keeps_its_error(queue: Queue) -> None:
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


async def test_a_cancelled_job_is_released_unchanged(queue: Queue) -> None:
    running = asyncio.Event()

    async def handler(parameters: Work, context: JobContext) -> None:
        running.set()
        await asyncio.Event().wait()

    queue.register_job(Work, handler)
    await queue.push(Work())
    claim, control = await claim_one(queue), JobRun()
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
