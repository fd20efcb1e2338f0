"""What a step says to the server of each job is the same, however many lanes it goes through."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import JobCleanup, JobStatus, LaneLimit, NewJob, new_job_id
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey_memory import ManualClock
from tests.conftest import StartServer
from tests.support.drivers import HOUR, client_of

FEW, MANY = 10, 60


async def rerun(driver: ValkeyJobQueue, jobs: int) -> int:
    return await driver.cleanup_step(JobStatus.PROCESSING, JobCleanup("rerun"), max_jobs=jobs)


async def remove(driver: ValkeyJobQueue, jobs: int) -> int:
    return await driver.cleanup_step(JobStatus.PROCESSING, JobCleanup("remove"), max_jobs=jobs)


async def recover(driver: ValkeyJobQueue, jobs: int) -> int:
    return await driver.recover(jobs)


async def said(client: Any, call: Awaitable[int]) -> tuple[int, int]:
    """The answer of a call, and how long all the commands are that the server does for it."""
    async with client.monitor() as monitor:
        answer = await call
        await client.echo("done")
        length = 0
        while (command := (await monitor.next_command())["command"]) != "ECHO done":
            length += len(command)
        return answer, length


@pytest.mark.parametrize("step", [rerun, remove, recover], ids=lambda step: step.__name__)
async def test_claims_of_many_lanes_end_at_the_same_cost_each(
    step: Callable[[ValkeyJobQueue, int], Awaitable[int]], start_server: StartServer
) -> None:
    """Each job has a lane of its own, which is full, and a worker of its own."""
    clock = ManualClock()
    lengths = dict[int, float]()
    async with client_of(start_server().url) as client:
        for jobs in (1, FEW, MANY):  # the first one has the script read
            async with ValkeyJobQueue(client, ValkeyConfiguration(queue_key=f"{jobs}"), clock=clock) as driver:
                await driver.set_lane_limit("*", LaneLimit(concurrency=1))
                await driver.push([NewJob(new_job_id(), b"", lane=f"lane {number:3}") for number in range(jobs)])
                for number in range(jobs):
                    await driver.open_worker(f"worker {number:3}", HOUR)
                    assert len((await driver.exchange(f"worker {number:3}", 1, (), 1)).claims) == 1
                clock.advance(HOUR + timedelta(seconds=1))
                done, length = await said(client, step(driver, jobs))
                assert done == jobs
                lengths[jobs] = length / jobs
    assert lengths[MANY] <= lengths[FEW]
