"""Bugs of waiting for work."""

import asyncio
from datetime import timedelta

from jobsvalkey.contract import StoredJob, WorkerID
from jobsvalkey_memory.store import QueueState
from tests.mutants.mutant import Twin, harness_of, mutant
from tests.mutants.repeats import IdleExchangeRecorded
from tests.mutants.scripts import script_mutant


@mutant("test_wait_an_idle_worker_writes_nothing", weakness=6)
class IdlePollWrites(IdleExchangeRecorded):
    """Every poll of an empty or delayed queue writes to the store."""


@mutant("test_wait_what_makes_work_wakes[push]", weakness=16)
class NeverHinted(Twin):
    """A worker is never woken: what is pushed waits for its next poll."""

    async def wait(self, worker: WorkerID, timeout: timedelta, *, work: bool = True) -> None:
        await asyncio.sleep(timeout.total_seconds())


@mutant("test_wait_what_makes_work_wakes[resume]")
class OnlyPushesWake(Twin):
    """A push wakes a worker; what comes back into the queue does not."""

    def _enter(self, job: StoredJob) -> None:
        hint = self.state.hint
        if job.job_id in self.state.jobs:
            self.state.hint = lambda: None
        super()._enter(job)
        self.state.hint = hint


@mutant("test_wait_a_push_between_claim_and_wait")
class HintBeforeWaitLost(Twin):
    """A hint that comes after the claim and before the wait is lost."""

    async def wait(self, worker: WorkerID, timeout: timedelta, *, work: bool = True) -> None:
        if worker in self.state.workers:
            self.state.workers[worker].hints = self.state.hints
        await super().wait(worker, timeout, work=work)


@mutant("test_wait_it_ends_at_the_timeout")
class WaitsForEver(Twin):
    """A wait ends only at a hint: if one is lost, nothing makes up for it."""

    async def wait(self, worker: WorkerID, timeout: timedelta, *, work: bool = True) -> None:
        await super().wait(worker, timedelta(days=1))


class HintWakesAll(Twin):
    """One push wakes every idle worker: allowed, but not what it should be."""

    async def wait(self, worker: WorkerID, timeout: timedelta, *, work: bool = True) -> None:
        await super().wait(worker, timeout, work=work)
        QueueState.hint(self.state)


HintWakesAllHarness = harness_of(HintWakesAll)
"""Not a mutant: the kit warns of it, and does not fail."""


@mutant("test_wait_a_full_worker_takes_no_hint")
class FullWorkerTakesHints(Twin):
    """A worker that can take no more is woken all the same, and an idle one sleeps on."""

    async def wait(self, worker: WorkerID, timeout: timedelta, *, work: bool = True) -> None:
        await super().wait(worker, timeout)


@mutant("test_wait_without_work_ends_at_the_timeout")
class WaitsForNewsAlone(Twin):
    """A worker that can take no more waits until there is news of its claims, however long."""

    async def wait(self, worker: WorkerID, timeout: timedelta, *, work: bool = True) -> None:
        await super().wait(worker, timeout if work else timedelta(days=1), work=work)


script_mutant(
    "ScriptLetsGoInSilence",
    "`holds.lua`: a job that its last parent lets go leaves no hint; one of the push may still lie there.",
    "test_flow_a_job_that_is_let_go_wakes_a_worker",
    "      enter_one(id, due, true)\n      let_go(id)",
    "      hints = 1\n      enter_one(id, due, true)\n      let_go(id)",
    chapter=__name__,
)
script_mutant(
    "ScriptDoomsInSilence",
    "`holds.lua`: a doomed job leaves no hint; one of the push may still lie there.",
    "test_flow_a_job_that_is_let_go_wakes_a_worker",
    "redis.call('ZADD', ENDS_AT, whole(now), id) end\n    wake()",
    "redis.call('ZADD', ENDS_AT, whole(now), id) end",
    chapter=__name__,
)
