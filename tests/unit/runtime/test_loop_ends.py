"""An event loop that ends under a running processor, and what its tasks see of the context of whoever runs it."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import JobContext, JobQueue, JobStatus, NoRetry
from jobsvalkey.contract import DriverConfiguration, Exchanged, Report, Settlement
from jobsvalkey_memory import ManualClock, MemoryJobQueue, MemoryStore
from tests.support.processors import options, start
from tests.support.retention import KEEP_ALL
from tests.support.waiting import until
from tests.support.work import Work
from tests.unit.runtime.support import Driver, Queue, make_queue

NOTHING = timedelta(0)
Handler = Callable[[Work, JobContext], Any]


def run_until(queue: Queue, handler: Handler, is_enough: Callable[[], Any], **changes: Any) -> list[asyncio.Task[bool]]:
    """Run a processor in a loop that ends as soon as something is true, without having stopped it."""
    queue.register_job(Work, handler, retry_strategy=NoRetry())
    tasks: list[asyncio.Task[bool]] = []

    async def main() -> None:
        await queue.push(Work())
        processor = queue.processor(options(cancel_grace=timedelta(milliseconds=50), **changes))
        tasks.append(asyncio.create_task(processor.run()))
        await until(is_enough)

    asyncio.run(main())
    return tasks


def left(queue: Queue) -> tuple[JobStatus, int, bytes | None, int]:
    """Where the one job is, how often it was recovered, its error; and how many workers are known."""
    (job,) = queue.driver.state.jobs.values()
    return job.status, job.recoveries, job.error, len(queue.driver.state.workers)


GIVEN_BACK = (JobStatus.PENDING, 0, None, 0)


@pytest.mark.parametrize("clean_up", ["none", "some", "another error", "another loop's turn"])
def test_a_loop_that_ends_gives_the_jobs_back(clean_up: str) -> None:
    queue = make_queue()
    running, cancellations = threading.Event(), list[bool]()

    async def handler(parameters: Work, context: JobContext) -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if clean_up == "another error":
                raise ValueError from None
            if clean_up != "none":
                for _ in range(3):  # it is cancelled once, and may clean up in peace
                    await asyncio.sleep(0.001)
            cancellations.append(True)
            raise

    (task,) = run_until(queue, handler, running.is_set)
    assert task.cancelled()
    assert left(queue) == GIVEN_BACK
    assert cancellations == [] if clean_up == "another error" else [True]


def test_a_plain_function_that_ends_in_time_gives_its_job_back() -> None:
    queue = make_queue()
    running = threading.Event()

    def handler(parameters: Work, context: JobContext) -> None:
        running.set()
        while not context.cancelled:
            threading.Event().wait(0.001)
        raise asyncio.CancelledError

    run_until(queue, handler, running.is_set)
    assert left(queue) == GIVEN_BACK


def test_a_thread_that_goes_on_keeps_its_claim_and_that_is_no_death() -> None:
    queue = make_queue()
    running, go_on = threading.Event(), threading.Event()

    def handler(parameters: Work, context: JobContext) -> None:
        running.set()
        go_on.wait(10)

    run_until(queue, handler, running.is_set)
    assert left(queue) == (JobStatus.PROCESSING, 0, None, 1)
    (worker,) = queue.driver.state.workers.values()
    assert worker.leaving
    go_on.set()


def test_a_handler_that_has_ended_is_settled() -> None:
    queue = make_queue()
    running = threading.Event()

    async def handler(parameters: Work, context: JobContext) -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    run_until(queue, handler, running.is_set)
    assert left(queue) == (JobStatus.COMPLETED, 0, None, 0)


class Held(Driver):  # type: ignore[misc, valid-type]
    """Its exchanges that claim, or that settle, are done, and their answer is held back."""

    def __init__(self, what: str) -> None:
        super().__init__(DriverConfiguration(retention_policy=KEEP_ALL), clock=ManualClock())
        self.what = what
        self.held = threading.Event()

    async def exchange(
        self,
        worker: str,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        exchanged = await super().exchange(worker, sequence, settlements, limit)
        if (exchanged.claims if self.what == "claim" else settlements) and not self.held.is_set():
            self.held.set()
            await asyncio.Event().wait()
        return exchanged


@pytest.mark.parametrize(("what", "status"), [("claim", JobStatus.PENDING), ("settle", JobStatus.COMPLETED)])
def test_an_exchange_that_is_under_way_is_repeated(
    what: str, status: JobStatus, caplog: pytest.LogCaptureFixture
) -> None:
    driver = Held(what)
    queue = JobQueue(driver)

    async def handler(parameters: Work, context: JobContext) -> None: ...

    run_until(queue, handler, driver.held.is_set)
    assert left(queue) == (status, 0, None, 0)
    assert caplog.records == []


def test_a_loop_that_ends_while_the_worker_shuts_down_gives_the_jobs_back() -> None:
    queue = make_queue()
    running = threading.Event()

    async def handler(parameters: Work, context: JobContext) -> None:
        running.set()
        await asyncio.Event().wait()

    queue.register_job(Work, handler)

    async def main() -> None:
        await queue.push(Work())
        processor, _ = start(queue)
        await until(running.is_set)
        processor.stop()
        await asyncio.sleep(0)

    asyncio.run(main())
    assert left(queue) == GIVEN_BACK


def test_a_handler_that_ends_its_process_gives_back_what_runs_beside_it() -> None:
    """`SystemExit` in a task of its own ends the event loop, which cancels all others."""
    queue = make_queue()
    running = threading.Event()

    async def leave() -> None:
        raise SystemExit(3)

    async def handler(parameters: Work, context: JobContext) -> None:
        running.set()
        if parameters.number == 1:
            await asyncio.create_task(leave())
        await asyncio.Event().wait()

    queue.register_job(Work, handler)

    async def main() -> None:
        await queue.push_many([Work(0), Work(1)])
        await queue.processor(options()).run()

    with pytest.raises(SystemExit):
        asyncio.run(main())
    assert {job.status for job in queue.driver.state.jobs.values()} == {JobStatus.PENDING}
    assert queue.driver.state.workers == {}


# Context variables.

SPAN = contextvars.ContextVar("SPAN", default="none")


class Looking(MemoryJobQueue[ManualClock]):
    """Notes what each of its steps sees."""

    def __init__(self) -> None:
        super().__init__(DriverConfiguration(), clock=ManualClock(), store=MemoryStore())
        self.seen: dict[str, str] = {}

    def __getattribute__(self, name: str) -> Any:
        if name in ("open_worker", "exchange", "renew", "recover", "wait"):
            self.seen[name] = SPAN.get()
        return super().__getattribute__(name)


async def test_what_runs_in_the_background_sees_nothing_of_whoever_runs_the_processor() -> None:
    driver = Looking()
    SPAN.set("the caller's")
    processor, task = start(JobQueue(driver))
    await until(lambda: len(driver.seen) == 5)
    processor.stop()
    await task
    assert set(driver.seen.values()) == {"none"}


async def test_handlers_see_the_context_of_whoever_runs_the_processor_and_nothing_of_each_other() -> None:
    queue = make_queue()
    seen: list[str] = []

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        seen.append(SPAN.get())
        SPAN.set(f"job {parameters.number}")

    await queue.push_many([Work(1), Work(2)])
    token = SPAN.set("the caller's")
    processor: Coroutine[Any, Any, bool] = queue.processor(options(burst=True, num_workers=1)).run()
    await processor
    SPAN.reset(token)
    assert seen == ["the caller's"] * 2
