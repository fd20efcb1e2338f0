import asyncio
import os
import signal
import threading
import time
from collections.abc import Sequence
from datetime import timedelta

import pytest

from jobsvalkey import ConfigurationError, JobContext, JobQueue, JobStatus, ProcessorOptions, StoreUnavailable
from jobsvalkey.contract import Exchanged, Renewed, Report, Settlement
from jobsvalkey.runtime import queue_run
from tests.support.drivers import record_of, status_of
from tests.support.processors import start
from tests.support.waiting import until
from tests.support.work import Handler, Work
from tests.unit.runtime.support import Driver, Queue, make_driver, make_queue

NOTHING = timedelta(0)
SHORT = timedelta(milliseconds=20)


@pytest.fixture
def queue() -> Queue:
    return make_queue()


@pytest.fixture
def handler(queue: Queue) -> Handler:
    return Handler(queue)


async def test_running_handlers_may_end_and_nothing_new_is_claimed(queue: Queue, handler: Handler) -> None:
    processor, task = start(queue, num_workers=2)
    ids = await queue.push_many([Work(2), Work(3), Work(4)])
    await until(lambda: handler.running == [2, 3])
    processor.stop()
    handler.go_on.set()
    await task
    assert [await status_of(queue, job_id) for job_id in ids] == [
        JobStatus.COMPLETED,
        JobStatus.COMPLETED,
        JobStatus.PENDING,
    ]
    assert handler.cancelled == []
    assert queue.driver.state.workers == {}


async def test_weakness_14_what_is_cut_short_is_pending_again_and_has_not_failed(
    queue: Queue, handler: Handler
) -> None:
    processor, task = start(queue, graceful_shutdown_timeout=SHORT)
    job_id = await queue.push(Work())
    before = await record_of(queue, job_id)
    await until(lambda: handler.running)
    processor.stop()
    await task
    assert await record_of(queue, job_id) == before
    assert handler.cancelled == [0]
    assert queue.driver.state.workers == {}


async def test_a_handler_that_does_not_end_keeps_its_claim(
    queue: Queue, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    processor, task = start(queue, graceful_shutdown_timeout=NOTHING, cancel_grace=SHORT)
    deaf, listening = await queue.push_many([Work(1), Work(2)])
    await until(lambda: len(handler.running) == 2)
    processor.stop()
    await task
    assert await status_of(queue, listening) is JobStatus.PENDING
    assert await status_of(queue, deaf) is JobStatus.PROCESSING
    assert any("do not end" in record.getMessage() for record in caplog.records)
    queue.driver.clock.advance(timedelta(seconds=30))
    assert await queue.driver.recover() == 1
    assert (await record_of(queue, deaf)).recoveries == 0
    handler.go_on.set()  # what it ends with is nobody's business any more
    await asyncio.sleep(0)
    assert await status_of(queue, deaf) is JobStatus.PENDING


async def test_a_thread_keeps_its_claim_and_the_processor_leaves(queue: Queue) -> None:
    go_on, running = threading.Event(), threading.Event()
    seen: list[bool] = []

    @queue.job(Work)
    def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        running.set()
        go_on.wait()
        seen.append(context.cancelled)

    before = asyncio.all_tasks()
    processor, task = start(queue, graceful_shutdown_timeout=NOTHING, cancel_grace=SHORT)
    job_id = await queue.push(Work())
    await until(running.is_set)
    processor.stop()
    await task
    assert asyncio.all_tasks() == before
    assert await status_of(queue, job_id) is JobStatus.PROCESSING
    assert queue.driver.state.workers != {}
    go_on.set()
    await until(lambda: seen == [True])


async def test_a_thread_that_looks_ends_in_time(queue: Queue) -> None:
    running = threading.Event()

    @queue.job(Work)
    def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        running.set()
        while not context.cancelled:
            threading.Event().wait(0.001)

    processor, task = start(queue, graceful_shutdown_timeout=NOTHING)
    job_id = await queue.push(Work())
    await until(running.is_set)
    processor.stop()
    await task
    assert await status_of(queue, job_id) is JobStatus.COMPLETED
    assert queue.driver.state.workers == {}


async def test_what_ends_well_after_its_cancellation_is_finished(queue: Queue) -> None:
    running = asyncio.Event()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)

    processor, task = start(queue, graceful_shutdown_timeout=NOTHING)
    job_id = await queue.push(Work())
    await running.wait()
    processor.stop()
    await task
    assert await status_of(queue, job_id) is JobStatus.COMPLETED


async def test_a_second_stop_does_not_wait(queue: Queue, handler: Handler) -> None:
    processor, task = start(queue)
    job_id = await queue.push(Work())
    await until(lambda: handler.running)
    processor.stop()
    processor.stop()
    await task
    assert await status_of(queue, job_id) is JobStatus.PENDING
    assert queue.driver.state.workers == {}


async def test_cancelling_run_does_not_wait_but_gives_the_jobs_back(queue: Queue, handler: Handler) -> None:
    _, task = start(queue)
    job_id = await queue.push(Work())
    await until(lambda: handler.running)
    task.cancel()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await status_of(queue, job_id) is JobStatus.PENDING
    assert queue.driver.state.workers == {}


async def test_cancelling_run_again_and_again_does_not_break_it_off(queue: Queue, handler: Handler) -> None:
    _, task = start(queue, cancel_grace=SHORT)
    job_ids = await queue.push_many([Work(1), Work(2)])
    await until(lambda: len(handler.running) == 2)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0.001)
    assert task.cancelled()
    assert await status_of(queue, job_ids[1]) is JobStatus.PENDING
    handler.go_on.set()


async def test_a_stop_before_the_run_ends_it_at_once(queue: Queue) -> None:
    processor = queue.processor()
    processor.stop()
    await processor.run()
    task = asyncio.create_task(processor.run())
    await until(lambda: processor.state is not None and processor.state.connected)
    processor.stop()
    await task


class Slow(Driver):  # type: ignore[misc, valid-type]
    """Its exchanges can be held up, before or after they are done."""

    def __init__(self) -> None:
        template = make_driver()
        super().__init__(template.configuration, clock=template.clock)
        self.go_on = asyncio.Event()
        self.waiting = False

    async def exchange(
        self,
        worker: str,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        exchanged = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        if exchanged.claims:
            self.waiting = True
            await self.go_on.wait()
        return exchanged


async def test_what_was_claimed_as_the_stop_came_goes_back_without_running() -> None:
    driver = Slow()
    queue = JobQueue(driver)
    handler = Handler(queue)
    processor, task = start(queue)
    job_id = await queue.push(Work())
    before = await queue.get(job_id)
    await until(lambda: driver.waiting)
    processor.stop()
    driver.go_on.set()
    await task
    assert await queue.get(job_id) == before
    assert handler.running == []


class Away(Driver):  # type: ignore[misc, valid-type]
    """Its store can be away."""

    def __init__(self) -> None:
        template = make_driver()
        super().__init__(template.configuration, clock=template.clock)
        self.away = True
        self.tries = 0

    def _check(self) -> None:
        self.tries += 1
        if self.away:
            raise StoreUnavailable("away", outcome="not_done")

    async def open_worker(self, worker: str, hold_for: timedelta, *, about: bytes = b"") -> None:
        self._check()
        await super().open_worker(worker, hold_for, about=about)

    async def exchange(
        self,
        worker: str,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        self._check()
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)

    async def recover(self, max_jobs: int = 1000, *, worker: str | None = None) -> int:
        self._check()
        return await super().recover(max_jobs, worker=worker)

    async def renew(self, worker: str, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        self._check()
        return await super().renew(worker, hold_for, leaving=leaving)


async def test_it_leaves_while_the_store_is_away_at_the_start() -> None:
    driver = Away()
    processor, task = start(JobQueue(driver))
    await until(lambda: driver.tries > 2)
    processor.stop()
    await task


async def test_it_leaves_while_the_store_is_away_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    driver = Away()
    driver.away = False
    queue = JobQueue(driver)
    handler = Handler(queue)
    processor, task = start(queue, graceful_shutdown_timeout=NOTHING)
    job_id = await queue.push(Work())
    await until(lambda: handler.running)
    driver.away = True
    processor.stop()
    await task
    assert handler.cancelled == [0]
    assert await queue.status(job_id) is JobStatus.PROCESSING
    assert any("without closing" in record.getMessage() for record in caplog.records)
    driver.away = False
    driver.clock.advance(timedelta(seconds=30))
    assert await driver.recover() == 1


async def test_it_leaves_a_store_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_run, "LEAVE_WITHIN", 0.02)
    driver = Slow()
    queue = JobQueue(driver)
    processor, task = start(queue)
    job_id = await queue.push(Work())
    await until(lambda: driver.waiting)
    processor.stop()
    await task
    assert await queue.status(job_id) is JobStatus.PROCESSING


async def test_signals_stop_it_and_are_what_they_were_after(queue: Queue, handler: Handler) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    for number in (signal.SIGTERM, signal.SIGINT):
        _, task = start(queue, handle_signals=True)
        handler.running.clear()
        job_id = await queue.push(Work())
        await until(lambda: handler.running)
        os.kill(os.getpid(), number)
        handler.go_on.set()
        await task
        handler.go_on.clear()
        assert await status_of(queue, job_id) is JobStatus.COMPLETED
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


async def test_a_second_signal_does_not_wait(queue: Queue, handler: Handler) -> None:
    _, task = start(queue, handle_signals=True)
    job_id = await queue.push(Work())
    await until(lambda: handler.running)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)
    await task
    assert await status_of(queue, job_id) is JobStatus.PENDING


def fork() -> int:
    """A child that sleeps, once it does."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b".")
        time.sleep(60)
        os._exit(1)
    os.read(reading, 1)
    for each in (reading, writing):
        os.close(each)
    return child


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_a_signal_to_a_forked_child_ends_it_and_stops_nobody(queue: Queue, handler: Handler) -> None:
    processor, task = start(queue, handle_signals=True)
    before = await queue.push(Work())
    await until(lambda: handler.running)
    child = fork()
    os.kill(child, signal.SIGTERM)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM
    handler.go_on.set()
    after = await queue.push(Work())
    await until(lambda: handler.ended == [0, 0])
    processor.stop()
    await task
    assert [await status_of(queue, each) for each in (before, after)] == [JobStatus.COMPLETED] * 2


def test_signals_need_the_main_thread() -> None:
    errors: list[Exception] = []

    def work() -> None:
        processor = make_queue().processor(ProcessorOptions(handle_signals=True))
        try:
            asyncio.run(processor.run())
        except ConfigurationError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])
