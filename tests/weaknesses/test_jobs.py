"""Weaknesses in what becomes of a job: 4, 5, 15, 18, 20."""

from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import (
    DO_NOT_RETAIN,
    RETAIN,
    ExponentialJitter,
    JobContext,
    JobID,
    JobQueue,
    JobSleep,
    JobStatus,
    NoRetry,
    RetentionPolicy,
    ValkeyJobQueue,
    new_job_id,
)
from jobsvalkey.contract import Fail, Finish, NewJob
from tests.support.processors import options
from tests.support.work import Work
from tests.weaknesses.conftest import MakeDriver

QueueOnValkey = JobQueue[ValkeyJobQueue]
HOLD = timedelta(minutes=1)


async def in_state(driver: ValkeyJobQueue, status: JobStatus) -> JobID:
    """A job that was claimed, and settled as the state says."""
    job_id = new_job_id()
    await driver.push([NewJob(job_id, b"{}")])
    await driver.open_worker("worker", HOLD)
    (claim,) = (await driver.exchange("worker", 1, (), 1)).claims
    if status is JobStatus.COMPLETED:
        await driver.exchange("worker", 2, [Finish(job_id, claim.token)])
    elif status is JobStatus.FAILED:
        await driver.exchange("worker", 2, [Fail(job_id, claim.token, b"error")])
    return job_id


@pytest.mark.parametrize("status", [JobStatus.PROCESSING, JobStatus.COMPLETED, JobStatus.FAILED])
async def test_weakness_04_cancelling_what_runs_or_has_ended_takes_nothing_away(
    make_driver: MakeDriver, status: JobStatus
) -> None:
    """The original's cancel deletes the payload whatever the job does: lists are left with ids of jobs that are gone.

    Here only a job that waits can be cancelled; any other keeps its data and its place.
    """
    policy = RetentionPolicy(completed_jobs=RETAIN, failed_jobs=RETAIN, cancelled_jobs=DO_NOT_RETAIN)
    driver = make_driver(retention_policy=policy)
    job_id = await in_state(driver, status)
    before = await driver.get(job_id)
    assert await driver.cancel(job_id) is False
    assert before is not None
    assert before.request == b"{}"
    assert await driver.get(job_id) == before
    assert await driver.validate() == []


@pytest.mark.parametrize("step", ["cancel", "pause", "resume", "rerun", "remove"])
async def test_weakness_05_a_job_that_is_not_there_is_no_error(driver: ValkeyJobQueue, step: str) -> None:
    """In the original, pausing or resuming a job that is not there is a script error: a missing score is `false` in
    Lua, not `nil`.

    Here it is `False`, and nothing appears in the store.
    """
    act: Any = getattr(driver, step)
    assert await act(new_job_id()) is False
    assert set((await driver.counts()).values()) == {0}
    # Nor where the job is there, and in a state from which the step does not start.
    running = await in_state(driver, JobStatus.PROCESSING)
    assert await act(running) is False
    assert await driver.status(running) is JobStatus.PROCESSING
    assert await driver.validate() == []


async def test_weakness_15_a_failed_job_keeps_its_error(queue: QueueOnValkey) -> None:
    """The original keeps a failed job, but not why it failed.

    Here type, message, traceback and attempt are kept.
    """

    @queue.job(Work, retry_strategy=NoRetry())
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        raise ZeroDivisionError("no more sheep")

    job_id = await queue.push(Work())
    await queue.processor(options(burst=True)).run()
    record = await queue.get(job_id)
    assert record is not None
    assert record.error is not None
    assert (record.status, record.error.type) == (JobStatus.FAILED, "ZeroDivisionError")
    assert (record.error.message, record.error.attempt) == ("no more sheep", 1)
    assert "Traceback" in record.error.traceback


@pytest.mark.parametrize("attempts", ["keep", "increment", "reset"])
async def test_weakness_18_a_job_that_sleeps_is_not_finished(queue: QueueOnValkey, attempts: Any) -> None:
    """In the original a job that throws `JobSleep` is put back, then treated as finished, and its data is deleted; its
    only test ran on the in-memory queue.

    Here, on a real server, it is pending with its data, and runs to its end when it wakes up.
    """
    sleeps = [timedelta(0), timedelta(hours=1)]
    ran = 0

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        nonlocal ran
        ran += 1
        assert parameters == Work(7)
        if sleeps:
            raise JobSleep(for_=sleeps.pop(0), attempts=attempts)

    job_id = await queue.push(Work(7))
    await queue.processor(options(burst=True)).run()
    stored = await queue.driver.get(job_id)
    assert stored is not None
    assert (stored.status, ran) == (JobStatus.PENDING, 2)
    assert stored.request is not None
    assert b'"number":7' in stored.request
    assert await queue.driver.validate() == []


async def test_weakness_20_a_rerun_starts_at_attempt_one(queue: QueueOnValkey) -> None:
    """In the original a rerun keeps the attempt: a job that has used up its attempts fails again at once.

    Here it has all its attempts again.
    """
    attempts: list[int] = []
    strategy = ExponentialJitter(max_attempts=2, max_backoff=timedelta(0))

    @queue.job(Work, retry_strategy=strategy)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        attempts.append(context.attempt)
        raise RuntimeError("again")

    job_id = await queue.push(Work())
    await queue.processor(options(burst=True)).run()
    assert await queue.rerun(job_id)
    await queue.processor(options(burst=True)).run()
    assert attempts == [1, 2, 1, 2]
    assert await queue.status(job_id) is JobStatus.FAILED
