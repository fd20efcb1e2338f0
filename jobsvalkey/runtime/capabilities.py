"""Types of drivers that support more than the base: each method of a queue names the type that it needs."""

from typing import Protocol

from jobsvalkey.contract import (
    AbortableDriver,
    ActivityDriver,
    CancellableDriver,
    Capability,
    CleanupDriver,
    FlowDriver,
    InspectionDriver,
    LaneDriver,
    PausableDriver,
    QueueDriver,
    ResultsDriver,
    ResumableDriver,
    SchedulingDriver,
    UnsupportedOperation,
)


class CancellableQueueDriver(QueueDriver, CancellableDriver, Protocol):
    """Jobs can be cancelled."""


class AbortableQueueDriver(QueueDriver, AbortableDriver, Protocol):
    """Jobs that run can be asked to end."""


class ResumableQueueDriver(QueueDriver, ResumableDriver, Protocol):
    """Jobs can be paused and resumed."""


class PausableQueueDriver(QueueDriver, PausableDriver, Protocol):
    """The queue as a whole can be paused."""


class CleanupQueueDriver(QueueDriver, CleanupDriver, Protocol):
    """Jobs can be rerun and removed."""


class InspectionQueueDriver(QueueDriver, InspectionDriver, Protocol):
    """Jobs can be looked at."""


class ActivityQueueDriver(QueueDriver, ActivityDriver, Protocol):
    """Counts what workers do."""


class ResultsQueueDriver(QueueDriver, ResultsDriver, Protocol):
    """Jobs can be waited for."""


class FlowQueueDriver(QueueDriver, FlowDriver, Protocol):
    """Jobs can wait for others."""


class LaneQueueDriver(QueueDriver, LaneDriver, Protocol):
    """Jobs have lanes, which can be limited."""


class SchedulingQueueDriver(QueueDriver, SchedulingDriver, Protocol):
    """A schedule can push jobs exactly once."""


def require(driver: QueueDriver, capabilities: frozenset[Capability], wanted: Capability) -> None:
    """Check that the driver has the capability.

    Raises:
        UnsupportedOperation: it has not.
    """
    if wanted not in capabilities:
        raise UnsupportedOperation(
            f"{type(driver).__name__} does not support the capability {wanted.value!r}: use a driver that does"
        )
