"""One job of a schedule."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from jobsvalkey.contract import JobsError, NamedParameters, Unique
from jobsvalkey.contract.option_types import check_option
from jobsvalkey.contract.spans import check_span
from jobsvalkey.scheduling.schedule import Schedule


class Accuracy(StrEnum):
    """Whether triggers that were missed while no scheduler ran run later."""

    LATEST = "latest"
    """The latest one runs, the others are dropped."""
    ALL = "all"
    """Every one runs."""


class DuplicateSchedule(JobsError, ValueError):
    """A schedule already has a job of that id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledJob:
    """A job, with its parameters, and when it runs."""

    id: str
    """Names it within its schedule. Its last trigger is kept under this name."""
    job: NamedParameters[Any]
    schedule: Schedule
    accuracy: Accuracy
    unique: Unique | None = None
    """A unique name for its jobs. While another job holds it, a trigger pushes nothing, or replaces that job."""
    expires_in: timedelta | None = None
    """Each of its jobs is cancelled if no worker has it that long after its trigger."""

    def __post_init__(self) -> None:
        check_option("unique", self.unique, Unique | None)
        check_option("expires_in", self.expires_in, timedelta | None)
        if self.expires_in is not None:
            check_span(self.expires_in, "expires_in")

    def expires(self, trigger: datetime) -> datetime | None:
        """Return when its job for this trigger expires, if it does."""
        return None if self.expires_in is None else trigger + self.expires_in
