"""Running jobs in the calling task, as a processor runs them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from jobsvalkey import JobContext, JobName, JobOptions, JobQueue, JobStatus, Middleware, PoppedJob, PushedJob
from jobsvalkey_memory import ManualClock, MemoryJobQueue, TwinQueue, inline, run_until_idle
from tests.unit.memory.jobs import App, SendEmail, Welcome, print_string

SECOND = timedelta(seconds=1)


async def test_it_runs_what_is_due_and_what_that_pushes(job_queue: TwinQueue) -> None:
    app = App(job_queue)
    await job_queue.push(print_string, "text")
    await job_queue.push(Welcome("ada"))
    await job_queue.push(SendEmail("later"), options=JobOptions(delay=SECOND))
    assert await run_until_idle(job_queue) == 3
    assert app.ran == ["print text", "welcome ada", "email ada 1"]
    assert (await job_queue.counts())[JobStatus.PENDING] == 1


async def test_it_goes_by_due_time_then_by_the_order_of_the_pushes(job_queue: TwinQueue) -> None:
    app = App(job_queue)
    for name, delay in (("c", 2), ("a", 1), ("b", 1)):
        await job_queue.push(SendEmail(name), options=JobOptions(delay=delay * SECOND))
    job_queue.driver.clock.advance(2 * SECOND)
    assert await run_until_idle(job_queue) == 3
    assert app.ran == ["email a 1", "email b 1", "email c 1"]


async def test_retries_wait_for_the_clock(job_queue: TwinQueue, job_clock: ManualClock) -> None:
    app = App(job_queue)
    job_id = await job_queue.push(SendEmail("flaky"))
    assert await run_until_idle(job_queue) == 1
    assert await run_until_idle(job_queue) == 0
    job_clock.advance(2 * SECOND)
    assert await run_until_idle(job_queue) == 1
    job_clock.advance(4 * SECOND)
    assert await run_until_idle(job_queue) == 1
    assert app.ran == ["email flaky 1", "email flaky 2", "email flaky 3"]
    assert await job_queue.status(job_id) is None


async def test_a_sleeping_job_runs_again(job_queue: TwinQueue, job_clock: ManualClock) -> None:
    app = App(job_queue)
    await job_queue.push(SendEmail("sleepy"))
    await run_until_idle(job_queue)
    job_clock.advance(timedelta(hours=1))
    await run_until_idle(job_queue)
    assert app.ran == ["email sleepy 1", "email sleepy 1"]


async def test_it_runs_in_the_calling_task(job_queue: TwinQueue) -> None:
    tasks: list[object] = []

    @job_queue.job(SendEmail)
    async def send_email(parameters: SendEmail, context: JobContext) -> None:
        tasks.append(asyncio.current_task())

    await job_queue.push(SendEmail("ada"))
    await run_until_idle(job_queue)
    assert tasks == [asyncio.current_task()]
    assert send_email


async def test_it_gives_up_where_there_is_no_end(job_queue: TwinQueue) -> None:
    async def again(parameters: str, context: JobContext) -> None:
        await job_queue.push(print_string, parameters)

    job_queue.register_job(print_string, again)
    await job_queue.push(print_string, "text")
    with pytest.raises(AssertionError, match="still due after 20 runs") as raised:
        await run_until_idle(job_queue, max_runs=20)
    assert 'Print String "text" -> pending' in str(raised.value) or "processing" in str(raised.value)
    assert (await job_queue.counts())[JobStatus.PENDING] == 1
    assert not job_queue.driver.state.workers


async def test_a_handler_that_is_cancelled_with_the_test_leaves_its_job(job_queue: TwinQueue) -> None:
    entered = asyncio.Event()

    async def hang(parameters: str, context: JobContext) -> None:
        entered.set()
        await asyncio.Event().wait()

    job_queue.register_job(print_string, hang)
    job_id = await job_queue.push(print_string, "text")
    task = asyncio.create_task(run_until_idle(job_queue))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await job_queue.status(job_id) is JobStatus.PENDING


async def test_parameters_make_the_round_trip_through_json(job_queue: TwinQueue) -> None:
    seen: list[object] = []
    point = JobName("Point", tuple[int, int])

    async def note(parameters: tuple[int, int], context: JobContext) -> None:
        seen.append(parameters)

    job_queue.register_job(point, note)
    await job_queue.push(JobName("Point", list[str]), ["not", "numbers"])
    await job_queue.push(point, (1, 2))
    await run_until_idle(job_queue)
    assert seen == [(1, 2)]
    (failed,) = [record async for record in job_queue.jobs(JobStatus.FAILED)]
    assert failed.error is not None
    assert "does not fit" in failed.error.message


async def test_middleware_runs_beside_the_jobs() -> None:
    seen: list[str] = []

    class Note(Middleware):
        async def on_push(self, job: PushedJob) -> None:
            seen.append(f"push {job.name}")

        async def handle(self, job: PoppedJob, call_next: Callable[[], Awaitable[None]]) -> None:
            seen.append(f"handle {job.name}")
            await call_next()

    queue = JobQueue(MemoryJobQueue(clock=ManualClock()), middleware=[Note()])
    App(queue)
    await queue.push(SendEmail("ada"))
    await run_until_idle(queue)
    assert seen == ["push SendEmail", "handle SendEmail"]


def test_inline_runs_a_coroutine_and_the_jobs_that_it_pushes() -> None:
    queue = JobQueue(MemoryJobQueue(clock=ManualClock()))
    app = App(queue)
    with inline(queue) as run:
        job_id = run(queue.push(Welcome("ada")))
        run(queue.push(SendEmail("later"), options=JobOptions(delay=SECOND)))
        assert app.ran == ["welcome ada", "email ada 1"]
        queue.driver.clock.advance(SECOND)
        assert run(queue.status(job_id)) is None
    assert app.ran == ["welcome ada", "email ada 1", "email later 1"]
