"""The ends of the jobs that a job waited for, as it is told of them."""

import msgspec

from jobsvalkey.contract.job_id import JobID
from jobsvalkey.contract.states import JobStatus


class Input(msgspec.Struct, frozen=True):
    """A parent of a job that has ended, and what came of it."""

    job_id: JobID
    status: JobStatus | None
    """`None`: it was removed before it ended."""
    result: bytes | None = None
    """Of a parent that has completed, in a claim: what `Finish` gave it."""


class BatchCounts(msgspec.Struct, frozen=True):
    """How many members of a batch have ended, in each way. One that was removed unended counts as cancelled."""

    completed: int = 0
    failed: int = 0
    cancelled: int = 0
