import asyncio
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import (
    ActiveLock,
    ConfigurationError,
    JobCleanup,
    JobContext,
    JobOptions,
    JobQueue,
    JobStatus,
    ProcessorOptions,
    RetentionPolicy,
)
from jobsvalkey.contract import DriverConfiguration, Exchanged, Finish, Renewed, Report, Settlement
from jobsvalkey.runtime import recovery, watchdog
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from tests.support.drivers import claim_all, record_of, status_of
from tests.support.processors import options, run_in_background
from tests.support.waiting import until
from tests.support.work import Handler, Work, counting
from tests.unit.runtime.support import Queue, make_driver, make_queue, second_driver

HOUR = timedelta(hours=1)


class Watched(MemoryJobQueue[ManualClock]):
    """Notes its exchanges, and that there is one at a time."""

    def __init__(self, **configuration: Any) -> None:
        super().__init__(DriverConfiguration(**configuration), clock=ManualClock())
        self.exchanges: list[tuple[int, int]] = []
        self.in_flight = 0
        self.most_held = 0

    async def exchange(
        self,
        worker: str,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        self.in_flight += 1
        assert self.in_flight == 1
        await asyncio.sleep(0)
        exchanged = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        self.exchanges.append((len(settlements), len(exchanged.claims)))
        self.most_held = max(self.most_held, (await self.counts())[JobStatus.PROCESSING])
        self.in_flight -= 1
        return exchanged


async def test_a_burst_runs_what_is_due_in_order_and_returns() -> None:
    queue = make_queue()
    ran = counting(queue)
    await queue.push_many(Work(number) for number in range(50))
    later = await queue.push(Work(99), options=JobOptions(delay=HOUR))
    await queue.processor(options(burst=True, num_workers=4)).run()
    assert ran == list(range(50))
    assert await status_of(queue, later) is JobStatus.PENDING


async def test_a_burst_of_nothing_returns() -> None:
    await make_queue().processor(ProcessorOptions(burst=True)).run()


async def test_a_burst_waits_for_retries_that_are_due() -> None:
    queue = make_queue()
    attempts: list[int] = []

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        attempts.append(context.attempt)
        if context.attempt < 3:
            queue.driver.clock.advance(timedelta(minutes=5))
            raise ValueError

    await queue.push(Work())
    processor = queue.processor(options(burst=True))
    while len(attempts) < 3:
        queue.driver.clock.advance(timedelta(minutes=5))
        await processor.run()
    assert attempts == [1, 2, 3]


async def test_each_exchange_settles_what_has_ended_and_fills_the_free_slots() -> None:
    driver = Watched()
    queue = JobQueue(driver)
    counting(queue)
    await queue.push_many(Work(number) for number in range(100))
    await queue.processor(ProcessorOptions(burst=True, num_workers=10)).run()
    assert driver.exchanges[:11] == [(0, 10), *[(10, 10)] * 9, (10, 0)]
    assert len(driver.exchanges) <= 13


async def test_never_more_claims_than_workers() -> None:
    driver = Watched()
    queue = JobQueue(driver)
    ended = 0

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        nonlocal ended
        for _ in range(parameters.number % 7):
            await asyncio.sleep(0)
        ended += 1

    await queue.push_many(Work(number) for number in range(200))
    await queue.processor(options(burst=True, num_workers=5)).run()
    assert ended == 200
    assert driver.most_held == 5


async def test_each_run_is_a_worker_of_its_own() -> None:
    queue = make_queue()
    processor = queue.processor()
    seen: set[str] = set()
    for _ in range(2):
        async with run_in_background(processor):
            await until(lambda: processor.state is not None and processor.state.connected)
            assert processor.state is not None
            seen.add(processor.state.worker)
    assert len(seen) == 2
    assert processor.state is None


async def test_the_state_of_a_processor() -> None:
    queue = make_queue()
    go_on = asyncio.Event()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        await go_on.wait()

    processor = queue.processor()
    async with run_in_background(processor):
        await until(lambda: processor.state is not None and processor.state.connected)
        assert processor.state is not None
        assert (processor.state.running, processor.state.last_claim_at) == (0, None)
        job_id = await queue.push(Work())
        await until(lambda: processor.state is not None and processor.state.running)
        assert processor.state.last_claim_at == queue.driver.clock.now()
        assert (await record_of(queue, job_id)).worker == processor.state.worker
        go_on.set()


async def test_a_processor_runs_once_at_a_time() -> None:
    processor = make_queue().processor()
    async with run_in_background(processor):
        await until(lambda: processor.state is not None)
        with pytest.raises(ConfigurationError, match="runs already"):
            await processor.run()


async def test_weakness_9_the_jobs_of_a_dead_worker_are_taken_over() -> None:
    queue = make_queue()
    ran = counting(queue)
    await queue.push_many(Work(number) for number in range(30))
    dead = await claim_all(second_driver(queue.driver), "dead")
    assert len(dead.claims) == 30
    async with run_in_background(queue.processor(options())):
        queue.driver.clock.advance(timedelta(seconds=29))
        await queue.driver.push([])
        assert ran == []
        queue.driver.clock.advance(timedelta(seconds=1))
        await until(lambda: sorted(ran) == list(range(30)))


async def test_recovery_goes_on_at_once_while_there_is_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "RECOVER_AT_ONCE", 2)
    queue = make_queue()
    ran = counting(queue)
    await queue.push_many(Work(number) for number in range(5))
    await claim_all(second_driver(queue.driver), "dead")
    queue.driver.clock.advance(timedelta(seconds=30))
    # The second look but for that comes in an hour.
    lock = ActiveLock(every=HOUR, hold_for=2 * HOUR)
    async with run_in_background(queue.processor(options(worker_active_lock=lock))):
        await until(lambda: sorted(ran) == list(range(5)))


async def test_the_lock_is_renewed_so_that_no_other_takes_the_jobs() -> None:
    queue = make_queue()
    go_on = asyncio.Event()
    starts: list[int] = []

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        starts.append(parameters.number)
        await go_on.wait()

    job_id = await queue.push(Work())
    renewals = 0
    renew = queue.driver.renew

    async def counted(worker: str, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        nonlocal renewals
        renewals += 1
        return await renew(worker, hold_for, leaving=leaving)

    queue.driver.renew = counted
    async with run_in_background(queue.processor(options())):
        await until(lambda: starts)
        for _ in range(5):
            queue.driver.clock.advance(timedelta(seconds=20))
            seen = renewals
            await until(lambda seen=seen: renewals > seen)
            assert await queue.driver.recover() == 0
        go_on.set()
        await until(lambda: queue.driver.state.jobs[job_id].status is JobStatus.COMPLETED)
    assert starts == [0]


async def test_a_worker_whose_lock_ran_out_renews_it_and_goes_on() -> None:
    queue = make_queue()
    ran = counting(queue)
    # The loop that renews is out of the way: only the claiming one can see it.
    slow = options(worker_active_lock=ProcessorOptions().worker_active_lock)
    async with run_in_background(queue.processor(slow)):
        await until(lambda: queue.driver.state.workers)
        queue.driver.clock.advance(HOUR)
        await queue.push(Work(1))
        await until(lambda: ran == [1])


async def test_the_handler_of_a_revoked_claim_is_told_and_cancelled() -> None:
    queue = make_queue()
    told: list[bool] = []
    running = asyncio.Event()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            told.append(context.claim_lost)

    job_id = await queue.push(Work())
    processor = queue.processor(options(num_workers=1, graceful_shutdown_timeout=timedelta(0)))
    async with run_in_background(processor):
        await running.wait()
        await queue.driver.cleanup(processing_jobs=JobCleanup.remove())
        await until(lambda: told)
        assert told == [True]
        assert await status_of(queue, job_id) is None
        running.clear()
        await queue.push(Work())  # the slot is free again
        await running.wait()


async def test_what_is_claimed_during_a_renewal_is_not_taken_as_lost() -> None:
    queue = make_queue()
    handler = Handler(queue)
    renewals = 0
    renew = queue.driver.renew

    async def slow(worker: str, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        nonlocal renewals
        renewals += 1
        tokens = await renew(worker, hold_for, leaving=leaving)
        if renewals == 1:
            await queue.push(Work())
            await until(lambda: handler.running)
        return tokens

    queue.driver.renew = slow
    async with run_in_background(queue.processor(options())):
        await until(lambda: renewals == 2)
        assert handler.cancelled == []
        handler.go_on.set()
        await until(lambda: handler.ended)
    assert (await queue.counts())[JobStatus.COMPLETED] == 1


async def test_weakness_3_a_stalled_worker_settles_nothing_that_another_runs() -> None:
    queue = make_queue()
    go_on = asyncio.Event()
    starts: list[bool] = []

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        starts.append(True)
        if len(starts) == 1:
            while not go_on.is_set():  # it does not listen to its cancellation
                try:
                    await go_on.wait()
                except asyncio.CancelledError:
                    continue

    job_id = await queue.push(Work())
    async with run_in_background(queue.processor(options(num_workers=1))):
        await until(lambda: starts)
        other = second_driver(queue.driver)
        (stalled,) = queue.driver.state.workers.values()
        stalled.expires = queue.driver.clock.now()
        assert await other.recover() == 1
        (claim,) = (await claim_all(other, "other")).claims
        go_on.set()
        exchanged = await other.exchange("other", 2, [Finish(claim.job_id, claim.token)])
        assert [outcome.value for outcome in exchanged.outcomes] == ["settled"]
    assert await status_of(queue, job_id) is JobStatus.COMPLETED


async def test_plain_functions_run_beside_each_other() -> None:
    queue = make_queue()
    barrier = threading.Barrier(4, timeout=10)

    @queue.job(Work)
    def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        barrier.wait()

    ids = await queue.push_many(Work() for _ in range(4))
    await queue.processor(options(burst=True, num_workers=4)).run()
    assert {await status_of(queue, job_id) for job_id in ids} == {JobStatus.COMPLETED}


async def test_a_thread_that_takes_too_long_occupies_its_slot_until_it_ends() -> None:
    queue = make_queue()
    go_on, late = threading.Event(), threading.Event()
    ran: list[int] = []

    @queue.job(Work, timeout=timedelta(milliseconds=5))
    def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        ran.append(parameters.number)
        while parameters.number == 1 and not context.cancelled:
            go_on.wait(0.001)
        if parameters.number == 1:
            late.set()
            go_on.wait()

    ids = await queue.push_many([Work(1), Work(2)])
    async with run_in_background(queue.processor(options(num_workers=1))):
        await until(late.is_set)
        assert ran == [1]
        assert await status_of(queue, ids[0]) is JobStatus.PROCESSING
        go_on.set()
        await until(lambda: 2 in ran)
        error = (await record_of(queue, ids[0])).error
        assert error is not None
        assert error.type.endswith("JobTimeout")


async def test_a_blocked_loop_is_reported(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(watchdog, "INTERVAL", 0.001)
    monkeypatch.setattr(watchdog, "TOLERANCE", 0.02)
    queue = make_queue()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        time.sleep(0.05)  # noqa: ASYNC251 - that is what it must not do

    async with run_in_background(queue.processor()):
        await until(lambda: queue.driver.state.workers)
        await queue.push(Work())
        await until(lambda: any("event loop was blocked" in record.getMessage() for record in caplog.records))


async def test_a_queue_that_keeps_nothing_leaves_nothing() -> None:
    queue: Queue = JobQueue(make_driver(retention_policy=RetentionPolicy()))
    counting(queue)
    await queue.push_many(Work(number) for number in range(20))
    await queue.processor(options(burst=True)).run()
    assert queue.driver.state.jobs == {}
    assert queue.driver.state.workers == {}
