"""Bugs that were planted without a look at the catalogue, and that nothing of the kit killed then."""

from collections.abc import Sequence
from datetime import datetime

from jobsvalkey.contract import Exchanged, JobStatus, Report, Settlement, StoredJob, WorkerID
from tests.mutants.mutant import Twin, mutant


@mutant("test_wait_a_full_answer_wakes_the_next", only_the_killer=True)
class FullAnswerWakesNobody(Twin):
    """The next worker is woken if a claim took as many jobs as it may, and not if it took as many bytes."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        hint = self.state.hint
        self.state.hint = lambda: None
        done = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        self.state.hint = hint
        if settlements or (done.until_next == 0 and len(done.claims) == limit):
            hint()
        return done


@mutant("test_flow_a_parent_that_is_run_anew_tells_nothing", only_the_killer=True)
class ParentsTellAgain(Twin):
    """A parent that is run anew tells a child that still waits of each of its ends."""

    def _tell(self, job: StoredJob, now: datetime) -> None:
        children = set(self.state.children.get(job.job_id, ()))
        super()._tell(job, now)
        waiting = {child for child in children if self.state.jobs[child].status is JobStatus.WAITING}
        if waiting:
            self.state.children[job.job_id] = waiting
