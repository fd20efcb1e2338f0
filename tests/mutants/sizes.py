"""Bugs of large numbers."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from msgspec.structs import replace

from jobsvalkey.contract import (
    Exchanged,
    JobCleanup,
    JobStatus,
    NewJob,
    Operation,
    Pushed,
    Renewed,
    Report,
    Settlement,
    SettleOutcome,
    StoredJob,
    StoreOutcome,
    WorkerID,
)
from tests.mutants.mutant import Twin, mutant


@mutant("test_size_claims_of_one_worker[1001]")
class RenewsAPage(Twin):
    """A renewal names the first thousand claims: the worker drops the rest."""

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        renewed = await super().renew(worker, hold_for, leaving=leaving)
        return Renewed(frozenset(islice(renewed.tokens, 1000)), renewed.aborts)


@mutant("test_size_claims_of_one_worker[101]")
class ClosesAPage(Twin):
    """Closing a worker releases a hundred claims, and the rest is lost with it."""

    async def close_worker(self, worker: WorkerID) -> None:
        if holder := self.state.workers.get(worker):
            for token in list(holder.claims)[100:]:
                holder.claims.pop(token)
        await super().close_worker(worker)


@mutant("test_size_claims_of_one_worker[11]")
class RepeatInTheOrderOfTokens(Twin):
    """The claims of a repeat come in the order of their tokens as text: the tenth before the second."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        holder = self.state.workers.get(worker)
        is_repeat = holder is not None and holder.sequence == sequence
        answer = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        return replace(answer, claims=sorted(answer.claims, key=lambda claim: claim.token)) if is_repeat else answer


@mutant("test_size_claims_with_envelopes[65]")
class EnvelopesOfAPage(Twin):
    """Only the first 64 claims of an exchange come with their envelopes."""

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
        plain = [replace(claim, recoveries=0, error=None) for claim in answer.claims[64:]]
        return replace(answer, claims=answer.claims[:64] + plain)


@mutant("test_size_settlements_of_one_exchange[1001]")
class SettlesAPage(Twin):
    """An exchange settles a thousand claims, and reports the others as lost."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        answer = await super().exchange(worker, sequence, settlements[:1000], limit, reports=reports)
        lost = [SettleOutcome.CLAIM_LOST] * max(len(settlements) - 1000, 0)
        return replace(answer, outcomes=answer.outcomes + lost)


@mutant("test_size_workers_that_died")
class RecoversAPageOfWorkers(Twin):
    """Recovery looks at the hundred workers whose locks ran out last."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        workers = self.state.workers
        latest = sorted(workers, key=lambda each: workers[each].expires)[-100:]
        self.state.workers = {each: workers[each] for each in latest}
        try:
            return await super().recover(max_jobs, worker=worker)
        finally:
            self.state.workers = workers


@mutant("test_size_producers")
class RemembersAPageOfProducers(Twin):
    """The last operations of only a thousand producers are remembered."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        answer = await super().push(items, operation=operation)
        while len(self.state.producers) > 1000:
            self.state.producers.popitem(last=False)
        return answer


@mutant("test_size_ids_of_the_user[1001]")
class RemembersAPageOfIds(Twin):
    """A thousand ids are remembered; the oldest give way, although their window is not over."""

    def _vanish(self, job: StoredJob, now: datetime) -> None:
        super()._vanish(job, now)
        while len(self.state.remembered) > 1000:
            self.state.remembered.popitem(last=False)


@mutant("test_size_a_cleanup_step[completed]")
class CleansAPage(Twin):
    """A cleanup step takes at most a thousand jobs, whatever its limit."""

    async def cleanup_step(self, status: JobStatus, cleanup: JobCleanup, *, max_jobs: int, **others: Any) -> int:
        return await super().cleanup_step(status, cleanup, max_jobs=min(max_jobs, 1000), **others)


@mutant("test_size_a_list[pending]")
class ListsAPage(Twin):
    """`jobs` ends after a thousand."""

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        async for job in super().jobs(status, limit=min(limit or 1000, 1000)):
            yield job


@mutant("test_size_a_list_whose_place_goes_away[pending]")
class ListsFromAPlace(Twin):
    """`jobs` looks for the next page behind the last job that it has shown: if that has gone, it ends."""

    async def jobs(self, status: JobStatus, *, limit: int | None = None) -> AsyncIterator[StoredJob]:
        shown = 0
        async for job in super().jobs(status, limit=limit):
            yield job
            shown += 1
            if shown % 100 == 0 and job.job_id not in self.state.jobs:
                return


@mutant("test_size_what_retention_trims[101]")
class TrimsAPage(Twin):
    """Jobs beyond the count are still there until they are trimmed, a hundred with each end."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        beyond = [job.job_id for job in self.state.ended][100 : len(self.state.ended) - 101]
        is_there = item.job_id in beyond
        return Pushed(StoreOutcome.DUPLICATE, item.job_id) if is_there else super()._push(item, now)


@mutant("test_size_what_grows_too_old[1001]")
class AgesAPage(Twin):
    """Of the jobs that have grown too old, a thousand are absent at once, and the rest when somebody looks again."""

    def _push(self, item: NewJob, now: datetime) -> Pushed:
        late = [job.job_id for job in self.state.ended][1000:]
        is_there = item.job_id in late
        return Pushed(StoreOutcome.DUPLICATE, item.job_id) if is_there else super()._push(item, now)


@mutant("test_size_what_was_kept_for_a_time[1001]")
class CountsWhatIsNotTrimmed(Twin):
    """`counts` counts kept jobs whose time is over until they are trimmed."""

    async def counts(self) -> dict[JobStatus, int]:
        counts = await super().counts()
        counts[JobStatus.COMPLETED] = len(self.state.kept)
        return counts


@mutant("test_size_aborts_of_one_worker[101]")
class NamesAPageOfAborts(Twin):
    """An answer names ten of the claims that are to be aborted."""

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        renewed = await super().renew(worker, hold_for, leaving=leaving)
        return Renewed(renewed.tokens, frozenset(islice(renewed.aborts, 10)))
