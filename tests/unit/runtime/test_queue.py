from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from jobsvalkey import (
    ConfigurationError,
    DuplicateJob,
    InvalidParameters,
    JobContext,
    JobDefinition,
    JobID,
    JobName,
    JobOptions,
    JobQueue,
    JobStatus,
    NoRetry,
    PayloadTooLarge,
    ProcessorOptions,
    Push,
    PushIncomplete,
    PushTooLarge,
    StoreUnavailable,
)
from jobsvalkey.contract import DriverConfiguration, NewJob, Pushed, PushedIf, StoreOutcome
from jobsvalkey_memory import MemoryJobQueue
from tests.support.drivers import record_of, status_of
from tests.support.work import Work
from tests.unit.runtime.support import Queue, make_driver, make_queue, run_all

TEXT = JobName("Print String", str)


async def ignore(parameters: Any, context: JobContext) -> None: ...


@pytest.fixture
def queue() -> Queue:
    return make_queue()


async def test_a_pushed_job_waits_with_its_parameters(queue: Queue) -> None:
    job_id = await queue.push(Work(5))
    record = await record_of(queue, job_id)
    assert (record.name, record.status, record.attempt) == ("Work", JobStatus.PENDING, 1)
    assert record.parameters == '{"number":5}'
    assert record.queued_at == record.stored_at == record.due == queue.driver.clock.now()
    assert (record.error, record.worker, record.claimed_at, record.ended_at) == (None, None, None, None)


async def test_the_forms_of_a_push(queue: Queue) -> None:
    ids = [
        await queue.push(Work(1)),
        await queue.push(TEXT, "two"),
        await queue.push(TEXT.with_parameters("three")),
        *await queue.push_many([Work(4), TEXT.with_parameters("five"), Push(Work(6), JobOptions())]),
    ]
    records = [await record_of(queue, job_id) for job_id in ids]
    assert [(record.name, record.parameters) for record in records] == [
        ("Work", '{"number":1}'),
        ("Print String", '"two"'),
        ("Print String", '"three"'),
        ("Work", '{"number":4}'),
        ("Print String", '"five"'),
        ("Work", '{"number":6}'),
    ]
    assert ids == sorted(ids)


async def test_delays(queue: Queue) -> None:
    now = queue.driver.clock.now()
    later, past = now + timedelta(minutes=2), now - timedelta(minutes=2)
    by_delay = await queue.push(Work(), options=JobOptions(delay=timedelta(minutes=1)))
    until = await queue.push(Work(), options=JobOptions(delay_until=later))
    in_the_past = await queue.push(Work(), options=JobOptions(delay_until=past))
    dues = [(await record_of(queue, job_id)).due for job_id in (by_delay, until, in_the_past)]
    assert dues == [now + timedelta(minutes=1), later, past]


async def test_options_of_push_many(queue: Queue) -> None:
    now, own = queue.driver.clock.now(), uuid4()
    ids = await queue.push_many(
        [Work(1), Push(Work(2), JobOptions(job_id=own))], options=JobOptions(delay=timedelta(minutes=1))
    )
    assert ids[1] == own
    assert [(await record_of(queue, job_id)).due for job_id in ids] == [now + timedelta(minutes=1), now]
    with pytest.raises(ValueError, match="one job_id"):
        await queue.push_many([Work()], options=JobOptions(job_id=uuid4()))
    assert await queue.push_many([]) == []


async def test_an_id_of_ones_own_is_pushed_once_also_when_its_job_is_gone(queue: Queue) -> None:
    queue.register_job(Work, ignore)
    own = uuid4()
    for number in range(2):
        assert await queue.push(Work(number), options=JobOptions(job_id=own)) == own
    assert (await record_of(queue, JobID.parse(own))).parameters == '{"number":0}'
    await run_all(queue)
    assert await queue.remove(own)
    await queue.push(Work(3), options=JobOptions(job_id=own))
    assert await queue.get(own) is None
    queue.driver.clock.advance(timedelta(hours=24))
    await queue.push(Work(3), options=JobOptions(job_id=own))
    assert await queue.get(own) is not None


async def test_what_cannot_be_encoded_is_refused_before_anything_is_stored(queue: Queue) -> None:
    with pytest.raises(InvalidParameters):
        await queue.push(JobName("odd", object), object())
    for atomic in (True, False):
        with pytest.raises(InvalidParameters):
            await queue.push_many([Work(), JobName("odd", object).with_parameters(object())], atomic=atomic)
    anything: Any = "text"
    with pytest.raises(InvalidParameters, match="str names no job"):
        await queue.push(anything)
    with pytest.raises(InvalidParameters, match="only a JobName"):
        await queue.push(anything, "parameters")
    anything = TEXT
    with pytest.raises(InvalidParameters, match="without parameters"):
        await queue.push(anything)
    assert (await queue.counts())[JobStatus.PENDING] == 0


async def test_a_large_request_is_refused_before_anything_is_stored() -> None:
    queue = JobQueue(make_driver(max_payload=1000))
    with pytest.raises(PayloadTooLarge):
        await queue.push(TEXT, "x" * 1000)
    for atomic in (True, False):
        with pytest.raises(PayloadTooLarge):
            await queue.push_many([Work(), TEXT.with_parameters("x" * 1000)], atomic=atomic)
    assert (await queue.counts())[JobStatus.PENDING] == 0


async def test_many_jobs_are_one_step_or_chunks() -> None:
    queue = JobQueue(make_driver(max_atomic_push=10))
    with pytest.raises(PushTooLarge):
        await queue.push_many(Work(number) for number in range(25))
    assert (await queue.counts())[JobStatus.PENDING] == 0
    ids = await queue.push_many((Work(number) for number in range(25)), atomic=False)
    assert [record.id async for record in queue.jobs(JobStatus.PENDING)] == ids


class Breaking(MemoryJobQueue[Any]):
    """Breaks at the third push."""

    sizes: list[int]

    async def push(self, items: Any, *, operation: Any = None) -> list[Pushed]:
        self.sizes.append(len(items))
        if len(self.sizes) == 3:
            raise StoreUnavailable("gone", outcome="not_done")
        return await super().push(items, operation=operation)


@pytest.mark.parametrize("limits", [{"max_atomic_push": 2}, {"max_atomic_push_bytes": 120}])
async def test_a_broken_push_in_chunks_says_what_is_stored(limits: dict[str, int]) -> None:
    driver = Breaking(DriverConfiguration(**limits))  # type: ignore[arg-type]
    driver.sizes = []
    queue = JobQueue(driver)
    with pytest.raises(PushIncomplete, match="4 of 9") as caught:
        await queue.push_many((Work(number) for number in range(9)), atomic=False)
    assert driver.sizes == [2, 2, 2]
    assert [record.id async for record in queue.jobs(JobStatus.PENDING)] == list(caught.value.stored)
    assert isinstance(caught.value.__cause__, StoreUnavailable)


async def test_the_ways_of_a_job_that_has_not_run(queue: Queue) -> None:
    job_id = await queue.push(Work(), options=JobOptions(delay=timedelta(hours=1)))
    due = (await record_of(queue, job_id)).due
    assert not await queue.resume(job_id)
    assert await queue.pause(str(job_id))
    assert await status_of(queue, job_id) is JobStatus.PAUSED
    assert not await queue.pause(job_id)
    assert await queue.resume(str(job_id).lower())
    assert (await record_of(queue, job_id)).due == due
    assert await queue.cancel(job_id)
    assert not await queue.cancel(job_id)
    assert await status_of(queue, job_id) is JobStatus.CANCELLED
    for method in (queue.cancel, queue.pause, queue.resume, queue.rerun, queue.remove):
        with pytest.raises(ValueError, match="a job id is a UUID"):
            await method("no-uuid")


async def test_the_ways_of_a_job_that_has_ended(queue: Queue) -> None:
    queue.register_job(Work, ignore)
    job_id = await queue.push(Work())
    await run_all(queue)
    assert (await record_of(queue, job_id)).ended_at == queue.driver.clock.now()
    assert (await queue.counts())[JobStatus.COMPLETED] == 1
    assert await queue.rerun(job_id)
    assert await status_of(queue, job_id) is JobStatus.PENDING
    await run_all(queue)
    assert await queue.remove(job_id)
    assert not await queue.rerun(job_id)


async def test_jobs_lists_a_state(queue: Queue) -> None:
    late, early = await queue.push_many(
        [Push(Work(1), JobOptions(delay=timedelta(minutes=2))), Push(Work(2), JobOptions(delay=timedelta(minutes=1)))]
    )
    assert [record.id async for record in queue.jobs(JobStatus.PENDING)] == [early, late]
    assert [record.id async for record in queue.jobs(JobStatus.PENDING, limit=1)] == [early]
    assert [record async for record in queue.jobs(JobStatus.FAILED)] == []


async def test_a_corrupt_job_has_a_record_all_the_same(queue: Queue) -> None:
    job_id = JobID.parse(uuid4())
    await queue.driver.push([NewJob(job_id, b"\xff not a request")])
    record = await record_of(queue, job_id)
    assert (record.name, record.attempt, record.parameters, record.queued_at) == (None, None, None, None)


async def test_a_record_shows_a_rerun_at_attempt_one(queue: Queue) -> None:
    async def fails(parameters: Work, context: JobContext) -> None:
        raise ValueError("no")

    queue.register_job(Work, fails)
    job_id = await queue.push(Work())
    await run_all(queue)
    record = await record_of(queue, job_id)
    assert (record.attempt, record.error and record.error.attempt) == (2, 1)


async def test_push_if_moves_the_key_with_the_push(queue: Queue) -> None:
    later = datetime(2030, 1, 1, tzinfo=UTC)
    own = uuid4()

    async def push(expected: bytes | None, value: bytes) -> PushedIf:
        return await queue.push_if(
            Work(1),
            key="key",
            expected=expected,
            value=value,
            options=JobOptions(job_id=own),
            next_scheduled_at=later,
        )

    assert (await push(b"else", b"1")).outcome is StoreOutcome.UNEXPECTED
    assert (await push(None, b"1")).outcome is StoreOutcome.STORED
    assert (await push(b"1", b"2")).outcome is StoreOutcome.DUPLICATE
    assert await queue.driver.get_metadata("key") == b"2"
    assert (await record_of(queue, JobID.parse(own))).next_scheduled_at == later


async def test_registering(queue: Queue) -> None:
    @queue.job(Work, retry_strategy=NoRetry(), timeout=timedelta(seconds=30))
    async def work(parameters: Work, context: JobContext) -> None: ...

    queue.register_job(TEXT, ignore)
    queue.register_job(JobDefinition(JobName("other", int), ignore, timeout=timedelta(seconds=1)))
    assert set(queue.registered_jobs) >= {"Work", "Print String", "other"}
    await work(Work(), None)  # type: ignore[arg-type]  # it is still the plain function
    with pytest.raises(DuplicateJob, match="'Work' is registered already"):
        queue.register_job(Work, ignore)


async def test_parameters_that_no_decoder_takes_are_refused_at_once(queue: Queue) -> None:
    with pytest.raises(ConfigurationError, match="cannot be decoded"):
        queue.register_job(JobName("odd", list[int] | set[int]), ignore)  # type: ignore[arg-type]


async def test_wrong_handlers_are_refused_at_once(queue: Queue) -> None:
    with pytest.raises(ConfigurationError, match=r"takes \(parameters: .*Work\) -> None"):

        @queue.job(Work)  # type: ignore[arg-type]
        async def handler(parameters: Work) -> None: ...  # pyright: ignore[reportUnusedFunction]

    missing: Any = None
    with pytest.raises(ConfigurationError, match="not callable"):
        queue.register_job(Work, missing)


async def test_the_jobs_of_the_driver_are_registered(queue: Queue) -> None:
    cleanup = queue.driver.cleanup_job
    assert cleanup.name in queue.registered_jobs
    job_id = await queue.push(cleanup, cleanup.parameters())
    await queue.processor(ProcessorOptions(burst=True)).run()
    assert await status_of(queue, job_id) is JobStatus.COMPLETED
