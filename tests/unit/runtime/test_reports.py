"""Progress, saved values and durable steps, from the handler to the store and back: on the twin, and on a server."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import (
    GIVEN,
    ActiveLock,
    ClaimLost,
    JobContext,
    JobQueue,
    JobSleep,
    JobStatus,
    NoRetry,
    Progress,
    ValkeyConfiguration,
    ValkeyJobQueue,
)
from jobsvalkey.contract import (
    DriverConfiguration,
    JobCleanup,
)
from jobsvalkey_memory import MemoryJobQueue, run_until_idle
from tests.support.processors import options, run_in_background
from tests.support.waiting import PATIENCE, until

HOUR = timedelta(hours=1)
SELDOM = ActiveLock(every=HOUR, hold_for=2 * HOUR)
AT_ONCE = timedelta(0)


@dataclass(frozen=True)
class Receipt:
    number: int
    paid: bool = True


@pytest.fixture(params=["memory", "valkey"])
async def queue(request: pytest.FixtureRequest, valkey_client: Valkey, queue_key: str) -> AsyncIterator[JobQueue[Any]]:
    """A queue whose worker does not poll."""
    if request.param == "memory":
        yield JobQueue(MemoryJobQueue(DriverConfiguration(poll_time=HOUR)))
        return
    async with ValkeyJobQueue(valkey_client, ValkeyConfiguration(queue_key=queue_key, poll_time=HOUR)) as driver:
        yield JobQueue(driver)


async def shown(queue: JobQueue[Any], job_id: Any) -> Progress | None:
    record = await queue.get(job_id)
    assert record is not None
    return record.progress


async def test_progress_is_shown_while_the_job_runs_and_gone_when_it_has_ended(queue: JobQueue[Any]) -> None:
    go_on = asyncio.Event()

    @queue.task
    async def work(*, context: JobContext = GIVEN) -> None:
        assert context.last_progress is None
        context.progress(1)
        context.progress(3, 10, "pages")
        assert context.last_progress == Progress(3, 10, "pages")
        await go_on.wait()

    async with run_in_background(queue.processor(options(worker_active_lock=SELDOM))):
        job_id = await work.push()

        async def is_shown() -> bool:
            return await shown(queue, job_id) == Progress(3, 10, "pages")

        await until(is_shown)
        assert [record.progress async for record in queue.jobs(JobStatus.PROCESSING)] == [Progress(3, 10, "pages")]
        go_on.set()

        async def is_gone() -> bool:
            return await queue.get(job_id) is None

        await until(is_gone)


async def test_the_last_progress_reaches_the_store_also_just_before_the_end_of_a_run(queue: JobQueue[Any]) -> None:
    @queue.task
    async def work(*, context: JobContext = GIVEN) -> None:
        for number in range(1, 8):
            context.progress(number, 7)
        raise JobSleep(for_=HOUR)

    async with run_in_background(queue.processor(options(worker_active_lock=SELDOM))):
        job_id = await work.push()

        async def sleeps() -> bool:
            record = await queue.get(job_id)
            return record is not None and record.status is JobStatus.PENDING and record.due != record.stored_at

        await until(sleeps)
        assert await shown(queue, job_id) == Progress(7, 7)


async def test_what_was_saved_comes_back_after_each_retry(queue: JobQueue[Any]) -> None:
    seen: list[int | None] = []
    ended = asyncio.Event()

    @queue.task
    async def work(*, context: JobContext = GIVEN) -> None:
        count = context.saved(int)
        seen.append(count)
        await context.save((count or 0) + 1)
        assert context.saved(int) == (count or 0) + 1
        if len(seen) < 5:
            raise JobSleep(for_=AT_ONCE)
        ended.set()

    async with run_in_background(queue.processor(options(worker_active_lock=SELDOM))):
        await work.push()
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
    assert seen == [None, 1, 2, 3, 4]


async def test_a_megabyte_is_saved_through_ten_retries(queue: JobQueue[Any]) -> None:
    seen: list[bool] = []
    ended = asyncio.Event()

    @queue.task
    async def work(*, context: JobContext = GIVEN) -> None:
        before = context.saved(str)
        seen.append(before == (None if not seen else str(len(seen)) * (1_000_000 // len(str(len(seen))))))
        await context.save(str(len(seen)) * (1_000_000 // len(str(len(seen)))))
        if len(seen) <= 10:
            raise JobSleep(for_=AT_ONCE)
        ended.set()

    async with run_in_background(queue.processor(options(worker_active_lock=SELDOM))):
        await work.push()
        async with asyncio.timeout(PATIENCE * 3):
            await ended.wait()
    assert seen == [True] * 11


async def test_a_step_is_done_once_however_often_the_job_runs(queue: JobQueue[Any]) -> None:
    charged: list[int] = []
    receipts: list[Receipt] = []
    ended = asyncio.Event()

    async def charge() -> Receipt:
        charged.append(len(charged))
        return Receipt(7)

    @queue.task
    async def work(*, context: JobContext = GIVEN) -> None:
        async with context.step("charge", type=Receipt) as step:
            receipt = step.value if step.done else await step.finish(await charge())
        receipts.append(receipt)
        await context.save({"at": len(receipts)})
        async with context.step("mail") as step:
            assert not step.done or len(receipts) > 2
            if not step.done and len(receipts) == 2:
                assert await step.finish(["sent", None]) == ["sent", None]
            elif step.done:
                assert step.value == ["sent", None]
        assert context.saved(dict[str, int]) == {"at": len(receipts)}
        if len(receipts) < 4:
            raise JobSleep(for_=AT_ONCE)
        ended.set()

    async with run_in_background(queue.processor(options(worker_active_lock=SELDOM))):
        await work.push()
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
    assert (charged, receipts) == ([0], [Receipt(7)] * 4)


async def test_plain_functions_in_threads_have_it_all(queue: JobQueue[Any]) -> None:
    charged: list[str] = []
    seen: list[int | None] = []
    shown_in_between = threading.Event()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    @queue.task
    def work(*, context: JobContext = GIVEN) -> None:
        context.progress(len(seen), text="in a thread")
        seen.append(context.saved(int))
        with context.blocking.step("charge", type=Receipt) as step:
            if not step.done:
                charged.append(threading.current_thread().name)
            assert (step.value if step.done else step.finish(Receipt(1))) == Receipt(1)
        context.blocking.save(len(seen))
        if len(seen) == 1:
            shown_in_between.wait(PATIENCE)
        if len(seen) < 3:
            raise JobSleep(for_=AT_ONCE)
        loop.call_soon_threadsafe(ended.set)

    async with run_in_background(queue.processor(options(worker_active_lock=SELDOM))):
        job_id = await work.push()

        async def is_shown() -> bool:
            return await shown(queue, job_id) == Progress(0, text="in a thread")

        await until(is_shown)
        shown_in_between.set()
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
    assert seen == [None, 1, 2]
    assert len(charged) == 1


async def test_a_coroutine_is_told_to_await() -> None:
    queue = JobQueue(MemoryJobQueue())
    errors: list[str] = []

    @queue.task(retry_strategy=NoRetry())
    async def work(*, context: JobContext = GIVEN) -> None:
        try:
            context.blocking.save(1)
        except RuntimeError as error:
            errors.append(str(error))
        with context.blocking.step("a") as step, pytest.raises(RuntimeError, match="async with"):
            step.finish(1)

    await work.push()
    await run_until_idle(queue)
    assert len(errors) == 1
    assert "a coroutine awaits context.save" in errors[0]


async def test_a_save_under_a_claim_that_was_taken_away_is_refused(queue: JobQueue[Any]) -> None:
    refused = asyncio.Event()
    begun, go_on = asyncio.Event(), asyncio.Event()
    errors: list[Exception] = []
    runs: list[int | None] = []

    @queue.task
    async def work(*, context: JobContext = GIVEN) -> None:
        runs.append(context.saved(int))
        if len(runs) > 1:
            await asyncio.Event().wait()
        await context.save(1)
        begun.set()
        with suppress(asyncio.CancelledError):
            await go_on.wait()
        while len(errors) < 2:
            try:
                with suppress(asyncio.CancelledError):  # which comes as soon as the worker knows
                    await context.save(2)
            except ClaimLost as error:
                errors.append(error)
        context.progress(1)
        refused.set()

    async with run_in_background(
        queue.processor(options(worker_active_lock=SELDOM, cancel_grace=timedelta(seconds=0.2)))
    ):
        job_id = await work.push()
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
            assert await queue.driver.cleanup_step(JobStatus.PROCESSING, JobCleanup("remove"), max_jobs=1) == 1
            go_on.set()
            await refused.wait()
    assert len(errors) == 2
    assert str(job_id) in str(errors[0])
    assert await queue.get(job_id) is None


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress(3, 10, "pages"), "3/10 pages"),
        (Progress(1_234_567, 2_000_000.5), "1234567/2000000.5"),
        (Progress(0.1, None, "of it"), "0.1 of it"),
    ],
)
def test_a_progress_is_written_with_all_its_digits(progress: Progress, text: str) -> None:
    assert str(progress) == text
