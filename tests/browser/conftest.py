"""Chromium, and a dashboard with jobs in every state for it to look at."""

import math
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import (
    Flow,
    JobContext,
    JobName,
    JobOptions,
    JobQueue,
    LaneLimit,
    NoRetry,
    ProcessorOptions,
    Push,
    ValkeyConfiguration,
    ValkeyJobQueue,
)
from tests.support.dashboards import CHROMIUM, served
from tests.support.retention import KEEP_ALL
from tests.support.servers import Server

collect_ignore_glob = ["test_*.py"] if CHROMIUM is None else []

MAIL, REPORT, SUMMARY = JobName("SendEmail", dict[str, str]), JobName("Report", int), JobName("Summary", int)
HOSTILE = JobName("<script>alert(1)</script><img src=x onerror=alert(2)>", str)
LANE = "customer:bob" if os.environ.get("JOBSVALKEY_PICTURES") else "<i>lane</i>"
ABOUT = b'{"host":"<b>web</b>-1.example.com","process":4711,"slots":20,"version":"0.2"}'
USERS = "ada:secret:operator bob:secret:viewer"
Queue = JobQueue[ValkeyJobQueue]


@pytest.fixture
def queue_key(queue_key: str) -> str:
    """A queue of its own; in pictures, one with a name."""
    return "mail" if os.environ.get("JOBSVALKEY_PICTURES") else queue_key


@pytest.fixture
async def queue(queue_key: str, valkey_client: Any) -> AsyncIterator[Queue]:
    configuration = ValkeyConfiguration(queue_key=queue_key, retention_policy=KEEP_ALL, activity=True)
    async with ValkeyJobQueue(valkey_client, configuration) as driver:
        yield JobQueue(driver)


@pytest.fixture
async def jobs(queue: Queue, valkey_client: Any) -> Queue:
    """A queue with jobs in every state, and a worker."""

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
    await queue.driver.open_worker("worker", timedelta(minutes=5), about=ABOUT)
    await queue.driver.exchange("worker", 1, limit=2)
    await queue.push(REPORT, 2030, options=JobOptions(delay=timedelta(days=1)))
    await queue.pause(await queue.push(REPORT, 2026))
    await queue.cancel(await queue.push(REPORT, 2027))
    flow = Flow()
    first = flow.add(MAIL.with_parameters({"to": "barbara@example.com"}))
    years = [flow.add(REPORT.with_parameters(year), after=[first]) for year in (2031, 2032)]
    last = flow.add(MAIL.with_parameters({"to": "x"}), options=JobOptions(delay=timedelta(days=1)))
    flow.add(SUMMARY.with_parameters(2028), after=[*years, last], options=JobOptions(lane=LANE, priority=5))
    await queue.push_flow(flow)
    for lane, number in (("customer:ada", 3), ("customer:grace", 1), (LANE, 1)):
        options = JobOptions(lane=lane, delay=timedelta(hours=1))
        await queue.push_many([Push(MAIL.with_parameters({"to": lane}), options) for _ in range(number)])
    await queue.set_lane_limit("customer:*", LaneLimit(concurrency=2))
    if os.environ.get("JOBSVALKEY_PICTURES"):
        await draw_a_day(valkey_client, queue)
    return queue


async def draw_a_day(client: Any, queue: Queue) -> None:
    """Stand in for a day of work, which no test waits for: pictures alone show it."""
    this = int(queue.driver.clock.now().timestamp()) // 60
    for minute in range(this - 1439, this):
        wave = 1 + math.sin(minute / 9) / 3 + math.sin(minute / 230) / 2
        done, failed = int(90 * wave), max(0, minute * 7919 % 23 - 17)
        waited = int((done + failed) * 250_000 * wave**3)
        counted = f"{minute} {done + failed} {done} {failed} 0 0 {waited}"
        await client.hset(f"{queue.driver.configuration.queue_key}.metadata._activity", str(minute % 1440), counted)


@pytest.fixture
async def address(jobs: Queue, default_server: Server, queue_key: str) -> AsyncIterator[str]:
    """The address of a dashboard of that queue, with an operator and a viewer."""
    server = ("--url", default_server.url, "--queue", queue_key)
    async with served(*server, JOBSVALKEY_DASHBOARD_USERS=USERS) as address:
        yield address
