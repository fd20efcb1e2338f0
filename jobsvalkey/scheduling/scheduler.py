"""The loop that pushes jobs when their schedules say so."""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NoReturn, Protocol
from uuid import UUID, uuid4, uuid5

import msgspec

from jobsvalkey.contract import (
    Capability,
    ConfigurationError,
    JobsError,
    MetadataDriver,
    QueueDriver,
    SchedulingDriver,
    StoreOutcome,
    StoreUnavailable,
)
from jobsvalkey.contract.checks import OWN_KEYS
from jobsvalkey.runtime import ExponentialJitter, JobOptions, JobQueue
from jobsvalkey.runtime.capabilities import require
from jobsvalkey.runtime.codec import from_reference_date, to_reference_date
from jobsvalkey.scheduling.options import SchedulerOptions
from jobsvalkey.scheduling.scheduled_job import Accuracy, ScheduledJob

_LOGGER = logging.getLogger("jobsvalkey.scheduler")
_TRIGGER_IDS = UUID("6f2b5a0e-5d0c-4c47-9b0e-3a7f0d6f8e21")
_BACKOFF = ExponentialJitter(max_backoff=timedelta(seconds=30))
_CLOCK_WAS_WRONG = timedelta(hours=3)
"""A last date further ahead than this was written by a wrong clock; Debian's cron draws the line there, too."""
_RELEASE_TIMEOUT = 1.0
"""Seconds that a scheduler which stops gives the release of its lock, which would run out anyway."""


class SchedulerDriver(QueueDriver, SchedulingDriver, MetadataDriver, Protocol):
    """The driver of a scheduler, with what that needs."""


class _Progress:
    """How far one job has come, as far as this scheduler knows."""

    def __init__(self, job: ScheduledJob, key: str) -> None:
        self.job = job
        self.key = key
        self.is_known = False
        self.stored = b""
        """Read what the store holds under `key`."""
        self.last = self.next = self.read_at = self.failed_at = datetime.min.replace(tzinfo=UTC)
        self.is_ours = False
        """Whether this scheduler pushes the job without the lock, since the one that has it does not."""
        self.failures = 0
        self.backoff = timedelta(0)
        """Compute the pause from `failed_at` to the next try."""

    def moved(self, last: datetime, stored: bytes) -> None:
        self.last, self.stored = last, stored
        self.next = self.job.schedule.next_after(last).astimezone(UTC)


class Scheduler:
    """Pushes the jobs of a schedule, each trigger exactly once, however many schedulers of the name run.

    A push and the note of it are one step of the store, and the job of each trigger has an id of its own. So a crash, a
    lost reply or a second scheduler never pushes it twice. A job that was never scheduled starts from the first run of
    the scheduler. Time comes from the driver's clock. If that goes back by up to three hours, what has run does not run
    again. If it goes back further, the schedule starts from the new time.

    Of the schedulers of one name, the one with their lock pushes. The others push only jobs whose trigger is overdue by
    the lock's `hold_for`.

    Raises:
        ValueError: the name is empty, or would clash with keys of the driver.
        UnsupportedOperation: the driver cannot schedule.
    """

    def __init__(
        self,
        jobs: Iterable[ScheduledJob],
        queue: JobQueue[SchedulerDriver],
        *,
        name: str | None,
        options: SchedulerOptions,
    ) -> None:
        driver = queue.driver
        jobs = list(jobs)
        unique = [Capability.UNIQUE] if any(job.unique is not None for job in jobs) else []
        expiry = [Capability.EXPIRY] if any(job.expires_in is not None for job in jobs) else []
        for capability in (Capability.SCHEDULING, Capability.METADATA, *unique, *expiry):
            require(driver, driver.capabilities, capability)
        queue_key: str | None = getattr(driver.configuration, "queue_key", None)
        names = (name, options.name, queue_key, "default")
        self._name: str = next(each for each in names if each is not None)
        keys = _beginning_of_keys(self._name, queue_key)
        self._queue = queue
        self._driver = driver
        self._options = options
        self._lock = f"{keys}.jobSchedulerLock"
        self._holder = uuid4().hex.encode()
        self._has_lock = False
        self._jobs = [_Progress(job, f"{keys}.{job.id}.jobScheduleLastDate") for job in jobs]

    async def run(self) -> NoReturn:
        """Push what is due, as it comes due, until cancelled.

        A failure is logged and tried again with a backoff of at most about half a minute, for as long as it takes.
        """
        failures = 0
        try:
            while True:
                try:
                    wait = await self.trigger_due()
                    failures = 0
                except (JobsError, OSError) as error:
                    failures += 1
                    wait = _BACKOFF.delay(failures)
                    self._log(logging.WARNING, f"cannot schedule ({error}), tries again in {wait}")
                await asyncio.sleep(wait.total_seconds())
        finally:
            with suppress(JobsError, OSError, TimeoutError):
                async with asyncio.timeout(_RELEASE_TIMEOUT):
                    await self._driver.release_lock(self._lock, self._holder)

    async def trigger_due(self) -> timedelta:
        """Push what is due now, and return how long to wait before the next call; `run` does nothing else.

        While another scheduler of the name has the lock, due jobs are left to it for `hold_for`.

        Raises:
            StoreUnavailable: the store does not answer. Other errors of single jobs are logged, and tried again.
        """
        lock = self._options.lock
        held = self._has_lock
        self._has_lock = False
        has_lock = await self._driver.acquire_lock(self._lock, self._holder, lock.hold_for)
        if has_lock and not held:
            # Others may have pushed meanwhile. Not having looked would do no harm, but costs refused pushes.
            for progress in self._jobs:
                progress.is_known = progress.is_ours = False
        wait = lock.every
        for progress in self._jobs:
            wait = min(wait, await self._trigger_or_log(progress, has_lock=has_lock))
        self._has_lock = has_lock
        return wait

    async def catch_up(self) -> None:
        """Push all that is due now, whichever scheduler has the lock: for a program that soon ends.

        Raises:
            StoreUnavailable: the store does not answer. Other errors of single jobs are logged.
        """
        for progress in self._jobs:
            while await self._trigger_or_log(progress, has_lock=True) == timedelta(0):
                pass

    async def _trigger_or_log(self, progress: _Progress, *, has_lock: bool) -> timedelta:
        now = self._driver.clock.now()
        # Absolute, here and below, so that a clock that goes back far holds nothing up.
        rest = progress.backoff - abs(now - progress.failed_at)
        if rest > timedelta(0):
            return rest
        try:
            wait = await self._trigger(progress, has_lock=has_lock)
        except StoreUnavailable:
            raise
        except Exception as error:
            # One job that cannot be pushed does not hold up the others.
            progress.failures += 1
            progress.failed_at = now
            wait = progress.backoff = _BACKOFF.delay(progress.failures)
            self._log(logging.ERROR, f"cannot push, tries again in {wait}", progress, error)
        else:
            progress.failures, progress.backoff = 0, timedelta(0)
        return wait

    async def _trigger(self, progress: _Progress, *, has_lock: bool) -> timedelta:
        for _ in range(self._options.batch_size):
            now = self._driver.clock.now()
            if not progress.is_known:
                await self._read(progress, now)
            if progress.last - now > _CLOCK_WAS_WRONG:
                self._log(logging.WARNING, f"last ran at {progress.last}, which is to come: starts from now", progress)
                progress.moved(now, progress.stored)
            if not (has_lock or progress.is_ours or await self._is_left(progress, now)):
                return self._options.lock.every
            if progress.next > now:
                return progress.next - now
            trigger = progress.next
            if progress.job.accuracy is Accuracy.LATEST:
                trigger = progress.job.schedule.latest(trigger, now) or trigger
            await self._push(progress, trigger.astimezone(UTC))
        self._log(logging.INFO, f"catches up on missed triggers, has come to {progress.last}", progress)
        return timedelta(0)

    async def _is_left(self, progress: _Progress, now: datetime) -> bool:
        """Whether the scheduler with the lock leaves the job to others, as one of another version does, say."""
        # The store is asked only if the job is overdue, and then not again for as long as the other one may take.
        if min(now - progress.next, abs(now - progress.read_at)) <= self._options.lock.hold_for:
            return False
        stored = progress.stored
        await self._read(progress, now)
        progress.is_ours = progress.stored == stored
        if progress.is_ours:
            self._log(logging.INFO, "the scheduler with the lock does not push this job: does so from now on", progress)
        return progress.is_ours

    async def _read(self, progress: _Progress, now: datetime) -> None:
        stored = await self._driver.get_metadata(progress.key)
        if stored is None:
            # Another scheduler may do the same, and have gone on from there: its triggers are not pushed twice,
            # since their ids are remembered.
            stored = _encode(now)
            await self._driver.set_metadata(progress.key, stored)
        if stored != progress.stored:
            progress.moved(_decode(stored, progress.key), stored)
        progress.is_known, progress.read_at = True, now

    async def _push(self, progress: _Progress, trigger: datetime) -> None:
        value = _encode(trigger)
        # Until the answer is here, nobody knows what is stored.
        progress.is_known = False
        pushed = await self._queue.push_if(
            progress.job.job,
            options=JobOptions(
                job_id=_trigger_id(progress.key, trigger),
                delay_until=trigger,
                unique=progress.job.unique,
                expires_at=progress.job.expires(trigger),
            ),
            key=progress.key,
            expected=progress.stored,
            value=value,
            next_scheduled_at=progress.job.schedule.next_after(trigger),
        )
        if pushed.outcome is StoreOutcome.UNEXPECTED:
            progress.is_ours = False
            self._log(logging.DEBUG, "another scheduler was first", progress)
        else:
            what = f"left to job {pushed.job_id}" if pushed.outcome is StoreOutcome.DUPLICATE else "pushed"
            self._log(logging.DEBUG, f"{what} for {trigger}", progress)
            progress.moved(trigger, value)
            progress.is_known = True

    def _log(self, level: int, message: str, progress: _Progress | None = None, error: Exception | None = None) -> None:
        fields = {"scheduler": self._name, "schedule_id": progress.job.id if progress else None}
        who = f"job {progress.job.id!r} of scheduler {self._name!r}" if progress else f"scheduler {self._name!r}"
        _LOGGER.log(level, "%s: %s", who, message, extra=fields, exc_info=error)


def _beginning_of_keys(name: str, queue_key: str | None) -> str:
    """Return what the metadata keys of a scheduler begin with.

    No two schedulers of a queue share a key, whatever their ids. A service of Swift names its scheduler after the
    queue, so that name stays as it is. In any other a dot is escaped, and the whole is marked if the queue's key begins
    with it.

    Raises:
        ValueError: the keys would clash with those of the driver.
    """
    if name == queue_key:
        if f"{name}.".startswith(OWN_KEYS):
            raise ValueError(f"a scheduler cannot be named after queue {name!r}: use SchedulerOptions(name=...)")
        return name
    if not name or name == "worker" or name.startswith(("worker.", "_")):
        raise ValueError(
            f"{name!r} is not a scheduler's name: it must not be empty, 'worker', 'worker.…', or '_…' if it is not the "
            "queue's key"
        )
    escaped = name.replace("%", "%25").replace(".", "%2E")
    return f"%_{escaped}" if f"{queue_key}.".startswith(f"{escaped}.") else escaped


def _trigger_id(key: str, trigger: datetime) -> UUID:
    return uuid5(_TRIGGER_IDS, f"{key} {trigger.isoformat()}")


def _encode(date: datetime) -> bytes:
    return msgspec.json.encode(to_reference_date(date))


def _decode(stored: bytes, key: str) -> datetime:
    try:
        return from_reference_date(msgspec.json.decode(stored, type=float))
    except (msgspec.DecodeError, OverflowError, ValueError) as error:
        raise ConfigurationError(
            f"metadata {key!r} holds {stored!r}, not the date of a scheduler ({error}): remove it to start from now"
        ) from error
