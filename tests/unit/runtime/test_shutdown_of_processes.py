"""Fault 8: a worker process that is told to stop, by signals, with handlers that end and handlers that do not."""

import signal
from typing import Any

import pytest

from jobsvalkey import JobQueue, JobRecord, JobStatus
from jobsvalkey.contract import JobID
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.processes import WorkerProcess, worker_process
from tests.support.servers import Server
from tests.support.tasks import Blocking, Deaf, Long
from tests.support.waiting import until

Queue = JobQueue[ValkeyJobQueue]


@pytest.fixture
def queue(direct: ValkeyJobQueue) -> Queue:
    queue = JobQueue(direct)
    for job in (Blocking, Deaf, Long):
        queue.register_job(job, lambda parameters, context: None)
    return queue


async def record_of(queue: Queue, job_id: JobID) -> JobRecord:
    record = await queue.get(job_id)
    assert record is not None
    return record


async def start(worker: WorkerProcess, queue: Queue, job: Any) -> JobID:
    """Push a job, and wait until the worker runs it."""
    job_id = await queue.push(job)
    await worker.said("started 1")
    assert (await record_of(queue, job_id)).status is JobStatus.PROCESSING
    return job_id


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_handler_may_end(default_server: Server, queue_key: str, queue: Queue, number: signal.Signals) -> None:
    options = {"graceful_shutdown_timeout": 20, "num_workers": 1}
    async with worker_process(default_server.url, queue_key, **options) as worker:
        job_id = await start(worker, queue, Long(seconds=0.5))
        worker.process.send_signal(number)
        later = await queue.push(Long(seconds=0))
        assert await worker.ended() == 0
        assert worker.lines == ["started 1", "left"]
    assert (await record_of(queue, job_id)).status is JobStatus.COMPLETED
    assert (await record_of(queue, later)).status is JobStatus.PENDING


async def test_a_handler_that_takes_too_long_is_cancelled_and_released(
    default_server: Server, queue_key: str, queue: Queue
) -> None:
    async with worker_process(default_server.url, queue_key, graceful_shutdown_timeout=0.2) as worker:
        job_id = await start(worker, queue, Long(seconds=600))
        worker.process.send_signal(signal.SIGTERM)
        assert await worker.ended() == 0
        assert worker.lines == ["started 1", "cancelled", "left"]
    record = await record_of(queue, job_id)
    assert (record.status, record.attempt, record.error) == (JobStatus.PENDING, 1, None)
    async with worker_process(default_server.url, queue_key) as worker:
        await worker.said("started 1")
    assert await queue.driver.validate() == []


async def test_a_second_signal_does_not_wait(default_server: Server, queue_key: str, queue: Queue) -> None:
    async with worker_process(default_server.url, queue_key, graceful_shutdown_timeout=600) as worker:
        job_id = await start(worker, queue, Long(seconds=600))
        worker.process.send_signal(signal.SIGTERM)
        stopped = await queue.push(Long(seconds=600))
        worker.process.send_signal(signal.SIGINT)
        assert await worker.ended() == 0
        assert worker.lines[0] == "started 1"
        assert worker.lines[-2:] == ["cancelled", "left"]
    for each in (job_id, stopped):
        record = await record_of(queue, each)
        assert (record.status, record.attempt) == (JobStatus.PENDING, 1)


async def recovered(queue: Queue, job_id: JobID) -> None:
    """Wait until a job that a worker left behind is pending again; it was not before its lock had run out."""
    assert (await record_of(queue, job_id)).status is JobStatus.PROCESSING

    async def is_pending() -> bool:
        await queue.driver.recover()
        return await queue.status(job_id) is JobStatus.PENDING

    await until(is_pending)
    stored = await queue.driver.get(job_id)
    assert stored is not None
    assert stored.recoveries == 0  # it left in an orderly way
    assert await queue.driver.validate() == []


async def test_a_handler_that_does_not_end_keeps_its_claim(
    default_server: Server, queue_key: str, queue: Queue
) -> None:
    short = {"graceful_shutdown_timeout": 0.1, "cancel_grace": 0.2, "hold_for": 1.5}
    async with worker_process(default_server.url, queue_key, **short) as worker:
        listening = await queue.push(Long(seconds=600))
        job_id = await queue.push(Deaf())
        await until(lambda: worker.lines.count("started 1") == 2)
        worker.process.send_signal(signal.SIGTERM)
        await worker.said("cancelled")

        async def is_released() -> bool:
            return await queue.status(listening) is JobStatus.PENDING

        await until(is_released)
        await recovered(queue, job_id)


async def test_a_handler_in_a_thread_keeps_its_claim_and_the_process_leaves(
    default_server: Server, queue_key: str, queue: Queue
) -> None:
    short = {"graceful_shutdown_timeout": 0.1, "cancel_grace": 0.2, "hold_for": 1.5}
    async with worker_process(default_server.url, queue_key, **short) as worker:
        job_id = await start(worker, queue, Blocking(seconds=600))
        worker.process.send_signal(signal.SIGTERM)
        assert await worker.ended() == 0
        assert worker.lines == ["started 1", "left"]
        await recovered(queue, job_id)


async def test_a_handler_in_a_thread_may_end(default_server: Server, queue_key: str, queue: Queue) -> None:
    async with worker_process(default_server.url, queue_key, graceful_shutdown_timeout=20) as worker:
        job_id = await start(worker, queue, Blocking(seconds=0.4))
        worker.process.send_signal(signal.SIGTERM)
        assert await worker.ended() == 0
        assert worker.lines == ["started 1", "ended", "left"]
    assert (await record_of(queue, job_id)).status is JobStatus.COMPLETED
