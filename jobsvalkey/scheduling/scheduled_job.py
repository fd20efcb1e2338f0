"""One job of a schedule."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from jobsvalkey.contract import JobsError, NamedParameters
from jobsvalkey.scheduling.schedule import Schedule


class Accuracy(StrEnum):
    """Whether triggers that were missed, while no scheduler ran, run later."""

    LATEST = "latest"
    """The latest one runs, the others are dropped."""
    ALL = "all"
    """Every one runs."""


class DuplicateSchedule(JobsError, ValueError):
    """A schedule has a job of that id already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledJob:
    """A job, with its parameters, and when it runs."""

    id: str
    """Names it within its schedule: what it has run is kept under this name."""
    job: NamedParameters[Any]
    schedule: Schedule
    accuracy: Accuracy
