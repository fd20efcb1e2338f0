"""A queue that a Swift service and Python workers share, and what has become of its jobs."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from jobsvalkey import RETAIN, JobContext, JobID, JobName, JobQueue, JobStatus, RetentionPolicy
from jobsvalkey.contract import Claim
from jobsvalkey.contract import InconsistencyKind as Kind
from jobsvalkey.runtime import Values
from jobsvalkey.valkey import ValkeyJobQueue
from tests.swift.peer import SwiftPeer

KEEP_ALL: Final = RetentionPolicy(completed_jobs=RETAIN, failed_jobs=RETAIN, cancelled_jobs=RETAIN)
KEEP_NONE: Final = RetentionPolicy()
GRACE: Final = timedelta(seconds=5)
HOUR: Final = timedelta(hours=1)
TORN: Final = {Kind.UNLISTED_PAYLOAD, Kind.MISSING_PAYLOAD, Kind.WRONG_STATUS}
"""What is left if Python does something to a job between two commands of what should be one step of Swift's."""
ENDED_TWICE: Final = {
    Kind.SEVERAL_STATES,
    Kind.MISSING_PAYLOAD,
    Kind.WRONG_STATUS,
}
"""What is left if a job that was taken from a Swift worker, which lives after all, is ended by both sides."""
NAMES: Final = ("Plain", "Fails", "Again", "Tick")


@dataclass
class Shared:
    """The queue, from both sides."""

    peer: SwiftPeer
    driver: ValkeyJobQueue
    values: Values = "plain"
    queue: JobQueue[ValkeyJobQueue] = field(init=False)
    runs: Counter[JobID] = field(default_factory=lambda: Counter[JobID]())
    """How often each job has run in Python."""
    held: list[Claim] = field(default_factory=lambda: list[Claim]())
    """What a Python worker holds while Swift goes on."""
    workers: int = 0

    def __post_init__(self) -> None:
        self.queue = JobQueue(self.driver, values=self.values)
        for name in NAMES:
            self.queue.register_job(JobName(name, dict[str, Any]), self._run)

    async def _run(self, parameters: dict[str, Any], context: JobContext) -> None:
        self.runs[context.job_id] += 1

    async def push(self, name: str) -> JobID:
        """Push a job from Python."""
        return await self.queue.push(JobName(name, dict[str, Any]).with_parameters({"n": 0}))

    async def work(self) -> None:
        """Run what is due, by a Python worker of its own, until nothing is."""
        self.workers += 1
        worker, sequence = f"worker {self.workers}", 1
        await self.driver.open_worker(worker, HOUR)
        runner = self.queue.runner()
        claims = (await self.driver.exchange(worker, sequence, (), 10)).claims
        while claims:
            sequence += 1
            settlements = [await runner.run(claim) for claim in claims]
            claims = (await self.driver.exchange(worker, sequence, settlements, 10)).claims
        await self.driver.close_worker(worker)

    async def claim(self) -> None:
        """Claim what is due, and hold it."""
        await self.driver.open_worker("holder", HOUR * 100)
        self.held += (await self.driver.exchange("holder", 1, (), 10)).claims

    async def finish(self) -> None:
        """Run and settle what is held."""
        runner = self.queue.runner()
        if self.held:
            await self.driver.exchange("holder", 2, [await runner.run(claim) for claim in self.held])
            self.held = []

    async def recover(self) -> int:
        """Two looks of recovery, so far apart that the second takes what nobody has signed for."""
        first = await self.driver.recover()
        self.peer.clock.advance(GRACE)
        return first + await self.driver.recover()

    async def to_the_end(self) -> None:
        """Let Swift's workers die, and Python run whatever can run."""
        await self.finish()
        await self.peer.let_locks_run_out()
        async for job in self.driver.jobs(JobStatus.PAUSED):
            await self.driver.resume(job.job_id)
        for _ in range(2):
            self.peer.clock.advance(HOUR * 2)
            await self.recover()
            await self.work()

    async def forget(self) -> None:
        """Empty the queue, for the next case."""
        keys = [key async for key in self.peer.client.scan_iter(match=f"{self.peer.key}*", count=1000)]
        if keys:
            await self.peer.client.unlink(*keys)
        self.runs.clear()
        self.held = []
