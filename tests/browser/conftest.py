"""Chromium, and a dashboard with jobs in every state for it to look at."""

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import (
    JobContext,
    JobName,
    JobOptions,
    JobQueue,
    NoRetry,
    ProcessorOptions,
    ValkeyConfiguration,
    ValkeyJobQueue,
)
from tests.support.dashboards import CHROMIUM, served
from tests.support.retention import KEEP_ALL
from tests.support.servers import Server

collect_ignore_glob = ["test_*.py"] if CHROMIUM is None else []

MAIL, REPORT = JobName("SendEmail", dict[str, str]), JobName("Report", int)
HOSTILE = JobName("<script>alert(1)</script><img src=x onerror=alert(2)>", str)
USERS = "ada:secret:operator bob:secret:viewer"
Queue = JobQueue[ValkeyJobQueue]


@pytest.fixture
def queue_key(queue_key: str) -> str:
    """A queue of its own; in pictures, one with a name."""
    return "mail" if os.environ.get("JOBSVALKEY_PICTURES") else queue_key


@pytest.fixture
async def queue(queue_key: str, valkey_client: Any) -> AsyncIterator[Queue]:
    configuration = ValkeyConfiguration(queue_key=queue_key, retention_policy=KEEP_ALL)
    async with ValkeyJobQueue(valkey_client, configuration) as driver:
        yield JobQueue(driver)


@pytest.fixture
async def jobs(queue: Queue) -> Queue:
    """A queue with jobs in every state."""

    @queue.job(MAIL, retry_strategy=NoRetry())
    async def send(parameters: dict[str, str], context: JobContext) -> None:
        if parameters["to"].startswith("grace"):
            raise ConnectionError("the mail server does not answer")

    @queue.job(HOSTILE, retry_strategy=NoRetry())
    async def fail(parameters: str, context: JobContext) -> None:
        raise ValueError(parameters)

    addresses = [f"{name}@example.com" for name in ("ada", "grace", "alan", "grace.hopper", "edsger")]
    await queue.push_many([MAIL.with_parameters({"to": address, "subject": "Hello"}) for address in addresses])
    await queue.push(HOSTILE, "</pre><script>alert(3)</script>")
    await queue.processor(ProcessorOptions(burst=True)).run()
    await queue.push_many([REPORT.with_parameters(year) for year in range(2000, 2025)])
    await queue.driver.open_worker("worker", timedelta(minutes=5))
    await queue.driver.exchange("worker", 1, limit=2)
    await queue.push(REPORT, 2030, options=JobOptions(delay=timedelta(days=1)))
    await queue.pause(await queue.push(REPORT, 2026))
    await queue.cancel(await queue.push(REPORT, 2027))
    return queue


@pytest.fixture
async def address(jobs: Queue, default_server: Server, queue_key: str) -> AsyncIterator[str]:
    """The address of a dashboard of that queue, with an operator and a viewer."""
    server = ("--url", default_server.url, "--queue", queue_key)
    async with served(*server, JOBSVALKEY_DASHBOARD_USERS=USERS) as address:
        yield address
