"""One run of one job: what its worker, its handler and its thread tell each other."""

import asyncio
from typing import TYPE_CHECKING, Any

from jobsvalkey.contract import Cancel, Claim, JobID, Release, Settlement

if TYPE_CHECKING:
    from jobsvalkey.runtime.reports import Outbox, Reports


class JobRun:
    """The state of one running job. Threads may read it; only the event loop writes it."""

    # Defaults of the class, and no slots: an object is made for every job, and most fields stay as they are.
    claim: Claim
    """Set when the run begins."""
    job_name: str | None = None
    """The job's name, once it has been read; so is `attempt`."""
    attempt: int = 0
    task: "asyncio.Task[Any] | None" = None
    cancelled: bool = False
    """Whether the handler was asked to end, for whatever reason."""
    timed_out: bool = False
    """Whether its time was up before anybody else asked it to end."""
    claim_lost: bool = False
    ended: bool = False
    """Whether it is decided what becomes of the job, so that its handler is not called any more."""
    aborted: bool = False
    """Whether somebody has asked for the end of the job."""
    result: Any = None
    """The return value of the handler."""
    thread: "asyncio.Future[Any] | None" = None
    """Is done when the handler's thread has ended; `None` if it has none."""
    outbox: "Outbox | None" = None
    """Takes what the handler reports; `None` if nobody does."""
    reports: "Reports | None" = None
    """The reports of the handler, once it has made any."""
    abandoned: bool = False
    """Whether the worker leaves without waiting for the thread."""
    _called_off = False

    def __init__(
        self, job_id: JobID | None = None, worker: str | None = None, owner: "asyncio.Task[Any] | None" = None
    ) -> None:
        self.job_id: JobID | None = job_id
        self.worker: str | None = worker
        """The worker's id, if a worker runs the job."""
        self.owner: asyncio.Task[Any] | None = owner
        """The worker's own task. If that is cancelled, the event loop ends, and the run with it."""

    @property
    def called_off(self) -> bool:
        """Whether the job is to end, or its worker wants it back or has lost it, and its time was not up before."""
        ends = self._called_off or (self.owner is not None and self.owner.cancelling() > 0)
        return ends and not self.timed_out

    def give_back(self, claim: Claim) -> Settlement:
        """Settle a job whose run was called off."""
        kind = Cancel if self.aborted else Release
        return kind(claim.job_id, claim.token)

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

    def abort(self) -> None:
        """Ask the handler to end, since somebody has asked for the end of the job."""
        self.aborted = True
        if not self.cancelled:
            self.cancel()

    def cancel(self) -> None:
        """Ask the handler to end: the job is to end, or the worker gives it back, or has lost it."""
        self._called_off = self.cancelled = True
        if self.task is not None:
            self.task.cancel()
