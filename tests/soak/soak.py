"""A soak: jobs of all kinds, round after round, with faults, and after each round a look at what has been left."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from jobsvalkey import JobCleanup, JobQueue, JobStatus, ValkeyJobQueue
from tests.soak.faults import Faults
from tests.soak.process import SoakWorker
from tests.soak.producer import Round
from tests.soak.work import CONFIGURATION, DONE, QUEUE_KEY, TASKS
from tests.support.drivers import client_of, driver_at
from tests.support.servers import Server
from tests.support.waiting import until

PATIENCE = 600.0
LANES = f"{QUEUE_KEY}.metadata._lanes"
UNENDED = (JobStatus.PENDING, JobStatus.PROCESSING, JobStatus.PAUSED, JobStatus.WAITING)


@dataclass(frozen=True)
class Sample:
    """What there is after a round, when nothing is to be done any more."""

    jobs: int
    """How many were pushed, in all."""
    lost: int
    """Jobs of the round that have not come to their end."""
    server_memory: int
    """What the server has allocated, but for the buffers of its connections."""
    buffers: int
    """Those."""
    worker_memory: int
    """That of the worker that lives from beginning to end."""
    worker_files: int
    worker_tasks: int
    connections: int
    keys: int
    """Those that do not expire."""
    lanes: list[str]
    """Lines that are listed, though no job is left."""
    seconds: float
    faults: dict[str, int]


class Soak:
    """A server, a worker that lives, and another one to which things happen."""

    def __init__(self, client: Any, driver: ValkeyJobQueue, steady: SoakWorker, victim: SoakWorker) -> None:
        self._client = client
        self.driver = driver
        self._queue = JobQueue(driver)
        self.steady = steady
        self.victim = victim

    async def round(self, seed: int, number: int, before: int) -> Sample:
        """Push so many jobs, let them run, and look."""
        began = time.monotonic()
        jobs, faults = Round(self._queue, seed, number), Faults(self._client, self.victim, seed)
        happening = asyncio.create_task(faults.run())
        await jobs.run()
        await until(self._all_ended, PATIENCE)
        happening.cancel()
        with suppress(asyncio.CancelledError):
            await happening
        await until(self._all_ended, PATIENCE)
        lost = await self._lost(jobs)
        await self._client.delete(DONE)
        await until(self._nothing_kept, PATIENCE)
        memory = await self._client.info("memory")
        keyspace = (await self._client.info("keyspace"))["db0"]
        return Sample(
            jobs=before + jobs.pushed,
            lost=lost,
            server_memory=memory["used_memory"] - memory["mem_clients_normal"],
            buffers=memory["mem_clients_normal"],
            worker_memory=self.steady.memory,
            worker_files=self.steady.files,
            worker_tasks=int(await self._client.hget(TASKS, str(self.steady.number)) or 0),
            connections=(await self._client.info("clients"))["connected_clients"],
            keys=keyspace["keys"] - keyspace["expires"],
            lanes=[line.decode() for line in await self._client.zrange(LANES, 0, -1)],
            seconds=round(time.monotonic() - began, 1),
            faults=dict(faults.made),
        )

    async def _all_ended(self) -> bool:
        counts = await self.driver.counts()
        await asyncio.sleep(0.1)
        return not any(counts[status] for status in UNENDED)

    async def _nothing_kept(self) -> bool:
        """What was to be kept for a while has gone: workers look for it when they recover."""
        counts = await self.driver.counts()
        await asyncio.sleep(0.2)
        return not counts[JobStatus.COMPLETED]

    async def _lost(self, jobs: Round) -> int:
        marks: bytes = await self._client.get(DONE) or b""
        set_ = {8 * place + bit for place, byte in enumerate(marks) for bit in range(8) if byte & (128 >> bit)}
        return len(set(range(jobs.pushed)) - jobs.may_be - set_)


@asynccontextmanager
async def soaking(server: Server) -> AsyncGenerator[Soak]:
    """A soak on a server of its own, whose processes are gone after the block."""
    client = client_of(server.url)
    steady, victim = SoakWorker(server.url), SoakWorker(server.url)
    try:
        async with driver_at(server.url, QUEUE_KEY, **CONFIGURATION) as driver:
            for worker in (steady, victim):
                await worker.start()
            await until(lambda: _has_two(client), 60)
            yield Soak(client, driver, steady, victim)
    finally:
        for worker in (steady, victim):
            await worker.kill()
        await client.aclose()


async def _has_two(client: Any) -> bool:
    return await client.hlen(TASKS) == 2


@dataclass(frozen=True)
class End:
    """What is left when all have left."""

    exit_codes: list[int]
    connections: int
    keys: list[str]
    """Those that do not expire."""
    sizes: list[int]
    """Their bytes."""
    faults: list[str]
    """What `validate` finds."""


async def end(soak: Soak, server: Server) -> End:
    """Stop the workers, remove what is kept on purpose, and look at what is left."""
    codes = [await worker.stop() for worker in (soak.steady, soak.victim)]
    driver = soak.driver
    await driver.cleanup(
        completed_jobs=JobCleanup.remove(), failed_jobs=JobCleanup.remove(), cancelled_jobs=JobCleanup.remove()
    )
    wrong = [str(each) for each in await driver.validate()]
    await driver.aclose()
    client = client_of(server.url)
    try:
        await client.delete(TASKS, DONE)
        keys = sorted([key.decode() for key in await client.keys("*") if await client.ttl(key) < 0])
        sizes = [await client.memory_usage(key) for key in keys]
        return End(codes, (await client.info("clients"))["connected_clients"] - 2, keys, sizes, wrong)
    finally:
        await client.aclose()


def as_line(sample: Sample | End) -> dict[str, Any]:
    """Return it as a line of a file."""
    return dataclasses.asdict(sample)
