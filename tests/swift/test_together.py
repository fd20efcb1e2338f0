"""Swift workers and Python workers on one queue at the same time, command by command, while some of them die."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import ActiveLock, JobStatus, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey_memory import ManualClock
from tests.support.processors import options, run_in_background
from tests.support.waiting import until
from tests.swift.beside import ENDED_TWICE, KEEP_ALL, TORN, Shared
from tests.swift.peer import Play, SwiftPeer
from tests.swift.recordings import VERSIONS, is_torn

JOBS = 60
RUNS = (
    "run one to its end; completed jobs are retained",
    "run one to its end; completed jobs are not retained",
    "fail for good; failed jobs are retained",
)
GRACE = timedelta(milliseconds=200)


class WallClock(ManualClock):
    """The time of this machine, whatever it is set to: the store goes by its own."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SwiftWorkers:
    """Workers that play recordings one after the other, each with a fresh name, until they are told to stop."""

    def __init__(self, peer: SwiftPeer, seed: int, *, mortal: bool) -> None:
        self.peer = peer
        self.chance = random.Random(seed)
        self.mortal = mortal
        self.ends: Counter[str] = Counter()
        self.deaths = 0
        self.is_over = False

    async def run(self) -> None:
        """Take job after job."""
        while not self.is_over:
            play = self.peer.plays(self.chance.choice(VERSIONS), self.chance.choice(RUNS))
            dies_at = self.chance.randrange(16) if self.mortal else len(play.steps)
            while not play.is_over:
                if play.at >= dies_at and not is_torn(play.steps, play.at):
                    await self._die(play)
                    break
                await play.step()
                await asyncio.sleep(0)
            self.ends.update(play.ended)
            await asyncio.sleep(0.001)

    async def _die(self, play: Play) -> None:
        """Its lock runs out; half of those that seem dead go on, and end what they had."""
        self.deaths += 1
        for name in play.names.values():
            await self.peer.client.delete(f"{self.peer.key}.metadata.worker.{name}")
        if self.chance.random() < 0.5:
            await asyncio.sleep(self.chance.random() * 3 * GRACE.total_seconds())
            await play.rest()


@pytest.fixture
async def shared(server_client: Valkey, queue_key: str) -> AsyncIterator[Shared]:
    configuration = ValkeyConfiguration(
        queue_key=queue_key, retention_policy=KEEP_ALL, unowned_grace=GRACE, poll_time=timedelta(milliseconds=20)
    )
    async with ValkeyJobQueue(server_client, configuration) as driver:
        yield Shared(SwiftPeer(server_client, queue_key, WallClock()), driver)


async def run_together(shared: Shared, swift: SwiftWorkers) -> set[str]:
    """Push from both sides, and let both sides work until nothing is left; the ids of the jobs."""
    lock = ActiveLock(every=timedelta(milliseconds=50), hold_for=timedelta(seconds=30))
    pushed: set[str] = set()
    async with run_in_background(shared.queue.processor(options(num_workers=2, worker_active_lock=lock))):
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(swift.run())
            for number in range(JOBS):
                job_id = await (shared.peer.push(VERSIONS[number % 2], "Plain") if number % 3 else shared.push("Plain"))
                pushed.add(str(job_id))
            await until(lambda: is_done(shared))
            swift.is_over = True
        # A worker that seemed dead may have given something back last.
        await until(lambda: is_done(shared))
    return pushed


async def is_done(shared: Shared) -> bool:
    counts = await shared.driver.counts()
    return not counts[JobStatus.PENDING] and not counts[JobStatus.PROCESSING]


def ends_of(shared: Shared, swift: SwiftWorkers) -> Counter[str]:
    """How often each job was run to an end, on either side."""
    return Counter({str(job_id): number for job_id, number in shared.runs.items()}) + swift.ends


@pytest.mark.parametrize("seed", range(2))
async def test_while_all_live_each_job_ends_once(shared: Shared, seed: int) -> None:
    swift = SwiftWorkers(shared.peer, seed, mortal=False)
    pushed = await run_together(shared, swift)
    assert ends_of(shared, swift) == dict.fromkeys(pushed, 1)
    assert {finding.kind for finding in await shared.driver.validate()} <= TORN
    assert len(swift.ends) > JOBS / 20
    assert len(shared.runs) > JOBS / 20


@pytest.mark.parametrize("seed", range(2))
async def test_while_workers_die_each_job_ends(shared: Shared, seed: int) -> None:
    swift = SwiftWorkers(shared.peer, seed, mortal=True)
    pushed = await run_together(shared, swift)
    assert ends_of(shared, swift).keys() == pushed
    assert {finding.kind for finding in await shared.driver.validate()} <= ENDED_TWICE | TORN
    assert swift.deaths > 0
    told = [job async for job in shared.driver.jobs(JobStatus.FAILED) if b"has lost" in (job.error or b"")]
    assert told == []
