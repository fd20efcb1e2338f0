"""The capability `METADATA`: small values, and locks."""

from datetime import timedelta

from jobsvalkey.contract import Operation, check_expiry, check_metadata_key
from jobsvalkey.valkey import wire
from jobsvalkey.valkey.base import ValkeyBase
from jobsvalkey.valkey.scripting import ACQUIRE_LOCK, GET_METADATA, RELEASE_LOCK, SET_METADATA
from jobsvalkey.valkey.words import AcquireLock, GetMetadata, ReleaseLock, SetMetadata


class ValkeyMetadata(ValkeyBase):
    """The capability `METADATA`."""

    async def get_metadata(self, key: str) -> bytes | None:
        """Return the value, or the holder if `key` is a lock that is held; `None` if there is neither."""
        return await self._read(GET_METADATA, GetMetadata(name=self._name(key)))

    async def set_metadata(self, key: str, value: bytes, *, operation: Operation | None = None) -> None:
        """Store a value.

        Raises:
            ConfigurationError: `key` is a lock that is held.
        """
        await self._write(SET_METADATA, SetMetadata(name=self._name(key, value=value), value=value), operation)

    async def acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        """Take the lock for `expires_in` from now, if it is free, expired or `holder`'s; whether `holder` has it now.

        Raises:
            ConfigurationError: `key` holds plain metadata.
            ValueError: `expires_in` is not above zero, or beyond 36,500 days.
        """
        check_expiry(expires_in)
        name = self._name(key, holder=holder)
        words = AcquireLock(name=name, holder=holder, duration=wire.microseconds(expires_in))
        return await self._write(ACQUIRE_LOCK, words, operation) == b"1"

    async def release_lock(self, key: str, holder: bytes, *, operation: Operation | None = None) -> bool:
        """Free the lock if `holder` has it; return whether it had."""
        words = ReleaseLock(name=self._name(key, holder=holder), holder=holder)
        return await self._write(RELEASE_LOCK, words, operation) == b"1"

    def _name(self, key: str, **stored: bytes) -> str:
        return check_metadata_key(key, self._configuration.queue_key, **stored)
