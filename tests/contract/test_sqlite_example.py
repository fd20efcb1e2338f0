"""The suite on the example of "Write your own driver": this is all that its author has to write."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from jobsvalkey_conformance import DriverConformance, DriverHarness, Hook

from docs.drivers.sqlite_driver import SQLiteJobQueue
from jobsvalkey.contract import Clock, DriverConfiguration, QueueDriver


class SQLiteHarness(DriverHarness):
    has_hints = False  # wait() sleeps

    async def start(self) -> None:
        self._directory = TemporaryDirectory()

    async def stop(self) -> None:
        self._directory.cleanup()

    def make_driver(
        self, configuration: DriverConfiguration, clock: Clock | None
    ) -> AbstractAsyncContextManager[QueueDriver]:
        return SQLiteJobQueue(Path(self._directory.name), configuration, clock)

    def driver_elsewhere(
        self, configuration: DriverConfiguration
    ) -> Callable[[], AbstractAsyncContextManager[QueueDriver]]:
        return partial(SQLiteJobQueue, Path(self._directory.name), configuration)


class TestSQLite(DriverConformance):
    harness_type = SQLiteHarness
    may_lack: ClassVar = {
        "ABORT",
        "PAUSE_QUEUE",
        "UNIQUE",
        "REPORTS",
        "ACTIVITY",
        "EXPIRY",
        "LANES",
        "FLOWS",
        "RESULTS",
        "SCHEDULING",
        "INSPECTION",
        "CLEANUP",
        "DURABILITY",
        "hints",
        *(set(Hook) - {Hook.DRIVER_ELSEWHERE}),
    }
