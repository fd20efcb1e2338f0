"""The harness that the author of a driver writes: how to make the driver and, if possible, damage its store."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Protocol

from jobsvalkey.contract import (
    AbortableDriver,
    ActivityDriver,
    CancellableDriver,
    CleanupDriver,
    Clock,
    DriverConfiguration,
    DurableDriver,
    FlowDriver,
    InspectionDriver,
    JobID,
    JobStatus,
    LaneDriver,
    MetadataDriver,
    PausableDriver,
    QueueDriver,
    ResultsDriver,
    ResumableDriver,
    SchedulingDriver,
    WorkerID,
)


class AnyDriver(
    QueueDriver,
    CancellableDriver,
    AbortableDriver,
    ResumableDriver,
    PausableDriver,
    MetadataDriver,
    SchedulingDriver,
    InspectionDriver,
    CleanupDriver,
    DurableDriver,
    ActivityDriver,
    ResultsDriver,
    FlowDriver,
    LaneDriver,
    Protocol,
):
    """A driver as the suite sees it: a test calls only methods of the capabilities that it names."""


class Hook(StrEnum):
    """The optional methods of a harness, by name."""

    OBSERVE = "observe"
    FINGERPRINT = "fingerprint"
    DAMAGE = "damage"
    KILL_CONNECTIONS = "kill_connections"
    RESTART_STORE = "restart_store"
    DROP_REPLY = "drop_reply"
    DELAY_REQUEST = "delay_request"
    OVERTAKE_REQUEST = "overtake_request"
    REFUSE_FOR_A_WHILE = "refuse_for_a_while"
    LOSE_STORE = "lose_store"
    KILL_STORE = "kill_store"
    FORGETFUL_STORE = "forgetful_store"
    OPEN_CONNECTIONS = "open_connections"
    DRIVER_ELSEWHERE = "driver_elsewhere"


class Damage(StrEnum):
    """A way in which `damage` spoils a stored job, or the lists that it is on."""

    LOST_REQUEST = "lost_request"
    """The request is gone, everything else is there."""
    GARBLED_REQUEST = "garbled_request"
    """The request is `GARBLED`: bytes that nobody pushed."""
    WRONG_TYPE = "wrong_type"
    """Something else is in the place of the request and cannot be read as one (another type of key, column, file)."""
    STRAY_EXPIRY = "stray_expiry"
    """The job is on a list of those that have expired, though it does not expire. Its request is there."""
    FOREIGN_LINE = "foreign_line"
    """Something else is in the place of the line of pending jobs of its lane. Its request is there."""


GARBLED = b"\xff\x00 not what was pushed"
"""The request that `Damage.GARBLED_REQUEST` leaves."""


@dataclass(frozen=True, slots=True)
class ObservedJob:
    """A job as it is in the store."""

    states: frozenset[JobStatus]
    """The lists that it is on: exactly one if all is well. For a claimed job `PROCESSING`."""
    has_request: bool
    """Whether its request is there."""


@dataclass(frozen=True, slots=True)
class ObservedName:
    """A unique name as it is in the store."""

    holder: JobID
    until: datetime | None = None
    """When its time is over, if it is held for a time."""


@dataclass(frozen=True, slots=True)
class ObservedLine:
    """The pending jobs of one lane and one priority, as they are in the store."""

    jobs: frozenset[JobID]
    turn: datetime
    """Since when it has waited, or will wait."""
    is_offered: bool = True
    """Whether its first job is offered to workers: its lane is not at its limit."""


@dataclass(frozen=True, slots=True)
class ObservedWait:
    """The holds of a job that waits for others, as they are in the store."""

    parents: frozenset[JobID] = frozenset()
    """The jobs that will tell it of their end."""
    is_doomed: bool = False
    """Whether it only waits for its own end."""
    is_open: bool = False
    """Whether it is held as the callback of a batch that is not closed."""
    members: Mapping[JobID, JobStatus | None] = field(default_factory=dict[JobID, JobStatus | None])
    """The members of its batch, each with the state in which it has ended."""
    holds: int | None = None
    """How many of all these hold it, if the store keeps that number."""


@dataclass(frozen=True, slots=True)
class ObservedInput:
    """A result that is kept for the jobs that need it."""

    parent: JobID
    result: bytes
    children: frozenset[JobID]
    """The jobs that refer to it."""
    references: int
    """How many these are, according to the store."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The contents of the store, seen without the driver. Jobs beyond their retention may still be there."""

    jobs: Mapping[JobID, ObservedJob] = field(default_factory=dict[JobID, ObservedJob])
    claims: Mapping[WorkerID, frozenset[JobID]] = field(default_factory=dict[WorkerID, frozenset[JobID]])
    """The jobs that each worker has claimed; workers without claims may be left out."""
    names: Mapping[str, ObservedName] | None = None
    """The unique names that are held, and perhaps some whose time is over; `None` if the harness does not know."""
    expiring: Mapping[JobID, datetime] | None = None
    """When each unclaimed job expires, if the store has a list of those."""
    lines: Mapping[tuple[int, str], ObservedLine] | None = None
    """The lines of pending jobs by priority and lane (empty for none), but for that of the jobs without either, if the
    store has such lines with turns."""
    waits: Mapping[JobID, ObservedWait] | None = None
    """The reasons why each waiting job waits; `None` if the harness does not know."""
    inputs: Sequence[ObservedInput] | None = None
    """The results of parents that are kept for their children, including those without children; `None` if it does not
    know."""
    leftovers: frozenset[str] = frozenset()
    """The names of whatever is left of jobs that are in no state. It must be empty."""
    slots: Mapping[str, frozenset[JobID]] | None = None
    """The claims of each lane that has any, if the store notes them, as it has to from the first limit on."""
    begun: Mapping[str, Sequence[datetime]] | None = None
    """The times of the last claims of each lane that had a rate then, if the store notes them."""


class DriverHarness(ABC):
    """Makes drivers for the suite. One harness, and so one empty store, is made for every test, without arguments.

    Only `make_driver` is required. Each further method that you override lets more tests run; tests that need one that
    you have not are reported as *not run*.
    """

    time_precision: ClassVar[timedelta] = timedelta(microseconds=1)
    """The smallest difference in time that the store keeps."""
    drives_clock: ClassVar[bool] = True
    """Whether the store takes its time from a clock that is passed in. If not, the suite waits in real time."""

    has_own_clock: ClassVar[bool] = True
    """Whether a driver that is made with `None` for a clock takes the time from its store, as it does in production."""
    several_loops: ClassVar[bool] = True
    """Whether drivers of several threads, each with an event loop of its own, may use the store at the same time."""
    lines_of_a_step: ClassVar[int] = 80
    """At how many lines of a step, spread over all of them, the step of another thread comes in between. A few are
    enough if each step is one request that the store does as a whole, such as a script."""
    counts_replicas: ClassVar[bool] = True
    """Whether the store can say how many replicas have a step. 0 is also an answer. A store that cannot say it takes
    demands of durability as met, or refuses them."""
    spare_jobs: ClassVar[int] = 0
    """How many jobs beyond `max_count` of a retention the store may still show, because it trims by rough counts."""
    has_hints: ClassVar[bool] = True
    """Whether `wait` returns at a hint. A driver without hints sleeps, and its workers poll."""

    @abstractmethod
    def make_driver(
        self, configuration: DriverConfiguration, clock: Clock | None
    ) -> AbstractAsyncContextManager[QueueDriver]:
        """Make a driver on this harness's store, to be entered in the event loop that uses it.

        A driver is itself such a context manager.

        All drivers of one harness share one store. If `clock` is `None`, the driver takes the time from the store.
        """

    async def start(self) -> None:  # noqa: B027 - optional
        """Prepare the store, once before the first driver is made, in the event loop of the test."""

    async def stop(self) -> None:  # noqa: B027 - optional
        """Clean up, once all drivers are closed, in the event loop of the test, even if the test failed."""

    async def observe(self, configuration: DriverConfiguration) -> Observation:
        """Return the contents of the store for the queue of `configuration`, seen without the driver."""
        raise NotImplementedError

    async def fingerprint(self, configuration: DriverConfiguration) -> object:
        """Return something that compares unequal once the store was written to, such as a counter of writes."""
        raise NotImplementedError

    async def damage(self, configuration: DriverConfiguration, job_id: JobID, how: Damage) -> None:
        """Spoil a stored job, without the driver. Raise `NotImplementedError` for damage that the store cannot have."""
        raise NotImplementedError

    async def kill_connections(self) -> None:
        """Break every connection that the drivers have at this moment; new ones are let through.

        Within the block of `lose_store` the store stays lost: what is still open breaks, and nothing is let through.
        """
        raise NotImplementedError

    async def restart_store(self) -> None:
        """End the store's process and start it again with its data; returns when it answers."""
        raise NotImplementedError

    def drop_reply(self) -> AbstractAsyncContextManager[None]:
        """Lose, within the block, the reply of the next step that writes, once, after the store has done the step.

        To the driver it must look as in production, for example like a broken connection. Leaving the block ends it.
        Leave this hook out if the driver sends nothing again by itself.
        """
        raise NotImplementedError

    def delay_request(self) -> AbstractAsyncContextManager[Callable[[], Awaitable[object]]]:
        """Hold back, within the block, the next step that writes, on its way to the store; others pass it.

        The block gets a function that waits until a step is held back. Leaving the block lets the step through, even if
        its caller has given it up, and returns when the store has done or refused it.
        """
        raise NotImplementedError

    def overtake_request(self) -> AbstractAsyncContextManager[Callable[[], Awaitable[object]]]:
        """Hold back, within the block, the next step that writes, on its way to the store, and cut its connection.

        So the driver sends it again, and that overtakes it. The block gets a function that waits until a step is held
        back. Leaving the block lets it through, and returns when the store has done or refused it. Leave this hook out
        if the driver sends nothing again by itself.
        """
        raise NotImplementedError

    def refuse_for_a_while(self) -> AbstractAsyncContextManager[None]:
        """Let the store refuse, within the block, the next three steps that write, as a starting store does.

        They are not done, and the driver is told so; the fourth one is accepted. Use all errors of the store that pass
        by themselves, one after the other: those of a failover and of a store that is too busy, too.
        """
        raise NotImplementedError

    def lose_store(self, *, refuses: bool) -> AbstractAsyncContextManager[Callable[[], Awaitable[object]]]:
        """Lose, within the block, the reply of the next step that writes, after the store has done it, and the store.

        From then on that is out of reach or, if it `refuses`, answers each step that writes with an error that passes.
        The block gets a function that waits until the driver has tried again and been told so. Leaving the
        block brings the store back.
        """
        raise NotImplementedError

    async def kill_store(self) -> None:
        """Kill the store's process, as a crash would, and start it again with what it has written."""
        raise NotImplementedError

    def forgetful_store(self) -> AbstractAsyncContextManager[None]:
        """Let the store, within the block, keep what it is told in such a way that it would lose it in a crash."""
        raise NotImplementedError

    async def open_connections(self) -> int:
        """Return how many connections, files and the like the drivers hold open, without those of the harness."""
        raise NotImplementedError

    def driver_elsewhere(
        self, configuration: DriverConfiguration
    ) -> Callable[[], AbstractAsyncContextManager[QueueDriver]]:
        """Return what makes a driver on this store, by the store's own clock, in another process.

        It has to be something that can be pickled, such as `functools.partial(MyDriver, path, configuration)`.
        """
        raise NotImplementedError

    @property
    def hooks(self) -> frozenset[Hook]:
        """The optional methods that this harness has. Override it if that is not known from the class alone."""
        base = DriverHarness
        return frozenset(hook for hook in Hook if getattr(type(self), hook) is not getattr(base, hook))
