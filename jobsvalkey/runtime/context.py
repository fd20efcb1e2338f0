"""What a handler is told about the job that it runs."""

import logging
from collections.abc import Mapping, MutableMapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from jobsvalkey.contract import JobID
from jobsvalkey.runtime.codec import Request, from_reference_date
from jobsvalkey.runtime.job_run import JobRun
from jobsvalkey.runtime.retry import RetryStrategy

_LOGGER = logging.getLogger("jobsvalkey.job")
_NO_TRACE: Mapping[str, str] = MappingProxyType({})


class _JobLogger(logging.LoggerAdapter[logging.Logger]):
    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        # The adapter of the standard library drops the extra fields of the call (before Python 3.13).
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


class JobContext:
    """What a handler is told about its job. Made by the library; safe to read from a handler's thread."""

    __slots__ = ("_logger", "_request", "_retry_strategy", "_run", "attempt", "job_id", "name")

    def __init__(
        self,
        job_id: JobID,
        name: str,
        attempt: int,
        request: Request[Any],
        retry_strategy: RetryStrategy,
        run: JobRun,
    ) -> None:
        self.job_id: JobID = job_id
        """The job's id."""
        self.name: str = name
        """The job's name."""
        self.attempt: int = attempt
        """Which run of the job this is; counts from 1."""
        self._request = request
        self._retry_strategy = retry_strategy
        self._run = run
        self._logger: logging.LoggerAdapter[logging.Logger] | None = None

    @property
    def is_last_attempt(self) -> bool:
        """Whether the job fails for good if this attempt fails, whatever its error is.

        Its retry strategy says so. It is `False` where the strategy raises an error, as one does that has to see
        what went wrong.
        """
        try:
            return not self._retry_strategy.should_retry(self.attempt, None)
        except Exception:
            # Asked again when the attempt has failed; if the strategy is broken, it shows then.
            return False

    @property
    def queued_at(self) -> datetime:
        """When the job was pushed, in UTC, by the producer's clock; of a scheduled job `scheduled_at`."""
        return from_reference_date(self._request.queued_at)

    @property
    def scheduled_at(self) -> datetime | None:
        """The time of its schedule that this job is for, in UTC, however late it runs; `None` without a schedule."""
        date = self._request.scheduled_at
        return None if date is None else from_reference_date(date)

    @property
    def next_scheduled_at(self) -> datetime | None:
        """When its schedule runs this job next, in UTC; `None` where no schedule pushed it."""
        date = self._request.next_scheduled_at
        return None if date is None else from_reference_date(date)

    @property
    def trace(self) -> Mapping[str, str]:
        """The trace context that came with the job."""
        return self._request.trace or _NO_TRACE

    @property
    def claim_lost(self) -> bool:
        """Whether the job was taken from this worker, so that another may run it by now: stop, and leave no traces.

        A coroutine is cancelled as well. A handler in a thread has to look here, or at `cancelled`.
        """
        return self._run.claim_lost

    @property
    def cancelled(self) -> bool:
        """Whether the handler should end: its claim is lost, its time is up, or its worker shuts down.

        A coroutine is cancelled as well. A long handler in a thread should look here now and then.
        """
        return self._run.cancelled

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """Logs to `jobsvalkey.job`, with `job_id`, `job_name`, `attempt` and `worker` as extra fields."""
        if self._logger is None:
            self._logger = _JobLogger(_LOGGER, self._run.fields())
        return self._logger
