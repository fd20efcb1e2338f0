"""Waiting for jobs to end, and what they returned."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from jobsvalkey.contract import (
    EXPIRED,
    ConfigurationError,
    InvalidParameters,
    JobID,
    JobsError,
    JobStatus,
    StoredJob,
)
from jobsvalkey.runtime.capabilities import ResultsQueueDriver
from jobsvalkey.runtime.codec import split_request
from jobsvalkey.runtime.failure import JobError, decode_error, message_of
from jobsvalkey.runtime.registry import JobRegistry
from jobsvalkey.runtime.result_values import UNDECLARED, ResultCodec
from jobsvalkey.runtime.values import Values

_STRETCH = timedelta(hours=1)
"""How long the driver is asked to wait at a time."""


class JobFailed(JobsError):
    """The job that was waited for has failed. `error` is what its last failure recorded."""

    def __init__(self, job_id: JobID, error: JobError) -> None:
        super().__init__(job_id, error)
        self.job_id: JobID = job_id
        self.error: JobError = error

    def __str__(self) -> str:
        return f"job {self.job_id} failed: {self.error.type or 'an error of another library'}: {self.error.message}"


class JobCancelled(JobsError):
    """The job that was waited for was cancelled, or has expired: it has no result."""


class JobGone(JobsError, LookupError):
    """The job that was waited for is not there: it was removed, never pushed, or nobody asked to keep its result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDone:
    """A job that was waited for, and has ended."""

    job_id: JobID
    status: JobStatus | None
    """How it ended; `None`: it is not there, or not any more."""
    value: Any = None
    """The return value of its handler; `None` unless it completed."""
    error: JobError | None = None
    """The record of its last failure, if it failed; of its expiry, if it has expired."""


class Results:
    """Waits for jobs of one queue."""

    def __init__(self, driver: ResultsQueueDriver, registry: JobRegistry, values: Values) -> None:
        self._driver = driver
        self._registry = registry
        self._values: Values = values

    async def result(self, job_id: JobID, timeout: timedelta | None, kind: Any) -> Any:
        """Wait for a job to complete; what it returned."""
        job = await self._ended(job_id, _deadline(timeout))
        if job is None:
            raise JobGone(
                f"job {job_id} is not there, and so is its result: push it with JobOptions(keep_for=…), or register it "
                "with keep_result=…, to have its result kept; and wait for it before that time is over"
            )
        if job.status is JobStatus.CANCELLED:
            raise JobCancelled(f"job {job_id} {'has expired' if job.error == EXPIRED else 'was cancelled'}")
        if job.status is JobStatus.FAILED:
            raise JobFailed(job_id, _error_of(job))
        return self._value(job, kind)

    async def results(
        self, job_ids: Iterable[JobID], timeout: timedelta | None, kind: Any
    ) -> AsyncGenerator[JobDone, None]:
        """Wait for jobs to end; each as it does."""
        deadline = _deadline(timeout)
        waits = {asyncio.ensure_future(self._ended(job_id, deadline)): job_id for job_id in dict.fromkeys(job_ids)}
        places = {wait: place for place, wait in enumerate(waits)}
        try:
            left = set(waits)
            while left:
                ended, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                for wait in sorted(ended, key=places.__getitem__):
                    yield self._done(waits[wait], wait.result(), kind)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _done(self, job_id: JobID, job: StoredJob | None, kind: Any) -> JobDone:
        if job is None:
            return JobDone(job_id=job_id, status=None)
        if job.status is JobStatus.COMPLETED:
            return JobDone(job_id=job_id, status=job.status, value=self._value(job, kind))
        error = _error_of(job) if job.status is JobStatus.FAILED or job.error == EXPIRED else None
        return JobDone(job_id=job_id, status=job.status, error=error)

    async def _ended(self, job_id: JobID, left: Callable[[], timedelta | None]) -> StoredJob | None:
        while True:
            remaining = left()
            (job,) = await self._driver.ended([job_id], _STRETCH if remaining is None else min(remaining, _STRETCH))
            if job is None or job.ended_at is not None:
                return job
            if remaining is not None and remaining <= _STRETCH:
                raise TimeoutError(f"job {job_id} is still {job.status}")

    def _value(self, job: StoredJob, kind: Any) -> Any:
        if job.result is None:
            return None
        codec = self._codec(job) if kind is UNDECLARED else ResultCodec(kind, self._values)
        try:
            return codec.read(job.result)
        except Exception as error:
            raise ConfigurationError(
                f"the result of job {job.job_id} cannot be read as {codec!r}: {message_of(error)}"
            ) from error

    def _codec(self, job: StoredJob) -> ResultCodec:
        try:
            name, _ = split_request(job.request or b"")
        except InvalidParameters:
            name = ""
        registered = self._registry.get(name)
        return ResultCodec(UNDECLARED, self._values) if registered is None else registered.results


def _error_of(job: StoredJob) -> JobError:
    return JobError("", "", "", 0) if job.error is None else decode_error(job.error)


def _deadline(timeout: timedelta | None) -> Callable[[], timedelta | None]:
    """Return a function that tells how much time is left; `None` is all of it."""
    if timeout is None:
        return lambda: None
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout.total_seconds()
    return lambda: timedelta(seconds=max(end - loop.time(), 0))
