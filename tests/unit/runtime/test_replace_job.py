"""A job may be registered anew, as in a notebook whose cells run more than once."""

from typing import Any

import pytest

from jobsvalkey import (
    ConfigurationError,
    DuplicateJob,
    JobContext,
    JobDefinition,
    JobName,
    JobQueue,
    NoRetry,
    ProcessorOptions,
)
from jobsvalkey_memory import MemoryJobQueue

TEXT = JobName("text", str)
NUMBER = JobName("text", int)


async def test_the_last_one_that_was_registered_runs() -> None:
    seen: list[Any] = []

    async def first(parameters: str, context: JobContext) -> None:
        seen.append(("first", parameters))

    async def second(parameters: int, context: JobContext) -> None:
        seen.append(("second", parameters))

    queue = JobQueue(MemoryJobQueue())
    queue.replace_job(TEXT, first)  # nothing need be there
    with pytest.raises(DuplicateJob, match="replace_job"):
        queue.register_job(NUMBER, second)
    processor = queue.processor(ProcessorOptions(burst=True))
    queue.replace_job(NUMBER, second, retry_strategy=NoRetry())
    await queue.push(NUMBER, 1)
    await processor.run()
    queue.replace_job(JobDefinition(TEXT, first))
    await queue.push(TEXT, "a")
    await queue.processor(ProcessorOptions(burst=True)).run()
    assert seen == [("second", 1), ("first", "a")]
    assert [name for name in queue.registered_jobs if not name.startswith("_")] == ["text"]


async def test_what_cannot_be_registered_replaces_nothing() -> None:
    async def handler(parameters: str, context: JobContext) -> None: ...

    queue: Any = JobQueue(MemoryJobQueue())
    queue.register_job(TEXT, handler)
    for wrong in ((JobName("text", object), handler), (TEXT, lambda: None), ("text", handler)):
        with pytest.raises(ConfigurationError):
            queue.replace_job(*wrong)
    job_id = await queue.push(TEXT, "a")
    await queue.processor(ProcessorOptions(burst=True)).run()
    assert await queue.status(job_id) is None
