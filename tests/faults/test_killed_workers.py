"""Worker processes are killed at any time: their jobs run elsewhere, and soon."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import JobOptions, JobQueue, JobStatus
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.drivers import all_completed, driver_at
from tests.support.processes import WorkerProcess, worker_process
from tests.support.servers import Server
from tests.support.stopwatch import Stopwatch
from tests.support.tasks import Killer, Stepping
from tests.support.waiting import PATIENCE, until
from tests.support.work import Work

PENDING = 1000
WORKERS = 3
EVERY, HOLD_FOR = 0.2, 1.0
LONGEST = HOLD_FOR + EVERY + 1.0
"""Seconds after which the jobs of a killed worker are pending again."""


class Fleet:
    """A number of worker processes; one that dies is replaced."""

    def __init__(self, url: str, queue_key: str, **options: Any) -> None:
        self._start = lambda: worker_process(url, queue_key, every=EVERY, hold_for=HOLD_FOR, **options)
        self._ended = asyncio.Event()
        self.workers: list[WorkerProcess] = []

    @asynccontextmanager
    async def running(self, number: int) -> AsyncGenerator[None]:
        """So many of them, within the block."""
        async with asyncio.TaskGroup() as group:
            slots = [group.create_task(self._keep()) for _ in range(number)]
            try:
                yield
            finally:
                for slot in slots:
                    slot.cancel()

    async def _keep(self) -> None:
        while True:
            async with self._start() as worker:
                self.workers.append(worker)
                try:
                    await worker.process.wait()
                finally:
                    self.workers.remove(worker)

    async def kill_one(self, chance: random.Random) -> WorkerProcess:
        """SIGKILL for one that runs."""
        await until(lambda: any(worker.id for worker in self.workers), PATIENCE)
        worker = chance.choice([worker for worker in self.workers if worker.id])
        await worker.kill()
        return worker


async def held_by(driver: ValkeyJobQueue, worker: WorkerProcess) -> int:
    return len([job async for job in driver.jobs(JobStatus.PROCESSING) if job.worker == worker.id])


async def seconds_until_recovered(driver: ValkeyJobQueue, worker: WorkerProcess, fleet: Fleet) -> float | None:
    """How long a killed worker keeps jobs; `None` if it held none."""
    watch = Stopwatch(lambda: [each.process.pid for each in fleet.workers])

    async def none_is_held() -> bool:
        return await held_by(driver, worker) == 0

    if await none_is_held():
        return None
    await until(none_is_held, LONGEST + PATIENCE)
    return watch.seconds()


async def kill_some(fleet: Fleet, driver: ValkeyJobQueue, chance: random.Random, kills: int) -> list[float]:
    """Kill at random, so many and until one of them had jobs; how long each that had jobs kept them."""
    recoveries: list[asyncio.Task[float | None]] = []
    had_jobs = False
    async with asyncio.TaskGroup() as group:
        while len(recoveries) < kills or not had_jobs:
            await asyncio.sleep(chance.uniform(0.0, 0.4))
            killed = await fleet.kill_one(chance)
            recoveries.append(group.create_task(seconds_until_recovered(driver, killed, fleet)))
            had_jobs = had_jobs or await held_by(driver, killed) > 0
    return [seconds for recovery in recoveries if (seconds := recovery.result()) is not None]


async def keep_jobs_pending(queue: JobQueue[ValkeyJobQueue], enough: asyncio.Event) -> int:
    """Push jobs as long as there are not enough; how many it were."""
    pushed = 0
    while not enough.is_set():
        if (await queue.counts())[JobStatus.PENDING] < PENDING:
            await queue.push_many([Work(number) for number in range(PENDING)])
            pushed += PENDING
        await asyncio.sleep(0.005)
    return pushed


async def one_round(fleet: Fleet, driver: ValkeyJobQueue, chance: random.Random, kills: int) -> list[float]:
    queue = JobQueue(driver)
    queue.register_job(Work, lambda parameters, context: None)
    enough = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        feeding = group.create_task(keep_jobs_pending(queue, enough))
        took = await kill_some(fleet, driver, chance, kills)
        enough.set()
    await until(lambda: all_completed(driver, feeding.result()), 2 * PATIENCE)
    assert await driver.validate() == []
    assert max(took, default=0.0) <= LONGEST
    return took


async def test_workers_are_killed_while_jobs_run(
    default_server: Server, direct: ValkeyJobQueue, queue_key: str
) -> None:
    fleet = Fleet(default_server.url, queue_key)
    async with fleet.running(WORKERS):
        await one_round(fleet, direct, random.Random(2), kills=4)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(0, 50, 10))
async def test_ten_rounds_of_killed_workers(
    default_server: Server, queue_key: str, valkey_client: Any, first: int
) -> None:
    """Five times ten, as each starts some hundred processes, which is most of what it takes."""
    took: list[float] = []
    for number in range(first, first + 10):
        key = f"{queue_key}-{number}"
        fleet = Fleet(default_server.url, key)
        async with driver_at(default_server.url, key) as driver, fleet.running(WORKERS):
            took += await one_round(fleet, driver, random.Random(number), kills=3)
        await valkey_client.unlink(*[name async for name in valkey_client.scan_iter(match=f"{key}*", count=1000)])
    assert len(took) >= 10, "too few of the killed workers had a job"


async def test_a_step_that_is_done_is_not_done_again_after_the_death_of_its_worker(
    default_server: Server, direct: ValkeyJobQueue, queue_key: str
) -> None:
    queue = JobQueue(direct)
    queue.register_job(Stepping, lambda parameters, context: None)
    job_id = await queue.push(Stepping(), options=JobOptions(keep_for=timedelta(hours=1)))
    async with Fleet(default_server.url, queue_key, max_recoveries=1).running(2):
        charged, ended = await queue.result(job_id, timeout=timedelta(seconds=2 * PATIENCE), type=list[int])
    assert charged != ended
    record = await queue.get(job_id)
    assert record is not None
    assert (record.recoveries, record.progress) == (1, None)


@pytest.mark.parametrize("seconds", [0.0, 0.3])
async def test_weakness_19_a_job_that_kills_its_worker_is_given_up(
    default_server: Server, direct: ValkeyJobQueue, queue_key: str, seconds: float
) -> None:
    queue = JobQueue(direct)
    for job in (Killer, Work):
        queue.register_job(job, lambda parameters, context: None)
    # Where it kills at once, those that were claimed with it never have the time to begin.
    await queue.push_many([Work(number) for number in range(5)])
    killer = await queue.push(Killer(seconds=seconds))
    await queue.push_many([Work(number) for number in range(50)])
    async with Fleet(default_server.url, queue_key, max_recoveries=1).running(2):

        async def all_ended() -> bool:
            counts = await queue.counts()
            return counts[JobStatus.PENDING] + counts[JobStatus.PROCESSING] == 0

        await until(all_ended, 2 * PATIENCE)
    record = await queue.get(killer)
    assert record is not None
    assert record.error is not None
    assert record.error.type.endswith(".JobAbandoned")
    assert (await queue.counts())[JobStatus.COMPLETED] == 55
    assert await direct.validate() == []
