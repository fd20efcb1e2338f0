import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import JobContext, NoRetry
from jobsvalkey.contract import Fail, Finish
from jobsvalkey.runtime.failure import decode_error
from jobsvalkey.runtime.job_run import JobRun
from tests.support.waiting import until
from tests.support.work import Work, raising
from tests.unit.runtime.support import Queue, claim_one, make_queue, settle


@pytest.fixture
def queue() -> Queue:
    return make_queue()


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
    control = JobRun()
    task = asyncio.create_task(queue.runner().run(await claim_one(queue), control))
    await until(lambda: control.cancelled)
    assert not task.done()
    go_on.set()
    fail = await task
    assert isinstance(fail, Fail)
    assert decode_error(fail.error).type.endswith("JobTimeout")
    assert told == [True]
