"""The rules of the contract's *Repeats*."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    DO_NOT_RETAIN,
    Fail,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    NewJob,
    Operation,
    OperationRefused,
    RetentionPolicy,
    SettleOutcome,
    StoreOutcome,
    new_job_id,
    retain_for,
)
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from tests.support.pushes import DUPLICATE, STORED, outcomes
from tests.unit.memory.bench import HOLD, SECOND, WORKER, Bench

MINUTE = 60 * SECOND
ONE = Operation("producer", 1)
Queue = MemoryJobQueue[ManualClock]


async def test_a_push_is_answered_again_also_when_its_job_has_run_and_gone() -> None:
    bench = Bench(RetentionPolicy())
    item = NewJob(new_job_id(), b"request")
    assert outcomes(await bench.queue.push([item], operation=ONE)) == [STORED]
    assert outcomes(await bench.queue.push([item], operation=ONE)) == [STORED]
    (claim,) = await bench.claim()
    await bench.settle(Finish(item.job_id, claim.token))
    assert outcomes(await bench.queue.push((item,), operation=ONE)) == [STORED]
    assert await bench.status(item.job_id) is None


async def test_the_same_number_with_another_content_is_refused(bench: Bench) -> None:
    item = NewJob(new_job_id(), b"request")
    await bench.queue.push([item], operation=ONE)
    with pytest.raises(OperationRefused, match="not a repeat"):
        await bench.queue.push([NewJob(item.job_id, b"other")], operation=ONE)
    with pytest.raises(OperationRefused):
        await bench.queue.cancel(item.job_id, operation=ONE)
    assert await bench.status(item.job_id) is JobStatus.PENDING


async def test_a_lower_number_is_refused_and_gaps_are_not(bench: Bench) -> None:
    job_id = await bench.push()
    assert await bench.queue.pause(job_id, operation=Operation("producer", 5))
    assert await bench.queue.resume(job_id, operation=Operation("producer", 9))
    with pytest.raises(OperationRefused):
        await bench.queue.pause(job_id, operation=Operation("producer", 5))
    assert await bench.queue.pause(job_id, operation=Operation("another", 5))


async def test_a_producer_is_forgotten_ten_minutes_after_its_last_use(bench: Bench) -> None:
    job_id = await bench.push()
    assert await bench.queue.pause(job_id, operation=ONE)
    bench.clock.advance(9 * MINUTE)
    assert await bench.queue.pause(job_id, operation=ONE)
    bench.clock.advance(9 * MINUTE)
    assert await bench.queue.pause(job_id, operation=ONE)
    bench.clock.advance(10 * MINUTE)
    assert not await bench.queue.pause(job_id, operation=ONE)
    bench.clock.advance(10 * MINUTE)
    await bench.status(job_id)
    assert not bench.queue.state.producers


async def test_a_step_that_raised_left_no_number_behind(bench: Bench) -> None:
    with pytest.raises(ValueError, match="not a metadata key"):
        await bench.queue.set_metadata("_ours", b"", operation=ONE)
    await bench.queue.set_metadata("theirs", b"1", operation=ONE)
    assert await bench.queue.get_metadata("theirs") == b"1"


Call = Callable[[Queue, JobID, Operation | None], Awaitable[object]]
REMOVE = JobCleanup.remove()


async def push_if(queue: MemoryJobQueue[ManualClock], job_id: JobID, operation: Operation | None) -> StoreOutcome:
    return (await queue.push_if(NewJob(job_id, b""), "tick", None, b"1", operation=operation)).outcome


CALLS: dict[str, tuple[JobStatus, Call, object]] = {
    "cancel": (JobStatus.PENDING, lambda q, i, o: q.cancel(i, operation=o), True),
    "pause": (JobStatus.PENDING, lambda q, i, o: q.pause(i, operation=o), True),
    "resume": (JobStatus.PAUSED, lambda q, i, o: q.resume(i, operation=o), True),
    "rerun": (JobStatus.FAILED, lambda q, i, o: q.rerun(i, operation=o), True),
    "remove": (JobStatus.FAILED, lambda q, i, o: q.remove(i, operation=o), True),
    "cleanup": (JobStatus.FAILED, lambda q, i, o: q.cleanup_step(JobStatus.FAILED, REMOVE, max_jobs=9, operation=o), 1),
    "set_metadata": (JobStatus.PENDING, lambda q, i, o: q.set_metadata("key", b"1", operation=o), None),
    "acquire": (JobStatus.PENDING, lambda q, i, o: q.acquire_lock("lock", b"me", HOLD, operation=o), True),
    "release": (JobStatus.PENDING, lambda q, i, o: q.release_lock("held", b"me", operation=o), True),
    "push_if": (JobStatus.PENDING, push_if, StoreOutcome.DUPLICATE),
}


@pytest.mark.parametrize("name", CALLS)
async def test_every_writing_call_is_answered_from_memory(bench: Bench, name: str) -> None:
    status, call, answer = CALLS[name]
    job_id = await bench.in_state(status)
    await bench.queue.acquire_lock("held", b"me", HOLD)
    assert await call(bench.queue, job_id, ONE) == answer
    jobs, metadata = dict(bench.queue.state.jobs), dict(bench.queue.state.metadata)
    bench.clock.advance(SECOND / 2)
    assert await call(bench.queue, job_id, ONE) == answer
    assert (bench.queue.state.jobs, bench.queue.state.metadata) == (jobs, metadata)


async def test_an_exchange_that_is_repeated_returns_its_outcomes_and_the_claims_still_held(bench: Bench) -> None:
    first, second, third = [await bench.push() for _ in range(3)]
    (claim,) = await bench.claim(1)
    settlement = Finish(first, claim.token)
    exchanged = await bench.queue.exchange(WORKER, 10, [settlement], 2)
    assert [claim.job_id for claim in exchanged.claims] == [second, third]
    assert await bench.queue.exchange(WORKER, 10, [settlement], 2) == exchanged
    await bench.queue.cleanup_step(JobStatus.PROCESSING, JobCleanup.remove(), max_jobs=1)
    repeated = await bench.queue.exchange(WORKER, 10, [settlement], 2)
    assert (repeated.outcomes, repeated.claims) == ([SettleOutcome.SETTLED], exchanged.claims[1:])


async def test_an_exchange_with_a_lower_number_is_refused(bench: Bench) -> None:
    job_id = await bench.push()
    (claim,) = (await bench.queue.open_worker(WORKER, HOLD), await bench.queue.exchange(WORKER, 5, (), 1))[1].claims
    with pytest.raises(OperationRefused):
        await bench.queue.exchange(WORKER, 4, [Finish(job_id, claim.token)])
    assert await bench.status(job_id) is JobStatus.PROCESSING


async def test_an_exchange_that_did_nothing_leaves_its_number_free(bench: Bench) -> None:
    await bench.queue.open_worker(WORKER, HOLD)
    assert (await bench.queue.exchange(WORKER, 5, (), 1)).claims == []
    job_id = await bench.push()
    lost = await bench.queue.exchange(WORKER, 5, [Finish(job_id, b"1.0")])
    assert lost.outcomes == [SettleOutcome.CLAIM_LOST]
    (claim,) = (await bench.queue.exchange(WORKER, 3, (), 1)).claims
    assert claim.job_id == job_id


async def test_tokens_are_never_used_again(bench: Bench) -> None:
    job_id = await bench.push()
    (first,) = await bench.claim()
    bench.clock.advance(HOLD)
    await bench.queue.recover()
    await bench.queue.renew(WORKER, HOLD)
    (second,) = await bench.claim()
    assert second.token != first.token
    assert await bench.settle(Fail(job_id, first.token, b"late")) == [SettleOutcome.CLAIM_LOST]
    assert await bench.settle(Finish(job_id, second.token)) == [SettleOutcome.SETTLED]


@pytest.mark.parametrize("remember", [True, False])
async def test_an_id_that_a_user_gave_is_remembered_once_its_job_is_gone(remember: bool) -> None:
    bench = Bench(RetentionPolicy())
    job_id = await bench.push(remember=remember)
    (claim,) = await bench.claim()
    await bench.settle(Finish(job_id, claim.token))
    bench.clock.advance(timedelta(hours=24) - timedelta(microseconds=1))
    assert outcomes(await bench.queue.push([NewJob(job_id, b"again")])) == [DUPLICATE if remember else STORED]
    bench.clock.advance(timedelta(microseconds=1))
    assert outcomes(await bench.queue.push([NewJob(job_id, b"again")])) == [STORED if remember else DUPLICATE]
    assert not bench.queue.state.remembered


async def test_the_window_of_a_job_with_an_age_begins_when_that_is_reached() -> None:
    bench = Bench(RetentionPolicy(cancelled_jobs=retain_for(MINUTE)))
    job_id = await bench.push(remember=True)
    await bench.queue.cancel(job_id)
    bench.clock.advance(MINUTE + timedelta(hours=24) - timedelta(microseconds=1))
    assert await bench.status(job_id) is None
    assert outcomes(await bench.queue.push([NewJob(job_id, b"again")])) == [DUPLICATE]
    bench.clock.advance(timedelta(microseconds=1))
    assert outcomes(await bench.queue.push([NewJob(job_id, b"again")])) == [STORED]


async def test_push_if_of_a_remembered_id_moves_the_metadata() -> None:
    bench = Bench(RetentionPolicy(cancelled_jobs=DO_NOT_RETAIN))
    job_id = await bench.push(remember=True)
    await bench.queue.cancel(job_id)
    assert (await bench.queue.push_if(NewJob(job_id, b""), "tick", None, b"1")).outcome is StoreOutcome.DUPLICATE
    assert (await bench.queue.get_metadata("tick"), await bench.status(job_id)) == (b"1", None)
