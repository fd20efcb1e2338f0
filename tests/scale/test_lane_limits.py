"""Many lanes with limits, and many workers: nobody gets more than he may, and nobody is forgotten."""

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta

import pytest

from jobsvalkey.contract import Claim, Finish, JobID, LaneLimit, NewJob, StoreUnavailable, new_job_id
from jobsvalkey.valkey import ValkeyJobQueue

HOUR = timedelta(hours=1)
AT_ONCE = 1000
"""Jobs of one push."""


class Lanes:
    """What workers know of lanes: how many jobs of each run, and how many have begun."""

    def __init__(self, lanes: int, jobs: int) -> None:
        self.names = [f"lane:{number}" for number in range(lanes)]
        self.jobs = jobs
        self.left = lanes * jobs
        self.running = Counter[str]()
        self.begun: Counter[str] = Counter(dict.fromkeys(self.names, 0))
        self.behind = 0
        """How many lanes have begun as few as any that has jobs left."""
        self.turn = 0
        """As few as that."""

    async def fill(self, driver: ValkeyJobQueue) -> None:
        """Push jobs to all lanes, those of one after those of the other."""
        for at in range(0, self.left, AT_ONCE):
            numbers = range(at, min(at + AT_ONCE, self.left))
            await driver.push([NewJob(new_job_id(), b"", lane=self.names[number // self.jobs]) for number in numbers])
        self.behind = len(self.names)

    def begin(self, claim: Claim) -> None:
        """Note that a job begins, and check that it may."""
        lane = claim.lane or ""
        self.running[lane] += 1
        assert self.running[lane] == 1, f"{self.running[lane]} jobs of {lane} run at a time"
        assert self.begun[lane] <= self.turn + 1, f"{lane} has had {self.begun[lane]} turns, another one {self.turn}"
        self.behind -= self.begun[lane] == self.turn
        self.begun[lane] += 1
        self.left -= 1
        if not self.behind:
            self.turn += 1
            self.behind = sum(count == self.turn for count in self.begun.values())

    async def work(self, driver: ValkeyJobQueue, worker: str, limit: int) -> None:
        """Claim, and finish with the next exchange, until nothing is left."""
        await driver.open_worker(worker, HOUR)
        sequence, claims = 0, list[Claim]()
        while self.left or claims:
            sequence += 1
            for claim in claims:
                self.running[claim.lane or ""] -= 1
            settlements = [Finish(claim.job_id, claim.token) for claim in claims]
            claims = (await driver.exchange(worker, sequence, settlements, limit)).claims
            for claim in claims:
                self.begin(claim)
        await driver.close_worker(worker)

    async def watch(self, driver: ValkeyJobQueue) -> None:
        """Look from outside."""
        while self.left:
            for lane in (await driver.lanes()).lanes:
                assert lane.running is not None
                assert lane.running <= 1
            await asyncio.sleep(0.02)


@pytest.mark.timeout(3600)  # a million jobs take their time
@pytest.mark.parametrize(
    ("lanes", "jobs", "limit"), [(100, 8, 3), pytest.param(10_000, 100, 16, marks=pytest.mark.night)]
)
async def test_of_many_lanes_none_gets_more_than_it_may_and_each_its_turn(
    lanes: int, jobs: int, limit: int, direct: ValkeyJobQueue
) -> None:
    known = Lanes(lanes, jobs)
    await direct.set_lane_limit("lane:*", LaneLimit(concurrency=1))
    await known.fill(direct)
    async with asyncio.TaskGroup() as group:
        group.create_task(known.watch(direct))
        for number in range(64):
            group.create_task(known.work(direct, f"worker {number}", limit))
    assert set(known.begun.values()) == {jobs}
    assert (await direct.lanes()).lanes == []
    assert await direct.validate() == []


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("jobs", [3_000, pytest.param(1_000_000, marks=pytest.mark.night)])
async def test_a_full_lane_delays_nobody_however_many_jobs_it_has(jobs: int, direct: ValkeyJobQueue) -> None:
    """Each exchange claims the job of another lane at once, and is told that nothing else is to be claimed."""
    await direct.set_lane_limit("full", LaneLimit(concurrency=1))
    for at in range(0, jobs, AT_ONCE):
        await direct.push([NewJob(new_job_id(), b"", lane="full", priority=5) for _ in range(at, at + AT_ONCE)])
    await direct.open_worker("worker", HOUR)
    (held,) = (await direct.exchange("worker", 1, (), 100)).claims
    for sequence in range(2, 40, 2):
        job = NewJob(new_job_id(), b"", lane="other")
        await direct.push([job])
        answer = await direct.exchange("worker", sequence, (), 100)
        assert [claim.job_id for claim in answer.claims] == [job.job_id]
        assert answer.until_next is None
        await direct.exchange("worker", sequence + 1, [Finish(job.job_id, answer.claims[0].token)])
    answer = await direct.exchange("worker", 50, [Finish(held.job_id, held.token)], 100)
    assert [claim.lane for claim in answer.claims] == ["full"]


async def test_no_window_has_more_than_the_rate_while_workers_die(direct: ValkeyJobQueue) -> None:
    number, per = 20, timedelta(seconds=0.3)
    await direct.set_lane_limit("a", LaneLimit(rate=(number, per)))
    await direct.push([NewJob(new_job_id(), b"", lane="a") for _ in range(140)])
    begun = set[tuple[JobID, datetime]]()  # a job that has lost its worker begins again

    async def live(worker: str, exchanges: int) -> None:
        await direct.open_worker(worker, timedelta(seconds=0.1))
        for sequence in range(1, exchanges):
            claims = (await direct.exchange(worker, sequence, (), 3)).claims
            for claim in claims:
                stored = await direct.get(claim.job_id)
                if stored is not None and stored.claimed_at is not None:
                    begun.add((claim.job_id, stored.claimed_at))
            await direct.renew(worker, timedelta(seconds=0.1))
            await asyncio.sleep(0.005)

    async def work(name: int) -> None:
        life = 0
        while len(begun) < 100:  # a worker that dies leaves its claims behind
            life += 1
            with suppress(StoreUnavailable):  # on a busy machine an answer may come later than such a short lock lasts
                await live(f"{name}.{life}", 4 + name + life % 3)
            await direct.recover()

    async with asyncio.TaskGroup() as group:
        for name in range(8):
            group.create_task(work(name))
    times = sorted(time for _, time in begun)
    assert all(later - earlier >= per for earlier, later in zip(times, times[number:], strict=False))
