"""A million retained jobs are removed without holding the server up, beside a worker, and whatever breaks it off."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any

import pytest

from jobsvalkey import JobContext, JobQueue, ProcessorOptions
from jobsvalkey.contract import RETAIN, JobCleanup, JobStatus, RetentionPolicy
from jobsvalkey.contract.cleanup import CHUNK
from jobsvalkey.valkey import ValkeyJobQueue
from jobsvalkey.valkey.scripting import CLEANUP
from tests.conftest import StartServer
from tests.scale.support import ProcessorTime, Work, opened, store_completed_jobs
from tests.support.processors import run_in_background
from tests.support.servers import Server
from tests.support.waiting import until

_LOGGER = logging.getLogger(__name__)

LONGEST_STEP = 0.010
"""Seconds of the server."""
KEEP = RetentionPolicy(completed_jobs=RETAIN)


class MeasuredSteps:
    """What each step of a cleanup took of the server, with all that it did beside for others, and how many jobs."""

    def __init__(self, driver: ValkeyJobQueue, time: ProcessorTime) -> None:
        self.steps = list[float]()
        self.sizes = list[int]()
        steps = driver.cleanup_steps

        async def measured(*arguments: Any, **options: Any) -> AsyncGenerator[int]:
            before = time.seconds()
            async for done in steps(*arguments, **options):
                self.steps.append(time.seconds() - before)
                self.sizes.append(done)
                yield done
                before = time.seconds()

        driver.cleanup_steps = measured


async def completed(driver: ValkeyJobQueue) -> int:
    return (await driver.counts())[JobStatus.COMPLETED]


async def break_off(driver: ValkeyJobQueue, steps: MeasuredSteps, after: int) -> None:
    """Let a cleanup be killed in the middle of a step."""
    cleaning = asyncio.create_task(driver.cleanup(completed_jobs=JobCleanup.remove()))
    await until(lambda: len(steps.steps) >= after, within=300)
    cleaning.cancel()
    with suppress(asyncio.CancelledError):
        await cleaning


async def check(server: Server, number: int) -> Sequence[float]:
    """Remove so many jobs in steps; what these took, in order of time."""
    async with opened(server, KEEP) as (client, driver):
        await store_completed_jobs(driver, number)
        await client.config_set("slowlog-log-slower-than", int(LONGEST_STEP * 1e6))
        await client.config_set("slowlog-max-len", 10_000)
        await client.slowlog_reset()
        steps = MeasuredSteps(driver, await ProcessorTime.of(client))

        await break_off(driver, steps, after=number // CHUNK // 2)
        left = await completed(driver)
        # The step that was broken off is done, or is not.
        assert number - left - len(steps.steps) * CHUNK in (0, CHUNK)
        assert await driver.validate() == []

        queue = JobQueue(driver)
        ran = list[int]()

        async def work(parameters: Work, context: JobContext) -> None:
            ran.append(parameters.number)
            await queue.push(Work(parameters.number + 1))

        queue.register_job(Work, work)
        await queue.push(Work())
        async with run_in_background(queue.processor(ProcessorOptions(num_workers=4))):
            await until(lambda: ran)
            before = len(ran)
            cleaned = await driver.cleanup(completed_jobs=JobCleanup.remove())
            beside = len(ran) - before
        assert cleaned[JobStatus.COMPLETED] >= left
        # None of the worker's jobs was lost or run twice.
        assert ran == list(range(len(ran)))
        assert beside > len(steps.steps) / 10

        await driver.cleanup(completed_jobs=JobCleanup.remove(), pending_jobs=JobCleanup.remove())
        assert sum((await driver.counts()).values()) == 0
        assert await client.keys("jobQueue/*") == []
        log = await client.slowlog_get(10_000)
        slow = sum(CLEANUP.digest.encode() in entry["command"] for entry in log)
        took = sorted(steps.steps)
        _LOGGER.info("%d steps: median %.2f ms, longest %.2f ms", len(took), took[len(took) // 2] * 1e3, took[-1] * 1e3)
        _LOGGER.info("by the clock %d of them took more than 10 ms; %d jobs were run beside", slow, beside)
        assert sum(steps.sizes) > number / 2
        assert max(steps.sizes) <= CHUNK
        return took


async def test_many_retained_jobs_are_removed_in_short_steps(start_server: StartServer) -> None:
    await check(start_server(), 20_000)


@pytest.mark.night
@pytest.mark.timeout(900)
async def test_a_million_retained_jobs_are_removed_in_short_steps(start_server: StartServer) -> None:
    assert (await check(start_server(), 1_000_000))[-1] < LONGEST_STEP
