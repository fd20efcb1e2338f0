"""The record of one job."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from jobsvalkey.contract import BatchCounts, InvalidParameters, JobID, JobStatus, StoredJob, Unique, WorkerID
from jobsvalkey.runtime.codec import from_reference_date, read_request
from jobsvalkey.runtime.failure import JobError, decode_error
from jobsvalkey.runtime.progress import Progress, decode_progress


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run of a job that failed, or whose worker died."""

    at: datetime
    """When it failed, or when it was found that the worker had died."""
    worker: WorkerID
    """Who had the job."""
    error: str | None
    """Type and message of the error, in a line; `None` if the worker died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as it is now. All times are in UTC.

    If its request is lost or corrupt, `name`, `attempt`, `parameters` and `queued_at` are `None`.
    """

    id: JobID
    name: str | None
    status: JobStatus
    attempt: int | None
    """The attempt that comes next, that runs, or that was the last one; counts from 1."""
    parameters: str | None
    """JSON."""
    error: JobError | None
    """The record of the last failure."""
    queued_at: datetime | None
    """When it was pushed, by the producer's clock; for a scheduled job, `scheduled_at`."""
    stored_at: datetime
    """When it was stored, by the store's clock; for a delayed job from Swift, when it was pushed."""
    due: datetime | None
    """When it may run; `None` once it has ended."""
    claimed_at: datetime | None
    """When it was claimed; of a running job."""
    ended_at: datetime | None
    """When it ended; of a finished job."""
    scheduled_at: datetime | None
    """The time of its schedule that it is for; `None` if no schedule pushed it."""
    next_scheduled_at: datetime | None
    """When its schedule runs the same job next."""
    worker: WorkerID | None
    """Who runs it; of a running job."""
    recoveries: int
    """How many workers died while they ran it."""
    result: str | None = None
    """The return value of its handler, as JSON; of a completed job that has a result."""
    keep_for: timedelta | None = None
    """How long it is kept after its end, at least; `None` if the retention policy alone decides."""
    unique: Unique | None = None
    """The unique name that it was pushed with; `None` if there was none."""
    expires: datetime | None = None
    """At this time it is cancelled unless a worker has it; `None`: never."""
    progress: Progress | None = None
    """The last progress that its handler has noted, until the job ends."""
    priority: int = 0
    """From -100 to 100; higher goes first."""
    lane: str | None = None
    """The lane that it waits in; `None` if it was pushed without one."""
    after: tuple[JobID, ...] = ()
    """The jobs that it waits, or has waited, for."""
    if_failed: Literal["cancel", "run"] = "cancel"
    """Says what happens to the job if one of those does not complete."""
    ended_parents: Mapping[JobID, JobStatus | None] = field(default_factory=dict[JobID, JobStatus | None])
    """How those parents ended that had ended when it became pending; `None` for one that was removed before its end."""
    batch: JobID | None = None
    """The batch that it belongs to; for a callback its own id."""
    members: BatchCounts | None = None
    """For a callback: how many members of its batch have completed, failed, and were cancelled."""
    runs: tuple[RunRecord, ...] = ()
    """The last eight runs that failed, or whose worker died, the latest first, even after a rerun."""

    @classmethod
    def from_stored(cls, job: StoredJob, now: datetime | None = None) -> "JobRecord":
        """Return the record of a job as a driver gives it."""
        name = request = None
        if job.request is not None:
            with contextlib.suppress(InvalidParameters):
                name, request = read_request(job.request)
        trigger, date = (None, None) if request is None else (request.scheduled_at, request.next_scheduled_at)
        queued_at = None if request is None else from_reference_date(request.queued_at)
        return cls(
            id=job.job_id,
            name=name,
            status=job.status,
            attempt=None if request is None else 1 if job.reset_attempt else request.attempt,
            parameters=None if request is None else bytes(request.parameters).decode(errors="replace"),
            error=None if job.error is None else decode_error(job.error),
            queued_at=queued_at,
            # A job that Swift has pushed for later has no envelope, and seems to be stored when it is due.
            stored_at=queued_at if now and queued_at and queued_at < now < job.stored_at else job.stored_at,
            due=job.due,
            claimed_at=job.claimed_at,
            ended_at=job.ended_at,
            scheduled_at=None if trigger is None else from_reference_date(trigger),
            next_scheduled_at=None if date is None else from_reference_date(date),
            worker=job.worker,
            recoveries=job.recoveries,
            result=None if job.result is None else job.result.decode(errors="replace"),
            keep_for=job.keep_for,
            unique=job.unique,
            expires=job.expires,
            priority=job.priority,
            lane=job.lane,
            after=job.after,
            if_failed=job.if_failed,
            ended_parents={each.job_id: each.status for each in job.inputs},
            batch=job.batch,
            members=job.members,
            progress=None if job.progress is None else decode_progress(job.progress),
            runs=tuple(
                RunRecord(
                    at=run.at,
                    worker=run.worker,
                    error=None if run.error is None else run.error.decode("utf-8", "replace"),
                )
                for run in job.runs
            ),
        )
