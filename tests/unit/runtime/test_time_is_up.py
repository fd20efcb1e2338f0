"""When the time of an attempt is up, it has failed with `JobTimeout`, whatever the handler and its kind."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import CallNext, JobContext, JobFail, JobSleep, Middleware, NoRetry, PoppedJob
from jobsvalkey.contract import Fail, Finish, Release, Retry
from jobsvalkey.runtime.failure import decode_error
from jobsvalkey.runtime.job_run import JobRun
from tests.support.waiting import until
from tests.support.work import Work
from tests.unit.runtime.support import Queue, claim_one, make_queue, settle

AFTERWARDS: dict[str, Callable[[], BaseException] | None] = {
    "returns": None,
    "other error": lambda: ValueError("late"),
    "JobFail": lambda: JobFail("late"),
    "JobSleep": lambda: JobSleep(for_=timedelta(hours=1)),
    "CancelledError": asyncio.CancelledError,
    "a group": lambda: BaseExceptionGroup("late", [ValueError(), asyncio.CancelledError()]),
    "SystemExit": SystemExit,
}
MOMENT = timedelta(milliseconds=5)


def late(queue: Queue, kind: str, error: Callable[[], BaseException] | None, **options: Any) -> None:
    """Register a handler of that kind that goes on after its time is up."""

    def end() -> None:
        if error is not None:
            raise error()

    def plain(parameters: Work, context: JobContext) -> None:
        while not context.cancelled:
            threading.Event().wait(0.001)
        end()

    async def coroutine(parameters: Work, context: JobContext) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            assert context.cancelled
            await asyncio.sleep(0)
            end()

    def behind_a_plain_function(parameters: Work, context: JobContext) -> Any:
        return coroutine(parameters, context)

    handlers: dict[str, Any] = {"plain": plain, "coroutine": coroutine, "behind": behind_a_plain_function}
    queue.register_job(Work, handlers[kind], timeout=MOMENT, **options)


KINDS = pytest.mark.parametrize("kind", ["coroutine", "plain", "behind"])


@KINDS
@pytest.mark.parametrize("afterwards", AFTERWARDS)
async def test_a_job_whose_time_is_up_has_failed_whatever_its_handler_does(kind: str, afterwards: str) -> None:
    queue = make_queue()
    late(queue, kind, AFTERWARDS[afterwards], retry_strategy=NoRetry())
    fail = await settle(queue)
    assert isinstance(fail, Fail)
    assert not fail.keep
    assert decode_error(fail.error).type.endswith("JobTimeout")


@KINDS
@pytest.mark.parametrize("afterwards", AFTERWARDS)
async def test_it_is_tried_again_as_its_strategy_says(kind: str, afterwards: str) -> None:
    queue = make_queue()
    late(queue, kind, AFTERWARDS[afterwards])
    assert isinstance(await settle(queue), Retry)


@KINDS
async def test_a_shutdown_after_that_changes_nothing(kind: str) -> None:
    queue = make_queue()
    late(queue, kind, None, retry_strategy=NoRetry())
    await queue.push(Work())
    run = JobRun()
    run.task = asyncio.create_task(queue.runner().run(await claim_one(queue), run))
    await until(lambda: run.timed_out)
    run.cancel()
    assert isinstance(await run.task, Fail)


@KINDS
async def test_the_time_that_is_up_after_a_shutdown_does_not_count(kind: str) -> None:
    queue = make_queue()
    late(queue, kind, lambda: ValueError("in the clean-up"), retry_strategy=NoRetry())
    await queue.push(Work())
    run = JobRun()
    claim = await claim_one(queue)
    run.task = asyncio.create_task(queue.runner().run(claim, run))
    await asyncio.sleep(0)
    run.cancel()
    assert await run.task == Release(claim.job_id, claim.token)


async def test_the_task_of_a_middleware_is_as_it_was_after_a_timeout() -> None:
    cancelling: list[int] = []

    class Looking(Middleware):
        async def handle(self, job: PoppedJob, call_next: CallNext) -> None:
            task = asyncio.current_task()
            assert task is not None
            try:
                await call_next()
            finally:
                cancelling.append(task.cancelling())
                await asyncio.sleep(0)

    queue = make_queue(middleware=[Looking()])
    late(queue, "coroutine", None, retry_strategy=NoRetry())
    assert isinstance(await settle(queue), Fail)
    assert cancelling == [0]


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
async def test_a_handler_that_ends_in_time_leaves_no_timer(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = make_queue()
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []
    call_later = loop.call_later

    def noting(*arguments: Any, **options: Any) -> asyncio.TimerHandle:
        timers.append(call_later(*arguments, **options))
        return timers[-1]

    def plain(parameters: Work, context: JobContext) -> None: ...

    async def coroutine(parameters: Work, context: JobContext) -> None: ...

    queue.register_job(Work, plain if kind == "plain" else coroutine, timeout=timedelta(hours=1))
    monkeypatch.setattr(loop, "call_later", noting)
    assert isinstance(await settle(queue), Finish)
    assert [timer.cancelled() for timer in timers] == [True]
