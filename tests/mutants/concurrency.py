"""Bugs of steps that are made in two."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from jobsvalkey.contract import (
    Exchanged,
    JobStatus,
    NewJob,
    Operation,
    Pushed,
    Report,
    Settlement,
    StoredJob,
    StoreOutcome,
    WorkerID,
)
from tests.mutants.mutant import Search, Twin, mutant
from tests.mutants.push import PENDING


@mutant("test_concurrency_many_pushes_at_once", found_by=[Search.HISTORIES])
class PushInTwoSteps(Twin):
    """A push looks first and stores later: two that look at once both store the job."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        absent = [item.job_id not in self.state.jobs for item in items]
        await asyncio.sleep(0)
        stored = await super().push(items, operation=operation)
        seen = zip(items, stored, absent, strict=True)
        return [Pushed(StoreOutcome.STORED, item.job_id) if was_absent else one for item, one, was_absent in seen]


@mutant("test_concurrency_no_job_is_claimed_twice", found_by=[Search.HISTORIES])
class ClaimInTwoSteps(Twin):
    """A claim looks first and takes later: two workers that look at once both get the job."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        now = self.clock.now()
        seen = [due_id[1] for due_id in self.state.lines[PENDING] if due_id[0] <= now][:limit]
        await asyncio.sleep(0)
        for job_id in seen:
            job = self.state.jobs.get(job_id)
            if job is not None and job.status is JobStatus.PROCESSING:
                self._enter(job)
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        # The first of the two that ends the job takes it from the other.
        for holder in self.state.workers.values():
            holder.claims = {token: job_id for token, job_id in holder.claims.items() if job_id != job.job_id}
        super()._vanish(job, now)
