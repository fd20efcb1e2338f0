"""Progress, saved values and durable steps, from the handler to the store and back: on the twin, and on a server."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
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
    ConfigurationError,
    JobContext,
    JobQueue,
    JobSleep,
    JobStatus,
    NoRetry,
    PayloadTooLarge,
    Progress,
    UnsupportedOperation,
    ValkeyConfiguration,
    ValkeyJobQueue,
)
from jobsvalkey.contract import (
    CAPABILITY_PROTOCOLS,
    Capability,
    DriverConfiguration,
    Exchanged,
    JobCleanup,
    Report,
    Settlement,
    WorkerID,
)
from jobsvalkey_memory import ManualClock, MemoryJobQueue, MemoryStore, run_until_idle
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


class Slow(MemoryJobQueue[Any]):
    """Counts the exchanges that report, and those that are under way."""

    capabilities = MemoryJobQueue.capabilities

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reported: list[Sequence[Report]] = []

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        if reports:
            self.reported.append(reports)
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)


async def test_a_thousand_reports_a_second_are_a_few_exchanges() -> None:
    driver = Slow(DriverConfiguration(poll_time=HOUR))
    queue = JobQueue(driver)
    ended = asyncio.Event()
    seconds, calls = 1.0, 0

    @queue.task
    async def work(*, context: JobContext = GIVEN) -> None:
        nonlocal calls
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(10):
                calls += 1
                context.progress(calls)
            await asyncio.sleep(0.005)
        ended.set()
        raise JobSleep(for_=HOUR)

    async with run_in_background(queue.processor(options(worker_active_lock=SELDOM))):
        job_id = await work.push()
        async with asyncio.timeout(PATIENCE):
            await ended.wait()

        async def is_shown() -> bool:
            return await shown(queue, job_id) == Progress(calls)

        await until(is_shown)
    # At 0, 0.25, 0.5 and 0.75 s, and with the settlement; more if the machine stood still meanwhile.
    assert calls > 100
    assert 2 <= len(driver.reported) <= 8


async def test_all_runs_of_a_worker_share_the_exchanges_of_progress() -> None:
    driver = Slow(DriverConfiguration(poll_time=HOUR))
    queue = JobQueue(driver)
    begun: list[int] = []
    go_on = asyncio.Event()

    @queue.task
    async def work(number: int, *, context: JobContext = GIVEN) -> None:
        context.progress(number)
        begun.append(number)
        await go_on.wait()

    async with run_in_background(queue.processor(options(num_workers=50, worker_active_lock=SELDOM))):
        jobs = [await work.push(number) for number in range(50)]

        async def all_are_shown() -> bool:
            return [await shown(queue, job) for job in jobs] == [Progress(number) for number in range(50)]

        await until(all_are_shown)
        go_on.set()
    assert len(driver.reported) < 10


class Without(MemoryJobQueue[Any]):
    capabilities = frozenset(CAPABILITY_PROTOCOLS) - {Capability.REPORTS}


async def test_a_driver_without_the_capability_is_asked_for_nothing() -> None:
    queue = JobQueue(Without())
    errors: list[str] = []

    @queue.task
    async def work(*, context: JobContext = GIVEN) -> None:
        for call in (
            lambda: context.progress(1),
            lambda: context.saved(int),
            lambda: context.step("a"),
            lambda: context.blocking,
        ):
            with pytest.raises(UnsupportedOperation, match="capability 'reports'") as raised:
                call()
            errors.append(str(raised.value))
        with pytest.raises(UnsupportedOperation, match="use a driver that does"):
            await context.save(1)

    job_id = await work.push()
    await run_until_idle(queue)
    assert len(errors) == 4
    assert await queue.get(job_id) is None


async def test_the_budget_of_an_exchange_holds_for_reports_and_settlements() -> None:
    """16 handlers save 60 kB each at once, and return as much: no exchange carries more than 200 kB."""
    configuration = DriverConfiguration(poll_time=HOUR, max_payload=70_000, max_atomic_push_bytes=200_000)
    store = MemoryStore()
    sizes: list[int] = []

    class Weighing(MemoryJobQueue[Any]):
        async def exchange(
            self,
            worker: WorkerID,
            sequence: int,
            settlements: Sequence[Settlement] = (),
            limit: int = 0,
            *,
            reports: Sequence[Report] = (),
        ) -> Exchanged:
            results = (len(getattr(each, "result", None) or b"") for each in settlements)
            states = (len(each.state or b"") + len(each.progress or b"") for each in reports)
            sizes.append(sum(results) + sum(states))
            await asyncio.sleep(0.001)
            return await super().exchange(worker, sequence, settlements, limit, reports=reports)

    queue = JobQueue(Weighing(configuration, store=store))
    done: list[int] = []

    @queue.task(keep_result=HOUR)
    async def work(number: int, *, context: JobContext = GIVEN) -> str:
        for _ in range(3):
            await context.save("x" * 60_000)
            context.progress(1, text="y" * 600)
        done.append(number)
        return "z" * 60_000

    async with run_in_background(queue.processor(options(num_workers=16, worker_active_lock=SELDOM))):
        jobs = [await work.push(number) for number in range(32)]
        for job in jobs:
            assert await work.result(job, timeout=timedelta(seconds=PATIENCE)) == "z" * 60_000
    assert max(sizes) <= 200_000
    assert sum(sizes) > 32 * 4 * 60_000


async def test_what_cannot_be_saved_is_told_and_the_last_value_stays() -> None:
    queue = JobQueue(MemoryJobQueue(DriverConfiguration(max_payload=1000)))

    @queue.task(retry_strategy=NoRetry())
    async def work(*, context: JobContext = GIVEN) -> None:
        await context.save("first")
        with pytest.raises(PayloadTooLarge, match="save a reference, or raise max_payload"):
            await context.save("x" * 1001)
        with pytest.raises(TypeError, match="cannot be saved as"):
            await context.save(object())
        async with context.step("large", type=str) as step:
            with pytest.raises(PayloadTooLarge):
                await step.finish("x" * 1001)
            with pytest.raises(TypeError, match="value of the step 'large'"):
                await step.finish(7)  # pyright: ignore[reportArgumentType]
            assert not step.done
            with pytest.raises(RuntimeError, match="has no value yet"):
                assert step.value
            assert await step.finish("small") == "small"
            with pytest.raises(RuntimeError, match="finishes once"):
                await step.finish("again")
        assert context.saved(str) == "first"
        ended.append(True)

    ended: list[bool] = []
    await work.push()
    await run_until_idle(queue)
    assert ended == [True]


async def test_steps_have_names_of_their_own() -> None:
    context = JobContext.for_test("pay")
    async with context.step("outer") as outer:
        with pytest.raises(ValueError, match="'outer' was entered before"):
            async with context.step("outer"):
                raise AssertionError
        async with context.step("inner") as inner:
            await inner.finish(1)
        await outer.finish(2)
    with pytest.raises(ValueError, match="in a loop with a number in it"):
        async with context.step("inner"):
            raise AssertionError
    with pytest.raises(ValueError, match="has a name"):
        context.step("")
    with pytest.raises(TypeError, match="the name of a step"):
        context.step(3)  # pyright: ignore[reportArgumentType, reportCallIssue]
    with pytest.raises(RuntimeError, match="was not entered"):
        await context.step("never").finish(1)


async def test_a_step_without_an_end_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    context = JobContext.for_test()
    async with context.step("forgotten"):
        pass
    assert ["'forgotten' ends without step.finish" in record.getMessage() for record in caplog.records] == [True]
    caplog.clear()
    with pytest.raises(KeyError):
        async with context.step("failed"):
            raise KeyError
    assert not caplog.records


async def test_a_context_for_tests_has_it_all() -> None:
    context = JobContext.for_test(saved={"page": 3}, steps={"charge": Receipt(5)})
    assert context.saved(dict[str, int]) == {"page": 3}
    async with context.step("charge", type=Receipt) as step:
        assert (step.done, step.value) == (True, Receipt(5))
    with context.blocking.step("mail", type=str) as mail:
        assert mail.finish("sent") == "sent"
    await context.save({"page": 4})
    context.blocking.save({"page": 5})
    assert context.saved(dict[str, int]) == {"page": 5}
    assert context.last_progress is None
    context.progress(1, 2, "x" * 5000)
    assert context.last_progress == Progress(1, 2, "x" * 5000)
    assert JobContext.for_test().saved(int) is None


@pytest.mark.parametrize(
    "wrong", [(float("nan"),), (float("inf"),), (1 << 60,), (1, float("inf")), (1, -(1 << 60))], ids=str
)
def test_numbers_that_no_store_holds_are_refused(wrong: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="give numbers up to"):
        JobContext.for_test().progress(*wrong)


@pytest.mark.parametrize("wrong", [("1",), (None,), (True,), (1, "2"), (1, 2, 3), (1, 2, None)], ids=str)
def test_what_is_no_progress_is_refused(wrong: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        JobContext.for_test().progress(*wrong)


async def test_a_saved_value_of_another_type_is_told() -> None:
    context = JobContext.for_test(saved="text", steps={"a": 1})
    with pytest.raises(ConfigurationError, match="cannot be read as int"):
        context.saved(int)
    with pytest.raises(ConfigurationError, match="its step 'a' cannot be read as str"):
        async with context.step("a", type=str):
            raise AssertionError


async def test_a_run_that_has_ended_saves_nothing_more() -> None:
    queue = JobQueue(MemoryJobQueue(clock=ManualClock()))
    contexts: list[JobContext] = []

    @queue.task
    async def work(*, context: JobContext = GIVEN) -> None:
        await context.save(1)
        contexts.append(context)
        raise JobSleep(for_=HOUR)

    job_id = await work.push()
    await run_until_idle(queue)
    with pytest.raises(ClaimLost, match="has ended"):
        await contexts[0].save(2)
    contexts[0].progress(5)
    assert await shown(queue, job_id) is None
