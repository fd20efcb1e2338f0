"""Bugs that threads show, and bugs of the store's own clock."""

import threading
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from jobsvalkey_conformance import DriverHarness
from jobsvalkey_conformance.beside import THREADS

from docs.drivers.sqlite_driver import EPOCH, MICROSECOND, SQLiteJobQueue
from jobsvalkey.contract import Clock, DriverConfiguration, JobStatus, Operation, QueueDriver, SystemClock, WorkerID
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


class SQLiteHarness(DriverHarness):
    """Keeps the files of such drivers."""

    has_hints = False

    async def start(self) -> None:
        self._directory = TemporaryDirectory()

    async def stop(self) -> None:
        self._directory.cleanup()

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return Path(self._directory.name)


class WithoutTransactionsHarness(SQLiteHarness):
    """Lets the threads of that driver meet."""

    async def start(self) -> None:
        await super().start()
        self._meeting = threading.Barrier(THREADS)

    def make_driver(
        self, configuration: DriverConfiguration, clock: Clock | None
    ) -> AbstractAsyncContextManager[QueueDriver]:
        return WithoutTransactions(self.directory, configuration, clock, self._meeting)


enter(
    Mutant(
        name=WithoutTransactions.__name__,
        bug="The worked example without its transactions: each statement is a step of its own.",
        killer="test_thread_one_operation",
        harness_type=WithoutTransactionsHarness,
        chapter=__name__,
    )
)


class InTwoTransactions(SQLiteJobQueue):
    """The worked example, with one step of it in two transactions: it ends the first one after a certain statement."""

    after: ClassVar[str]
    """What is in that statement."""

    def _all(self, query: str, *values: object) -> list[Any]:
        return self._between(query, super()._all(query, *values))

    def _one(self, query: str, *values: object) -> Any:
        return self._between(query, super()._one(query, *values))

    def _do(self, statement: str, *values: object) -> int:
        return self._between(statement, super()._do(statement, *values))

    def _between(self, statement: str, done: Any) -> Any:
        if self.after in statement:
            self._connection().execute("COMMIT")
            self._connection().execute("BEGIN IMMEDIATE")
        return done


def in_two(name: str, after: str, killer: str, bug: str) -> None:
    """Enter one of these."""
    driver_type = type(name, (InTwoTransactions,), {"after": after, "__module__": __name__})

    def make_driver(
        self: SQLiteHarness, configuration: DriverConfiguration, clock: Clock | None
    ) -> AbstractAsyncContextManager[QueueDriver]:
        return driver_type(self.directory, configuration, clock)

    harness_type = type(name, (SQLiteHarness,), {"make_driver": make_driver})
    enter(Mutant(name=name, bug=bug, killer=killer, harness_type=harness_type, chapter=__name__))


in_two(
    *(
        "SQLiteClaimInTwo",
        "SELECT id, length(request) FROM jobs",
        "test_thread_two_steps_meet[claim beside the claim of another]",
    ),
    "The worked example chooses what to claim in one transaction, and takes it in the next.",
)
in_two(
    *("SQLiteRecoveryInTwo", "SELECT NOT leaving", "test_thread_two_steps_meet[recovery beside renewal]"),
    "The worked example looks for jobs of dead workers in one transaction, and puts them back in the next.",
)
in_two(
    *(
        "SQLiteRecoveryInHalves",
        "SET recoveries = recoveries + ?",
        "test_thread_two_steps_meet[recovery beside settlement]",
    ),
    "The worked example recovers job by job, each in transactions of its own.",
)
in_two(
    *("SQLiteClosingInTwo", "WHERE worker = ?", "test_thread_two_steps_meet[claim beside closing]"),
    "The worked example releases what a worker holds in one transaction, and forgets the worker in the next.",
)
in_two(
    *("SQLiteRowNotLocked", "FROM workers WHERE id = ?", "test_thread_two_steps_meet[claim beside the same claim]"),
    "The worked example reads a worker's row in one transaction, and goes by that in the next.",
)
in_two(
    *(
        "SQLiteIdsRace",
        "SELECT id FROM jobs WHERE id = ? UNION",
        "test_thread_two_steps_meet[push beside the same push]",
    ),
    "The worked example looks in one transaction whether an id is known, and stores its job in the next.",
)
in_two(
    *("SQLiteCancelInTwo", "state IN ('pending', 'paused')", "test_thread_two_steps_meet[claim beside cancellation]"),
    "The worked example looks in one transaction whether a job waits, and cancels it in the next.",
)
in_two(
    *("SQLiteProducersRace", "FROM producers WHERE id = ?", "test_thread_two_steps_meet[push beside its repeat]"),
    "The worked example reads a producer's last number in one transaction, and goes by that in the next.",
)


class SQLiteRemembersTooLate(SQLiteJobQueue):
    """The worked example, which drops a job in one transaction, and notes its id in the next."""

    def _drop(self, state: JobStatus, now: int, which: str, *values: object) -> None:
        named = self._all(f"SELECT id FROM jobs WHERE named AND {which}", *values)  # noqa: S608
        super()._drop(state, now, which, *values)
        noted = [self._one("SELECT id, until FROM remembered WHERE id = ?", job_id) for (job_id,) in named]
        for job_id, _ in noted:
            self._do("DELETE FROM remembered WHERE id = ?", job_id)
        if noted:
            self._connection().execute("COMMIT")
            self._connection().execute("BEGIN IMMEDIATE")
        for job_id, until in noted:
            self._do("INSERT OR REPLACE INTO remembered VALUES (?, ?)", job_id, until)


class SQLiteRemembersTooLateHarness(SQLiteHarness):
    """Makes that driver."""

    def make_driver(
        self, configuration: DriverConfiguration, clock: Clock | None
    ) -> AbstractAsyncContextManager[QueueDriver]:
        return SQLiteRemembersTooLate(self.directory, configuration, clock)


enter(
    Mutant(
        name=SQLiteRemembersTooLate.__name__,
        bug="The worked example drops a job in one transaction, and notes the id that a user gave in the next.",
        killer="test_thread_two_steps_meet[settlement beside push]",
        harness_type=SQLiteRemembersTooLateHarness,
        chapter=__name__,
    )
)


@mutant("test_clock_a_lock_runs_out")
class LocksInMilliseconds(Twin):
    """By the machine's own clock a lock is a thousand times too long."""

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        is_real = isinstance(self.clock, SystemClock)
        await super().open_worker(worker, hold_for * 1000 if is_real else hold_for, about=about)


@mutant("test_clock_a_producer_is_remembered")
class ProducersForAMoment(Twin):
    """By the machine's own clock a producer is remembered for 0.6 seconds in place of ten minutes."""

    def now(self) -> datetime:
        now = super().now()
        if isinstance(self.clock, SystemClock):
            for producer, answer in list(self.state.producers.items()):
                if now - answer.used_at >= timedelta(seconds=0.6):
                    del self.state.producers[producer]
        return now


@mutant("test_clock_what_is_kept_for_a_time")
class LocksForGood(Twin):
    """By the machine's own clock a lock of metadata never ends."""

    async def acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        is_real = isinstance(self.clock, SystemClock)
        return await super().acquire_lock(
            key, holder, expires_in * 1000 if is_real else expires_in, operation=operation
        )
