"""The settings of a service's own cleanup."""

from dataclasses import dataclass, field

from jobsvalkey.contract import CleanupParameters
from jobsvalkey.contract.option_types import check_types
from jobsvalkey.scheduling import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupOptions:
    """The cleanup of a service. If several services share a queue, one of them does it each time."""

    parameters: CleanupParameters
    """The cleanup of each state."""
    schedule: Schedule = field(default_factory=Schedule.daily)
    """When it is done; by default at midnight UTC."""

    def __post_init__(self) -> None:
        check_types(self)
