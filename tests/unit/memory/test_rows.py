"""One test for each row of the contract's table, and one for what it says under *otherwise*."""

from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    DO_NOT_RETAIN,
    Claim,
    Fail,
    Finish,
    JobStatus,
    NewJob,
    PayloadTooLarge,
    PushTooLarge,
    Release,
    RetentionPolicy,
    Retry,
    SettleOutcome,
    StoredJob,
    StoredRun,
    StoreOutcome,
    WorkerClosed,
    new_job_id,
)
from tests.support.pushes import DUPLICATE, STORED, outcomes
from tests.unit.memory.bench import HOLD, SECOND, WORKER, Bench


async def test_push_stores_a_pending_job(bench: Bench) -> None:
    job_id = await bench.push(5 * SECOND)
    assert await bench.queue.get(job_id) == StoredJob(
        job_id=job_id,
        status=JobStatus.PENDING,
        request=b"request",
        stored_at=bench.now,
        due=bench.now + 5 * SECOND,
    )


async def test_push_reports_a_duplicate_and_leaves_it_alone(bench: Bench) -> None:
    job_id, other = await bench.push(), new_job_id()
    answer = await bench.queue.push([NewJob(job_id, b"changed"), NewJob(other, b"new"), NewJob(other, b"newer")])
    assert outcomes(answer) == [DUPLICATE, STORED, DUPLICATE]
    job, new = await bench.queue.get(job_id), await bench.queue.get(other)
    assert job is not None
    assert new is not None
    assert (job.request, new.request) == (b"request", b"new")


@pytest.mark.parametrize("status", list(JobStatus))
async def test_push_of_an_id_in_any_state_is_a_duplicate(bench: Bench, status: JobStatus) -> None:
    job_id = await bench.in_state(status)
    assert outcomes(await bench.queue.push([NewJob(job_id, b"again")])) == [DUPLICATE]
    assert await bench.status(job_id) is status


async def test_push_stores_all_or_none(bench: Bench) -> None:
    good = NewJob(new_job_id(), b"good")
    limits = bench.queue.configuration
    with pytest.raises(PayloadTooLarge):
        await bench.queue.push([good, NewJob(new_job_id(), b"x" * (limits.max_payload + 1))])
    with pytest.raises(PushTooLarge):
        await bench.queue.push([good, *(NewJob(new_job_id(), b"") for _ in range(limits.max_atomic_push))])
    with pytest.raises(ValueError, match="naive"):
        await bench.queue.push([good, NewJob(new_job_id(), b"", bench.now.replace(tzinfo=None))])
    assert await bench.listed(JobStatus.PENDING) == []


async def test_claim_takes_what_is_due_and_no_more_than_the_limit(bench: Bench) -> None:
    first, second, third = [await bench.push() for _ in range(3)]
    await bench.push(SECOND)
    stored_at = bench.now
    exchanged = await bench.exchange(limit=2)
    assert exchanged.claims == [
        Claim(first, b"1.0", b"request", stored_at, stored_at),
        Claim(second, b"1.1", b"request", stored_at, stored_at),
    ]
    assert exchanged.until_next == 0
    job = await bench.queue.get(first)
    assert job is not None
    assert (job.status, job.worker, job.claimed_at, job.due) == (JobStatus.PROCESSING, WORKER, bench.now, stored_at)
    assert [claim.job_id for claim in await bench.claim()] == [third]


async def test_claim_never_takes_a_job_that_is_not_due_and_tells_when_it_is(bench: Bench) -> None:
    job_id = await bench.push(5 * SECOND)
    exchanged = await bench.exchange(limit=1)
    assert (exchanged.claims, exchanged.until_next) == ([], 5.0)
    bench.clock.advance(5 * SECOND - timedelta(microseconds=1))
    assert await bench.claim() == []
    bench.clock.advance(timedelta(microseconds=1))
    exchanged = await bench.exchange(limit=1)
    assert [claim.job_id for claim in exchanged.claims] == [job_id]
    assert exchanged.until_next is None


async def test_finish_completes_the_job(bench: Bench) -> None:
    job_id = await bench.finished()
    job = await bench.queue.get(job_id)
    assert job == StoredJob(
        job_id=job_id, status=JobStatus.COMPLETED, request=b"request", stored_at=bench.now, ended_at=bench.now
    )


async def test_finish_leaves_nothing_that_is_not_retained() -> None:
    bench = Bench(RetentionPolicy(failed_jobs=DO_NOT_RETAIN))
    assert await bench.status(await bench.finished()) is None
    assert await bench.status(await bench.failed()) is None
    assert not bench.queue.state.jobs


async def test_fail_keeps_the_error(bench: Bench) -> None:
    job = await bench.queue.get(await bench.failed())
    assert job is not None
    assert (job.status, job.error, job.ended_at) == (JobStatus.FAILED, b"error", bench.now)


async def test_fail_keeps_the_job_whatever_the_policy_where_it_is_told_to() -> None:
    bench = Bench(RetentionPolicy(failed_jobs=DO_NOT_RETAIN))
    kept = await bench.failed(keep=True)
    await bench.failed()
    bench.clock.advance(timedelta(days=1000))
    assert await bench.listed(JobStatus.FAILED) == [kept]
    assert (await bench.queue.counts())[JobStatus.FAILED] == 1


async def test_retry_puts_the_job_back_with_its_new_request(bench: Bench) -> None:
    job_id = await bench.push()
    (claim,) = await bench.claim()
    settled = await bench.settle(Retry(job_id, claim.token, b"attempt 2", 3 * SECOND, b"error"))
    assert settled == [SettleOutcome.SETTLED]
    job = await bench.queue.get(job_id)
    assert job == StoredJob(
        job_id=job_id,
        status=JobStatus.PENDING,
        request=b"attempt 2",
        stored_at=bench.now,
        due=bench.now + 3 * SECOND,
        error=b"error",
        runs=(StoredRun(bench.now, WORKER, b"error"),),
    )


async def test_retry_keeps_request_and_error_unless_told_and_clears_the_rest(bench: Bench) -> None:
    job_id = await bench.failed()
    await bench.queue.rerun(job_id)
    (claim,) = await bench.claim()
    await bench.settle(Retry(job_id, claim.token, error=b"one"))
    (claim,) = await bench.claim()
    bench.clock.advance(HOLD)
    await bench.queue.recover()
    (claim,) = await bench.claim(worker="worker-2")
    assert (claim.recoveries, claim.error) == (1, b"one")
    await bench.settle(Retry(job_id, claim.token), worker="worker-2")
    job = await bench.queue.get(job_id)
    assert job is not None
    assert (job.request, job.error, job.recoveries, job.reset_attempt) == (b"request", b"one", 0, False)


async def test_retry_takes_a_request_of_any_size(bench: Bench) -> None:
    job_id = await bench.push()
    (claim,) = await bench.claim()
    grown = b"x" * (bench.queue.configuration.max_payload + 1)
    assert await bench.settle(Retry(job_id, claim.token, grown)) == [SettleOutcome.SETTLED]
    (claim,) = await bench.claim()
    assert claim.request == grown


async def test_release_changes_nothing_but_the_state(bench: Bench) -> None:
    job_id = await bench.push()
    before = await bench.queue.get(job_id)
    bench.clock.advance(SECOND)
    (claim,) = await bench.claim()
    assert await bench.settle(Release(job_id, claim.token)) == [SettleOutcome.SETTLED]
    assert await bench.queue.get(job_id) == before


@pytest.mark.parametrize("kind", [Finish, Retry, Release])
async def test_a_claim_that_is_not_held_is_lost(bench: Bench, kind: type[Finish | Retry | Release]) -> None:
    job_id, other = await bench.push(), await bench.push()
    claim, _ = await bench.claim()
    before = [await bench.queue.get(job_id), await bench.queue.get(other)]
    await bench.queue.open_worker("worker-2", HOLD)
    lost = [SettleOutcome.CLAIM_LOST]
    assert await bench.settle(kind(job_id, b"9.9")) == lost
    assert await bench.settle(kind(other, claim.token)) == lost
    assert await bench.settle(kind(job_id, claim.token), worker="worker-2") == lost
    assert [await bench.queue.get(job_id), await bench.queue.get(other)] == before


async def test_a_claim_is_settled_once(bench: Bench) -> None:
    job_id = await bench.push()
    (claim,) = await bench.claim()
    settled = await bench.settle(Release(job_id, claim.token), Fail(job_id, claim.token, b"late"))
    assert settled == [SettleOutcome.SETTLED, SettleOutcome.CLAIM_LOST]
    assert await bench.status(job_id) is JobStatus.PENDING


@pytest.mark.parametrize("status", list(JobStatus))
async def test_cancel_is_for_jobs_that_have_not_run(bench: Bench, status: JobStatus) -> None:
    job_id = await bench.in_state(status)
    before = await bench.queue.get(job_id)
    if status in (JobStatus.PENDING, JobStatus.PAUSED, JobStatus.WAITING):
        assert await bench.queue.cancel(job_id)
        job = await bench.queue.get(job_id)
        assert job is not None
        assert (job.status, job.ended_at, job.due) == (JobStatus.CANCELLED, bench.now, None)
    else:
        assert not await bench.queue.cancel(job_id)
        assert await bench.queue.get(job_id) == before


async def test_cancel_leaves_nothing_that_is_not_retained() -> None:
    bench = Bench(RetentionPolicy())
    job_id = await bench.push()
    assert await bench.queue.cancel(job_id)
    assert await bench.status(job_id) is None


@pytest.mark.parametrize("status", list(JobStatus))
async def test_pause_is_for_pending_jobs(bench: Bench, status: JobStatus) -> None:
    job_id = await bench.in_state(status)
    assert await bench.queue.pause(job_id) == (status is JobStatus.PENDING)
    assert await bench.status(job_id) is (JobStatus.PAUSED if status is JobStatus.PENDING else status)
    assert status is not JobStatus.PENDING or await bench.claim() == []


@pytest.mark.parametrize("status", list(JobStatus))
async def test_resume_is_for_paused_and_waiting_jobs(bench: Bench, status: JobStatus) -> None:
    job_id = await bench.in_state(status)
    is_resumed = status in (JobStatus.PAUSED, JobStatus.WAITING)
    assert await bench.queue.resume(job_id) == is_resumed
    assert await bench.status(job_id) is (JobStatus.PENDING if is_resumed else status)


async def test_resume_keeps_the_due_time(bench: Bench) -> None:
    job_id = await bench.push(60 * SECOND)
    before = await bench.queue.get(job_id)
    await bench.queue.pause(job_id)
    bench.clock.advance(SECOND)
    await bench.queue.resume(job_id)
    assert await bench.queue.get(job_id) == before
    assert await bench.claim() == []


@pytest.mark.parametrize("status", list(JobStatus))
async def test_rerun_is_for_finished_jobs(bench: Bench, status: JobStatus) -> None:
    job_id = await bench.in_state(status)
    stored_at = bench.now
    bench.clock.advance(SECOND)
    is_finished = status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
    assert await bench.queue.rerun(job_id) == is_finished
    if is_finished:
        assert await bench.queue.get(job_id) == StoredJob(
            job_id=job_id,
            status=JobStatus.PENDING,
            request=b"request",
            stored_at=stored_at,
            due=bench.now,
            reset_attempt=True,
            runs=(StoredRun(stored_at, WORKER, b"error"),) if status is JobStatus.FAILED else (),
        )
    else:
        assert await bench.status(job_id) is status


@pytest.mark.parametrize("status", list(JobStatus))
async def test_remove_is_for_all_but_running_jobs(bench: Bench, status: JobStatus) -> None:
    job_id = await bench.in_state(status)
    is_idle = status is not JobStatus.PROCESSING
    assert await bench.queue.remove(job_id) == is_idle
    assert await bench.status(job_id) is (None if is_idle else status)
    assert not await bench.queue.remove(new_job_id())


async def test_push_if_moves_the_metadata_and_stores_the_job_in_one_step(bench: Bench) -> None:
    first, second = NewJob(new_job_id(), b"1"), NewJob(new_job_id(), b"2")
    queue = bench.queue
    assert (await queue.push_if(first, "tick", None, b"1")).outcome is StoreOutcome.STORED
    assert (await queue.push_if(second, "tick", None, b"2")).outcome is StoreOutcome.UNEXPECTED
    assert (await queue.push_if(second, "tick", b"0", b"2")).outcome is StoreOutcome.UNEXPECTED
    assert (await queue.get_metadata("tick"), await bench.listed(JobStatus.PENDING)) == (b"1", [first.job_id])
    assert (await queue.push_if(first, "tick", b"1", b"2")).outcome is StoreOutcome.DUPLICATE
    assert await queue.get_metadata("tick") == b"2"


async def test_workers_are_opened_renewed_and_closed(bench: Bench) -> None:
    queue, job_id = bench.queue, await bench.push()
    before = await queue.get(job_id)
    with pytest.raises(WorkerClosed):
        await queue.exchange(WORKER, 1, (), 1)
    await queue.open_worker(WORKER, HOLD)
    await queue.exchange(WORKER, 1, (), 1)
    await queue.open_worker(WORKER, HOLD)
    assert (await queue.renew(WORKER, HOLD)).tokens == {b"1.0"}
    await queue.close_worker(WORKER)
    await queue.close_worker(WORKER)
    assert await queue.get(job_id) == before
    with pytest.raises(WorkerClosed):
        await queue.renew(WORKER, HOLD)
    with pytest.raises(WorkerClosed):
        await queue.exchange(WORKER, 2, (), 1)


async def test_recover_returns_the_jobs_of_dead_workers(bench: Bench) -> None:
    job_id = await bench.push(-timedelta(0))
    before = await bench.queue.get(job_id)
    assert before is not None
    await bench.claim()
    bench.clock.advance(HOLD - timedelta(microseconds=1))
    assert await bench.queue.recover() == 0
    bench.clock.advance(timedelta(microseconds=1))
    assert await bench.queue.recover() == 1
    after = await bench.queue.get(job_id)
    assert after is not None
    assert (after.status, after.due, after.recoveries) == (JobStatus.PENDING, before.due, 1)


async def test_recover_takes_no_more_than_it_is_told(bench: Bench) -> None:
    for _ in range(5):
        await bench.push()
    await bench.claim(3)
    await bench.claim(2, worker="worker-2")
    bench.clock.advance(HOLD)
    assert [await bench.queue.recover(2) for _ in range(4)] == [2, 2, 1, 0]
    assert len(await bench.listed(JobStatus.PENDING)) == 5
