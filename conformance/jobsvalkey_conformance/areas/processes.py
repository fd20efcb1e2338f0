"""Drivers in several processes, by the store's own clock: what users run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from jobsvalkey.contract import Claim, Finish, JobID, NewJob, SettleOutcome
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import DUPLICATE, STORED, SuiteContext, Worker
from jobsvalkey_conformance.harness import AnyDriver, Hook
from jobsvalkey_conformance.processes import PROCESSES, Together, in_processes

HOUR = timedelta(hours=1)
ROUNDS = 20
"""How often all processes push one id at the same moment, and how often all claim."""
OWN = 30
"""How many jobs each pushes of its own."""


@dataclass
class Done:
    """The work of one process, as it was told."""

    stored: list[JobID] = field(default_factory=list[JobID])
    claimed: list[JobID] = field(default_factory=list[JobID])
    lost: list[JobID] = field(default_factory=list[JobID])
    """Those whose settlement was told that the claim is lost."""


async def push_and_drain(driver: AnyDriver, number: int, together: Together) -> Done:
    """Push jobs that the others push as well, and some of its own; then claim and finish until nothing is left."""
    done = Done()
    shared = [JobID(int=1 + n) for n in range(ROUNDS)]
    own = [JobID(int=(number + 1) * 1000 + n) for n in range(OWN)]
    for job_id in shared:
        together()
        await push(driver, job_id, done)
    for job_id in own:
        await push(driver, job_id, done)
    worker = Worker(driver, f"worker {number}")
    await driver.open_worker(worker.id, HOUR)
    for _ in range(ROUNDS):
        together()
        claims = await worker.claim()
        together()  # what two have claimed is there when both settle it
        await settle(worker, claims, done)
    while claims := await worker.claim(3):
        await settle(worker, claims, done)
    return done


async def settle(worker: Worker, claims: Sequence[Claim], done: Done) -> None:
    """Finish claims, and note which were claimed, and which were lost."""
    done.claimed += [claim.job_id for claim in claims]
    told = await worker.settle(*(Finish(claim.job_id, claim.token) for claim in claims))
    lost = [outcome is not SettleOutcome.SETTLED for outcome in told]
    done.lost += [claim.job_id for claim, is_lost in zip(claims, lost, strict=True) if is_lost]


async def push(driver: AnyDriver, job_id: JobID, done: Done) -> None:
    """Push a job, and note whether it was stored."""
    (answer,) = await driver.push([NewJob(job_id, b"", remember=True)])
    assert answer.outcome in (STORED, DUPLICATE)
    done.stored += [job_id] if answer.outcome is STORED else []


class ProcessTests(Suite):
    """Each step is atomic, also beside those of other processes."""

    @conformance_test(Hook.DRIVER_ELSEWHERE, own_clock=True)
    async def test_process_no_job_is_claimed_twice(self, kit: SuiteContext) -> None:
        """Of processes that push one id one stores it; of what all drain, each job is claimed and ended once."""
        found = await in_processes(kit, push_and_drain)
        stored = Counter(job_id for done in found for job_id in done.stored)
        assert set(stored.values()) == {1}, "an id was stored twice"
        assert len(stored) == ROUNDS + PROCESSES * OWN
        assert [job_id for done in found for job_id in done.lost] == []
        assert Counter(job_id for done in found for job_id in done.claimed) == stored
        assert await kit.claimed(await kit.driver()) == []
