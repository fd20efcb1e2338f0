"""What is done to single jobs and to metadata: cancel, pause, resume, locks, `push_if`."""

from datetime import timedelta

from jobsvalkey.contract import (
    JobID,
    NewJob,
    Operation,
    PushedIf,
    check_expiry,
    check_metadata_key,
    check_push,
)
from jobsvalkey.valkey import wire
from jobsvalkey.valkey.base import ValkeyBase
from jobsvalkey.valkey.line import Argument
from jobsvalkey.valkey.pushing import push_arguments
from jobsvalkey.valkey.scripting import (
    ACQUIRE_LOCK,
    CANCEL,
    GET_METADATA,
    PAUSE,
    PUSH_IF,
    RELEASE_LOCK,
    RESUME,
    SET_METADATA,
)

_PUSHED_IF = {b"p": PushedIf.PUSHED, b"d": PushedIf.DUPLICATE, b"u": PushedIf.UNEXPECTED}


class ValkeyControl(ValkeyBase):
    """The capabilities `CANCEL`, `RESUME`, `METADATA` and `SCHEDULING`."""

    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Cancel a pending or paused job; `False` where it is neither, and nothing changes."""
        return await self._write(CANCEL, [str(job_id)], operation) == b"1"

    async def pause(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Set a pending job aside with its due time; `False` where it is not pending."""
        return await self._write(PAUSE, [str(job_id)], operation) == b"1"

    async def resume(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        """Put a paused job back, at the due time it had; `False` where it is not paused."""
        return await self._write(RESUME, [str(job_id)], operation) == b"1"

    async def get_metadata(self, key: str) -> bytes | None:
        """The value, or the holder where `key` is a lock that is held; `None` where there is neither."""
        return await self._read(GET_METADATA, [check_metadata_key(key)])

    async def set_metadata(self, key: str, value: bytes, *, operation: Operation | None = None) -> None:
        """Store a value.

        Raises:
            ConfigurationError: `key` is a lock that is held.
        """
        await self._write(SET_METADATA, [check_metadata_key(key), value], operation)

    async def acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        """Take the lock for `expires_in` from now, if it is free, expired or `holder`'s; whether `holder` has it now.

        Raises:
            ConfigurationError: `key` holds plain metadata.
            ValueError: `expires_in` is not above zero, or beyond 36,500 days.
        """
        check_expiry(expires_in)
        arguments: list[Argument] = [check_metadata_key(key), holder, wire.microseconds(expires_in)]
        return await self._write(ACQUIRE_LOCK, arguments, operation) == b"1"

    async def release_lock(self, key: str, holder: bytes, *, operation: Operation | None = None) -> bool:
        """Free the lock where `holder` has it; whether it had."""
        return await self._write(RELEASE_LOCK, [check_metadata_key(key), holder], operation) == b"1"

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        """Where metadata `key` holds `expected` (`None`: nothing), set it to `value` and store the job.

        Raises:
            ConfigurationError: `key` is a lock that is held.
        """
        check_push([item], self._configuration)
        condition: list[Argument] = [
            check_metadata_key(key),
            "" if expected is None else "1",
            expected or b"",
            value,
        ]
        return _PUSHED_IF[await self._write(PUSH_IF, condition + push_arguments([item]), operation)]
