"""How the jobs ended that a job has waited for, as the job sees it."""

import msgspec

from jobsvalkey.contract.job_id import JobID
from jobsvalkey.contract.states import JobStatus


class Input(msgspec.Struct, frozen=True):
    """A parent that has ended, and its result."""

    job_id: JobID
    status: JobStatus | None
    """`None`: it was removed before it ended."""
    result: bytes | None = None
    """In a claim, for a parent that has completed: the result that `Finish` stored."""


class BatchCounts(msgspec.Struct, frozen=True):
    """How many members of a batch have ended, in each way. A member that was removed before its end counts as
    cancelled."""

    completed: int = 0
    failed: int = 0
    cancelled: int = 0
