"""The records about a queue as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from jobsvalkey.contract.claims import WorkerID
from jobsvalkey.contract.records import StoredJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much a queue has to do, for autoscalers. It costs O(log n) in the number of jobs to find out."""

    due: int
    """Pending jobs whose time has come: more workers would run them now, unless their lanes are at their limits."""
    delayed: int
    """Pending jobs whose time has not come."""
    waiting: int = 0
    """Jobs that others hold: a parent, or the members of their batch. Always 0 if the driver has no `FLOWS`."""
    processing: int
    """Jobs that run."""
    oldest_due: timedelta | None
    """For how long the first due job has been due; `None` if no job is due."""
    workers: int
    """Workers whose lock has not run out."""
    is_paused: bool
    """Whether the queue as a whole is paused, so that nothing is claimed."""


@dataclass(frozen=True, slots=True)
class StoredWorker:
    """A worker as a driver stores it."""

    worker: WorkerID
    about: bytes
    """The description that was given when it was opened last; empty if there was none."""
    lock_ends: datetime
    """When its lock runs out; in the past if it has."""
    claims: int
    """How many jobs it has."""


class JobPage(NamedTuple):
    """Some of the jobs in a state, in the order of `jobs`."""

    jobs: Sequence[StoredJob]
    cursors: Sequence[str]
    """For each of the jobs: the cursor that goes on after it. Only the driver understands it."""
    cursor: str | None
    """The cursor that goes on after the page; `None` after the last page. A page without jobs may have one, too."""
