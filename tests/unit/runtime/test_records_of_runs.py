"""What a look shows of the runs of a job that came to no good end, and of the workers."""

import os
import socket
from datetime import timedelta

from jobsvalkey import JobContext, JobName, ProcessorOptions, RunRecord, WorkerRecord
from jobsvalkey.contract import Fail, new_job_id
from jobsvalkey.contract.overview import StoredWorker
from jobsvalkey.runtime.failure import encode_error
from tests.support.processors import run_in_background
from tests.support.waiting import until
from tests.support.work import Work
from tests.unit.runtime.support import make_queue

NAME = JobName("Work", str)


class ThreeTimes:
    """A strategy that tries three times, at once."""

    def should_retry(self, attempt: int, error: BaseException | None) -> bool:
        return attempt < 3

    def delay(self, attempt: int) -> timedelta:
        return timedelta(0)


async def test_each_attempt_that_failed_is_shown_in_a_line() -> None:
    queue = make_queue()

    async def handler(text: str, context: JobContext) -> None:
        if context.attempt == 1:
            raise ValueError(f"{text}\nand more")
        raise KeyError(context.attempt)

    queue.register_job(NAME, handler, retry_strategy=ThreeTimes())
    job_id = await queue.push(NAME, "first")
    await queue.processor(ProcessorOptions(burst=True)).run()
    record = await queue.get(job_id)
    assert record is not None
    assert [run.error for run in record.runs] == ["KeyError: 3", "KeyError: 2", "ValueError: first"]
    assert record.error is not None
    assert (record.error.type, record.error.message) == ("KeyError", "3")
    assert len({run.worker for run in record.runs}) == 1


async def test_a_worker_that_died_and_an_error_that_is_cut_within_a_letter() -> None:
    queue = make_queue()
    job_id = await queue.push(Work(1))
    await queue.driver.open_worker("dead", timedelta(seconds=1))
    await queue.driver.exchange("dead", 1, limit=1)
    queue.driver.clock.advance(timedelta(seconds=1))
    died = queue.driver.clock.now()
    await queue.driver.recover()
    await queue.driver.open_worker("worker", timedelta(hours=1))
    (claim,) = (await queue.driver.exchange("worker", 1, limit=1)).claims
    error = encode_error(ValueError("x" * 187 + "é"), 1)
    await queue.driver.exchange("worker", 2, [Fail(job_id, claim.token, error, keep=True)])
    record = await queue.get(job_id)
    assert record is not None
    assert record.error is not None
    assert record.error.message == "x" * 187 + "é"
    failed, recovered = record.runs
    assert failed.error == "ValueError: " + "x" * 187 + "\ufffd"
    assert recovered == RunRecord(at=died, worker="dead", error=None)


async def test_a_worker_describes_its_process() -> None:
    queue = make_queue()
    assert await queue.workers() == []
    async with run_in_background(queue.processor(ProcessorOptions(num_workers=7))):
        await until(queue.workers)
        (worker,) = await queue.workers()
        assert (worker.host, worker.process, worker.slots) == (socket.gethostname(), os.getpid(), 7)
        assert worker.version
        assert worker.jobs == 0
        assert worker.lock_ends > queue.driver.clock.now()
    assert await queue.workers() == []


async def test_a_worker_that_says_nothing_of_use_is_shown_all_the_same() -> None:
    queue = make_queue()
    for about in (b"", b"\xff", b"[]", b'{"host": "me"}'):
        await queue.driver.open_worker(str(new_job_id()), timedelta(seconds=1), about=about)
    shown = await queue.workers()
    assert len(shown) == 4
    assert {(each.host, each.process, each.slots, each.version) for each in shown} == {(None,) * 4}


def test_numbers_of_a_worker_are_its_own() -> None:
    now = make_queue().driver.clock.now()
    stored = StoredWorker("id", b'{"host":"h","process":3,"version":"1","slots":5}', now, 2)
    assert WorkerRecord.from_stored(stored) == WorkerRecord(
        host="h", process=3, slots=5, version="1", id="id", jobs=2, lock_ends=now
    )
