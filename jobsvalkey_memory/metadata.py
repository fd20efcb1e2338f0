"""The rows of metadata and locks."""

from datetime import datetime, timedelta

from jobsvalkey.contract import ConfigurationError, Operation, check_bytes, check_expiry, check_metadata_key
from jobsvalkey_memory.steps import ClockT_co, Steps, numbered
from jobsvalkey_memory.store import Value


class MetadataRows(Steps[ClockT_co]):
    """Small values under a key, and locks: a key with a holder and an end."""

    async def get_metadata(self, key: str) -> bytes | None:
        """Return the value, or who holds the lock."""
        found = self._value(key, self.now())
        return found.value if found else None

    @numbered
    async def set_metadata(self, key: str, value: bytes, *, operation: Operation | None = None) -> None:
        """Store a value, but not over a lock that is held."""
        check_bytes(value, "value")
        self._plain(key, self.now())
        self.state.metadata[key] = Value(value, None)

    async def acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        """Free, expired, or the holder's own → the holder's, until `expires_in` from now; a repeat looks again."""
        taken = await self._acquire_lock(key, holder, expires_in, operation=operation)
        found = self._value(key, self.now())
        if taken and (found is None or found.expires is None or found.value != holder):
            return await self._acquire_lock(key, holder, expires_in)
        return taken

    @numbered
    async def _acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        check_bytes(holder, "holder")
        check_expiry(expires_in)
        now = self.now()
        found = self._value(key, now)
        if found and found.expires is None:
            raise ConfigurationError(f"metadata {key!r} holds a value, and is no lock: use another key for the lock")
        if is_free := not found or found.value == holder:
            self.state.metadata[key] = Value(holder, now + expires_in)
        return is_free

    @numbered
    async def release_lock(self, key: str, holder: bytes, *, operation: Operation | None = None) -> bool:
        """The holder's → free."""
        check_bytes(holder, "holder")
        found = self._value(key, self.now())
        if is_held := found is not None and found.expires is not None and found.value == holder:
            del self.state.metadata[key]
        return is_held

    def _value(self, key: str, now: datetime) -> Value | None:
        found = self.state.metadata.get(check_metadata_key(key, self.configuration.queue_key))
        return None if found and found.expires and found.expires <= now else found

    def _plain(self, key: str, now: datetime) -> bytes | None:
        found = self._value(key, now)
        if found and found.expires:
            raise ConfigurationError(f"metadata {key!r} is a lock that is held: use another key for the value")
        return found.value if found else None
