"""Bugs of claiming."""

import dataclasses
from collections.abc import Sequence
from datetime import timedelta

from msgspec.structs import replace

from jobsvalkey.contract import (
    DriverConfiguration,
    Exchanged,
    Report,
    Settlement,
    WorkerID,
)
from tests.mutants.mutant import Search, Twin, mutant
from tests.mutants.settle import TokenIgnored


@mutant("test_claim_no_more_than_the_limit", found_by=[Search.MACHINE, Search.HISTORIES])
class LimitIgnored(Twin):
    """A claim takes all that is due, whatever its limit."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        return await super().exchange(worker, sequence, settlements, 1000 if limit else 0, reports=reports)


@mutant("test_claim_no_more_bytes_than_a_push_takes")
class BytesIgnored(Twin):
    """A claim takes any number of bytes: over a slow link its reply takes longer than anybody waits."""

    configuration: DriverConfiguration

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        narrow = self.configuration
        self.configuration = dataclasses.replace(narrow, max_atomic_push_bytes=1 << 40)
        try:
            return await super().exchange(worker, sequence, settlements, limit, reports=reports)
        finally:
            self.configuration = narrow


@mutant("test_claim_the_time_until_the_next_job")
class NextDueForgotten(Twin):
    """Delayed jobs are not counted in the time until the next job: a worker sleeps past them."""

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
        return answer if answer.until_next == 0 else replace(answer, until_next=None)


@mutant("test_claim_a_claim_brings_the_envelope")
class EnvelopeOfTheClaim(Twin):
    """A claim says that the job was stored when it was claimed."""

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
        return replace(answer, claims=[replace(claim, stored_at=self.clock.now()) for claim in answer.claims])


@mutant("test_claim_an_unknown_worker_claims_nothing")
class UnknownWorkerOpened(Twin):
    """A worker that was never opened, or was closed, may claim: it is opened on the way."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        if worker not in self.state.workers:
            await self.open_worker(worker, timedelta(minutes=1))
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)


@mutant("test_claim_reports_are_taken_or_refused")
class ReportsSwallowed(Twin):
    """What handlers report is taken, and lost."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        return await super().exchange(worker, sequence, settlements, limit)


@mutant("test_claim_tokens_are_never_reused")
class TokenReused(TokenIgnored):
    """The token of a claim is its job's id: the next claim of the job has the same."""

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
        return replace(answer, claims=[replace(claim, token=claim.job_id.bytes) for claim in answer.claims])
