"""Bugs of what a driver shows, of what it states, and of damaged jobs."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace as changed
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from jobsvalkey.contract import (
    FINISHED,
    ConfigurationError,
    Exchanged,
    Inconsistency,
    InconsistencyKind,
    JobID,
    JobStatus,
    Operation,
    Report,
    Settlement,
    SettleOutcome,
    StoredJob,
    WorkerID,
)
from jobsvalkey_memory.store import Worker
from tests.mutants.mutant import Search, Twin, mutant


@mutant("test_inspection_a_job_in_every_state", found_by=[Search.MACHINE])
class WrongStatus(Twin):
    """A paused job says that it is pending."""

    async def status(self, job_id: JobID) -> JobStatus | None:
        status = await super().status(job_id)
        return JobStatus.PENDING if status is JobStatus.PAUSED else status


@mutant("test_inspection_a_job_in_every_state")
class WrongCounts(Twin):
    """Paused jobs are counted as pending ones."""

    async def counts(self) -> dict[JobStatus, int]:
        counts = await super().counts()
        return counts | {JobStatus.PENDING: counts[JobStatus.PENDING] + counts[JobStatus.PAUSED], JobStatus.PAUSED: 0}


@mutant("test_inspection_what_has_ended_is_listed_latest_first")
class OldestListedFirst(Twin):
    """Jobs that have ended are listed in the order of their ends."""

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        listed = [job async for job in super().jobs(status, limit=limit)]
        for job in listed[::-1] if status in FINISHED else listed:
            yield job


@mutant("test_inspection_what_waits_is_listed_by_due_time")
class ListLimitIgnored(Twin):
    """A listing goes on beyond its limit."""

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        async for job in super().jobs(status):
            yield job


@mutant("test_inspection_many_jobs_are_seen_once_each")
class ChunksOverlap(Twin):
    """Where one chunk of a listing ends and the next begins, a job is listed twice."""

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        number = 0
        async for job in super().jobs(status, limit=limit):
            number += 1
            yield job
            if number % 500 == 0:
                yield job


@mutant("test_retention_retain_for")
class ListedBeyondRetention(Twin):
    """Jobs beyond their retention are not found, but still listed."""

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        for job in list(self.state.listed(status, latest_first=status in FINISHED))[:limit]:
            yield job


@mutant("test_damage_it_is_found")
class ValidateSilent(Twin):
    """`validate` finds nothing, ever."""

    async def validate(self) -> list[Inconsistency]:
        return []


@mutant("test_damage_it_is_found", weakness=11)
class FindingsAlike(Twin):
    """All findings of `validate` are of one kind."""

    async def validate(self) -> list[Inconsistency]:
        return [changed(each, kind=InconsistencyKind.MISSING_PAYLOAD) for each in await super().validate()]


@mutant("test_inspection_a_busy_queue_is_valid")
class ValidateSeesGhosts(Twin):
    """`validate` takes a job that runs for one that is on no list."""

    async def validate(self) -> list[Inconsistency]:
        running = [job.job_id async for job in self.jobs(JobStatus.PROCESSING)]
        ghosts = [Inconsistency(InconsistencyKind.UNLISTED_PAYLOAD, job_id) for job_id in running]
        return await super().validate() + ghosts


@mutant("test_damage_a_lost_request_is_claimed_as_lost")
class LostRequestStopsAll(Twin):
    """A job whose request is lost fails the exchange that claims it, and every one after it."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        answer = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        if any(claim.request is None for claim in answer.claims):
            raise TypeError("a request is bytes")
        return answer


@mutant("test_damage_a_lost_request_is_claimed_as_lost")
class LostRequestSkipped(Twin):
    """A job whose request is lost is claimed without a word, and stays with its worker."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        answer = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        return replace(answer, claims=[claim for claim in answer.claims if claim.request is not None])


@mutant("test_damage_the_wrong_type_is_one_outcome")
class OneBrokenJobStopsAll(Twin):
    """One job with a key of the wrong type fails the settlements of all others."""

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        outcome = super()._settle(holder, settlement, now)
        if outcome is SettleOutcome.BROKEN:
            raise ConfigurationError("a key holds the wrong type")
        return outcome


@mutant("test_capability_what_works_is_stated")
class StatedButBroken(Twin):
    """`CANCEL` is stated, and `cancel` does nothing."""

    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        return False


@mutant("test_capability_what_is_stated_has_its_methods")
class StatedButMissing(Twin):
    """`DURABILITY` is stated, and there is no such method."""

    is_durable: Any = None


@mutant("test_capability_closing_twice")
class ClosesOnce(Twin):
    """Closing a driver a second time is an error."""

    closed = False

    async def aclose(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


@mutant("test_capability_a_closed_driver_leaves_no_trace")
class ClosingReleasesJobs(Twin):
    """Closing a driver closes the workers of all."""

    async def aclose(self) -> None:
        for worker in list(self.state.workers):
            await self.close_worker(worker)
