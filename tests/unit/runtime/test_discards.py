from datetime import timedelta
from uuid import uuid4

import pytest

from jobsvalkey import ExponentialJitter, JobContext, JobID, JobName, JobQueue, JobSleep, JobStatus, ProcessorOptions
from jobsvalkey.contract import Claim, Fail, NewJob
from jobsvalkey.runtime.failure import decode_error
from tests.support.drivers import claim_all, record_of
from tests.support.work import Work, raising
from tests.unit.runtime.support import Queue, claim_one, make_queue, run_all


@pytest.fixture
def queue() -> Queue:
    return make_queue()


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
