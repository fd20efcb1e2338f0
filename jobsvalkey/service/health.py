"""How a service does."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from jobsvalkey.runtime import ProcessorState


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceHealth:
    """The health of a service, for a health check of an application."""

    connected: bool
    """Whether the service runs, the store answered its last step, and none has waited for two seconds."""
    last_claim: datetime | None
    """When it last claimed a job, by the driver's clock; `None` is never."""
    running: int
    """How many jobs run."""
    lag: timedelta
    """How late the event loop was when it was last measured: much more than zero means that something blocks it."""

    @classmethod
    def of(cls, state: ProcessorState | None) -> "ServiceHealth":
        """Return the health of a service whose processor is in this state; `None` is not running."""
        if state is None:
            return cls(connected=False, last_claim=None, running=0, lag=timedelta(0))
        return cls(
            connected=state.connected,
            last_claim=state.last_claim_at,
            running=state.running,
            lag=timedelta(seconds=state.lag),
        )
