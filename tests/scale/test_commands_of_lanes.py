"""How many commands a job with a lane takes, beside one without: as many on any machine, however busy."""

from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import DO_NOT_RETAIN, Claim, Finish, LaneLimit, NewJob, RetentionPolicy, new_job_id
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from tests.conftest import StartServer
from tests.scale.support import REQUEST
from tests.support.drivers import client_of

HOUR = timedelta(hours=1)
NOTHING = RetentionPolicy(completed_jobs=DO_NOT_RETAIN, failed_jobs=DO_NOT_RETAIN, cancelled_jobs=DO_NOT_RETAIN)
WORKERS = 4


async def commands(client: Any) -> int:
    """How many it has done so far, those of scripts included."""
    stats: dict[str, dict[str, int]] = await client.info("commandstats")
    return sum(each["calls"] for each in stats.values())


async def drain(client: Any, driver: ValkeyJobQueue, limit: int, jobs: int, lanes: int) -> float:
    """Push jobs and run them all; how many commands each took, after the pushes."""
    numbers = range(jobs)
    await driver.push([NewJob(new_job_id(), REQUEST, lane=f"{n % lanes}" if lanes else None) for n in numbers])
    held: list[list[Claim]] = [[] for _ in range(WORKERS)]
    for worker in range(WORKERS):
        await driver.open_worker(f"{worker}", HOUR)
        await driver.exchange(f"{worker}", 1)  # which connects
    left, sequence, before = jobs, 1, await commands(client)
    while left:
        sequence += 1
        for worker, claims in enumerate(held):
            settlements = [Finish(claim.job_id, claim.token) for claim in claims]
            held[worker] = (await driver.exchange(f"{worker}", sequence, settlements, limit)).claims
            left -= len(claims)
    return (await commands(client) - before) / jobs


@pytest.mark.parametrize(
    ("limit", "jobs", "most"),
    [(1, 100, {"plain": 29, "lanes": 46, "limited": 61}), (16, 600, {"plain": 3, "lanes": 6, "limited": 11})],
)
async def test_a_claim_of_a_job_with_a_lane_takes_a_few_commands_more(
    limit: int, jobs: int, most: dict[str, float], start_server: StartServer
) -> None:
    """Claimed one at a time, or by sixteen, without a limit, and with one that holds each lane back after each job."""
    taken: dict[str, float] = {}
    async with client_of(start_server().url) as client:
        for kind in most:
            configuration = ValkeyConfiguration(queue_key=kind, retention_policy=NOTHING)
            async with ValkeyJobQueue(client, configuration) as driver:
                if kind == "limited":
                    await driver.set_lane_limit("*", LaneLimit(concurrency=1))
                taken[kind] = await drain(client, driver, limit, jobs, 0 if kind == "plain" else jobs // 4)
    assert {kind: taken[kind] for kind in most if taken[kind] > most[kind]} == {}, taken
