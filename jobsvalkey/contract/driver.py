"""The protocols of a driver: one for what every driver does, and one for each further capability.

Each method is one atomic step of the store, unless its docstring says that it works in chunks. `operation` numbers a
writing step: the store answers a repeat of a producer's last number from memory, and refuses a lower number, or the
same number with other content (`OperationRefused`). Without an `operation`, a driver numbers the step itself, and then
repeats it under that number for as long as a reply is missing. A `limit` or `max_jobs` below one means zero.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType, TracebackType
from typing import Protocol, Self, runtime_checkable

from jobsvalkey.contract.activity import ActivityDriver
from jobsvalkey.contract.claims import (
    AbortOutcome,
    Exchanged,
    NewJob,
    Operation,
    Pushed,
    PushedIf,
    Renewed,
    Report,
    Settlement,
    WorkerID,
)
from jobsvalkey.contract.cleaning import CleanupParameters, JobCleanup
from jobsvalkey.contract.clock import Clock
from jobsvalkey.contract.inspection import InspectionDriver
from jobsvalkey.contract.job_id import JobID
from jobsvalkey.contract.lanes import LaneDriver
from jobsvalkey.contract.names import AnyServiceJob, JobName
from jobsvalkey.contract.options import DriverConfiguration
from jobsvalkey.contract.records import StoredJob
from jobsvalkey.contract.states import JobStatus


class Capability(StrEnum):
    """A capability that a driver may support. If `CAPABILITY_PROTOCOLS` lacks it, it cannot be supported yet."""

    QUEUE = "queue"
    CANCEL = "cancel"
    RESUME = "resume"
    METADATA = "metadata"
    SCHEDULING = "scheduling"
    INSPECTION = "inspection"
    CLEANUP = "cleanup"
    DURABILITY = "durability"
    RESULTS = "results"
    ABORT = "abort"
    PAUSE_QUEUE = "pause_queue"
    REPORTS = "reports"
    EXPIRY = "expiry"
    UNIQUE = "unique"
    LANES = "lanes"
    FLOWS = "flows"
    ACTIVITY = "activity"


@runtime_checkable
class QueueDriver(Protocol):
    """The base: jobs go in, workers claim them and settle the claims.

    If the store does not answer, a driver repeats the step for a bounded time, or not at all, and then raises
    `StoreUnavailable`. It may be simple here, since the runtime repeats the steps of a worker (`open_worker`,
    `exchange`, `renew`, `close_worker`) with the same arguments until they are answered, or until the worker leaves. So
    an `exchange` with the same sequence is a repeat, whether the driver or the runtime makes it. The runtime may also
    cancel a call and make it again, for example a renewal that is not answered in good time before the lock runs out.
    """

    @property
    def configuration(self) -> DriverConfiguration:
        """The settings of the queue."""
        ...

    @property
    def clock(self) -> Clock:
        """The clock by which the driver's callers tell the time. The store's own clock decides what is due."""
        ...

    @property
    def capabilities(self) -> frozenset[Capability]:
        """The capabilities that the driver supports; `CAPABILITY_PROTOCOLS` has the protocol of each."""
        ...

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        """Store all items, or none, and say what became of each. A duplicate changes nothing.

        A refusal is an answer, and the same for all items. A reason is, for example, a field that the driver does not
        support.

        Raises:
            PushTooLarge: more than `max_atomic_push` jobs or `max_atomic_push_bytes` bytes.
            PayloadTooLarge: a request of more than `max_payload` bytes.
            StoreFull: no room. `StoreUnavailable`: no answer in time.
        """
        ...

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        """Note what handlers report, settle claims, and claim up to `limit` jobs that are due, in one step.

        `sequence` rises with each exchange of the worker. A repeat of its last one returns what was recorded, and those
        of its claims that are still held. Under an expired lock nothing is claimed.

        A report ends nothing. If there are several for one job, the last progress and the last state stay.

        Raises:
            WorkerClosed: the worker was closed or is not known.
            OperationRefused: a `sequence` below the last one.
            PayloadTooLarge: a progress of more than 1 KiB, or a state of more than `max_payload` bytes.
            UnsupportedOperation: there are reports, and the driver does not support `REPORTS`.
        """
        ...

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        """Make a worker known, with an active lock for `hold_for`. `about` describes it for `workers`.

        Raises:
            PayloadTooLarge: `about` is larger than 1 KiB.
        """
        ...

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        """Extend the worker's lock to `hold_for` from now, and return the claims that it holds.

        `leaving` says that the worker shuts down, and cannot be taken back. If the worker leaves claims behind, their
        recovery does not raise `recoveries`, since no worker has died with them.

        Raises:
            WorkerClosed: the worker was closed or is not known.
        """
        ...

    async def close_worker(self, worker: WorkerID) -> None:
        """Forget the worker and release its claims. Closing twice is fine. For workers without running handlers."""
        ...

    async def wait(self, worker: WorkerID, timeout: timedelta, *, work: bool = True) -> None:
        """Return at a hint, at a reconnection, or after `timeout`. Changes no job.

        A hint says that there may be work, or news of a claim that the worker holds. Without `work` only news counts,
        so that a worker without a free slot takes no hint that an idle one needs.
        """
        ...

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        """Put the jobs of workers whose lock has run out back into the queue, at most `max_jobs`; return how many.

        Each is due when it was due before, with `recoveries` one higher. A live worker's job is never touched. `worker`
        is the worker that asks, if it is one. If its own lock has run out, or it is not known any more, nothing is
        done: it was stalled, or the store was, and then others may have been stalled, too. They get time to renew their
        locks first.
        """
        ...

    async def aclose(self) -> None:
        """End the driver's connections and background tasks. Closing twice is fine.

        Calls under way end with `StoreUnavailable`, but for `wait`, which returns.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


@runtime_checkable
class CancellableDriver(Protocol):
    """Jobs that have not run can be cancelled."""

    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Cancel a pending, paused or waiting job; `False` if it is none of them, and nothing changes."""
        ...


@runtime_checkable
class AbortableDriver(Protocol):
    """Jobs that run can be asked to end. The driver takes the settlement `Cancel`, and answers with `aborts`."""

    async def abort(self, job_id: JobID, *, operation: Operation | None = None) -> AbortOutcome:
        """Cancel a job that has not run, or ask a running one to end.

        A request belongs to the claim that is held now, and ends with it. Its token is among the `aborts` of each
        exchange and renewal of the worker until then. `Finish` and `Fail` settle as usual. If anything else ends the
        claim (`Retry`, `Release`, closing, recovery, a cleanup that reruns), the job ends as cancelled.
        """
        ...


@runtime_checkable
class ResumableDriver(Protocol):
    """Jobs that have not run can be set aside and put back."""

    async def pause(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Set a pending job aside with its due time; `False` if it is not pending."""
        ...

    async def resume(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Put a paused or waiting job back, at the due time it had; `False` if it is neither."""
        ...


@runtime_checkable
class PausableDriver(Protocol):
    """The queue as a whole can be paused: workers settle, and claim nothing."""

    async def pause_queue(self, *, operation: Operation | None = None) -> None:
        """Stop all claims from now on: no later exchange claims. Pausing twice is fine."""
        ...

    async def resume_queue(self, *, operation: Operation | None = None) -> None:
        """Let jobs be claimed again, and wake a worker."""
        ...

    async def is_queue_paused(self) -> bool:
        """Say whether the queue is paused."""
        ...


@runtime_checkable
class MetadataDriver(Protocol):
    """Small values next to the jobs, and locks. Keys that begin with `_` or `worker.` raise `ValueError`."""

    async def get_metadata(self, key: str) -> bytes | None:
        """Return the value, or the holder if `key` is a lock that is held; `None` if there is neither."""
        ...

    async def set_metadata(self, key: str, value: bytes, *, operation: Operation | None = None) -> None:
        """Store a value.

        Raises:
            ConfigurationError: `key` is a lock that is held.
        """
        ...

    async def acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        """Take the lock for `expires_in` from now, if it is free, expired or `holder`'s; whether `holder` has it now.

        Raises:
            ConfigurationError: `key` holds plain metadata.
        """
        ...

    async def release_lock(self, key: str, holder: bytes, *, operation: Operation | None = None) -> bool:
        """Free the lock if `holder` has it; return whether it had."""
        ...


@runtime_checkable
class SchedulingDriver(Protocol):
    """A push and the note that it was made are one step. That makes a scheduler fire exactly once."""

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        """Store the job and set metadata `key` to `value`, if it holds `expected` (`None`: nothing)."""
        ...


@runtime_checkable
class CleanupDriver(Protocol):
    """Jobs that have ended can be run again or removed, one by one or by state and age."""

    @property
    def cleanup_job(self) -> JobName[CleanupParameters]:
        """Names the job that runs `cleanup`, for a schedule."""
        ...

    @property
    def service_jobs(self) -> Sequence[AnyServiceJob]:
        """The jobs that the driver brings along; the runtime registers them."""
        ...

    async def rerun(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Put a finished job back into the queue, due now; `False` if it has not ended or is a tombstone.

        Its error is cleared, `recoveries` is 0, and `reset_attempt` is set.
        """
        ...

    async def remove(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Remove a job in any state but processing; `False` if it is processing or not there."""
        ...

    async def cleanup_step(
        self,
        status: JobStatus,
        cleanup: JobCleanup,
        *,
        max_jobs: int,
        only_orphans: bool = False,
        except_for: JobID | None = None,
        as_of: datetime | None = None,
        operation: Operation | None = None,
    ) -> int:
        """Clean up a chunk: up to `max_jobs` jobs of one state, the oldest first; return their number.

        Of jobs that are pending, paused or waiting, those that are due first go first. The job `except_for` is left
        out, and so are jobs whose age counts from a later time than `as_of`. A cleanup that runs as a job passes its
        own id, and the time at which it was claimed.
        """
        ...

    async def cleanup(
        self,
        *,
        pending_jobs: JobCleanup = JobCleanup.DO_NOTHING,
        processing_jobs: JobCleanup = JobCleanup.DO_NOTHING,
        completed_jobs: JobCleanup = JobCleanup.DO_NOTHING,
        failed_jobs: JobCleanup = JobCleanup.DO_NOTHING,
        cancelled_jobs: JobCleanup = JobCleanup.DO_NOTHING,
        paused_jobs: JobCleanup = JobCleanup.DO_NOTHING,
        only_orphans: bool = False,
    ) -> dict[JobStatus, int]:
        """Clean up, state by state, in chunks; return the number of jobs cleaned up in each state."""
        ...

    async def cleanup_orphaned_jobs(self, max_jobs: int | None = None) -> int:
        """Repeat `recover` until no job is left to recover, or `max_jobs` are recovered; return their number."""
        ...


@runtime_checkable
class ResultsDriver(Protocol):
    """Jobs are kept after their end for a given time, with what they returned, and callers can wait for them."""

    async def ended(self, job_ids: Sequence[JobID], timeout: timedelta) -> list[StoredJob | None]:
        """Wait until one of the jobs has ended or is absent, at most for `timeout`; all of them, as they are then.

        Changes nothing and leaves nothing behind. If a hint is lost, an end goes unnoticed for at most a `poll_time`.
        """
        ...


@runtime_checkable
class FlowDriver(Protocol):
    """Jobs can wait for the ends of others: of those that they come `after`, or of the members of their batch."""

    async def close_batch(self, callback: JobID, *, operation: Operation | None = None) -> bool:
        """Take the batch's own hold from its callback, which runs once all members have ended.

        `False`: the callback is no longer waiting, is absent, is not a callback, or its batch was closed before.
        """
        ...


@runtime_checkable
class DurableDriver(Protocol):
    """The store can outlive its own process."""

    async def is_durable(self) -> bool:
        """Return whether the store, as it is set up now, writes what it acknowledges to disk."""
        ...


CAPABILITY_PROTOCOLS: Mapping[Capability, type] = MappingProxyType(
    {
        Capability.QUEUE: QueueDriver,
        Capability.CANCEL: CancellableDriver,
        Capability.RESUME: ResumableDriver,
        Capability.METADATA: MetadataDriver,
        Capability.SCHEDULING: SchedulingDriver,
        Capability.INSPECTION: InspectionDriver,
        Capability.CLEANUP: CleanupDriver,
        Capability.DURABILITY: DurableDriver,
        Capability.ABORT: AbortableDriver,
        Capability.RESULTS: ResultsDriver,
        Capability.PAUSE_QUEUE: PausableDriver,
        Capability.EXPIRY: QueueDriver,
        Capability.UNIQUE: QueueDriver,
        Capability.REPORTS: QueueDriver,
        Capability.ACTIVITY: ActivityDriver,
        Capability.LANES: LaneDriver,
        Capability.FLOWS: FlowDriver,
    }
)
"""The protocol that goes with each capability. A capability that only adds a field has no methods of its own."""
