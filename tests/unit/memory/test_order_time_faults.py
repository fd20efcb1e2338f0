"""The rules of the contract's *Order and time* and *Faults* that are the store's."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import (
    ConfigurationError,
    DriverConfiguration,
    Fail,
    Finish,
    Inconsistency,
    InconsistencyKind,
    JobCleanup,
    JobID,
    JobStatus,
    NewJob,
    Release,
    SettleOutcome,
    WorkerClosed,
)
from jobsvalkey_memory import ManualClock, MemoryJobQueue, MemoryStore
from tests.unit.memory.bench import HOLD, SECOND, WORKER, Bench

KEY = DriverConfiguration().queue_key


async def test_claims_go_by_due_time_then_by_id(bench: Bench) -> None:
    low, high = JobID(int=1), JobID(int=2**128 - 1)
    await bench.queue.push([NewJob(high, b""), NewJob(low, b"")])
    later, earlier = await bench.push(2 * SECOND), await bench.push(SECOND)
    past = await bench.push(bench.now - SECOND)
    bench.clock.advance(2 * SECOND)
    assert [claim.job_id for claim in await bench.claim()] == [past, low, high, earlier, later]


async def test_a_job_that_comes_back_keeps_its_place(bench: Bench) -> None:
    first, second = await bench.push(), await bench.push()
    (claim,) = await bench.claim(1)
    await bench.settle(Release(first, claim.token))
    assert await bench.listed(JobStatus.PENDING) == [first, second]


async def test_due_times_are_kept_to_the_microsecond(bench: Bench) -> None:
    due = bench.now + timedelta(microseconds=123457)
    job = await bench.queue.get(await bench.push(due))
    assert job is not None
    assert job.due == due


async def test_a_dead_workers_jobs_go_to_any_other(bench: Bench) -> None:
    job_id = await bench.push()
    await bench.claim()
    bench.clock.advance(HOLD)
    await bench.queue.open_worker("worker-2", HOLD)
    await bench.queue.recover()
    (claim,) = await bench.claim(worker="worker-2")
    assert (claim.job_id, claim.recoveries) == (job_id, 1)


async def test_a_claim_is_lost_at_its_recovery_not_when_the_lock_expires(bench: Bench) -> None:
    first, second = await bench.push(), await bench.push()
    one, two = await bench.claim()
    bench.clock.advance(2 * HOLD)
    assert await bench.settle(Finish(first, one.token)) == [SettleOutcome.SETTLED]
    await bench.queue.recover()
    assert await bench.settle(Finish(second, two.token)) == [SettleOutcome.CLAIM_LOST]


async def test_a_renewal_saves_the_claims_of_an_expired_lock(bench: Bench) -> None:
    await bench.push()
    (claim,) = await bench.claim()
    bench.clock.advance(2 * HOLD)
    assert (await bench.queue.renew(WORKER, HOLD)).tokens == {claim.token}
    assert await bench.queue.recover() == 0


async def test_under_an_expired_lock_nothing_is_claimed(bench: Bench) -> None:
    first, second = await bench.push(), await bench.push()
    (claim,) = await bench.claim(1)
    bench.clock.advance(HOLD)
    exchanged = await bench.exchange([Finish(first, claim.token)], 5)
    assert (exchanged.outcomes, exchanged.claims) == ([SettleOutcome.SETTLED], [])
    assert (exchanged.until_next, exchanged.lock_expired) == (None, True)
    await bench.queue.renew(WORKER, HOLD)
    assert [claim.job_id for claim in await bench.claim()] == [second]


async def test_recovery_leaves_the_workers_record_for_a_day(bench: Bench) -> None:
    await bench.push()
    await bench.claim()
    bench.clock.advance(HOLD)
    await bench.queue.recover()
    bench.clock.advance(timedelta(hours=24) - timedelta(microseconds=1))
    await bench.queue.exchange(WORKER, 100)
    bench.clock.advance(timedelta(microseconds=1))
    with pytest.raises(WorkerClosed):
        await bench.queue.renew(WORKER, HOLD)
    await bench.queue.recover()
    assert not bench.queue.state.workers


async def test_recovery_never_fails_a_job_and_never_touches_a_live_workers(bench: Bench) -> None:
    dead, live = await bench.push(), await bench.push()
    await bench.claim(1)
    await bench.claim(1, worker="worker-2")
    for count in range(1, 9):
        bench.clock.advance(HOLD)
        await bench.queue.renew("worker-2", HOLD)
        assert await bench.queue.recover() == 1
        await bench.queue.renew(WORKER, HOLD)
        (claim,) = await bench.claim()
        assert (claim.job_id, claim.recoveries) == (dead, count)
    assert await bench.status(live) is JobStatus.PROCESSING


async def test_a_lost_request_fails_as_a_tombstone(bench: Bench) -> None:
    job_id = await bench.push()
    bench.queue.store.damage(KEY, job_id, None)
    assert await bench.queue.validate() == [Inconsistency(InconsistencyKind.MISSING_PAYLOAD, job_id)]
    (claim,) = await bench.claim()
    assert claim.request is None
    await bench.settle(Fail(job_id, claim.token, b"lost", keep=True))
    assert await bench.queue.validate() == []
    assert not await bench.queue.rerun(job_id)
    assert await bench.queue.cleanup_step(JobStatus.FAILED, JobCleanup.RERUN, max_jobs=9) == 0
    assert await bench.queue.remove(job_id)


async def test_a_request_of_the_wrong_type_breaks_its_settlements_alone(bench: Bench) -> None:
    bad, good = await bench.push(), await bench.push()
    bench.queue.store.damage(KEY, bad, None, wrong_type=True)
    assert await bench.queue.validate() == [Inconsistency(InconsistencyKind.WRONG_TYPE, bad)]
    broken, whole = await bench.claim()
    assert broken.request is None
    outcomes = await bench.settle(Finish(bad, broken.token), Finish(good, whole.token))
    assert outcomes == [SettleOutcome.BROKEN, SettleOutcome.SETTLED]
    assert await bench.settle(Fail(bad, broken.token, b"broken", keep=True)) == [SettleOutcome.SETTLED]
    assert await bench.status(bad) is JobStatus.FAILED


async def test_a_garbled_request_is_handed_out_as_it_is(bench: Bench) -> None:
    bench.queue.store.damage(KEY, await bench.push(), b"\xff")
    assert [claim.request for claim in await bench.claim()] == [b"\xff"]


async def test_queues_share_a_store_and_keep_apart_by_their_keys() -> None:
    clock, store = ManualClock(), MemoryStore()
    mail, again = [MemoryJobQueue(DriverConfiguration(queue_key="mail"), clock, store) for _ in range(2)]
    print_ = MemoryJobQueue(DriverConfiguration(queue_key="print"), clock, store)
    async with mail:
        await mail.push([NewJob(JobID(int=1), b"")])
    assert await again.status(JobID(int=1)) is JobStatus.PENDING
    assert await print_.status(JobID(int=1)) is None


async def all_of(jobs: AsyncIterator[Any]) -> None:
    async for _ in jobs:
        pass


ID = JobID(int=1)
CALLS: dict[str, Callable[[MemoryJobQueue[ManualClock]], Awaitable[Any]]] = {
    "push": lambda queue: queue.push([NewJob(ID, b"")]),
    "push_if": lambda queue: queue.push_if(NewJob(ID, b""), "key", None, b""),
    "exchange": lambda queue: queue.exchange(WORKER, 1),
    "open_worker": lambda queue: queue.open_worker(WORKER, HOLD),
    "renew": lambda queue: queue.renew(WORKER, HOLD),
    "close_worker": lambda queue: queue.close_worker(WORKER),
    "recover": lambda queue: queue.recover(),
    "wait": lambda queue: queue.wait(WORKER, timedelta(0)),
    "cancel": lambda queue: queue.cancel(ID),
    "pause_queue": lambda queue: queue.pause_queue(),
    "resume_queue": lambda queue: queue.resume_queue(),
    "is_queue_paused": lambda queue: queue.is_queue_paused(),
    "abort": lambda queue: queue.abort(ID),
    "pause": lambda queue: queue.pause(ID),
    "resume": lambda queue: queue.resume(ID),
    "rerun": lambda queue: queue.rerun(ID),
    "remove": lambda queue: queue.remove(ID),
    "cleanup_step": lambda queue: queue.cleanup_step(JobStatus.FAILED, JobCleanup.remove(), max_jobs=1),
    "cleanup_steps": lambda queue: all_of(queue.cleanup_steps(JobStatus.FAILED, JobCleanup.remove(), 1)),
    "cleanup": lambda queue: queue.cleanup(failed_jobs=JobCleanup.remove()),
    "cleanup_orphaned_jobs": lambda queue: queue.cleanup_orphaned_jobs(),
    "get_metadata": lambda queue: queue.get_metadata("key"),
    "set_metadata": lambda queue: queue.set_metadata("key", b""),
    "acquire_lock": lambda queue: queue.acquire_lock("key", b"", HOLD),
    "release_lock": lambda queue: queue.release_lock("key", b""),
    "get": lambda queue: queue.get(ID),
    "ended": lambda queue: queue.ended([ID], timedelta(0)),
    "status": lambda queue: queue.status(ID),
    "counts": lambda queue: queue.counts(),
    "jobs": lambda queue: all_of(queue.jobs(JobStatus.PENDING)),
    "page": lambda queue: queue.page(JobStatus.PENDING),
    "workers": lambda queue: queue.workers(),
    "activity": lambda queue: queue.activity(),
    "close_batch": lambda queue: queue.close_batch(ID),
    "load": lambda queue: queue.load(),
    "validate": lambda queue: queue.validate(),
}


def test_these_are_all_calls_that_ask_the_store() -> None:
    methods = inspect.getmembers(MemoryJobQueue, inspect.isfunction)
    public = {name for name, _ in methods if not name.startswith("_")}
    assert public - CALLS.keys() == {"now", "is_durable", "aclose"}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_from_another_event_loop_is_refused(
    call: Callable[[MemoryJobQueue[ManualClock]], Awaitable[Any]],
) -> None:
    bench = Bench()
    asyncio.run(bench.queue.open_worker(WORKER, HOLD))

    async def elsewhere() -> None:
        with pytest.raises(ConfigurationError, match="event loop"):
            await call(bench.queue)

    asyncio.run(elsewhere())
