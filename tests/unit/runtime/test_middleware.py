import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import (
    CallNext,
    CompletedJob,
    ExponentialJitter,
    JobContext,
    JobFail,
    JobName,
    JobOptions,
    JobOutcome,
    JobQueue,
    JobSleep,
    JobStatus,
    Middleware,
    NoRetry,
    PoppedJob,
    Push,
    PushedJob,
)
from jobsvalkey.contract import Fail, Finish, Release
from jobsvalkey.runtime.job_run import JobRun
from tests.support.drivers import claim_all, status_of
from tests.support.processors import options
from tests.support.waiting import until
from tests.support.work import Work, counting
from tests.unit.runtime.support import claim_one, make_driver, make_queue, run_all


class Recorder(Middleware):
    def __init__(self, name: str = "", log: list[str] | None = None) -> None:
        self.name = name
        self.log: list[str] = [] if log is None else log
        self.pushed: list[tuple[PushedJob, bool]] = []
        self.popped: list[PoppedJob] = []
        self.completed: list[CompletedJob] = []

    async def on_push(self, job: PushedJob) -> None:
        job.trace[f"from{self.name}"] = job.name
        self.log.append(f"{self.name}push")

    async def on_pushed(self, job: PushedJob, stored: bool) -> None:
        self.pushed.append((job, stored))
        self.log.append(f"{self.name}pushed")

    async def on_pop(self, job: PoppedJob) -> None:
        self.popped.append(job)
        self.log.append(f"{self.name}pop")

    async def handle(self, job: PoppedJob, call_next: CallNext) -> None:
        self.log.append(f"{self.name}(")
        try:
            await call_next()
        finally:
            self.log.append(f"{self.name})")

    async def on_completed(self, job: CompletedJob) -> None:
        self.completed.append(job)
        self.log.append(f"{self.name}completed")


async def test_the_hooks_of_a_job_in_order() -> None:
    log: list[str] = []
    queue = make_queue(middleware=[Recorder("a", log), Recorder("b", log)])

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        log.append("handler")

    await queue.push(Work())
    assert log == ["apush", "bpush", "apushed", "bpushed"]
    log.clear()
    await run_all(queue)
    assert log == ["apop", "bpop", "a(", "b(", "handler", "b)", "a)", "bcompleted", "acompleted"]


async def test_the_trace_context_travels_with_the_job() -> None:
    seen: list[Any] = []
    recorder = Recorder()
    queue = make_queue(middleware=[recorder])

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        seen.append(dict(context.trace))

    await queue.push_many([Work(1)])
    await run_all(queue)
    assert seen == [{"from": "Work"}]
    assert recorder.popped[0].trace == recorder.completed[0].trace == {"from": "Work"}


async def test_what_the_hooks_are_told() -> None:
    recorder = Recorder()
    queue = make_queue(middleware=[recorder])

    @queue.job(Work, retry_strategy=ExponentialJitter(max_attempts=2))
    async def handler(parameters: Work, context: JobContext) -> None: ...  # pyright: ignore[reportUnusedFunction]

    own = await queue.push(Work(3), options=JobOptions(delay=timedelta(seconds=5)))
    await queue.push(Work(3), options=JobOptions(job_id=own))
    (first, stored), (_, stored_again) = recorder.pushed
    assert (first.job_id, first.parameters, first.due) == (own, Work(3), timedelta(seconds=5))
    assert (stored, stored_again) == (True, False)
    pushed_at = queue.driver.clock.now()
    queue.driver.clock.advance(timedelta(seconds=12))
    await run_all(queue)
    (popped,) = recorder.popped
    assert (popped.job_id, popped.name, popped.parameters, popped.attempt) == (own, "Work", Work(3), 1)
    assert (popped.queued_at, popped.due, popped.waited) == (pushed_at, pushed_at + timedelta(seconds=5), 7.0)
    assert not popped.is_last_attempt
    (completed,) = recorder.completed
    assert (completed.job_id, completed.name, completed.attempt, completed.error) == (own, "Work", 1, None)
    assert (completed.outcome, completed.duration >= 0) == (JobOutcome.SUCCEEDED, True)


class LooksAtTheError:
    def should_retry(self, attempt: int, error: BaseException | None) -> bool:
        assert error is not None
        return error.args[0] == "again"

    def delay(self, attempt: int) -> timedelta:
        return timedelta(0)


async def test_a_strategy_that_cannot_tell_before_there_is_an_error() -> None:
    recorder = Recorder()
    queue = make_queue(middleware=[recorder], default_retry_strategy=LooksAtTheError())
    told: list[bool] = []

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        told.append(context.is_last_attempt)
        raise ValueError("again" if context.attempt == 1 else "for good")

    await queue.push(Work())
    await run_all(queue)
    await run_all(queue)
    assert [job.outcome for job in recorder.completed] == [JobOutcome.RETRIED, JobOutcome.FAILED]
    assert told == [job.is_last_attempt for job in recorder.popped] == [False, False]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, JobOutcome.SUCCEEDED),
        (ValueError(), JobOutcome.RETRIED),
        (JobSleep(for_=timedelta(1)), JobOutcome.SLEPT),
        (JobFail(), JobOutcome.FAILED),
    ],
)
async def test_outcomes(error: Exception | None, outcome: JobOutcome) -> None:
    recorder = Recorder()
    queue = make_queue(middleware=[recorder])

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        if error is not None:
            raise error

    await queue.push(Work())
    await run_all(queue)
    assert [(job.outcome, job.error, job.parameters) for job in recorder.completed] == [(outcome, error, Work())]
    assert recorder.log[-2:] == [")", "completed"]


async def test_a_job_that_cannot_run_is_discarded() -> None:
    recorder = Recorder()
    queue = make_queue(middleware=[recorder])
    await queue.push(JobName("unknown", int), 1)
    await run_all(queue)
    (completed,) = recorder.completed
    assert (completed.name, completed.attempt, completed.outcome) == ("unknown", 1, JobOutcome.DISCARDED)
    assert completed.error is not None
    assert completed.parameters is None
    assert recorder.popped == []


async def test_a_cancelled_job_is_told_as_such_and_what_is_decided_stays() -> None:
    recorder = Recorder()
    queue = make_queue(middleware=[recorder])

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        control.cancel()
        await asyncio.Event().wait()

    await queue.push(Work())
    (claim,) = (await claim_all(queue.driver)).claims
    control = JobRun()
    control.task = asyncio.create_task(queue.runner().run(claim, control))
    assert isinstance(await control.task, Release)
    assert [job.outcome for job in recorder.completed] == [JobOutcome.CANCELLED]


async def test_a_job_whose_runner_is_cancelled_is_told_as_cancelled() -> None:
    recorder, started = Recorder(), asyncio.Event()
    queue = make_queue(middleware=[recorder])

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        started.set()
        await asyncio.Event().wait()

    await queue.push(Work())
    running = asyncio.create_task(queue.runner().run(await claim_one(queue)))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [job.outcome for job in recorder.completed] == [JobOutcome.CANCELLED]


class Telling(Middleware):
    def __init__(self) -> None:
        self.told = asyncio.Event()

    async def on_completed(self, job: CompletedJob) -> None:
        self.told.set()
        await asyncio.Event().wait()


async def test_a_job_that_its_worker_cancels_when_it_has_ended_does_not_run_again() -> None:
    telling = Telling()
    queue = make_queue(middleware=[telling])
    counting(queue)
    await queue.push(Work())
    claim, control = await claim_one(queue), JobRun()
    control.task = running = asyncio.create_task(queue.runner().run(claim, control))
    await telling.told.wait()
    control.cancel()
    assert await running == Finish(claim.job_id, claim.token)


async def test_the_callers_cancellation_is_raised_also_when_the_job_has_ended() -> None:
    telling = Telling()
    queue = make_queue(middleware=[telling])
    counting(queue)
    await queue.push(Work())
    running = asyncio.create_task(queue.runner().run(await claim_one(queue)))
    await telling.told.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


class Slow(Recorder):
    async def on_completed(self, job: CompletedJob) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        await super().on_completed(job)


async def test_a_thread_that_is_left_behind_is_told_as_cancelled_before_the_worker_leaves() -> None:
    recorder = Slow()
    queue = make_queue(middleware=[recorder])
    go_on, running = threading.Event(), threading.Event()

    @queue.job(Work)
    def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        running.set()
        go_on.wait()

    grace = timedelta(milliseconds=50)
    processor = queue.processor(options(graceful_shutdown_timeout=timedelta(0), cancel_grace=grace))
    leaving = asyncio.create_task(processor.run())
    job_id = await queue.push(Work())
    await until(running.is_set)
    processor.stop()
    await leaving
    assert [(job.job_id, job.outcome) for job in recorder.completed] == [(job_id, JobOutcome.CANCELLED)]
    assert await status_of(queue, job_id) is JobStatus.PROCESSING
    go_on.set()


class Cancelling(Middleware):
    async def on_pop(self, job: PoppedJob) -> None:
        await asyncio.sleep(0.001)
        raise asyncio.CancelledError


async def test_a_handler_that_was_not_reached_took_no_time() -> None:
    recorder = Recorder()
    queue = make_queue(middleware=[Cancelling(), recorder])

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None: ...  # pyright: ignore[reportUnusedFunction]

    await queue.push(Work())
    await run_all(queue)
    assert [job.duration for job in recorder.completed] == [0.0]
    assert recorder.popped == []


class Refusing(Middleware):
    async def on_push(self, job: PushedJob) -> None:
        raise PermissionError("not today")


async def test_an_error_before_the_push_stops_it() -> None:
    queue = make_queue(middleware=[Refusing()])
    with pytest.raises(PermissionError):
        await queue.push(Work())
    with pytest.raises(PermissionError):
        await queue.push_many([Work()], atomic=False)
    assert (await queue.counts())[JobStatus.PENDING] == 0


class Breaking(Middleware):
    async def on_pushed(self, job: PushedJob, stored: bool) -> None:
        raise RuntimeError

    async def on_pop(self, job: PoppedJob) -> None:
        raise RuntimeError

    async def on_completed(self, job: CompletedJob) -> None:
        raise RuntimeError


async def test_errors_of_the_other_hooks_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    queue = make_queue(middleware=[Breaking()])

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None: ...  # pyright: ignore[reportUnusedFunction]

    job_id = await queue.push(Work())
    await run_all(queue)
    assert await status_of(queue, job_id) is JobStatus.COMPLETED
    assert [record.getMessage() for record in caplog.records] == [
        f"Breaking.{hook} failed; the job goes on" for hook in ("on_pushed", "on_pop", "on_completed")
    ]


async def test_a_push_in_chunks_tells_of_each_job_what_became_of_it() -> None:
    recorder = Recorder()
    queue = JobQueue(make_driver(max_atomic_push=2), middleware=[recorder])
    known = await queue.push(Work(3))
    recorder.pushed.clear()
    jobs = [Push(Work(number), options=JobOptions(job_id=known if number == 3 else None)) for number in range(5)]
    ids = await queue.push_many(jobs, atomic=False)
    assert [job.job_id for job, _ in recorder.pushed] == ids
    assert [stored for _, stored in recorder.pushed] == [True, True, True, False, True]


class Nothing(Middleware):
    pass


class Guard(Middleware):
    async def handle(self, job: PoppedJob, call_next: CallNext) -> None:
        raise PermissionError("not this job")


async def test_an_error_around_the_handler_fails_the_job() -> None:
    queue = make_queue(middleware=[Guard()], default_retry_strategy=NoRetry())

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None: ...  # pyright: ignore[reportUnusedFunction]

    await queue.push(Work())
    (claim,) = (await claim_all(queue.driver)).claims
    assert isinstance(await queue.runner().run(claim), Fail)


def test_only_what_is_overridden_is_called() -> None:
    from jobsvalkey.runtime.middleware_chain import MiddlewareChain

    hooks = MiddlewareChain([Nothing(), Refusing()])
    assert (hooks.at_push, hooks.at_run) == (True, False)
    assert len(hooks._on_push) == 1  # pyright: ignore[reportPrivateUsage]
