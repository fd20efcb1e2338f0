"""Bugs that processes show: nothing but the store keeps their steps apart."""

import time
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from typing import Any

from docs.drivers.sqlite_driver import EPOCH, MICROSECOND, SQLiteJobQueue
from jobsvalkey.contract import Clock, DriverConfiguration, QueueDriver
from tests.mutants.mutant import Mutant, enter
from tests.mutants.threads import SQLiteHarness

A_MOMENT = 0.005
"""Seconds that a disk takes: in memory, two processes would hardly ever come between two statements."""


class NoTransactions(SQLiteJobQueue):
    """The worked example with each statement for itself."""

    @contextmanager
    def _transaction(self) -> Generator[int]:
        now = (self.clock.now() - EPOCH) // MICROSECOND
        self._forget(now)
        yield now

    def _one(self, query: str, *values: object) -> Any:
        found = super()._one(query, *values)
        if "FROM remembered" in query:
            time.sleep(A_MOMENT)
        return found


class ClaimInTwoElsewhere(SQLiteJobQueue):
    """The worked example that chooses what to claim in one transaction, and takes it in the next."""

    def _all(self, query: str, *values: object) -> list[Any]:
        found = super()._all(query, *values)
        if "SELECT id, length(request)" in query:
            self._connection().execute("COMMIT")
            time.sleep(A_MOMENT)
            self._connection().execute("BEGIN IMMEDIATE")
        return found


def elsewhere(driver_type: type[SQLiteJobQueue], bug: str) -> None:
    """Enter a driver that processes show to be wrong."""

    def make_driver(
        self: SQLiteHarness, configuration: DriverConfiguration, clock: Clock | None
    ) -> AbstractAsyncContextManager[QueueDriver]:
        return driver_type(self.directory, configuration, clock)

    def driver_elsewhere(
        self: SQLiteHarness, configuration: DriverConfiguration
    ) -> Callable[[], AbstractAsyncContextManager[QueueDriver]]:
        return partial(driver_type, self.directory, configuration)

    name = driver_type.__name__
    harness_type = type(name, (SQLiteHarness,), {"make_driver": make_driver, "driver_elsewhere": driver_elsewhere})
    killer = "test_process_no_job_is_claimed_twice"
    enter(Mutant(name=name, bug=bug, killer=killer, harness_type=harness_type, chapter=__name__))


elsewhere(
    NoTransactions, "The worked example without any transaction: processes come between a look and what depends on it."
)
elsewhere(
    ClaimInTwoElsewhere,
    "The worked example chooses what to claim in one transaction, and processes come before the next one takes it.",
)
