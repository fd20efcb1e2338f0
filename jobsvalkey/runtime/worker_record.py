"""The record of one worker."""

import contextlib
from dataclasses import dataclass
from datetime import datetime

import msgspec

from jobsvalkey.contract import StoredWorker, WorkerID
from jobsvalkey.runtime.about import About


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """A worker as it is now. A process has one worker for each queue that it serves.

    If it does not describe itself, as workers of other libraries may not, the first four are `None`.
    """

    host: str | None
    process: int | None
    """The number of its process there."""
    slots: int | None
    """How many jobs it runs at the same time."""
    version: str | None
    """That of the library."""
    id: WorkerID
    """A new one each time that a worker starts. It is the `JobRecord.worker` of its jobs."""
    jobs: int
    """How many jobs it has claimed."""
    lock_ends: datetime
    """Until when it counts as alive, unless it renews its lock. If that is past, its jobs are about to be recovered."""

    @classmethod
    def from_stored(cls, worker: StoredWorker) -> "WorkerRecord":
        """Return the record of a worker as a driver gives it."""
        about: About | None = None
        with contextlib.suppress(msgspec.DecodeError, ValueError):
            about = msgspec.json.decode(worker.about, type=About)
        return cls(
            host=about and about.host,
            process=about and about.process,
            slots=about and about.slots,
            version=about and about.version,
            id=worker.worker,
            jobs=worker.claims,
            lock_ends=worker.lock_ends,
        )
