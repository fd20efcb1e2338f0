"""Settings of the Valkey driver."""

from dataclasses import dataclass
from datetime import timedelta

from jobsvalkey.contract import DriverConfiguration, Durability


@dataclass(frozen=True, slots=True, kw_only=True)
class ValkeyConfiguration(DriverConfiguration):
    """The settings of every driver, and those of this one.

    On a cluster `queue_key` needs a hash tag, as in `{mail}`, which puts all keys of the queue in one slot.

    Raises:
        ValueError: a value is out of range.
    """

    operation_timeout: timedelta = timedelta(seconds=10)
    """How long a call is repeated while the server does not answer, before it raises `StoreUnavailable`; 0: not at all.
    The clock stops while bytes arrive or leave.
    """
    unowned_grace: timedelta = timedelta(seconds=5)
    """How long a Swift worker may hold a job without a lock, as it does at its start, before the job is recovered."""

    durability: Durability | None = None
    """The demand to meet before a push returns; `None`: the server has the job in its memory. `JobOptions` may set
    another one."""
    exchange_durability: Durability | None = None
    """The demand to meet before a worker's step is answered: a job starts, or counts as ended, once the replicas, or
    the disk, have the step. Until then the worker waits. `None`: the server has the step in its memory."""

    def __post_init__(self) -> None:
        # Not super(): a slotted dataclass is a new class, which the implicit form does not find.
        DriverConfiguration.__post_init__(self)
        for name in ("operation_timeout", "unowned_grace"):
            if getattr(self, name) < timedelta(0):
                raise ValueError(f"{name} is not a time below zero ({getattr(self, name)})")
