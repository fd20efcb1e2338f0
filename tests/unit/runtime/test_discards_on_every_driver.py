"""Jobs that a worker cannot run, or should not, over every driver."""

from datetime import timedelta

import pytest
from jobsvalkey_conformance import Damage

from jobsvalkey import DO_NOT_RETAIN, JobContext, JobStatus, RetentionPolicy, new_job_id
from jobsvalkey.contract import NewJob
from tests.support.drivers import claim_all, record_of
from tests.support.every_driver import COMPLETE_DRIVERS, LOCK, Queue, Store, assert_ended, burst, due_in, look_at
from tests.support.work import Work, counting


@pytest.fixture
async def queue(store: Store) -> Queue:
    """Retains nothing: what is there after its end was kept."""
    return await store.queue(retention_policy=RetentionPolicy(failed_jobs=DO_NOT_RETAIN))


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (b"\xff\x00", "InvalidParameters"),
        (b'{"Work":{"q":0,"a":1}}', "InvalidParameters"),
        (b'{"Work":{"p":{"number":"x"},"q":0,"a":3}}', "Expected `int`, got `str`"),
        (b'{"Unknown":{"p":{},"q":0,"a":1}}', "UnknownJob: "),
    ],
    ids=["garbled", "without parameters", "other parameters", "not registered"],
)
async def test_what_cannot_run_fails_and_is_kept_and_the_worker_goes_on(
    queue: Queue, request_: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    ran = counting(queue)
    bad = NewJob(new_job_id(), request_)
    await queue.driver.push([bad])
    await queue.push(Work(1))
    await burst(queue, num_workers=1)
    assert ran == [1]
    await assert_ended(queue, bad.job_id, JobStatus.FAILED, reason)
    assert f"job {bad.job_id} is discarded: " in caplog.text


@pytest.mark.parametrize("store", COMPLETE_DRIVERS, indirect=True)
async def test_a_lost_request_leaves_a_tombstone(store: Store, queue: Queue) -> None:
    ran = counting(queue)
    lost = await queue.push(Work(1))
    await queue.push(Work(2))
    await store.harness.damage(store.configuration, lost, Damage.LOST_REQUEST)
    await burst(queue, num_workers=1)
    assert ran == [2]
    await assert_ended(queue, lost, JobStatus.FAILED, "the store has lost the job's request")
    assert (await record_of(queue, lost)).parameters is None
    assert not await queue.rerun(lost)


async def test_an_unregistered_job_goes_back_unchanged_and_later_each_time(store: Store) -> None:
    queue, older = await store.queue(), await store.queue()
    attempts: list[int] = []

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        attempts.append(context.attempt)
        if context.attempt == 1:
            raise ValueError("once")

    job_id = await queue.push(Work(7))
    await burst(queue)
    store.clock.advance(timedelta(seconds=2))
    before = await look_at(queue)
    for delay in (2.0, 4.0, 8.0, 16.0, 32.0, 60.0):
        await burst(older, unknown_job="retry")
        assert await due_in(queue) == delay
        store.clock.advance(timedelta(seconds=delay))
        after = await look_at(queue)
        assert (after.request, after.error, after.stored_at) == (before.request, before.error, before.stored_at)
    await burst(queue)
    assert attempts == [1, 2]
    await assert_ended(queue, job_id, JobStatus.COMPLETED)


@pytest.mark.parametrize("max_recoveries", [2, 3])
async def test_a_job_that_kills_its_workers_is_abandoned_without_being_run(
    store: Store, queue: Queue, max_recoveries: int
) -> None:
    ran = counting(queue)
    killer = await queue.push(Work(1))
    for death in range(3):
        assert len((await claim_all(queue.driver, f"worker {death}")).claims) == 1
        store.clock.advance(LOCK)
        assert await queue.driver.recover() == 1
    await queue.push(Work(2))
    await burst(queue, max_recoveries=max_recoveries)
    if max_recoveries == 2:
        assert ran == [2]
        await assert_ended(queue, killer, JobStatus.FAILED, "JobAbandoned: 3 workers died")
    else:
        assert ran == [1, 2]
