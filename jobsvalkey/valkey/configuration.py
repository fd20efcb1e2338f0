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
    """How long a call is repeated while the server does not answer, before it is `StoreUnavailable`; 0: not at all.

    It does not run while bytes arrive or leave.
    """
    unowned_grace: timedelta = timedelta(seconds=5)
    """How long a Swift worker may hold a job without a lock, as one does that starts, before the job is recovered."""

    durability: Durability | None = None
    """The demand that is met before a push returns; `None`: the server has the job in its memory. `JobOptions` may have
    another one."""
    exchange_durability: Durability | None = None
    """The demand that is met before a worker's step is answered: jobs start, and have ended, when others have it. While
    it is not met, workers wait. `None`: the server has it in its memory."""

    def __post_init__(self) -> None:
        # Not super(): a slotted dataclass is a new class, which the implicit form does not find.
        DriverConfiguration.__post_init__(self)
        for name in ("operation_timeout", "unowned_grace"):
            if getattr(self, name) < timedelta(0):
                raise ValueError(f"{name} is not a time below zero ({getattr(self, name)})")
