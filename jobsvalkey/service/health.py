"""The health of a service."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobsvalkey.runtime import ProcessorState


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceHealth:
    """The health of a service, for a health check of an application."""

    connected: bool
    """Whether the service runs, the store of each queue answered its last step, and none has waited for two seconds."""
    last_claim: datetime | None
    """When it last claimed a job, by the driver's clock; `None` if it never has."""
    running: int
    """How many jobs run."""
    lag: timedelta
    """How late the event loop was when it was last measured: much more than zero means that something blocks it."""

    queues: tuple[bool, ...] = ()
    """For each queue, in order, whether its store answered; empty if the service does not run."""

    @classmethod
    def of(cls, states: Sequence[ProcessorState]) -> "ServiceHealth":
        """Return the health of a service whose queues are in these states; it does not run if there are none."""
        return cls(
            connected=bool(states) and all(state.connected for state in states),
            last_claim=max((state.last_claim_at for state in states if state.last_claim_at is not None), default=None),
            running=sum(state.running for state in states),
            lag=timedelta(seconds=max((state.lag for state in states), default=0.0)),
            queues=tuple(state.connected for state in states),
        )
