"""The context of every test: the harness, its drivers, time, and short ways of doing what many tests do."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from jobsvalkey.contract import (
    FINISHED,
    RETAIN,
    Capability,
    Claim,
    DriverConfiguration,
    Due,
    Exchanged,
    Fail,
    Finish,
    JobID,
    JobStatus,
    NewJob,
    Operation,
    Pushed,
    QueueDriver,
    Report,
    RetentionPolicy,
    Retry,
    Settlement,
    SettleOutcome,
    StoreOutcome,
    SystemClock,
    Unique,
    new_job_id,
)
from jobsvalkey_conformance.harness import AnyDriver, Damage, DriverHarness, Hook
from jobsvalkey_conformance.limit import limited
from jobsvalkey_conformance.marks import not_run
from jobsvalkey_memory import ManualClock, MemoryJobQueue

RETAIN_ALL = RetentionPolicy(completed_jobs=RETAIN, failed_jobs=RETAIN, cancelled_jobs=RETAIN)
STATES: list[JobStatus] = [status for status in JobStatus if status is not JobStatus.WAITING]
"""Those in which jobs of any driver may be: one that waits for others needs `FLOWS`."""
PATIENCE = 10.0
"""Seconds of real time after which something that should happen counts as not having happened."""


STORED = StoreOutcome.STORED
DUPLICATE = StoreOutcome.DUPLICATE
REPLACED = StoreOutcome.REPLACED


def outcomes(answer: Iterable[Pushed]) -> list[StoreOutcome]:
    """Return the outcome of each job of a push."""
    return [pushed.outcome for pushed in answer]


class ConformanceWarning(UserWarning):
    """Something that a driver should do better, although it does not break the contract."""


class Worker:
    """A worker of the test: counts its exchanges."""

    def __init__(self, driver: QueueDriver, worker_id: str) -> None:
        self.driver = driver
        self.id = worker_id
        self.sequence: int = 0

    async def exchange(self, *settlements: Settlement, limit: int = 0, reports: Sequence[Report] = ()) -> Exchanged:
        """The next exchange."""
        self.sequence += 1
        # Drivers that take no reports need not know of them.
        named = {"reports": reports} if reports else {}
        return await self.driver.exchange(self.id, self.sequence, settlements, limit, **named)

    async def claim(self, limit: int = 1) -> list[Claim]:
        """Claim up to `limit` jobs."""
        return (await self.exchange(limit=limit)).claims

    async def claim_one(self) -> Claim:
        """Claim the one job that must be there."""
        claims = await self.claim()
        assert claims, "a job is due, but none was claimed"
        return claims[0]

    async def settle(self, *settlements: Settlement) -> list[SettleOutcome]:
        """Settle, and claim nothing."""
        return (await self.exchange(*settlements)).outcomes

    async def finish(self, *claims: Claim) -> None:
        """Finish claims that must be held."""
        outcomes = await self.settle(*(Finish(claim.job_id, claim.token) for claim in claims))
        assert outcomes == [SettleOutcome.SETTLED] * len(claims)


class SuiteContext:
    """One test's harness and what was made with it."""

    def __init__(self, harness: DriverHarness, drivers: AsyncExitStack) -> None:
        self.harness = harness
        self.clock: ManualClock | None = ManualClock() if harness.drives_clock else None
        # The braces keep a queue in one slot if the store is a cluster; elsewhere they are part of the name.
        self.configuration: DriverConfiguration = DriverConfiguration(
            queue_key=f"{{kit-{secrets.token_hex(6)}}}", poll_time=timedelta(milliseconds=100)
        )
        self.capabilities: frozenset[Capability] = frozenset()
        self.moment: timedelta = timedelta(seconds=0.3)
        """The unit, unless the clock is driven."""
        self._opened = asyncio.get_running_loop().time()
        self._advanced = 0.0
        self._drivers = drivers

    # -- drivers and workers

    async def driver(self, *, counts_roughly: bool = False, **changes: Any) -> AnyDriver:
        """A driver on the store of this test, with its configuration changed as said. It is closed after the test.

        A retention by count ends the test as not run if the store keeps that roughly, and the test does not know it.
        """
        configuration = replace(self.configuration, **changes)
        if self.harness.spare_jobs and not counts_roughly:
            for status in FINISHED:
                if configuration.retention_policy.of(status).max_count:
                    not_run("the store keeps roughly as many jobs as a retention says")
        return await self._drivers.enter_async_context(self.make(configuration))

    @asynccontextmanager
    async def make(self, configuration: DriverConfiguration) -> AsyncGenerator[AnyDriver]:
        """A driver that is closed at the end of the block."""
        async with self.harness.make_driver(configuration, self.clock) as driver:
            yield cast(AnyDriver, driver)

    async def twin(self, **changes: Any) -> AnyDriver:
        """The in-memory twin, empty, on the same clock: what it does is what the driver must do."""
        configuration = replace(self.configuration, **changes)
        return await self._drivers.enter_async_context(MemoryJobQueue(configuration, self.clock or SystemClock()))

    async def worker(self, driver: QueueDriver, hold_for: timedelta = timedelta(hours=1)) -> Worker:
        """A worker that is open."""
        worker = Worker(driver, secrets.token_hex(8))
        await driver.open_worker(worker.id, hold_for)
        return worker

    def needs(self, *needed: Capability | Hook) -> None:
        """End the test as not run if the driver or the harness lacks one of these."""
        for one in needed:
            if isinstance(one, Capability) and one not in self.capabilities:
                not_run(f"the driver does not support {one.name}")
            if isinstance(one, Hook) and one not in self.harness.hooks:
                not_run(f"the harness has no {one}()")

    # -- time

    @property
    def unit(self) -> timedelta:
        """A time that is long beside a step: a minute of a driven clock, a moment of real time."""
        return timedelta(minutes=1) if self.clock else self.moment

    @property
    def was_late(self) -> bool:
        """Whether the steps so far took so much real time that `unit` is not long beside them."""
        took = asyncio.get_running_loop().time() - self._opened - self._advanced
        return self.clock is None and took > self.moment.total_seconds() / 2

    @property
    def tolerance(self) -> timedelta:
        """Two times that are meant to be the same are less than this apart."""
        return self.harness.time_precision if self.clock else timedelta(seconds=5)

    def now(self) -> datetime:
        """Return the present time."""
        return (self.clock or SystemClock()).now()

    async def advance(self, by: timedelta) -> None:
        """Let `by` go by."""
        if self.clock is not None:
            self.clock.advance(by)
        else:
            seconds = by.total_seconds() + 0.02
            self._advanced += seconds
            await asyncio.sleep(seconds)

    def same_time(self, one: datetime | None, other: datetime | None) -> bool:
        """Whether two times are the same, as far as the store can tell."""
        if one is None or other is None:
            return one is other
        return abs(one - other) < self.tolerance

    # -- jobs

    async def damage(self, job_id: JobID, how: Damage) -> None:
        """Spoil a stored job; end the test as not run if the store cannot have that damage."""
        try:
            await self.harness.damage(self.configuration, job_id, how)
        except NotImplementedError:
            not_run(f"the store cannot have a {how}")
        if how in (Damage.LOST_REQUEST, Damage.WRONG_TYPE) and Hook.OBSERVE in self.harness.hooks:
            seen = (await self.harness.observe(self.configuration)).jobs.get(job_id)
            assert seen is None or not seen.has_request, f"the harness has done no {how}"

    @staticmethod
    def job(
        request: bytes = b"{}",
        *,
        due: Due = None,
        remember: bool = False,
        job_id: JobID | None = None,
        keep_for: timedelta | None = None,
        expires: Due = None,
        unique: Unique | None = None,
        priority: int = 0,
        lane: str | None = None,
        after: Sequence[JobID] = (),
        if_failed: Literal["cancel", "run"] = "cancel",
        batch: JobID | None = None,
    ) -> NewJob:
        """A job to push."""
        return NewJob(
            *(job_id or new_job_id(), request, due, remember),
            keep_for=keep_for,
            expires=expires,
            unique=unique,
            priority=priority,
            lane=lane,
            after=tuple(after),
            if_failed=if_failed,
            batch=batch,
        )

    async def push(
        self,
        driver: QueueDriver,
        request: bytes = b"{}",
        *,
        due: Due = None,
        remember: bool = False,
        keep_for: timedelta | None = None,
        expires: Due = None,
        unique: Unique | None = None,
        priority: int = 0,
        lane: str | None = None,
        after: Sequence[JobID] = (),
        batch: JobID | None = None,
    ) -> JobID:
        """Push a new job."""
        job = self.job(
            request,
            due=due,
            remember=remember,
            keep_for=keep_for,
            expires=expires,
            unique=unique,
            priority=priority,
            lane=lane,
            after=after,
            batch=batch,
        )
        assert outcomes(await driver.push([job])) == [STORED]
        return job.job_id

    async def push_many(self, driver: QueueDriver, count: int) -> list[JobID]:
        """Push `count` new jobs in one step."""
        jobs = [self.job(b'{"n":%d}' % number) for number in range(count)]
        assert outcomes(await driver.push(jobs)) == [STORED] * count
        return [job.job_id for job in jobs]

    async def claimed(self, driver: QueueDriver, limit: int = 1000) -> list[JobID]:
        """The ids of what a new worker can claim now, in order."""
        worker = await self.worker(driver)
        return [claim.job_id for claim in await worker.claim(limit)]

    async def in_state(
        self,
        driver: AnyDriver,
        status: JobStatus,
        *,
        remember: bool = False,
        keep_for: timedelta | None = None,
        unique: Unique | None = None,
    ) -> JobID:
        """A new job that was brought into a state; other jobs must not be due. Retention must keep it there."""
        if status is JobStatus.CANCELLED:
            self.needs(Capability.CANCEL)
        if status is JobStatus.PAUSED:
            self.needs(Capability.RESUME)
        if status is JobStatus.WAITING:
            self.needs(Capability.FLOWS)
            job_id = new_job_id()
            job = self.job(
                b'{"in":"waiting"}', job_id=job_id, remember=remember, keep_for=keep_for, unique=unique, batch=job_id
            )
            assert outcomes(await driver.push([job])) == [STORED]
            return job_id
        request = b'{"in":"%s"}' % status.encode()
        job_id = await self.push(driver, request, remember=remember, keep_for=keep_for, unique=unique)
        if status is JobStatus.PAUSED:
            assert await driver.pause(job_id)
        elif status is JobStatus.CANCELLED:
            assert await driver.cancel(job_id)
        elif status is not JobStatus.PENDING:
            worker = await self.worker(driver)
            claim = await worker.claim_one()
            assert claim.job_id == job_id
            if status is JobStatus.COMPLETED:
                await worker.finish(claim)
            elif status is JobStatus.FAILED:
                assert await worker.settle(Fail(job_id, claim.token, b"error")) == [SettleOutcome.SETTLED]
        return job_id

    async def claim_with_a_past(
        self, driver: AnyDriver, *, rerun: bool, hold_for: timedelta = timedelta(hours=1)
    ) -> tuple[Worker, Claim]:
        """The claim of a job that failed, was retried or, with `rerun`, rerun, and then lost a worker."""
        job_id = await self.push(driver, b"request", due=self.now() - self.unit)
        first = await self.worker(driver, self.unit)
        claim = await first.claim_one()
        if rerun:
            self.needs(Capability.CLEANUP)
            assert await first.settle(Fail(job_id, claim.token, b"error", keep=True)) == [SettleOutcome.SETTLED]
            assert await driver.rerun(job_id)
        else:
            retry = Retry(job_id, claim.token, b"attempt 2", self.now() - self.unit, b"error")
            assert await first.settle(retry) == [SettleOutcome.SETTLED]
        await first.claim_one()
        await self.advance(self.unit)
        assert await driver.recover() == 1
        worker = await self.worker(driver, hold_for)
        claim = await worker.claim_one()
        assert (claim.job_id, claim.request) == (job_id, b"request" if rerun else b"attempt 2")
        assert (claim.recoveries, claim.reset_attempt, claim.error) == (1, rerun, None if rerun else b"error")
        return worker, claim

    async def one_in_each_state(self, driver: AnyDriver) -> dict[JobStatus, JobID]:
        """A new job in every state. Retention must keep them."""
        # A pending one that were there before the others would be claimed in their place.
        states = sorted(STATES, key=lambda status: status is JobStatus.PENDING)
        return {status: await self.in_state(driver, status) for status in states}

    @staticmethod
    def operations() -> Callable[[], Operation]:
        """Numbers the steps of a new producer."""
        producer, numbers = secrets.token_hex(8), iter(range(1, 1_000_000))
        return lambda: Operation(producer, next(numbers))

    async def repeated_within(self, seconds: float, attempt: Callable[[], Awaitable[bool]]) -> bool:
        """Whether `attempt` comes true within a time, trying again and again."""
        deadline = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < deadline:
            if await attempt():
                return True
            await asyncio.sleep(0.01)
        return False


@asynccontextmanager
async def open_context(harness_type: type[DriverHarness]) -> AsyncGenerator[SuiteContext]:
    """The kit of one test: a new harness, started, and stopped once its drivers are closed."""
    harness = harness_type()
    async with limited(harness_type):
        await harness.start()
        try:
            async with AsyncExitStack() as drivers:
                yield SuiteContext(harness, drivers)
        finally:
            await harness.stop()
