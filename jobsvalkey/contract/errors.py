"""The errors of the library. Each derives from `JobsError`, and its message says what to do."""

from collections.abc import Sequence
from typing import Literal

from jobsvalkey.contract.job_id import JobID


class JobsError(Exception):
    """The base of all errors of the library."""


class ConfigurationError(JobsError):
    """Something is set up in a way that cannot work; repeating the call will not help."""


class DuplicateJob(JobsError, ValueError):
    """A job of that name is registered already."""


class UnsupportedOperation(JobsError):
    """The driver does not support the capability that the operation, or an option of the job, needs."""


class StoreUnavailable(JobsError):
    """The store did not answer in time.

    `outcome` is `"not_done"` if the operation certainly changed nothing, `"unknown"` if its reply was
    lost: it may have been done. An operation that is repeated by the library under its own number is never
    done twice; a repeat by the caller is a new operation.
    """

    def __init__(self, message: str, *, outcome: Literal["not_done", "unknown"]) -> None:
        super().__init__(message)
        self.outcome: Literal["not_done", "unknown"] = outcome


class StoreFull(StoreUnavailable):
    """The store has no room for what was to be stored; nothing was."""

    def __init__(self, message: str) -> None:
        super().__init__(message, outcome="not_done")


class NotDurable(JobsError):
    """A push was done, but the demand of a `Durability` was not met in time.

    The jobs, `job_ids`, are stored, and may run. At the timeout, `replicas` replicas were known to have them;
    `append_only_file` says whether the disk was. A push of the same ids again stores nothing twice, and waits again.
    """

    def __init__(self, message: str, *, replicas: int, append_only_file: bool, job_ids: Sequence[JobID] = ()) -> None:
        super().__init__(message)
        self.replicas: int = replicas
        self.append_only_file: bool = append_only_file
        self.job_ids: tuple[JobID, ...] = tuple(job_ids)


class PushTooLarge(JobsError, ValueError):
    """There are more jobs, or bytes, than one atomic push takes."""


class PushIncomplete(JobsError):
    """A push in chunks broke off. `stored` are the ids that are in the store, in the order of the push."""

    def __init__(self, message: str, *, stored: Sequence[JobID]) -> None:
        super().__init__(message)
        self.stored: tuple[JobID, ...] = tuple(stored)


class UnknownParent(JobsError, LookupError):
    """A job should run after one that the store does not have; nothing was stored."""


class PayloadTooLarge(JobsError, ValueError):
    """An encoded request, or what a handler saves, is larger than `max_payload`; nothing was stored."""


class InvalidParameters(JobsError, ValueError):
    """Parameters cannot be encoded, or a stored request cannot be decoded as the type that was registered."""


class UnknownJob(JobsError, LookupError):
    """A request names a job that is not registered here."""


class OperationRefused(JobsError):
    """A numbered operation is older than its producer's last one, or the same number asks for something else."""


class WorkerClosed(JobsError):
    """The worker was closed, was never opened, or was forgotten a day after its lock expired."""


class ClaimLost(JobsError):
    """The claim was taken back, because the worker's lock ran out or the job was removed; it is not ours to settle."""


class JobTimeout(JobsError):
    """A handler ran longer than its timeout."""


class JobAbandoned(JobsError):
    """A job was given up because its workers died, again and again, while they ran it."""
