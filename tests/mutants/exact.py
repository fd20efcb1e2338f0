"""Bugs of what is nearly the same, and of nothing."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from jobsvalkey.contract import (
    Exchanged,
    JobCleanup,
    JobStatus,
    NewJob,
    Operation,
    PushedIf,
    Report,
    Retention,
    Settlement,
    SettleOutcome,
    StoredJob,
    WorkerID,
)
from jobsvalkey_memory.store import Value, Worker
from tests.mutants.mutant import Twin, mutant


class FindsTokens(Twin):
    """Looks for the token of a claim in a way of its own."""

    def fits(self, token: bytes, asked: bytes) -> bool:
        raise NotImplementedError

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        for token, job_id in holder.claims.items():
            if job_id == settlement.job_id and self.fits(token, settlement.token):
                return super()._settle(holder, replace(settlement, token=token), now)
        return super()._settle(holder, settlement, now)


@mutant("test_exact_a_token_is_compared_whole[shorter]")
class BeginningOfAToken(FindsTokens):
    """The beginning of a token settles its claim, and so does an empty one."""

    def fits(self, token: bytes, asked: bytes) -> bool:
        return token.startswith(asked)


@mutant("test_exact_a_token_is_compared_whole[empty]")
class EmptyToken(FindsTokens):
    """An empty token settles whatever claim of the job the worker has."""

    def fits(self, token: bytes, asked: bytes) -> bool:
        return not asked


@mutant("test_exact_a_token_is_compared_whole[longer]")
class TokenAndMore(FindsTokens):
    """A token with something appended is accepted."""

    def fits(self, token: bytes, asked: bytes) -> bool:
        return asked.startswith(token)


@mutant("test_exact_a_token_is_compared_whole[with a space]")
class TokenInSpaces(FindsTokens):
    """Spaces around a token do not count."""

    def fits(self, token: bytes, asked: bytes) -> bool:
        return asked.strip() == token


@mutant("test_exact_a_token_names_its_job")
class AnyTokenOfTheWorker(Twin):
    """Any token of the worker settles any of its jobs."""

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        if settlement.token in holder.claims:
            settlement = replace(settlement, job_id=holder.claims[settlement.token])
        return super()._settle(holder, settlement, now)


@mutant("test_exact_workers_are_told_apart")
class WorkersWithoutCase(Twin):
    """Ids of workers that differ only in case count as the same."""

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        await super().open_worker(worker.lower(), hold_for, about=about)

    def _worker(self, worker: WorkerID, now: datetime) -> Worker:
        return super()._worker(worker.lower(), now)


@mutant("test_exact_keys_are_told_apart")
class KeysWithoutCase(Twin):
    """Keys of metadata that differ only in case count as the same."""

    def _value(self, key: str, now: datetime) -> Value | None:
        return super()._value(key.lower(), now)

    async def set_metadata(self, key: str, value: bytes, *, operation: Operation | None = None) -> None:
        await super().set_metadata(key.lower(), value, operation=operation)


@mutant("test_exact_holders_are_told_apart")
class HoldersByTheirBeginning(Twin):
    """A lock is freed by whoever begins as its holder does."""

    async def release_lock(self, key: str, holder: bytes, *, operation: Operation | None = None) -> bool:
        found = self._value(key, self.now())
        if found and found.value.startswith(holder):
            holder = found.value
        return await super().release_lock(key, holder, operation=operation)


@mutant("test_exact_a_value_is_compared_whole")
class EmptyIsAbsent(Twin):
    """`push_if` treats an empty value as none."""

    def _plain(self, key: str, now: datetime) -> bytes | None:
        return super()._plain(key, now) or None

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        return await super().push_if(item, key, expected or None, value, operation=operation)


@mutant("test_exact_queues_are_told_apart")
class QueuesWithoutCase(Twin):
    """Queue keys that differ only in case count as the same."""

    def __init__(self, configuration: Any, *others: Any) -> None:
        super().__init__(configuration, *others)
        self.state = self.store.queues.setdefault(configuration.queue_key.lower(), self.state)


@mutant("test_exact_a_limit_of_zero_claims_nothing[0]")
class ZeroIsNoLimit(Twin):
    """An exchange with a limit of zero claims all that is due."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        return await super().exchange(worker, sequence, settlements, limit or 1000, reports=reports)


@mutant("test_exact_a_recovery_of_none[0]")
class RecoversAtLeastOne(Twin):
    """A recovery of at most zero jobs takes one."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        return await super().recover(max(max_jobs, 1), worker=worker)


@mutant("test_exact_a_cleanup_of_none[0]")
class CleansWithoutALimit(Twin):
    """A cleanup step of at most zero jobs takes all."""

    async def cleanup_step(self, status: JobStatus, cleanup: JobCleanup, *, max_jobs: int, **others: Any) -> int:
        return await super().cleanup_step(status, cleanup, max_jobs=max_jobs or 1000, **others)


@mutant("test_exact_a_list_of_none")
class ListsWithoutALimit(Twin):
    """`jobs` with a limit of zero shows all."""

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        async for job in super().jobs(status, limit=limit or None):
            yield job


@mutant("test_exact_an_age_of_zero_is_any_age[False]")
class NoAgeIsNoCleanup(Twin):
    """A cleanup with an age of zero takes nothing."""

    async def cleanup_step(self, status: JobStatus, cleanup: JobCleanup, **others: Any) -> int:
        if cleanup.max_age == timedelta(0):
            return 0
        return await super().cleanup_step(status, cleanup, **others)


class Retaining(Twin):
    """Retains by a policy of its own."""

    def changed(self, retention: Retention) -> Retention:
        raise NotImplementedError

    def _retention(self, status: JobStatus) -> Retention:
        return self.changed(super()._retention(status))


@mutant("test_exact_a_count[1-completed]")
class OneMoreIsRetained(Retaining):
    """One job more than the count is kept."""

    def changed(self, retention: Retention) -> Retention:
        return replace_count(retention, 1)


@mutant("test_exact_an_age[cancelled]")
class AgeDoesNothing(Retaining):
    """Retention by age does nothing."""

    def changed(self, retention: Retention) -> Retention:
        return Retention(None, retention.max_count)


def replace_count(retention: Retention, more: int) -> Retention:
    """A retention of more, or of less."""
    if retention.max_count is None:
        return retention
    return Retention(retention.max_age, retention.max_count + more)


@mutant("test_exact_each_state_has_its_policy")
class OnePolicyForAll(Twin):
    """What ends is retained as completed jobs are, however it ends."""

    def _retention(self, status: JobStatus) -> Retention:
        return super()._retention(JobStatus.COMPLETED)


@mutant("test_exact_what_was_kept_is_there")
class KeptIsCounted(Twin):
    """A failure that should be kept is subject to the policy."""

    def _end_job(self, job: StoredJob, status: JobStatus, now: datetime, *, keep: bool = False) -> None:
        super()._end_job(job, status, now)


@mutant("test_exact_an_exchange_that_claims_nothing_takes_no_hint")
class SettlingTakesHints(Twin):
    """An exchange that only settles takes the hints that were left for the worker."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        if worker in self.state.workers:
            self.state.workers[worker].hints = self.state.hints
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)
