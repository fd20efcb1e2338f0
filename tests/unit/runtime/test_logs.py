"""What is said about a job names it, in extra fields that a structured handler writes as such."""

import asyncio
import logging
import time
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import (
    ActiveLock,
    CompletedJob,
    JobCleanup,
    JobContext,
    JobFail,
    JobSleep,
    Middleware,
)
from jobsvalkey.contract import ConfigurationError, StoreUnavailable
from jobsvalkey.runtime import watchdog, workers
from tests.support.processors import options, run_in_background
from tests.support.waiting import until
from tests.support.work import Work
from tests.unit.runtime.support import make_queue

NEVER = timedelta(days=1)
ENDS = {
    "succeeded": None,
    "failed": JobFail("no"),
    "retried": RuntimeError("again"),
    "slept": JobSleep(for_=NEVER),
}


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Those of a record that are ours."""
    return {name: value for name, value in vars(record).items() if name in {"job_id", "job_name", "attempt", "worker"}}


def those_of(caplog: pytest.LogCaptureFixture, text: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if text in record.getMessage()]


class Silent(Middleware):
    async def on_completed(self, job: CompletedJob) -> None:
        """Makes every run take the way with the hooks."""


@pytest.mark.parametrize("middleware", [[], [Silent()]], ids=["bare", "with middleware"])
@pytest.mark.parametrize("outcome", ENDS)
async def test_start_and_end_of_each_run(
    outcome: str, middleware: list[Middleware], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "jobsvalkey")
    queue = make_queue(middleware=middleware)
    ran_by = list[str]()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        assert processor.state is not None
        ran_by.append(processor.state.worker)
        if error := ENDS[outcome]:
            raise error

    job_id = await queue.push(Work())
    processor = queue.processor(options(burst=True))
    await processor.run()
    (start,), (end,) = those_of(caplog, "'Work' starts, attempt 1"), those_of(caplog, f"'Work' {outcome} after")
    named = {"job_id": str(job_id), "job_name": "Work", "attempt": 1, "worker": ran_by[0]}
    assert fields(start) == fields(end) == named
    assert start.levelno == end.levelno == logging.DEBUG
    assert vars(end)["outcome"] == outcome
    assert 0 <= vars(end)["duration"] < 10
    # What went wrong is told as well, and names the same.
    problems = [record for record in caplog.records if record.levelno > logging.INFO]
    assert [fields(record) for record in problems] == [named] * (outcome in {"failed", "retried"})


async def test_nothing_is_said_about_success_unless_it_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "jobsvalkey")
    queue = make_queue()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None: ...  # pyright: ignore[reportUnusedFunction]

    await queue.push(Work())
    await queue.processor(options(burst=True)).run()
    assert caplog.records == []


async def test_a_job_that_is_taken_away(caplog: pytest.LogCaptureFixture) -> None:
    queue = make_queue()
    started = asyncio.Event()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        started.set()
        await asyncio.Event().wait()

    processor = queue.processor(options())
    async with run_in_background(processor):
        job_id = await queue.push(Work())
        await started.wait()
        assert processor.state is not None
        worker = processor.state.worker
        await queue.driver.cleanup(processing_jobs=JobCleanup.remove())
        await until(lambda: those_of(caplog, "no longer this worker's"))
    (lost,) = those_of(caplog, "no longer this worker's")
    assert fields(lost) == {"job_id": str(job_id), "job_name": "Work", "attempt": 1, "worker": worker}


async def test_a_job_that_ends_after_it_was_taken_away(caplog: pytest.LogCaptureFixture) -> None:
    queue = make_queue()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        await queue.driver.cleanup(processing_jobs=JobCleanup.remove())

    job_id = await queue.push(Work())
    seldom = ActiveLock(every=timedelta(hours=1), hold_for=timedelta(hours=2))
    processor = queue.processor(options(worker_active_lock=seldom))
    async with run_in_background(processor):
        await until(lambda: those_of(caplog, "was taken from this worker"))
        assert processor.state is not None
        (lost,) = those_of(caplog, "was taken from this worker")
        assert fields(lost) == {"job_id": str(job_id), "worker": processor.state.worker}


async def test_the_handlers_own_records(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "jobsvalkey")
    queue = make_queue()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        assert processor.state is not None
        context.logger.info("here", extra={"expected": processor.state.worker})

    job_id = await queue.push(Work())
    processor = queue.processor(options(burst=True))
    await processor.run()
    (record,) = caplog.records
    named = {"job_id": str(job_id), "job_name": "Work", "attempt": 1, "worker": vars(record)["expected"]}
    assert fields(record) == named


async def test_a_store_that_does_not_answer(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.DEBUG, "jobsvalkey")
    queue = make_queue()
    faults: list[Exception] = [StoreUnavailable("away", outcome="not_done"), ConfigurationError("wrong version")]
    exchange, waiting = queue.driver.exchange, asyncio.Event()

    async def failing(*arguments: Any) -> Any:
        if faults:
            raise faults.pop(0)
        return await exchange(*arguments)

    async def deaf(*arguments: Any, **options: Any) -> None:
        waiting.set()
        raise StoreUnavailable("deaf", outcome="not_done")

    monkeypatch.setattr(queue.driver, "exchange", failing)
    monkeypatch.setattr(queue.driver, "wait", deaf)
    monkeypatch.setattr(workers, "CONFIGURATION_PAUSE", 0.001)
    processor = queue.processor(options())
    async with run_in_background(processor):
        await waiting.wait()
        assert processor.state is not None
        worker = processor.state.worker
    texts = ("the store does not answer", "the worker cannot work", "waiting for a hint failed")
    assert [fields(those_of(caplog, text)[0]) for text in texts] == [{"worker": worker}] * 3


async def test_a_blocked_loop(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "INTERVAL", 0.001)
    monkeypatch.setattr(watchdog, "TOLERANCE", 0.02)
    processor = make_queue().processor(options())
    async with run_in_background(processor):
        await until(lambda: processor.state and processor.state.connected)
        time.sleep(0.05)  # noqa: ASYNC251 - that is what no handler must do
        await until(lambda: those_of(caplog, "event loop was blocked"))
        assert processor.state is not None
        assert fields(those_of(caplog, "event loop was blocked")[0]) == {"worker": processor.state.worker}


class Broken(Middleware):
    async def on_completed(self, job: CompletedJob) -> None:
        raise RuntimeError


async def test_a_hook_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    queue = make_queue(middleware=[Broken()])

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None: ...  # pyright: ignore[reportUnusedFunction]

    job_id = await queue.push(Work())
    await queue.processor(options(burst=True)).run()
    (record,) = caplog.records
    assert fields(record) == {"job_id": str(job_id), "job_name": "Work"}
