"""Retention and age, and the cleanup of every state."""

from datetime import timedelta

import pytest

from jobsvalkey.contract import (
    DO_NOT_RETAIN,
    DriverConfiguration,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    NewJob,
    RetentionPolicy,
    SettleOutcome,
    retain_for,
    retain_last,
)
from jobsvalkey_memory import MemoryJobQueue
from tests.support.pushes import DUPLICATE, STORED, outcomes
from tests.unit.memory.bench import HOLD, SECOND, WORKER, Bench

TICK = timedelta(microseconds=1)
LAST_TWO = RetentionPolicy(completed_jobs=retain_last(2))


async def test_retain_for_is_evaluated_at_each_read() -> None:
    bench = Bench(RetentionPolicy(completed_jobs=retain_for(5 * SECOND)))
    job_id = await bench.finished()
    bench.clock.advance(5 * SECOND - TICK)
    assert await bench.listed(JobStatus.COMPLETED) == [job_id]
    bench.clock.advance(TICK)
    assert await bench.listed(JobStatus.COMPLETED) == []
    assert await bench.queue.get(job_id) is None
    assert (await bench.queue.counts())[JobStatus.COMPLETED] == 0
    assert not await bench.queue.rerun(job_id)
    assert not await bench.queue.remove(job_id)
    assert await bench.queue.cleanup_step(JobStatus.COMPLETED, JobCleanup.remove(), max_jobs=9) == 0
    assert outcomes(await bench.queue.push([NewJob(job_id, b"again")])) == [STORED]


async def test_retain_last_keeps_the_newest_by_end_then_id() -> None:
    bench = Bench(LAST_TWO)
    jobs = [await bench.push() for _ in range(3)]
    claims = await bench.claim()
    await bench.settle(*(Finish(claim.job_id, claim.token) for claim in reversed(claims)))
    assert await bench.listed(JobStatus.COMPLETED) == [jobs[2], jobs[1]]
    bench.clock.advance(SECOND)
    last = await bench.finished()
    assert await bench.listed(JobStatus.COMPLETED) == [last, jobs[2]]


async def test_what_is_beyond_retention_is_trimmed_as_jobs_end() -> None:
    bench = Bench(RetentionPolicy(completed_jobs=retain_last(2), cancelled_jobs=retain_for(SECOND)))
    for _ in range(5):
        await bench.finished()
        await bench.queue.cancel(await bench.push())
        bench.clock.advance(SECOND)
    assert len(bench.queue.state.jobs) == 3


async def test_a_stricter_reader_sees_less_and_takes_nothing_away() -> None:
    bench = Bench()
    jobs = [await bench.finished() for _ in range(3)]
    strict = MemoryJobQueue(DriverConfiguration(retention_policy=LAST_TWO), bench.clock, bench.queue.store)
    assert await strict.status(jobs[0]) is None
    assert (await strict.counts())[JobStatus.COMPLETED] == 2
    assert [job.job_id async for job in strict.jobs(JobStatus.COMPLETED)] == [jobs[2], jobs[1]]
    assert (await bench.queue.counts())[JobStatus.COMPLETED] == 3


async def test_kept_failures_do_not_count_among_the_last() -> None:
    bench = Bench(RetentionPolicy(failed_jobs=retain_last(1)))
    plain = await bench.failed()
    bench.clock.advance(SECOND)
    kept = [await bench.failed(keep=True) for _ in range(2)]
    assert await bench.listed(JobStatus.FAILED) == [*reversed(kept), plain]
    assert await bench.queue.cleanup_step(JobStatus.FAILED, JobCleanup.RERUN, max_jobs=9) == 3
    assert await bench.listed(JobStatus.PENDING) == [plain, *kept]
    assert (await bench.queue.counts())[JobStatus.FAILED] == 0


@pytest.mark.parametrize("status", list(JobStatus))
async def test_cleanup_removes_by_age(bench: Bench, status: JobStatus) -> None:
    old = await bench.in_state(status)
    bench.clock.advance(5 * SECOND)
    young = await bench.in_state(status)
    for age, expected in ((5 * SECOND + TICK, [old, young]), (5 * SECOND, [young])):
        removed = await bench.queue.cleanup_step(status, JobCleanup.remove(max_age=age), max_jobs=9)
        assert removed == 2 - len(expected)
        assert sorted(await bench.listed(status)) == expected


async def test_the_age_of_a_running_job_counts_from_its_claim(bench: Bench) -> None:
    await bench.push()
    bench.clock.advance(5 * SECOND)
    await bench.claim()
    bench.clock.advance(SECOND)
    for age, removed in ((2 * SECOND, 0), (SECOND, 1)):
        cleanup = JobCleanup.remove(max_age=age)
        assert await bench.queue.cleanup_step(JobStatus.PROCESSING, cleanup, max_jobs=9) == removed


async def test_cleanup_takes_the_oldest_first_and_no_more_than_it_is_told(bench: Bench) -> None:
    jobs: list[JobID] = []
    for _ in range(5):
        jobs.append(await bench.finished())
        bench.clock.advance(SECOND)
    assert await bench.queue.cleanup_step(JobStatus.COMPLETED, JobCleanup.remove(), max_jobs=2) == 2
    assert await bench.listed(JobStatus.COMPLETED) == [jobs[4], jobs[3], jobs[2]]
    assert await bench.queue.cleanup_step(JobStatus.COMPLETED, JobCleanup.DO_NOTHING, max_jobs=2) == 0


async def test_cleanup_does_not_rerun_what_has_not_run(bench: Bench) -> None:
    for status in (JobStatus.PENDING, JobStatus.PAUSED):
        with pytest.raises(ValueError, match="rerun"):
            await bench.queue.cleanup_step(status, JobCleanup.RERUN, max_jobs=1)


@pytest.mark.parametrize("cleanup", [JobCleanup.RERUN, JobCleanup.remove()], ids=["rerun", "remove"])
async def test_cleanup_of_running_jobs_revokes_their_claims(bench: Bench, cleanup: JobCleanup) -> None:
    job_id = await bench.push()
    (claim,) = await bench.claim()
    assert await bench.queue.cleanup_step(JobStatus.PROCESSING, cleanup, max_jobs=9) == 1
    assert (await bench.queue.renew(WORKER, HOLD)).tokens == frozenset()
    assert await bench.settle(Finish(job_id, claim.token)) == [SettleOutcome.CLAIM_LOST]
    assert await bench.status(job_id) is (JobStatus.PENDING if cleanup.action == "rerun" else None)


async def test_cleanup_of_orphans_leaves_live_workers_alone(bench: Bench) -> None:
    dead, live = await bench.push(), await bench.push()
    await bench.claim(1)
    await bench.claim(1, worker="worker-2")
    bench.clock.advance(HOLD)
    await bench.queue.renew("worker-2", HOLD)
    cleaned = await bench.queue.cleanup(processing_jobs=JobCleanup.RERUN, only_orphans=True)
    assert cleaned[JobStatus.PROCESSING] == 1
    assert (await bench.status(dead), await bench.status(live)) == (JobStatus.PENDING, JobStatus.PROCESSING)


async def test_cleanup_remembers_the_ids_that_users_gave(bench: Bench) -> None:
    job_id = await bench.push(remember=True)
    await bench.queue.cleanup(pending_jobs=JobCleanup.remove())
    assert outcomes(await bench.queue.push([NewJob(job_id, b"again")])) == [DUPLICATE]


async def test_cleanup_goes_over_all_states(bench: Bench) -> None:
    jobs = {status: await bench.in_state(status) for status in reversed(JobStatus)}
    remove = JobCleanup.remove()
    cleaned = await bench.queue.cleanup(
        pending_jobs=remove,
        processing_jobs=remove,
        completed_jobs=JobCleanup.RERUN,
        failed_jobs=JobCleanup.remove(max_age=SECOND),
        cancelled_jobs=remove,
        paused_jobs=JobCleanup.DO_NOTHING,
    )
    left = {status: await bench.status(job_id) for status, job_id in jobs.items()}
    assert left == {
        JobStatus.PENDING: None,
        JobStatus.PROCESSING: None,
        JobStatus.COMPLETED: JobStatus.PENDING,
        JobStatus.FAILED: JobStatus.FAILED,
        JobStatus.CANCELLED: None,
        JobStatus.PAUSED: JobStatus.PAUSED,
        JobStatus.WAITING: JobStatus.WAITING,
    }
    untouched = [JobStatus.PAUSED, JobStatus.WAITING, JobStatus.FAILED]
    assert [status for status, count in cleaned.items() if count == 0] == untouched


async def test_the_service_jobs_clean_and_recover(bench: Bench) -> None:
    orphan = await bench.push()
    await bench.claim()
    bench.clock.advance(HOLD)
    await bench.push()
    (claim,) = await bench.claim(worker="worker-2")
    clean, recover = bench.queue.service_jobs
    assert (clean.job.name, recover.job.name) == (
        "_Jobs_MemoryCleanup_jobQueue",
        "_Jobs_MemoryOrphanedCleanup_jobQueue",
    )
    await recover.handler(recover.job.parameters(), claim)
    assert await bench.listed(JobStatus.PENDING) == [orphan]
    await clean.handler(clean.job.parameters(pending_jobs=JobCleanup.remove()), claim)
    assert await bench.listed(JobStatus.PENDING) == []
    assert await bench.listed(JobStatus.PROCESSING) == [claim.job_id]


async def test_nothing_is_retained_of_what_ends_at_once() -> None:
    policy = RetentionPolicy(completed_jobs=DO_NOT_RETAIN, failed_jobs=DO_NOT_RETAIN)
    bench = Bench(policy)
    await bench.finished()
    await bench.failed()
    assert sum((await bench.queue.counts()).values()) == 0
