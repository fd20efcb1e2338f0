"""Harnesses of drivers that the kit must say something about. `python -m jobsvalkey_conformance` runs them."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from jobsvalkey_conformance import GARBLED, Damage, DriverHarness

from jobsvalkey.contract import (
    Capability,
    Clock,
    DriverConfiguration,
    Exchanged,
    JobID,
    JobStatus,
    NewJob,
    Operation,
    Pushed,
    QueueDriver,
    Report,
    Retention,
    Settlement,
    SystemClock,
    WorkerID,
    check_reports,
    refusals,
)
from jobsvalkey_memory import MemoryJobQueue, MemoryStore


class Twin(MemoryJobQueue[Clock]):
    """A driver that is as it should be."""


class Modest(Twin):
    """States less than it can do."""

    capabilities = frozenset({Capability.QUEUE, Capability.INSPECTION})


class Boastful(Twin):
    """States what does not work."""

    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Never."""
        raise NotImplementedError


class NeverCancels(Twin):
    """Cancels, and says that it did not."""

    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Cancel."""
        await super().cancel(job_id, operation=operation)
        return False


class Bare:
    """Has the methods of the base, and no others."""

    def __init__(self, driver: MemoryJobQueue[Clock]) -> None:
        self.configuration, self.clock = driver.configuration, driver.clock
        self.capabilities = frozenset({Capability.QUEUE})
        self._exchange, self.wait, self.recover = driver.exchange, driver.wait, driver.recover
        self.open_worker, self.renew, self.close_worker = driver.open_worker, driver.renew, driver.close_worker
        self.aclose = driver.aclose
        self._push = driver.push

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        """As the twin does, but for the fields of capabilities that this one lacks."""
        return refusals(items, self.capabilities) or await self._push(items, operation=operation)

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        """As the twin does, but for reports."""
        check_reports(reports, self.configuration, self.capabilities)
        return await self._exchange(worker, sequence, settlements, limit)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class TwinHarness(DriverHarness):
    """The least that a harness is: no hooks."""

    several_loops = False
    counts_replicas = False
    driver: type[Twin] = Twin

    def __init__(self) -> None:
        self.store = MemoryStore()

    def make_driver(
        self, configuration: DriverConfiguration, clock: Clock | None
    ) -> AbstractAsyncContextManager[QueueDriver]:
        """A driver on the harness's store."""
        return self.driver(configuration, clock or SystemClock(), self.store)


class ModestHarness(TwinHarness):
    """Of the modest one."""

    driver = Modest


class ClockedHarness(TwinHarness):
    """Of a store that has no time of its own."""

    has_own_clock = False


class BoastfulHarness(TwinHarness):
    """Of the boastful one."""

    driver = Boastful


class NeverCancelsHarness(TwinHarness):
    """Of the one that does not admit to it."""

    driver = NeverCancels


class Hanging(Twin):
    """Never answers an exchange."""

    async def exchange(self, *args: object, **kwargs: object) -> Any:
        """Wait."""
        await asyncio.Event().wait()


class Blocking(Twin):
    """Blocks the event loop with an exchange."""

    async def exchange(self, *args: object, **kwargs: object) -> Any:
        """Block."""
        time.sleep(3600)  # noqa: ASYNC251 - that is the fault


class Stubborn(Twin):
    """Never answers an exchange, and does not let itself be cancelled."""

    async def exchange(self, *args: object, **kwargs: object) -> Any:
        """Wait, whatever comes."""
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()


class HangingHarness(TwinHarness):
    """Of the one that hangs."""

    driver = Hanging


class BlockingHarness(TwinHarness):
    """Of the one that blocks."""

    driver = Blocking


class StubbornHarness(TwinHarness):
    """Of the one that does not end."""

    driver = Stubborn


class SturdyHarness(TwinHarness):
    """Of a store whose requests cannot be of a wrong type."""

    async def damage(self, configuration: DriverConfiguration, job_id: JobID, how: Damage) -> None:
        """Do what can be done."""
        if how not in (Damage.GARBLED_REQUEST, Damage.LOST_REQUEST):
            raise NotImplementedError
        self.store.damage(configuration.queue_key, job_id, GARBLED if how is Damage.GARBLED_REQUEST else None)


class Rough(Twin):
    """Keeps up to four jobs more than a retention says."""

    def _retention(self, status: JobStatus) -> Retention:
        exact = super()._retention(status)
        return replace(exact, max_count=exact.max_count + 4) if exact.max_count else exact


class RoughHarness(TwinHarness):
    """Of the one that counts roughly, and says so."""

    driver = Rough
    spare_jobs = 4


class RougherHarness(RoughHarness):
    """Of the same, which admits to less."""

    spare_jobs = 2


class BareHarness(TwinHarness):
    """Of the bare one."""

    def make_driver(
        self, configuration: DriverConfiguration, clock: Clock | None
    ) -> AbstractAsyncContextManager[QueueDriver]:
        """A driver without any capability but the base."""
        return Bare(Twin(configuration, clock or SystemClock(), self.store))


class RealTimeHarness(TwinHarness):
    """A store that goes by its own clock, and gives no hints."""

    drives_clock = False
    has_hints = False


class BrokenHarness(TwinHarness):
    """Cannot even make its driver."""

    def make_driver(
        self, configuration: DriverConfiguration, clock: Clock | None
    ) -> AbstractAsyncContextManager[QueueDriver]:
        """Never."""
        raise OSError("no store")
