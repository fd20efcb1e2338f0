"""Bugs of retries."""

from datetime import datetime
from typing import ClassVar

from msgspec.structs import replace

from jobsvalkey.contract import (
    Retry,
    Settlement,
    SettleOutcome,
)
from jobsvalkey_memory.store import Worker
from tests.mutants.mutant import Twin, mutant
from tests.support.broken_twins import RetryThenDelete

mutant("test_retry_it_stays_stored", weakness=18, chapter=__name__)(RetryThenDelete)


class LeavesAsItWas(Twin):
    """A retry leaves something of the job as it was."""

    left: ClassVar[str]

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        before = self.state.jobs.get(settlement.job_id)
        outcome = super()._settle(holder, settlement, now)
        if before is not None and isinstance(settlement, Retry) and outcome is SettleOutcome.SETTLED:
            after = self.state.jobs[settlement.job_id]
            self.state.put(replace(after, **{self.left: getattr(before, self.left)}))
        return outcome


@mutant("test_retry_it_clears_recoveries")
class RetryKeepsRecoveries(LeavesAsItWas):
    """A retry does not clear the recoveries: in the end a job that is merely slow is given up."""

    left = "recoveries"


@mutant("test_retry_it_clears_reset_attempt")
class RetryKeepsReset(LeavesAsItWas):
    """A retry does not clear `reset_attempt`: after a rerun the job is retried for ever."""

    left = "reset_attempt"


@mutant("test_retry_the_request_is_new_or_unchanged")
class RetryForgetsRequest(LeavesAsItWas):
    """A retry keeps the old request, and with it the old attempt."""

    left = "request"


@mutant("test_retry_it_is_due_when_it_says")
class RetryForgetsDelay(LeavesAsItWas):
    """A retry is due when the job was due before: there is no backoff."""

    left = "due"


@mutant("test_retry_the_error_of_the_last_failure")
class RetryForgetsError(LeavesAsItWas):
    """The error of an attempt that is retried is not recorded."""

    left = "error"
