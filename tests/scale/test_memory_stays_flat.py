"""The memory of a server stays flat, however many jobs go through a queue: no cleanup is needed for that."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import JobContext, JobQueue, ProcessorOptions
from jobsvalkey.contract import JobStatus, RetentionPolicy, retain_for, retain_last
from jobsvalkey.valkey import ValkeyJobQueue
from jobsvalkey_memory import ManualClock
from tests.conftest import StartServer
from tests.scale.support import Work, opened
from tests.support.servers import Server

_LOGGER = logging.getLogger(__name__)

KEPT = 1000
BATCH = 500
CANCELLED = 2
TIME = timedelta(seconds=KEPT / BATCH)
"""In which as many jobs end: a second passes for each batch."""
POLICIES = {
    "retain_last": RetentionPolicy(completed_jobs=retain_last(KEPT), cancelled_jobs=retain_last(CANCELLED)),
    "retain_for": RetentionPolicy(completed_jobs=retain_for(TIME), cancelled_jobs=retain_for(TIME)),
}
BAND = 1.1
"""The largest of all samples by the smallest."""


@dataclass(frozen=True)
class Sample:
    jobs: int
    keys: int
    memory: int
    retained: dict[JobStatus, int]


async def run_jobs(driver: ValkeyJobQueue, clock: ManualClock, client: Any, samples: list[int]) -> list[Sample]:
    """Run jobs, cancel some, and look at the server after so many of them."""
    queue = JobQueue(driver)

    async def work(parameters: Work, context: JobContext) -> None: ...

    queue.register_job(Work, work)
    taken = list[Sample]()
    for done in range(BATCH, max(samples) + 1, BATCH):
        for _ in range(CANCELLED):
            await queue.cancel(await queue.push(Work()))
        await queue.push_many([Work(number) for number in range(BATCH)])
        await queue.processor(ProcessorOptions(num_workers=100, burst=True)).run()
        if done in samples:
            memory = (await client.info("memory"))["used_memory"]
            taken.append(Sample(done, await client.dbsize(), memory, await driver.counts()))
        clock.advance(timedelta(seconds=1))
    return taken


async def check(server: Server, policy: RetentionPolicy, samples: list[int]) -> None:
    clock = ManualClock()
    async with opened(server, policy, clock) as (client, driver):
        taken = await run_jobs(driver, clock, client, samples)
        for sample in taken:
            _LOGGER.info("%d jobs: %d keys, %d bytes", sample.jobs, sample.keys, sample.memory)
        assert [sample.jobs for sample in taken] == samples
        for sample in taken:
            assert sample.retained[JobStatus.COMPLETED] == KEPT
            assert sample.retained[JobStatus.CANCELLED] >= CANCELLED
        for measured in ([sample.keys for sample in taken], [sample.memory for sample in taken]):
            assert max(measured) <= BAND * min(measured), taken
        assert await driver.validate() == []


@pytest.mark.parametrize("policy", POLICIES)
async def test_memory_stays_flat(policy: str, start_server: StartServer) -> None:
    await check(start_server(), POLICIES[policy], [2_500, 5_000, 10_000])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("policy", POLICIES)
async def test_memory_stays_flat_over_200_000_jobs(policy: str, start_server: StartServer) -> None:
    await check(start_server(), POLICIES[policy], [50_000, 100_000, 200_000])
