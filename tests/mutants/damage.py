"""Bugs of what is done about spoiled jobs."""

from collections.abc import Sequence
from dataclasses import replace as changed
from datetime import datetime

from msgspec.structs import replace

from jobsvalkey.contract import (
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
    WorkerID,
)
from jobsvalkey_memory.store import Worker
from tests.mutants.mutant import Twin, mutant
from tests.mutants.scripts import script_mutant


@mutant("test_damage_beyond_its_retention_a_job_has_none")
class DamageOfTheAbsent(Twin):
    """`validate` reports damage of jobs that are beyond their retention, as long as they are not trimmed."""

    async def validate(self) -> list[Inconsistency]:
        lost = [job.job_id for job in self.state.jobs.values() if job.request is None and job.ended_at is not None]
        found = await super().validate()
        return found + [Inconsistency(InconsistencyKind.MISSING_PAYLOAD, job_id) for job_id in lost if not found]


@mutant("test_damage_a_tombstone")
class TombstoneRerun(Twin):
    """A failed job without a request is rerun: it fails, for ever."""

    async def rerun(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        job = self._find_job(job_id, self.now(), JobStatus.FAILED)
        if job is None or job.request is not None:
            return await super().rerun(job_id, operation=operation)
        self._rerun(job, self.clock.now())
        return True


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
    """A job whose request is lost is claimed without notice, and stays with its worker."""

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


script_mutant(
    "ScriptKeepsStrayExpiries",
    "`expiring.lua`: what is listed as expired, and does not wait, stays there: its worker asks again and again.",
    "test_damage_a_stray_expiry_ends_nobody",
    "  batch('ZREM', ENDS_AT, { unpack(ids, 1, looked_at) })\n  trim('cancelled', 2 * #ids)",
    "  trim('cancelled', 2 * #ids)",
    chapter=__name__,
)
script_mutant(
    "ScriptForeignLineStopsAll",
    "`turning.lua`: a key of one lane that holds something else fails the claims of all.",
    "test_damage_a_foreign_line_is_its_lanes_trouble",
    "redis.pcall('ZRANGE', line.key, (at - 1) / 2",
    "redis.call('ZRANGE', line.key, (at - 1) / 2",
    chapter=__name__,
)
