"""What becomes of jobs that have ended, by a real processor on a real server: retention, and cleanup on a schedule."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeAlias

import pytest

from jobsvalkey import (
    DO_NOT_RETAIN,
    RETAIN,
    ActiveLock,
    CleanupOptions,
    CleanupParameters,
    JobCleanup,
    JobContext,
    JobFail,
    JobID,
    JobOptions,
    JobQueue,
    JobService,
    JobStatus,
    NoRetry,
    ProcessorOptions,
    Retention,
    RetentionPolicy,
    Schedule,
    ValkeyConfiguration,
    ValkeyJobQueue,
    retain_for,
    retain_last,
)
from jobsvalkey.contract import OrphanedCleanupParameters
from tests.support.drivers import HOUR, claims_of
from tests.support.processors import run_in_background
from tests.support.retention import KEEP_ALL
from tests.support.waiting import PATIENCE, until
from tests.support.work import Work

FOR = timedelta(milliseconds=400)
ENDS = [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED]
EACH_SECOND = Schedule.crontab("* * * * * *")

Queue: TypeAlias = JobQueue[ValkeyJobQueue]


@asynccontextmanager
async def opened(client: Any, queue_key: str, policy: RetentionPolicy) -> AsyncGenerator[ValkeyJobQueue]:
    async with ValkeyJobQueue(client, ValkeyConfiguration(queue_key=queue_key, retention_policy=policy)) as driver:
        yield driver


def queue_of(driver: ValkeyJobQueue, status: JobStatus) -> Queue:
    """A queue whose jobs fail if that is how they are to end."""
    queue = JobQueue(driver)

    async def work(parameters: Work, context: JobContext) -> None:
        if status is JobStatus.FAILED:
            raise JobFail("as it was asked to")

    queue.register_job(Work, work)
    return queue


async def end(queue: Queue, status: JobStatus) -> JobID:
    """Let one job come to such an end."""
    if status is JobStatus.CANCELLED:
        job_id = await queue.push(Work(), options=JobOptions(delay=HOUR))
        assert await queue.cancel(job_id)
    else:
        job_id = await queue.push(Work())
        await queue.processor(ProcessorOptions(burst=True)).run()
    return job_id


def keeping(status: JobStatus, retention: Retention) -> RetentionPolicy:
    """This for one state, and the opposite for the others."""
    others = DO_NOT_RETAIN if retention.keeps else RETAIN
    return RetentionPolicy(**{f"{each}_jobs": retention if each is status else others for each in ENDS})


@pytest.mark.parametrize("status", ENDS)
async def test_each_policy_for_each_end(status: JobStatus, valkey_client: Any, queue_key: str) -> None:
    async def kept(retention: Retention) -> tuple[list[JobID], list[JobID]]:
        key = f"{queue_key}-{retention.max_age}-{retention.max_count}"
        async with opened(valkey_client, key, keeping(status, retention)) as driver:
            queue = queue_of(driver, status)
            ended = [await end(queue, status) for _ in range(4)]
            found = sorted([record.id async for record in queue.jobs(status)])
            assert [job_id for job_id in ended if await queue.status(job_id) is status] == found
            assert (await queue.counts())[status] == len(found)
            assert await driver.validate() == []
            # What is gone is gone from the server as well.
            payloads = {key async for key in valkey_client.scan_iter(match=f"{key}/*")}
            assert {JobID.parse(each.split(b"/")[1].split(b".")[0]) for each in payloads} == set(found)
            return ended, found

    ended, found = await kept(RETAIN)
    assert found == ended
    ended, found = await kept(retain_last(2))
    assert found == ended[2:]
    ended, found = await kept(retain_for(HOUR))
    assert found == ended
    _, found = await kept(DO_NOT_RETAIN)
    assert found == []


async def is_gone(queue: Queue | JobService[ValkeyJobQueue], job_id: JobID) -> bool:
    return await queue.status(job_id) is None


@pytest.mark.parametrize("status", ENDS)
async def test_jobs_leave_when_they_are_old_enough(status: JobStatus, valkey_client: Any, queue_key: str) -> None:
    async with opened(valkey_client, queue_key, keeping(status, retain_for(FOR))) as driver:
        queue = queue_of(driver, status)
        clock = asyncio.get_running_loop().time
        while True:
            before = clock()
            first = await end(queue, status)
            if await queue.status(first) is status:
                break
            assert clock() - before >= FOR.total_seconds(), "it left too early"
        await until(lambda: is_gone(queue, first))
        assert (await queue.counts())[status] == 0
        # Its bytes go when the next job of the kind ends.
        await end(queue, status)
        assert await valkey_client.exists(f"{queue_key}/{first}", f"{queue_key}/{first}.metadata") == 0


async def test_a_service_cleans_up_on_its_schedule(valkey_client: Any, queue_key: str) -> None:
    async with opened(valkey_client, queue_key, KEEP_ALL) as driver:
        cleanup = CleanupParameters(
            completed_jobs=JobCleanup.remove(), failed_jobs=JobCleanup.RERUN, cancelled_jobs=JobCleanup.remove()
        )
        service = JobService(driver, cleanup=CleanupOptions(parameters=cleanup, schedule=EACH_SECOND))
        ran = list[int]()

        @service.job(Work, retry_strategy=NoRetry())
        async def work(parameters: Work, context: JobContext) -> None:
            ran.append(parameters.number)
            if parameters.number == 1 and ran.count(1) == 1:
                raise RuntimeError("works when it is rerun")

        completed, failed = await service.push_many([Work(0), Work(1)])
        cancelled = await service.push(Work(2), options=JobOptions(delay=HOUR))
        assert await service.cancel(cancelled)

        async def all_are_gone() -> bool:
            return [await service.status(each) for each in (completed, failed, cancelled)] == [None] * 3

        async with service:
            await until(all_are_gone)
        assert ran == [0, 1, 1]


async def test_the_drivers_cleanup_jobs_run_on_a_schedule(valkey_client: Any, queue_key: str) -> None:
    async with opened(valkey_client, queue_key, KEEP_ALL) as driver:
        # Its own recovery comes too early for the orphan, and then too late.
        lock = ActiveLock(every=HOUR, hold_for=2 * HOUR)
        service = JobService(driver, processor=ProcessorOptions(worker_active_lock=lock))
        service.add_scheduled_job(driver.orphan_cleanup_job, OrphanedCleanupParameters(), EACH_SECOND)
        remove = CleanupParameters(completed_jobs=JobCleanup.remove())
        service.add_scheduled_job(driver.cleanup_job, remove, EACH_SECOND)
        ran = list[int]()

        @service.job(Work)
        async def work(parameters: Work, context: JobContext) -> None:
            ran.append(parameters.number)

        orphan = await service.push(Work(7))
        assert len(await claims_of(driver, 1, "dead soon")) == 1

        await driver.renew("dead soon", timedelta(milliseconds=500))
        async with service:
            await until(lambda: is_gone(service, orphan))
        assert ran == [7]


async def test_a_cleanup_is_safe_while_workers_run(valkey_client: Any, queue_key: str) -> None:
    jobs = 400
    async with opened(valkey_client, queue_key, KEEP_ALL) as driver:
        queue = JobQueue(driver)
        ran = list[int]()
        succeeded = set[int]()

        @queue.job(Work, retry_strategy=NoRetry())
        async def work(parameters: Work, context: JobContext) -> None:
            ran.append(parameters.number)
            await asyncio.sleep(0)
            if parameters.number % 4 == 0 and ran.count(parameters.number) == 1:
                raise RuntimeError("works when it is rerun")
            succeeded.add(parameters.number)

        async def clean() -> int:
            """Clean up all that may be, again and again; how many jobs it was that had ended."""
            cleaned = 0
            while len(succeeded) < jobs:
                done = await driver.cleanup(
                    completed_jobs=JobCleanup.remove(),
                    failed_jobs=JobCleanup.RERUN,
                    cancelled_jobs=JobCleanup.remove(),
                    processing_jobs=JobCleanup.RERUN,
                    only_orphans=True,
                )
                assert done[JobStatus.PROCESSING] == 0
                cleaned += done[JobStatus.COMPLETED]
            return cleaned

        async with run_in_background(queue.processor(ProcessorOptions(num_workers=8))), asyncio.timeout(PATIENCE):
            cleaning = asyncio.gather(clean(), clean())
            for first in range(0, jobs, 20):
                await queue.push_many([Work(number) for number in range(first, first + 20)])
            cleaned = sum(await cleaning)
        assert sorted(ran) == sorted([*range(jobs), *range(0, jobs, 4)])
        left = await queue.counts()
        assert cleaned + left[JobStatus.COMPLETED] == jobs
        assert sum(left.values()) == left[JobStatus.COMPLETED]
        assert await driver.validate() == []
