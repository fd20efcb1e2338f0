# pyright: reportUnnecessaryTypeIgnoreComment=true
"""What pyright must accept, and refuse: where a line that is ignored is no error, it says so. This is not run."""

from collections.abc import Iterator
from typing import assert_type

from jobsvalkey import (
    BlockingJobQueue,
    JobDone,
    JobID,
    JobName,
    JobOptions,
    JobQueue,
    JobRecord,
    JobStatus,
    Push,
    ValkeyJobQueue,
)
from jobsvalkey.contract import QueueDriver
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from tests.support.work import Work

TEXT = JobName("text", str)


def a_push_takes_what_fits(jobs: BlockingJobQueue[QueueDriver]) -> None:
    assert_type(jobs.push(TEXT, "text"), JobID)
    assert_type(jobs.push(TEXT.with_parameters("text")), JobID)
    assert_type(jobs.push(Work(), options=JobOptions()), JobID)
    jobs.push(TEXT, 5)  # pyright: ignore[reportArgumentType]
    jobs.push(5)  # pyright: ignore[reportCallIssue, reportArgumentType]
    jobs.push(Work(), options=5)  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert_type(jobs.push_many([Work(), Push(Work(), JobOptions())]), list[JobID])
    jobs.push_many([5])  # pyright: ignore[reportArgumentType]


def all_that_looks(jobs: BlockingJobQueue[ValkeyJobQueue]) -> None:
    assert_type(jobs.cancel("id"), bool)
    jobs.cancel(5)  # pyright: ignore[reportArgumentType]
    assert_type(jobs.get("id"), JobRecord | None)
    assert_type(jobs.counts(), dict[JobStatus, int])
    assert_type(jobs.result("id", type=int), int)
    assert_type(jobs.results(["id"]), Iterator[JobDone])
    assert_type(jobs.jobs(JobStatus.FAILED, limit=1), Iterator[JobRecord])
    jobs.jobs("failed")  # pyright: ignore[reportArgumentType]


async def queue() -> JobQueue[ValkeyJobQueue]:
    raise NotImplementedError


async def driver() -> ValkeyJobQueue:
    raise NotImplementedError


def whoever_makes_it_says_its_driver(twin: MemoryJobQueue[ManualClock]) -> None:
    assert_type(BlockingJobQueue(queue), BlockingJobQueue[ValkeyJobQueue])
    assert_type(BlockingJobQueue(driver), BlockingJobQueue[ValkeyJobQueue])
    assert_type(BlockingJobQueue(lambda: twin), BlockingJobQueue[MemoryJobQueue[ManualClock]])
    assert_type(BlockingJobQueue(lambda: JobQueue(twin)), BlockingJobQueue[MemoryJobQueue[ManualClock]])
    assert_type(BlockingJobQueue.from_url("valkey://"), BlockingJobQueue[ValkeyJobQueue])
    BlockingJobQueue(5)  # pyright: ignore[reportArgumentType]
    BlockingJobQueue(lambda: 5)  # pyright: ignore[reportArgumentType]
