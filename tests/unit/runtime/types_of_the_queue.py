# pyright: reportUnnecessaryTypeIgnoreComment=true
"""What the type checker must accept, and refuse: where a line that is ignored is no error, pyright says so.

This is not run.
"""

from collections.abc import Callable, Coroutine
from typing import Any, assert_type

from jobsvalkey import JobContext, JobName, JobOptions, JobQueue, JobStatus, Push, ValkeyJobQueue
from jobsvalkey.contract import QueueDriver
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from tests.support.work import Work

TEXT = JobName("text", str)


async def a_driver_of_the_base_has_the_base(driver: QueueDriver) -> None:
    queue = JobQueue(driver)
    await queue.push(Work())
    await queue.processor().run()
    await queue.cancel("id")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    await queue.pause("id")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    await queue.rerun("id")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    await queue.counts()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


async def our_drivers_have_it_all(twin: MemoryJobQueue[ManualClock], valkey: ValkeyJobQueue) -> None:
    queue = JobQueue(twin)
    assert_type(queue.driver.clock, ManualClock)
    await queue.cancel("id")
    base: JobQueue[QueueDriver] = queue
    await base.push(Work())
    async for record in JobQueue(valkey).jobs(JobStatus.FAILED, limit=1):
        assert_type(record.parameters, str | None)


async def a_push_takes_what_fits(queue: JobQueue[QueueDriver]) -> None:
    await queue.push(TEXT, "text")
    await queue.push(TEXT, 5)  # pyright: ignore[reportArgumentType]
    await queue.push(5)  # pyright: ignore[reportCallIssue, reportArgumentType]
    await queue.push_many([Work(), TEXT.with_parameters("text"), Push(Work(), JobOptions())])
    await queue.push_many([5])  # pyright: ignore[reportArgumentType]


def a_handler_takes_the_parameters_of_its_job(queue: JobQueue[QueueDriver]) -> None:
    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None: ...

    same: Callable[[Work, JobContext], Coroutine[Any, Any, None]] = handler
    queue.register_job(JobName("other", Work), same)

    @queue.job(TEXT)
    def plain(parameters: str, context: JobContext) -> None: ...

    queue.register_job(TEXT, plain)
    queue.register_job(TEXT, handler)  # pyright: ignore[reportCallIssue, reportArgumentType]

    @queue.job(Work)  # pyright: ignore[reportArgumentType]
    def wrong(parameters: int, context: JobContext) -> None: ...
