"""Worker processes that are killed, under a rate and a limit: seen from outside, by what the server is told."""

import asyncio
import random
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import JobOptions, JobQueue, JobStatus
from jobsvalkey.contract import LaneLimit
from jobsvalkey.valkey import ValkeyJobQueue
from tests.faults.test_killed_workers import Fleet
from tests.support.drivers import client_of, driver_at
from tests.support.servers import Server
from tests.support.waiting import PATIENCE, until
from tests.support.work import Work

CLAIM = re.compile(r"[0-9A-F-]{36} \S+ (\d{16}) ")
"""A job's id, and its claim, which says when it was made (microseconds)."""
MICROSECONDS = 1_000_000


class Claims:
    """When claims are made: all that the server is told of them, whoever sends it."""

    def __init__(self, queue_key: str) -> None:
        self.times: list[int] = []
        self._begins = f"HSET {queue_key}.metadata._claimed "

    async def _read(self, monitor: Any) -> None:
        while True:
            command = (await monitor.next_command())["command"]
            if command.startswith(self._begins):
                self.times += map(int, CLAIM.findall(command))

    @asynccontextmanager
    async def noted(self, url: str) -> AsyncGenerator[None]:
        """Note them, within the block."""
        client = client_of(url, socket_timeout=PATIENCE)
        async with client.monitor() as monitor:
            reading = asyncio.create_task(self._read(monitor))
            try:
                yield
            finally:
                reading.cancel()
                with suppress(asyncio.CancelledError):
                    await reading
        await client.aclose()

    def within(self, seconds: float) -> int:
        """How many were made in the time that begins with the first one."""
        return sum(time - self.times[0] < seconds * MICROSECONDS for time in self.times)

    @property
    def has_begun(self) -> bool:
        """Whether there is any."""
        return bool(self.times)


async def filled(driver: ValkeyJobQueue, jobs: int) -> JobQueue[ValkeyJobQueue]:
    queue = JobQueue(driver)
    queue.register_job(Work, lambda parameters, context: None)
    await queue.push_many([Work(number) for number in range(jobs)], options=JobOptions(lane="a"), atomic=False)
    return queue


@pytest.mark.parametrize(
    ("processes", "number", "per", "seconds", "kills", "used"),
    [
        (2, 20, 0.25, 2, 2, 0.5),
        pytest.param(8, 100, 1, 60, 25, 0.95, marks=[pytest.mark.night, pytest.mark.timeout(300)]),
        pytest.param(8, 100, 1, 60, 0, 0.99, marks=[pytest.mark.night, pytest.mark.timeout(300)]),
    ],
)
async def test_no_window_has_more_than_the_rate_and_little_is_left_unused(
    processes: int,
    number: int,
    per: float,
    seconds: int,
    kills: int,
    used: float,
    default_server: Server,
    valkey_client: Any,
    queue_key: str,
) -> None:
    """For a minute, all is used on a machine with little else to do; 98.6 % with fourteen others for two processors."""
    allowed = number * seconds / per
    chance, claims = random.Random(number), Claims(queue_key)
    fleet = Fleet(default_server.url, queue_key, max_recoveries=1000, num_workers=16)
    async with driver_at(default_server.url, queue_key) as driver:
        await driver.set_lane_limit("a", LaneLimit(rate=(number, timedelta(seconds=per))))
        await filled(driver, round(allowed * 1.5) + number)
        async with claims.noted(default_server.url), fleet.running(processes):
            await until(lambda: claims.has_begun)
            for _ in range(kills):
                await asyncio.sleep(chance.uniform(0.5, 1.5) * seconds / kills)
                await fleet.kill_one(chance)
            await until(lambda: claims.times[-1] - claims.times[0] >= seconds * MICROSECONDS, PATIENCE + seconds)
        assert (await driver.counts())[JobStatus.PENDING] > 0
    windows = zip(claims.times, claims.times[number:], strict=False)
    assert min(later - earlier for earlier, later in windows) >= per * MICROSECONDS
    assert claims.within(seconds) / allowed >= used
