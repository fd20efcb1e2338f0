"""The parents of a job, as its handler sees them."""

from typing import Any, TypeVar

from jobsvalkey.contract import ConfigurationError, Input, JobID, JobStatus
from jobsvalkey.runtime.failure import message_of
from jobsvalkey.runtime.result_values import UNDECLARED, ResultCodec
from jobsvalkey.runtime.values import Values

T = TypeVar("T")


class JobInput:
    """A parent of this job, and its result."""

    __slots__ = ("_result", "_values", "job_id", "status")

    def __init__(self, told: Input, values: Values) -> None:
        self.job_id: JobID = told.job_id
        """Its id."""
        self.status: JobStatus | None = told.status
        """How it ended; `None`: it was removed before it did."""
        self._result = told.result
        self._values: Values = values

    @property
    def value(self) -> Any:
        """The return value of its handler, as plain JSON values; `None` if it returned `None`, or did not complete."""
        return None if self._result is None else self._read(UNDECLARED)

    def read(self, kind: type[T]) -> T:
        """Return the value as a value of this type.

        Raises:
            ConfigurationError: it is not of this type, or there is no value.
        """
        if self._result is None:
            raise ConfigurationError(f"job {self.job_id} has no value: it is {self.status or 'removed'}")
        value: T = self._read(kind)
        return value

    def _read(self, kind: Any) -> Any:
        codec = ResultCodec(kind, self._values)
        try:
            return codec.read(self._result or b"")
        except Exception as error:
            raise ConfigurationError(
                f"the result of job {self.job_id} cannot be read as {codec!r}: {message_of(error)}"
            ) from error

    def __repr__(self) -> str:
        return f"<job {self.job_id}, {self.status or 'removed'}>"
