"""Bugs of metadata and locks."""

import asyncio
from datetime import datetime, timedelta

from jobsvalkey.contract import Operation, check_metadata_key
from jobsvalkey_memory.store import Value
from tests.mutants.mutant import Twin, mutant

FOR_EVER = timedelta(days=3650)


@mutant("test_metadata_one_holder_at_a_time")
class LockStolen(Twin):
    """A lock is given to whoever asks, though another holds it."""

    async def acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        found = self._value(key, self.now())
        if found is not None and found.expires is not None:
            del self.state.metadata[key]
        return await super().acquire_lock(key, holder, expires_in, operation=operation)


@mutant("test_metadata_a_lock_expires", weakness=12)
class LockNeverExpires(Twin):
    """A lock never expires: that of a scheduler that died is held for ever."""

    async def acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        return await super().acquire_lock(key, holder, FOR_EVER, operation=operation)


@mutant("test_metadata_an_attempt_extends_nothing")
class AttemptExtendsLock(Twin):
    """An attempt that fails extends the lock: as long as others try, it never expires."""

    async def acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        taken = await super().acquire_lock(key, holder, expires_in, operation=operation)
        if not taken:
            self.state.metadata[key] = Value(self.state.metadata[key].value, self.clock.now() + expires_in)
        return taken


@mutant("test_metadata_acquiring_again_may_shorten")
class LockNeverShortened(Twin):
    """A holder that takes its lock again for a shorter time leaves it as it is."""

    async def acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        before = self._value(key, self.now())
        taken = await super().acquire_lock(key, holder, expires_in, operation=operation)
        if taken and before is not None and before.expires:
            longest = max(before.expires, self.clock.now() + expires_in)
            self.state.metadata[key] = Value(holder, longest)
        return taken


@mutant("test_metadata_one_holder_at_a_time")
class OwnLockRefused(Twin):
    """A holder cannot extend its own lock."""

    async def acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        held = self._value(key, self.now())
        if operation is None and held is not None and held.value == holder and held.expires:
            return False
        return await super().acquire_lock(key, holder, expires_in, operation=operation)


@mutant("test_metadata_one_of_many_gets_the_lock")
class LockInTwoSteps(Twin):
    """Taking a lock looks first and writes later: two that look at once both have it."""

    async def acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        is_free = self._value(key, self.now()) is None
        await asyncio.sleep(0)
        return await super().acquire_lock(key, holder, expires_in, operation=operation) or is_free


@mutant("test_metadata_only_its_holder_frees_a_lock")
class LockReleasedByOthers(Twin):
    """Anybody can release a lock."""

    async def release_lock(self, key: str, holder: bytes, *, operation: Operation | None = None) -> bool:
        found = self._value(key, self.now())
        return await super().release_lock(key, found.value if found else holder, operation=operation)


@mutant("test_metadata_metadata_and_locks_do_not_mix")
class MetadataOverLock(Twin):
    """Setting metadata overwrites a lock that is held."""

    async def set_metadata(self, key: str, value: bytes, *, operation: Operation | None = None) -> None:
        self.state.metadata.pop(key, None)
        await super().set_metadata(key, value, operation=operation)


@mutant("test_metadata_some_keys_are_ours")
class OurKeysShown(Twin):
    """Keys that are the library's can be read."""

    async def get_metadata(self, key: str) -> bytes | None:
        return None if key.startswith(("_", "worker.")) else await super().get_metadata(key)


@mutant("test_metadata_a_scheduler_may_bear_its_queues_key")
class SchedulerWithoutItsQueuesKey(Twin):
    """A scheduler cannot be named after a queue whose key begins with `_`."""

    def _value(self, key: str, now: datetime) -> Value | None:
        check_metadata_key(key, "")
        return super()._value(key, now)


@mutant("test_metadata_a_scheduler_may_bear_its_queues_key")
class EveryKeyOfTheQueuesName(Twin):
    """Any key that begins with the queue's is the user's."""

    def _value(self, key: str, now: datetime) -> Value | None:
        if not key.startswith(f"{self.configuration.queue_key}."):
            check_metadata_key(key, self.configuration.queue_key)
        found = self.state.metadata.get(key)
        return None if found and found.expires and found.expires <= now else found
