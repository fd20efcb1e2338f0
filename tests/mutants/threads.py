"""Bugs that threads show, and bugs of the store's own clock."""

import threading
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jobsvalkey_conformance import DriverHarness
from jobsvalkey_conformance.areas.threads import THREADS

from docs.drivers.sqlite_driver import EPOCH, MICROSECOND, SQLiteJobQueue
from jobsvalkey.contract import Clock, DriverConfiguration, Operation, QueueDriver, SystemClock, WorkerID
from tests.mutants.mutant import Mutant, Twin, enter, mutant


class WithoutTransactions(SQLiteJobQueue):
    """The worked example, with each statement for itself: the threads meet between the first one and the next."""

    def __init__(
        self, directory: Path, configuration: DriverConfiguration, clock: Clock | None, meeting: threading.Barrier
    ) -> None:
        super().__init__(directory, configuration, clock)
        self._meeting = meeting

    @contextmanager
    def _transaction(self) -> Generator[int]:
        now = (self.clock.now() - EPOCH) // MICROSECOND
        self._forget(now)
        yield now

    def _one(self, query: str, *values: object) -> Any:
        found = super()._one(query, *values)
        # Nobody but the kit's threads repeats an operation. They would be here at once by luck alone.
        if "FROM producers" in query and threading.current_thread() is not threading.main_thread():
            with suppress(threading.BrokenBarrierError):
                self._meeting.wait(10)
        return found


class WithoutTransactionsHarness(DriverHarness):
    """Keeps the files of that driver."""

    has_hints = False

    async def start(self) -> None:
        self._directory = TemporaryDirectory()
        self._meeting = threading.Barrier(THREADS)

    async def stop(self) -> None:
        self._directory.cleanup()

    def make_driver(
        self, configuration: DriverConfiguration, clock: Clock | None
    ) -> AbstractAsyncContextManager[QueueDriver]:
        return WithoutTransactions(Path(self._directory.name), configuration, clock, self._meeting)


enter(
    Mutant(
        name=WithoutTransactions.__name__,
        bug="The worked example without its transactions: each statement is a step of its own.",
        killer="test_thread_one_operation",
        harness_type=WithoutTransactionsHarness,
        chapter=__name__,
    )
)


@mutant("test_clock_a_lock_runs_out", only_the_killer=True)
class LocksInMilliseconds(Twin):
    """By the machine's own clock a lock is a thousand times too long."""

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        is_real = isinstance(self.clock, SystemClock)
        await super().open_worker(worker, hold_for * 1000 if is_real else hold_for, about=about)


@mutant("test_clock_a_producer_is_remembered", only_the_killer=True)
class ProducersForAMoment(Twin):
    """By the machine's own clock a producer is remembered for 0.6 seconds in place of ten minutes."""

    def now(self) -> datetime:
        now = super().now()
        if isinstance(self.clock, SystemClock):
            for producer, answer in list(self.state.producers.items()):
                if now - answer.used_at >= timedelta(seconds=0.6):
                    del self.state.producers[producer]
        return now


@mutant("test_clock_what_is_kept_for_a_time", only_the_killer=True)
class LocksForGood(Twin):
    """By the machine's own clock a lock of metadata never ends."""

    async def acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        is_real = isinstance(self.clock, SystemClock)
        return await super().acquire_lock(
            key, holder, expires_in * 1000 if is_real else expires_in, operation=operation
        )
