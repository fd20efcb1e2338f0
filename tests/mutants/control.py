"""Bugs of cancelling, pausing and resuming, of metadata, locks and `push_if`."""

import asyncio
from datetime import datetime, timedelta

from msgspec.structs import replace

from jobsvalkey.contract import JobID, JobStatus, NewJob, Operation, PushedIf, StoreOutcome, check_metadata_key
from jobsvalkey_memory.store import Value
from tests.mutants.mutant import Search, Twin, mutant
from tests.support.broken_twins import CancelDeletesRunning, ResumeForgetsDelay

FOR_EVER = timedelta(days=3650)

mutant("test_cancel_a_running_job_keeps_its_data", weakness=4, chapter=__name__)(CancelDeletesRunning)
mutant("test_resume_a_delay_is_not_forgotten", weakness=12, chapter=__name__)(ResumeForgetsDelay)


@mutant("test_cancel_what_ran_is_left_as_it_is", weakness=4)
class CancelDeletesFinished(Twin):
    """Cancelling a job that has ended deletes what was retained of it."""

    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        job = self._find(job_id, self.now(), JobStatus.COMPLETED, JobStatus.FAILED)
        if job is not None:
            self._drop(job, self.clock.now())
        return await super().cancel(job_id, operation=operation)


@mutant("test_cancel_a_cancelled_job_is_retained")
class CancelMissesPaused(Twin):
    """A paused job cannot be cancelled."""

    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        paused = self._find(job_id, self.now(), JobStatus.PAUSED)
        return paused is None and await super().cancel(job_id, operation=operation)


@mutant("test_resume_a_job_that_is_not_there", weakness=5)
class PauseOfNothingFails(Twin):
    """Pausing a job that is not there is an error of the store's."""

    async def pause(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        _ = self.state.jobs[job_id]
        return await super().pause(job_id, operation=operation)


@mutant("test_resume_only_what_is_pending_is_paused")
class RunningJobPaused(Twin):
    """A job that runs can be paused: it is there twice when its worker releases it."""

    async def pause(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        if job := self._find(job_id, self.now(), JobStatus.PROCESSING):
            self.state.put(replace(job, status=JobStatus.PAUSED, worker=None, claimed_at=None))
            return True
        return await super().pause(job_id, operation=operation)


@mutant("test_resume_a_delay_is_not_forgotten", found_by=[Search.MACHINE, Search.HISTORIES])
class PauseForgetsDelay(Twin):
    """A paused job loses its due time: resumed, it is due at once."""

    async def pause(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        if job := self._find(job_id, self.now(), JobStatus.PENDING):
            self.state.put(replace(job, due=self.clock.now()))
        return await super().pause(job_id, operation=operation)


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


@mutant("test_scheduling_something_else_is_there")
class PushIfWithoutCompare(Twin):
    """`push_if` pushes, whatever the key holds."""

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        found = self._plain(key, self.now())
        return await super().push_if(item, key, found, value, operation=operation)


@mutant("test_scheduling_a_present_id_moves_the_key")
class PushIfStaysOnDuplicate(Twin):
    """`push_if` leaves the key where the id is a duplicate: the scheduler is stuck at that trigger."""

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        before = self.state.metadata.get(key)
        pushed = await super().push_if(item, key, expected, value, operation=operation)
        if pushed.outcome is StoreOutcome.DUPLICATE:
            self.state.metadata.pop(key)
            self.state.metadata |= {key: before} if before else {}
        return pushed


@mutant("test_scheduling_a_field_that_is_not_supported_is_refused")
class PushIfDropsFields(Twin):
    """`push_if` leaves out in silence what the driver does not support."""

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        plain = NewJob(item.job_id, item.request, item.due, item.remember)
        return await super().push_if(plain, key, expected, value, operation=operation)


@mutant("test_scheduling_one_of_many_schedulers_pushes", weakness=10)
class PushIfInTwoSteps(Twin):
    """`push_if` pushes, then stores the date: of two schedulers at once both push."""

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        if await self.get_metadata(key) != expected:
            return PushedIf(StoreOutcome.UNEXPECTED, item.job_id)
        await asyncio.sleep(0)
        [pushed] = await self.push([item])
        await self.set_metadata(key, value)
        return PushedIf(pushed.outcome, item.job_id)


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


@mutant("test_scheduling_the_trigger_comes_with_every_claim")
class TriggerForgotten(Twin):
    """`push_if` makes a job that was due long ago due now."""

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        now = self.clock.now()
        due = max(item.due, now) if isinstance(item.due, datetime) else item.due
        return await super().push_if(replace(item, due=due), key, expected, value, operation=operation)
