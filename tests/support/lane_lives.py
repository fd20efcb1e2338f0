"""Lanes with limits under everything that may happen to their jobs, in an order that follows from a seed.

It knows nothing of the twin: what a lane has is counted from the jobs that run, seen through the store's back door.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, cast

from jobsvalkey_conformance import DriverHarness, Observation
from jobsvalkey_conformance.harness import AnyDriver

from jobsvalkey.contract import (
    Cancel,
    Claim,
    DriverConfiguration,
    Fail,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    LaneLimit,
    NewJob,
    Release,
    Retry,
    Settlement,
    limit_of,
)
from jobsvalkey_memory import ManualClock

SECOND: Final = timedelta(seconds=1)
HOLD: Final = 20 * SECOND
LANES: Final = (None, "a", "a:1", "a:2", "b")
PATTERNS: Final = ("a", "a:*", "b", "*")
LIMITS: Final = (
    *(LaneLimit(1), LaneLimit(1), LaneLimit(2), LaneLimit(3), None),
    *(LaneLimit(rate=(2, 5 * SECOND)), LaneLimit(2, (3, 10 * SECOND))),
)
SETTLEMENTS: Final[tuple[Callable[[Claim], Settlement], ...]] = (
    *(lambda claim: Finish(claim.job_id, claim.token), lambda claim: Finish(claim.job_id, claim.token, b"1")),
    *(lambda claim: Fail(claim.job_id, claim.token, b"error"), lambda claim: Release(claim.job_id, claim.token)),
    *(lambda claim: Retry(claim.job_id, claim.token), lambda claim: Retry(claim.job_id, claim.token, due=5 * SECOND)),
    lambda claim: Cancel(claim.job_id, claim.token, b"no more"),
)


@dataclass
class Worker:
    """A worker, as far as it knows."""

    name: str
    sequence: int = 0
    claims: list[Claim] = field(default_factory=list[Claim])


class LaneLives:
    """A queue, its workers, and what is known of its jobs without it."""

    def __init__(
        self, harness: DriverHarness, driver: AnyDriver, configuration: DriverConfiguration, seed: int
    ) -> None:
        self._harness = harness
        self._driver = driver
        self._configuration = configuration
        self._clock = cast(ManualClock, driver.clock)
        self._chance = random.Random(seed)
        self._jobs: dict[JobID, NewJob] = {}
        self._workers: list[Worker] = []
        self._opened = 0
        self._limits: dict[str, LaneLimit] = {}
        self._begun: list[tuple[datetime, str]] = []  # since the last change of a limit
        self._is_paused = False
        self._last = ""
        self.done = Counter[str]()
        """How often each step was made."""

    async def live(self, steps: int) -> None:
        """Make so many steps, with a check after each, and run what is left to its end."""
        await self._driver.set_lane_limit("*", LaneLimit(2))
        self._limits["*"] = LaneLimit(2)
        each = self._steps()
        for _ in range(steps):
            step = self._chance.choice(each)
            self._last = step.__name__
            self.done[self._last] += 1
            if self._chance.random() < 0.05:
                async with self._harness.drop_reply():
                    await step()
            else:
                await step()
            await self._check()
        await self._drain()

    def _steps(self) -> list[Callable[[], Awaitable[object]]]:
        """The steps; those of workers come more often."""
        return [
            *(self.push, self.push, self.work, self.work, self.work, self.work, self.go_on, self.go_on),
            *(self.open, self.kill, self.stall, self.close, self.recover, self.recover, self.abort, self.abort),
            *(self.cancel, self.pause, self.resume, self.rerun, self.remove, self.clean, self.clean_orphans),
            *(self.pause_queue, self.resume_queue, self.resume_queue, self.limit, self.limit),
        ]

    async def push(self) -> None:
        """Push some jobs to some lanes."""
        jobs = [
            NewJob(
                JobID(int=self._chance.getrandbits(128)),
                b"{}",
                self._chance.choice((None, None, 3 * SECOND)),
                lane=self._chance.choice(LANES),
                priority=self._chance.choice((0, 0, 5, -5)),
            )
            for _ in range(self._chance.randint(1, 5))
        ]
        self._jobs |= {job.job_id: job for job in jobs}
        await self._driver.push(jobs)

    async def work(self) -> None:
        """Let a worker settle some of its claims and claim some jobs."""
        if not self._workers:
            await self.open()
        worker = self._chance.choice(self._workers)
        ended = [claim for claim in worker.claims if self._chance.random() < 0.7]
        settlements = [self._chance.choice(SETTLEMENTS)(claim) for claim in ended]
        await self._exchange(worker, settlements, self._chance.randint(0, 4))

    async def go_on(self) -> None:
        """Let time go by, for less than a lock lasts."""
        self._clock.advance(self._chance.choice((0.5, 1, 3, 6)) * SECOND)

    async def open(self) -> None:
        """Open one more worker, or renew the locks of those that are there."""
        if len(self._workers) > 3:
            for worker in self._workers:
                await self._driver.renew(worker.name, HOLD)
            return
        self._opened += 1
        self._workers.append(Worker(f"worker {self._opened}"))
        await self._driver.open_worker(self._workers[-1].name, HOLD)

    async def kill(self) -> None:
        """A worker is heard of no more; others go on until its lock has run out."""
        if self._workers:
            self._workers.remove(self._chance.choice(self._workers))

    async def stall(self) -> None:
        """All workers stand still until their locks have run out, and go on as if nothing had been."""
        self._clock.advance(HOLD + SECOND)
        if self._chance.random() < 0.5:
            await self._driver.recover(self._chance.choice((1, 1000)))
        for worker in self._workers:
            await self._driver.renew(worker.name, HOLD)

    async def close(self) -> None:
        """Close a worker, whatever it has."""
        if self._workers:
            worker = self._chance.choice(self._workers)
            self._workers.remove(worker)
            await self._driver.close_worker(worker.name)

    async def recover(self) -> None:
        """Recover some jobs, or all."""
        await self._driver.recover(self._chance.choice((1, 2, 1000)))

    async def abort(self) -> None:
        """Ask for the end of a job, which its worker hears of at some time, or never."""
        claims = [claim.job_id for worker in self._workers for claim in worker.claims]
        await self._driver.abort(self._chance.choice(claims) if claims else self._any())

    async def cancel(self) -> None:
        """Cancel a job."""
        await self._driver.cancel(self._any())

    async def pause(self) -> None:
        """Pause a job."""
        await self._driver.pause(self._any())

    async def resume(self) -> None:
        """Resume a job."""
        await self._driver.resume(self._any())

    async def rerun(self) -> None:
        """Rerun a job."""
        await self._driver.rerun(self._any())

    async def remove(self) -> None:
        """Remove a job."""
        await self._driver.remove(self._any())

    async def clean(self) -> None:
        """Rerun or remove some jobs of any state, those that run as well."""
        states = [status for status in JobStatus if status is not JobStatus.WAITING]
        await self._clean(self._chance.choice((JobStatus.PROCESSING, *states)))

    async def clean_orphans(self) -> None:
        """The same for the jobs of workers whose locks have run out."""
        await self._clean(JobStatus.PROCESSING, only_orphans=True)

    async def pause_queue(self) -> None:
        """Pause the queue."""
        self._is_paused = True
        await self._driver.pause_queue()

    async def resume_queue(self) -> None:
        """Resume the queue."""
        self._is_paused = False
        await self._driver.resume_queue()

    async def limit(self) -> None:
        """Change a limit, or take it away."""
        pattern, limit = self._chance.choice(PATTERNS), self._chance.choice(LIMITS)
        self._begun.clear()
        self._limits.pop(pattern, None)
        if limit:
            self._limits[pattern] = limit
        await self._driver.set_lane_limit(pattern, limit)

    def _any(self) -> JobID:
        """One of the jobs that were pushed last, or one that is not there."""
        return self._chance.choice([*self._jobs][-20:] or [JobID(int=1)])

    async def _clean(self, status: JobStatus, *, only_orphans: bool = False) -> None:
        ways = (JobCleanup.remove(), JobCleanup.RERUN)
        cleanup = self._chance.choice(ways[:1] if status in (JobStatus.PENDING, JobStatus.PAUSED) else ways)
        await self._driver.cleanup_step(
            status, cleanup, max_jobs=self._chance.choice((1, 3)), only_orphans=only_orphans
        )

    async def _exchange(self, worker: Worker, settlements: list[Settlement], limit: int) -> float | None:
        worker.sequence += 1
        done = await self._driver.exchange(worker.name, worker.sequence, settlements, limit)
        ended = {settlement.token for settlement in settlements}
        worker.claims = [claim for claim in worker.claims if claim.token not in ended] + list(done.claims)
        running = await self._running()
        now = self._clock.now()
        for claim in done.claims:
            assert claim.lane == self._jobs[claim.job_id].lane
            lane = claim.lane or ""
            self._begun.append((now, lane))
            allowed = limit_of(lane, self._limits) if lane else None
            if allowed and allowed.concurrency:
                assert running[lane] <= allowed.concurrency, f"{running[lane]} jobs of {lane} run, may {allowed}"
            if allowed and allowed.rate:
                number, per = allowed.rate
                last = [time for time, name in self._begun if name == lane and time > now - per]
                assert len(last) <= number, f"{len(last)} jobs of {lane} began in {per}, may {allowed}"
        if len(done.claims) < limit and not done.lock_expired and not self._is_paused:
            await self._check_waiting(running)
        return done.until_next

    async def _check_waiting(self, running: Counter[str]) -> None:
        """Nothing waits that may run. Of lanes with a rate, the drain tells."""
        async for job in self._driver.jobs(JobStatus.PENDING):
            allowed = limit_of(job.lane, self._limits) if job.lane else None
            is_due = job.due is not None and job.due <= self._clock.now()
            is_full = allowed is not None and (allowed.rate or running[job.lane or ""] >= (allowed.concurrency or 0))
            assert is_full or not is_due, (
                f"job {job.job_id} of {job.lane} waits, and may run: {self._limits}, {running}"
            )

    async def _running(self) -> Counter[str]:
        seen = await self._harness.observe(self._configuration)
        return Counter(self._jobs[job_id].lane or "" for job_id in _running_in(seen))

    async def _check(self) -> None:
        """Each slot is that of a job that runs, and each line is offered if its lane has room."""
        seen = await self._harness.observe(self._configuration)
        running: dict[str, set[JobID]] = {}
        for job_id in _running_in(seen):
            if lane := self._jobs[job_id].lane:
                running.setdefault(lane, set()).add(job_id)
        assert seen.slots is not None
        assert seen.lines is not None
        assert {lane: set(ids) for lane, ids in seen.slots.items()} == running, f"after {self._last}"
        assert {each for held in seen.claims.values() for each in held} == set(_running_in(seen)), f"after {self._last}"
        waiting: dict[tuple[int, str], set[JobID]] = {}
        for job_id, job in seen.jobs.items():
            pushed = self._jobs[job_id]
            if JobStatus.PENDING in job.states and (pushed.lane or pushed.priority):
                waiting.setdefault((pushed.priority, pushed.lane or ""), set()).add(job_id)
        assert {name: set(line.jobs) for name, line in seen.lines.items()} == waiting, f"after {self._last}"
        for (priority, lane), line in seen.lines.items():
            limit = limit_of(lane, self._limits) if lane else None
            has_room = limit is None or limit.concurrency is None or len(running.get(lane, ())) < limit.concurrency
            assert line.is_offered == has_room, f"after {self._last}: line {priority} of {lane} has room: {has_room}"

    async def _drain(self) -> None:
        """Run all that is left, with another worker: each lane goes on, and nothing is left behind."""
        self._last = "the end"
        await self.resume_queue()
        for job_id in self._jobs:
            await self._driver.resume(job_id)
        self._clock.advance(HOLD + SECOND)
        self._workers.clear()
        await self._driver.recover()
        await self._check()
        await self.open()
        (worker,) = self._workers
        left = sum([1 async for _ in self._driver.jobs(JobStatus.PENDING)])
        for _ in range(10 * left + 10):
            await self._driver.renew(worker.name, HOLD)
            settlements: list[Settlement] = [Finish(claim.job_id, claim.token) for claim in worker.claims]
            until_next = await self._exchange(worker, settlements, 7)
            await self._check()
            if not worker.claims:
                if until_next is None:
                    break
                self._clock.advance(timedelta(seconds=max(until_next, 0.000_001)))
        assert [job.job_id async for job in self._driver.jobs(JobStatus.PENDING)] == []
        seen = await self._harness.observe(self._configuration)
        assert (dict(seen.lines or {}), dict(seen.slots or {}), _running_in(seen)) == ({}, {}, [])


def _running_in(seen: Observation) -> list[JobID]:
    return [job_id for job_id, job in seen.jobs.items() if JobStatus.PROCESSING in job.states]
