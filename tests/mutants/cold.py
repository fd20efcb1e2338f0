"""Bugs of Python that were planted later, unseen again, and that no area of the kit killed then."""

import hashlib
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, ClassVar

from docs.drivers.sqlite_driver import MICROSECOND, SQLiteJobQueue
from jobsvalkey.contract import (
    FINISHED,
    Clock,
    DriverConfiguration,
    JobCleanup,
    JobID,
    JobStatus,
    Operation,
    QueueDriver,
    StoredJob,
    WorkerID,
)
from jobsvalkey.valkey import numbering, session, waiting
from jobsvalkey_memory.lanes import Lanes, line_name
from tests.mutants.mutant import Mutant, Twin, enter, mutant
from tests.mutants.threads import SQLiteHarness
from tests.support.harnesses import ValkeyHarness

# -- the Valkey driver's Python


class PatchedHarness(ValkeyHarness):
    """The Valkey driver's harness, with an attribute of the driver's code replaced from start to stop."""

    owner: ClassVar[Any]
    attribute: ClassVar[str]
    replaced: ClassVar[tuple[Any]]
    """In a tuple: a function of the class would become a method of the harness, and break whatever it stands for."""

    async def start(self) -> None:
        """Replace it."""
        await super().start()
        self._before = self.owner.__dict__[self.attribute]
        setattr(self.owner, self.attribute, self.replaced[0])

    async def stop(self) -> None:
        """Put it back."""
        setattr(self.owner, self.attribute, self._before)
        await super().stop()


def patched(
    name: str, bug: str, killer: str, owner: Any, attribute: str, replaced: Any, chapter: str = __name__
) -> None:
    """Enter a bug of the driver's Python."""
    attributes = {"owner": owner, "attribute": attribute, "replaced": (replaced,)}
    harness_type = type(f"{name}Harness", (PatchedHarness,), attributes)
    enter(Mutant(name=name, bug=bug, killer=killer, harness_type=harness_type, chapter=chapter))


CHANNELS: Any = session.Session.__dict__["_channels"]
"""The property that names the connections of a driver in an event loop."""


def but_for_durable(opened: session.Session) -> tuple[Any, ...]:
    """The same, but for those of pushes that are confirmed."""
    durable: Any = vars(opened)["_durable"]
    confirmed: list[Any] = [pushes.channel for pushes in durable.values()]
    return tuple(each for each in CHANNELS.fget(opened) if each not in confirmed)


def without(name: str) -> property:
    """The same, but for one of them."""
    return property(lambda self: tuple(each for each in CHANNELS.fget(self) if each is not vars(self)[name]))


def sha256_of_one_word(text: bytes) -> Any:
    """The digest of words without what is between them."""
    return hashlib.sha256(text.replace(b"\0", b""))


CLOSED = "test_capability_a_closed_driver_leaves_nothing_of_any_use"
patched(
    "EndsStayConnected",
    "`session.py`: a driver that has waited for ends leaves that connection open.",
    CLOSED,
    session.Session,
    "_channels",
    without("_ends"),
)
patched(
    "DurablePushesStayConnected",
    "`session.py`: a driver whose pushes were confirmed leaves that connection open.",
    CLOSED,
    session.Session,
    "_channels",
    property(but_for_durable),
)
patched(
    "DigestOfOneWord",
    "`numbering.py`: the digest does not tell where one argument ends and the next begins.",
    "test_digest_each_argument_counts",
    numbering,
    "hashlib",
    SimpleNamespace(sha256=sha256_of_one_word),
)


def close_half(waiter: waiting.Waiter) -> None:
    """Let nobody but those return who wait for work."""
    held: Any = waiter
    for listener in (held._work_listener, held._news_listener):
        listener.close()
    held._wake_all()


patched(
    "FullWorkersWaitOn",
    "`waiting.py`: closing a driver does not end the wait of a worker that has no use for work.",
    "test_connection_closing_ends_waits",
    waiting.Waiter,
    "close",
    close_half,
)

# -- the twin


@mutant("test_repeat_it_is_forgotten_whatever_others_do")
class ProducersInTheirFirstOrder(Twin):
    """Producers are forgotten in the order of their first steps: one that goes on keeps those that came later."""

    def now(self) -> Any:
        self.state.producers.move_to_end = lambda key, last=True: None  # type: ignore[method-assign]
        return super().now()


@mutant("test_together_a_job_that_a_cleanup_passes_over_takes_no_name")
class TakesTheNamesOfThePassedOver(Twin):
    """A cleanup that reruns takes the names again of all jobs that it looks at, also of those that it passes over."""

    async def cleanup_step(
        self,
        status: JobStatus,
        cleanup: JobCleanup,
        *,
        max_jobs: int,
        only_orphans: bool = False,
        except_for: JobID | None = None,
        as_of: datetime | None = None,
        operation: Operation | None = None,
    ) -> int:
        looked_at = list(self.state.listed(status)) if cleanup.action == "rerun" else []
        done = await super().cleanup_step(
            status,
            cleanup,
            max_jobs=max_jobs,
            only_orphans=only_orphans,
            except_for=except_for,
            as_of=as_of,
            operation=operation,
        )
        for job in looked_at:
            if self.state.jobs.get(job.job_id) == job:
                self.state.retake_name(job, self.now())
        return done


@mutant("test_lanes_wait_from_their_first_due_job")
class WaitsForTheDelayed(Twin):
    """A line that has delayed jobs keeps the turn that these give it when a job comes that is due."""

    def now(self) -> Any:
        lanes = self.state.lanes
        lanes.changed = lambda job, now: self._changed(job, now)
        return super().now()

    def _changed(self, job: StoredJob, now: datetime) -> None:
        lanes, name = self.state.lanes, line_name(job)
        before = lanes.turns.get(name)
        Lanes.changed(lanes, job, now)
        if before is not None and lanes.lines[name]:
            lanes.turns[name] = max(before, lanes.turns[name])


@mutant("test_limits_room_is_told[finish-3]")
class TellsOfTheLastPlaceOnly(Twin):
    """Room in a lane is told only if nothing of it runs any more."""

    def now(self) -> Any:
        lanes = self.state.lanes
        lanes.stopped = lambda job: Lanes.stopped(lanes, job) and job.lane not in lanes.slots
        return super().now()


@mutant("test_activity_is_counted_for_good")
class TheLastWorkerSaysWhatCounts(Twin):
    """Whether the queue counts is said anew by each worker that is opened."""

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        await super().open_worker(worker, hold_for, about=about)
        self.state.counts_activity = self.configuration.activity


# -- the example for SQLite


class SQLiteMutantHarness(SQLiteHarness):
    """Makes drivers of a class with a bug."""

    driver_type: ClassVar[type[SQLiteJobQueue]]

    def make_driver(self, configuration: DriverConfiguration, clock: Clock | None) -> QueueDriver:
        return self.driver_type(self.directory, configuration, clock)


class ForgetsIdsFirst(SQLiteJobQueue):
    """Ids beyond their window are dropped before jobs are, whose ids may be beyond it, too."""

    def _forget(self, now: int) -> None:
        self._do("DELETE FROM remembered WHERE until <= ?", now)
        for state in FINISHED:
            if (age := self.configuration.retention_policy.of(state).max_age) is not None:
                self._drop(state, now, "state = ? AND kept = 0 AND ended <= ?", state, now - age // MICROSECOND)
        self._do("DELETE FROM producers WHERE used <= ?", now - timedelta(minutes=10) // MICROSECOND)


class OpensForTheLongerTime(SQLiteJobQueue):
    """A worker that is opened again has the longer one of its two locks."""

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        with self._transaction() as now:
            new = (
                "INSERT INTO workers (id, expires) VALUES (?, ?) "
                "ON CONFLICT DO UPDATE SET expires = max(expires, excluded.expires)"
            )
            self._do(new, worker, now + hold_for // MICROSECOND)


def enter_sqlite(driver_type: type[SQLiteJobQueue], killer: str, chapter: str) -> None:
    """Enter a bug of the worked example, which its docstring describes."""
    bug = driver_type.__doc__ or ""
    enter(
        Mutant(
            name=driver_type.__name__,
            bug=f"The worked example: {bug[:1].lower()}{bug[1:]}",
            killer=killer,
            harness_type=type(f"{driver_type.__name__}Harness", (SQLiteMutantHarness,), {"driver_type": driver_type}),
            chapter=chapter,
        )
    )


enter_sqlite(ForgetsIdsFirst, "test_retention_the_window_is_over_whether_or_not_anybody_looked", __name__)
enter_sqlite(OpensForTheLongerTime, "test_exact_a_worker_that_is_opened_again_has_the_new_lock", __name__)
