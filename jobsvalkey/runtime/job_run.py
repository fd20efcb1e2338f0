"""One run of one job: what its worker, its handler and its thread tell each other."""

import asyncio
from typing import Any

from jobsvalkey.contract import Claim, JobID


class JobRun:
    """The strings by which a worker holds one running job. Threads may read it; the event loop alone writes it."""

    __slots__ = (
        "_called_off",
        "abandoned",
        "attempt",
        "cancelled",
        "claim",
        "claim_lost",
        "job_id",
        "job_name",
        "owner",
        "task",
        "thread",
        "timed_out",
        "worker",
    )

    def __init__(
        self, job_id: JobID | None = None, worker: str | None = None, owner: "asyncio.Task[Any] | None" = None
    ) -> None:
        self.claim: Claim
        """Set when the run begins."""
        self.job_id: JobID | None = job_id
        self.worker: str | None = worker
        """The worker's id, if a worker runs the job."""
        self.owner: asyncio.Task[Any] | None = owner
        """The worker's own task. If that is cancelled, the event loop ends, and the run with it."""
        self.job_name: str | None = None
        """The job's name, once it has been read; so is `attempt`."""
        self.attempt: int = 0
        self.task: asyncio.Task[Any] | None = None
        self.cancelled: bool = False
        """Whether the handler was asked to end, for whatever reason."""
        self.timed_out: bool = False
        """Whether its time was up before anybody else asked it to end."""
        self.claim_lost: bool = False
        self.thread: asyncio.Future[Any] | None = None
        """Is done when the handler's thread has ended; `None` if it has none."""
        self.abandoned: bool = False
        """Whether the worker leaves without waiting for the thread."""
        self._called_off = False

    @property
    def called_off(self) -> bool:
        """Whether the worker wants the job back, or has lost it, and the handler's time was not up before."""
        ends = self._called_off or (self.owner is not None and self.owner.cancelling() > 0)
        return ends and not self.timed_out

    @property
    def in_thread(self) -> bool:
        """Whether the handler sits in a thread now, where no cancellation reaches it."""
        return self.thread is not None and not self.thread.done()

    def fields(self) -> dict[str, object]:
        """The extra fields of log records about the job."""
        return {
            "job_id": str(self.job_id),
            "job_name": self.job_name,
            "attempt": self.attempt,
            "worker": self.worker,
        }

    def cancel(self) -> None:
        """Ask the handler to end: the worker gives the job back, or has lost it."""
        self._called_off = self.cancelled = True
        if self.task is not None:
            self.task.cancel()
