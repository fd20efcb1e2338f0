"""Ways to see what arrives of a value, or why it is refused."""

from typing import Any

import pytest

from jobsvalkey import (
    ConfigurationError,
    InvalidParameters,
    JobContext,
    JobName,
    JobQueue,
    ProcessorOptions,
)
from jobsvalkey.runtime.values import Values
from jobsvalkey_memory import MemoryJobQueue


async def arrives(kind: Any, value: Any, values: Values = "plain") -> Any:
    """What a handler gets of `value`."""
    received: list[Any] = []

    async def handler(parameters: Any, context: JobContext) -> None:
        received.append(parameters)

    queue = JobQueue(MemoryJobQueue(), values=values)
    queue.register_job(JobName[Any]("job", kind), handler)
    job_id = await queue.push(JobName[Any]("job", kind), value)
    await queue.processor(ProcessorOptions(burst=True)).run()
    record = await queue.get(job_id)
    assert received, record
    return received[0]


async def refusal_at_registration(kind: Any) -> str:
    """Why a job with such parameters is not registered; a push of one says the same."""

    async def handler(parameters: Any, context: JobContext) -> None: ...

    with pytest.raises(ConfigurationError, match="the parameters of job 'job'") as caught:
        JobQueue(MemoryJobQueue()).register_job(JobName[Any]("job", kind), handler)
    return str(caught.value)


async def refusal_at_push(kind: Any, value: Any, values: Values = "plain") -> str:
    driver = MemoryJobQueue()
    with pytest.raises(InvalidParameters, match="the parameters of job 'job'") as caught:
        await JobQueue(driver, values=values).push(JobName[Any]("job", kind), value)
    assert sum((await driver.counts()).values()) == 0
    return str(caught.value)
