"""The states of a job."""

from enum import StrEnum


class JobStatus(StrEnum):
    """The state of a job. A job that the store does not hold has no status (`None`)."""

    PENDING = "pending"
    """Waits to be claimed, now or at its due time."""
    PAUSED = "paused"
    """Set aside; keeps its due time."""
    WAITING = "waiting"
    """Runs once other jobs have ended: those that it comes after, or the members of its batch."""
    PROCESSING = "processing"
    """Claimed by a worker."""
    COMPLETED = "completed"
    """Ran to its end."""
    FAILED = "failed"
    """Gave up; keeps the error of its last attempt."""
    CANCELLED = "cancelled"
    """Cancelled or aborted, expired, or a job that it comes after did not complete."""


FINISHED: frozenset[JobStatus] = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
"""The states that a retention policy is about, and that `rerun` starts from."""
