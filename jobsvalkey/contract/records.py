"""The records about jobs in a queue."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

import msgspec

from jobsvalkey.contract.claims import WorkerID
from jobsvalkey.contract.inputs import BatchCounts, Input
from jobsvalkey.contract.job_id import JobID
from jobsvalkey.contract.runs import StoredRun
from jobsvalkey.contract.states import JobStatus
from jobsvalkey.contract.unique import Unique


class StoredJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job as a driver stores it."""

    job_id: JobID
    status: JobStatus
    request: bytes | None
    """`None`: the store has lost it, or holds something else in its place."""
    stored_at: datetime
    due: datetime | None = None
    """For a pending or paused job; for a running one, its due time when it was claimed."""
    claimed_at: datetime | None = None
    """Of a processing job."""
    worker: WorkerID | None = None
    """Of a processing job."""
    ended_at: datetime | None = None
    """Of a finished job."""
    recoveries: int = 0
    reset_attempt: bool = False
    error: bytes | None = None
    result: bytes | None = None
    """For a completed job: the result that `Finish` stored."""
    keep_for: timedelta | None = None
    """How long it is kept after its end, at least."""
    progress: bytes | None = None
    """The last progress that its handler has reported, until the job ends."""
    unique: Unique | None = None
    """The name that it was pushed with."""
    expires: datetime | None = None
    """At this time it is cancelled unless a worker has it."""
    priority: int = 0
    """From -100 to 100; higher goes first."""
    lane: str | None = None
    """The lane that it waits in while it is pending."""
    after: tuple[JobID, ...] = ()
    """Its parents: the jobs that it waits, or has waited, for."""
    if_failed: Literal["cancel", "run"] = "cancel"
    """Says what happens to the job if one of those does not complete."""
    inputs: tuple[Input, ...] = ()
    """Those of its parents that had ended when it was let go, in the order of `after`, without their results."""
    batch: JobID | None = None
    """The callback of the batch that it belongs to; for a callback its own id."""
    members: BatchCounts | None = None
    """For a callback: what became of the members of its batch."""
    runs: tuple[StoredRun, ...] = ()
    """The last eight of its runs that failed or were recovered from a dead worker, the latest first."""


class InconsistencyKind(StrEnum):
    """A finding of `validate`."""

    MISSING_PAYLOAD = "missing_payload"
    """An id is on a list, but its request is lost."""
    UNLISTED_PAYLOAD = "unlisted_payload"
    """A request is there, but its id is on no list."""
    SEVERAL_STATES = "several_states"
    """An id is on more than one list."""
    WRONG_STATUS = "wrong_status"
    """The recorded status is not that of the list, or a job that is not waiting to run is on the list of expiries."""
    WRONG_TYPE = "wrong_type"
    """A key of the job, of its lane or of its priority holds something that no driver has written."""
    NO_ID = "no_id"
    """An entry of a list is not a job id, which is a UUID in upper case: somebody else wrote it."""


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """One finding of `validate`."""

    kind: InconsistencyKind
    job_id: JobID | str
    """The text of the entry if it is not an id."""
