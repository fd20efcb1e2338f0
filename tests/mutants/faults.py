"""Bugs that show when something breaks."""

from collections.abc import Sequence

from msgspec.structs import replace

from jobsvalkey.contract import Exchanged, Report, Settlement, SettleOutcome, WorkerID
from tests.mutants.mutant import Twin, mutant


@mutant("test_fault_a_lost_reply_to_a_settle")
class RepeatedSettleIsLost(Twin):
    """A repeat of an exchange finds its claims settled, and reports them as lost."""

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
        return replace(answer, outcomes=[SettleOutcome.CLAIM_LOST] * len(settlements)) if is_repeat else answer
