"""A store for each of our drivers, for tests of what is above the drivers. All are on a clock that stands still."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, TypeAlias, cast

from jobsvalkey_conformance import AnyDriver, DriverHarness

from jobsvalkey import ExponentialJitter, JobID, JobQueue, JobStatus
from jobsvalkey.contract import Capability, Claim, DriverConfiguration
from jobsvalkey_memory import ManualClock
from tests.conftest import Servers
from tests.contract.test_sqlite_example import SQLiteHarness
from tests.support.drivers import claim_all, record_of
from tests.support.harnesses import FakeServerHarness, MemoryHarness, ValkeyHarness
from tests.support.processors import options
from tests.support.retention import KEEP_ALL
from tests.support.servers import found_kinds
from tests.support.waiting import PATIENCE

Queue: TypeAlias = JobQueue[AnyDriver]

IN_PROCESS: Final[dict[str, type[DriverHarness]]] = {
    "twin": MemoryHarness,
    "fakeredis": FakeServerHarness,
    "sqlite": SQLiteHarness,
}
SERVERS = {kind.id: kind for kind in found_kinds()}
EVERY_DRIVER = [*IN_PROCESS, *SERVERS]
COMPLETE_DRIVERS = [name for name in EVERY_DRIVER if name != "sqlite"]
"""Those with all capabilities, whose stores can be damaged."""

LOCK = timedelta(seconds=30)
"""How long workers hold their locks, by the clock that stands still."""


class Store:
    """An empty store, and what a test makes on it."""

    def __init__(self, harness: DriverHarness, queue_key: str, drivers: AsyncExitStack) -> None:
        self.harness = harness
        self.clock = ManualClock()
        self.configuration = DriverConfiguration(
            queue_key=queue_key, poll_time=timedelta(milliseconds=20), retention_policy=KEEP_ALL
        )
        self._drivers = drivers

    async def queue(self, **changes: Any) -> Queue:
        """A queue with a driver of its own, as in another process. Retries wait exactly 2, 4, 8 ... seconds."""
        driver = self.harness.make_driver(replace(self.configuration, **changes), self.clock)
        exact = ExponentialJitter(min_jitter=0, max_jitter=0)
        return JobQueue(cast(AnyDriver, await self._drivers.enter_async_context(driver)), default_retry_strategy=exact)


def harness_of(name: str, servers: Servers) -> DriverHarness:
    """A harness of the driver of that name."""
    if name in IN_PROCESS:
        return IN_PROCESS[name]()
    return type(name, (ValkeyHarness,), {"server": servers.get(SERVERS[name])})()


async def burst(queue: Queue, **changes: Any) -> None:
    """Run what is due."""
    async with asyncio.timeout(PATIENCE):
        await queue.processor(options(burst=True, **changes)).run()


async def due_in(queue: Queue) -> float | None:
    """Seconds until the next pending job is due; `None` is that none is pending."""
    await queue.driver.open_worker("watcher", LOCK)
    return (await queue.driver.exchange("watcher", 1)).until_next


async def look_at(queue: Queue) -> Claim:
    """The one job that is due, as a worker gets it. It is put back unchanged."""
    (claim,) = (await claim_all(queue.driver, "looker")).claims
    await queue.driver.close_worker("looker")
    return claim


async def assert_ended(queue: Queue, job_id: JobID, status: JobStatus, error: str = "") -> None:
    """That no job is pending, and, where the driver can show it, that this one has ended so."""
    assert await due_in(queue) is None
    if Capability.INSPECTION in queue.driver.capabilities:
        record = await record_of(queue, job_id)
        assert record.status is status
        recorded = f"{record.error.type}: {record.error.message}" if record.error else ""
        assert error in recorded
