"""The state that the rules of the stateful machine share: two queues, the clock, and what was done so far."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from jobsvalkey.contract import (
    DO_NOT_RETAIN,
    RETAIN,
    Capability,
    DriverConfiguration,
    Due,
    JobID,
    JobStatus,
    Operation,
    Retention,
    RetentionPolicy,
    WorkerID,
    retain_for,
    retain_last,
)
from jobsvalkey_conformance.harness import AnyDriver, DriverHarness, Hook
from jobsvalkey_conformance.limit import limited
from jobsvalkey_conformance.machine.pair import Pair, PairedExchange, Raised
from jobsvalkey_memory import ManualClock

T = TypeVar("T")
Write = Callable[[AnyDriver, Operation | None], Awaitable[T]]

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
JOB_IDS = tuple(JobID(int=0xABCDEF_00000000 << 64 | 0x4 << 76 | 0x2 << 62 | number << 32) for number in range(5))
KEYS = ("alpha", "beta")
RETENTIONS = {
    "retain": RETAIN,
    "drop": DO_NOT_RETAIN,
    "for a minute": retain_for(timedelta(minutes=1)),
    "last two": retain_last(2),
    "both": Retention(timedelta(minutes=1), 2),
}
DUES = ("now", "at once", "long ago", "earlier", "soon", "soon elsewhere", "later")


class MachineBase(RuleBasedStateMachine):
    """Two queues, each on the driver under test and on a twin of its own."""

    harness_type: ClassVar[type[DriverHarness]]
    steps_taken: ClassVar[int] = 0
    """Counts the steps of all examples."""

    def __init__(self) -> None:
        super().__init__()
        self.runner: asyncio.Runner = asyncio.Runner()
        self.harness: DriverHarness = self.harness_type()
        self.clock: ManualClock = ManualClock()
        self.pairs: list[Pair] = []
        self.touched: set[int] = set()
        self.generations: list[list[int]] = [[0, 0], [0, 0]]
        self.closed: set[tuple[int, WorkerID]] = set()
        self.sequences: dict[tuple[int, WorkerID], int] = {}
        self.exchanges: dict[tuple[int, WorkerID], PairedExchange] = {}
        self.number: int = 0
        self.numbered: dict[int, tuple[str, Write[object], Operation]] = {}
        self.beginning: dict[str, Any] = {}
        self.steps: list[tuple[str, dict[str, Any]]] = []
        """The steps that were done so far."""

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        """Run a step in the event loop of this example, for as long as a test may take."""

        async def limited_step() -> T:
            async with limited(self.harness_type):
                return await step

        return self.runner.run(limited_step())

    @contextmanager
    def noticing(self) -> Generator[None]:
        """Tell `failed` of an error in the block, before it goes on."""
        try:
            yield
        except Exception as error:
            self.failed(error)
            raise

    def failed(self, error: Exception) -> None:
        """Called at an error, when `beginning` and `steps` say how it came."""

    def teardown(self) -> None:
        """Close what was opened."""

        async def close() -> None:
            for pair in self.pairs:
                await pair.aclose()
            await self.harness.stop()

        with self.noticing():
            try:
                self.run(close())
            finally:
                self.runner.close()

    @initialize(
        completed=st.sampled_from(list(RETENTIONS)),
        failed=st.sampled_from(list(RETENTIONS)),
        cancelled=st.sampled_from(list(RETENTIONS)),
        window_hours=st.sampled_from([1, 24]),
    )
    def begin(self, completed: str, failed: str, cancelled: str, window_hours: int) -> None:
        """Two queues with the same settings on one store, with two workers each."""
        self.beginning = {
            "completed": completed,
            "failed": failed,
            "cancelled": cancelled,
            "window_hours": window_hours,
        }
        prefix = f"machine-{secrets.token_hex(6)}"
        kept = [RETENTIONS[name] for name in (completed, failed, cancelled)]
        if self.harness.spare_jobs:  # by count only what is kept exactly can be compared
            kept = [RETAIN if retention.max_count else retention for retention in kept]
        policy = RetentionPolicy(completed_jobs=kept[0], failed_jobs=kept[1], cancelled_jobs=kept[2])

        async def begin() -> None:
            await self.harness.start()
            for queue in (0, 1):
                configuration = DriverConfiguration(
                    queue_key=f"{{{prefix}}}" + ":more" * queue,
                    retention_policy=policy,
                    idempotency_window=timedelta(hours=window_hours),
                    activity=queue == 0,
                )
                pair = Pair(self.harness, configuration, self.clock)
                await pair.open()
                self.pairs.append(pair)
                for worker in (0, 1):
                    await self.open_worker(queue, worker, 60)

        with self.noticing():
            self.run(begin())

    # -- what the rules share

    def pair(self, queue: int) -> Pair:
        """One queue; it is compared after the step."""
        self.touched.add(queue)
        return self.pairs[queue]

    def states(self, *capabilities: Capability) -> bool:
        """Whether the driver can do all of this."""
        return bool(self.pairs) and self.pairs[0].states(*capabilities)

    def has(self, hook: Hook) -> bool:
        """Whether the harness offers this."""
        return hook in self.harness.hooks

    def go_to(self, time: datetime) -> None:
        """Let time go by; it does so for both queues."""
        self.clock.set(time)
        self.touched |= {0, 1}

    def due(self, name: str) -> Due:
        """The due time that a word stands for."""
        now = self.clock.now()
        return {
            "now": None,
            "at once": timedelta(0),
            "long ago": LONG_AGO,
            "earlier": now - timedelta(seconds=7),
            "soon": timedelta(seconds=10),
            "soon elsewhere": (now + timedelta(seconds=10)).astimezone(timezone(timedelta(hours=2))),
            "later": now + timedelta(hours=2),
        }[name]

    def jobs_in(self, queue: int, *statuses: JobStatus) -> list[JobID]:
        """The jobs in some states, or behind them: what is beyond its retention may still be among them."""
        jobs = self.pairs[queue].twin.state.jobs
        return [job_id for job_id in JOB_IDS if job_id in jobs and jobs[job_id].status in statuses]

    def worker(self, queue: int, worker: int) -> WorkerID:
        """The id of one of the queue's workers."""
        return f"worker-{worker}-{self.generations[queue][worker]}"

    async def open_worker(self, queue: int, worker: int, seconds: int) -> None:
        """Open a worker; one that was closed comes back as a new one, since a worker's id is never used again."""
        if (queue, self.worker(queue, worker)) in self.closed:
            self.generations[queue][worker] += 1
        name, hold_for, about = self.worker(queue, worker), timedelta(seconds=seconds), b"for %d s" % seconds
        await self.pair(queue).both(
            f"open_worker({name!r})", lambda driver: driver.open_worker(name, hold_for, about=about)
        )

    def next_number(self) -> int:
        """Count the steps that have a number."""
        self.number += 1
        return self.number

    def write(self, queue: int, what: str, numbered: bool, call: Write[T]) -> T | Raised:
        """A writing step, numbered by the machine or by the driver."""
        pair = self.pair(queue)
        number = self.next_number()
        if not numbered:
            return self.run(pair.both(what, lambda driver: call(driver, None)))
        operation = Operation("producer", number)
        self.numbered[queue] = (what, call, operation)
        return self.run(pair.both(what, lambda driver: call(driver, operation)))
