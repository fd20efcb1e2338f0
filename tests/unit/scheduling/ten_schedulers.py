"""Ten schedulers on one queue, killed and restarted at random, over any driver that takes a clock."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, cast

from jobsvalkey.contract import Clock, Finish, JobName, StoreUnavailable
from jobsvalkey.runtime import JobQueue
from jobsvalkey.runtime.codec import read_request
from jobsvalkey.scheduling import Accuracy, ExclusiveLock, JobSchedule, Schedule, Scheduler, SchedulerOptions
from jobsvalkey.scheduling.scheduler import SchedulerDriver
from jobsvalkey_memory import ManualClock

MakeDriver: TypeAlias = Callable[[Clock], SchedulerDriver]
"""Makes one more driver of the same queue; whoever passes it closes them."""

START = datetime(2024, 3, 10, 6, 50, tzinfo=UTC)
INTERVAL = timedelta(seconds=10)
TRIGGERS = 200
TICK = JobName("tick", str)


class Died(BaseException):
    """The process is gone, in the middle of a call."""


class MortalDriver:
    """A driver whose calls go wrong, before or after the step, or take their process with them."""

    def __init__(self, driver: SchedulerDriver, rng: random.Random, *, ignore_lock: bool) -> None:
        self._driver = driver
        self._rng = rng
        self._ignore_lock = ignore_lock
        self.mortal = True

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._driver, name)
        if name not in ("push_if", "get_metadata", "set_metadata", "acquire_lock"):
            return attribute

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._fate("not_done")
            result = await attribute(*args, **kwargs)
            await self._fate("unknown")
            return True if name == "acquire_lock" and self._ignore_lock else result

        return call

    async def _fate(self, outcome: Any) -> None:
        for _ in range(self._rng.randrange(4)):
            await asyncio.sleep(0)  # lets the others come in between
        draw = self._rng.random() if self.mortal else 1
        if draw < 0.03:
            raise Died
        if draw < 0.06:
            raise StoreUnavailable("the reply is lost", outcome=outcome)


class TenSchedulers:
    """The schedulers, a worker that notes what it ran, and the clock."""

    def __init__(self, make_driver: MakeDriver, seed: int, *, ignore_lock: bool) -> None:
        self._rng = random.Random(seed)
        self._ignore_lock = ignore_lock
        self.clock = ManualClock(START)
        # One driver a process; a restarted scheduler takes it over, as a client may outlive a task.
        self._drivers = [make_driver(self.clock) for _ in range(10)]
        self._alive: list[tuple[Scheduler, MortalDriver] | None] = [None] * 10
        self._worker = make_driver(self.clock)
        self._sequence = 0
        self.ran: dict[str, Counter[datetime]] = {accuracy: Counter() for accuracy in Accuracy}
        self.schedule = Schedule.crontab("*/10 * * * * *", time_zone="America/New_York")

    async def run(self) -> None:
        """Let the clock go for `TRIGGERS` triggers, and check what ran."""
        await self._start(0)
        await self._round(mortal=False)  # the first run of all: the schedule starts here
        steps = 0
        while self.clock.now() < START + TRIGGERS * INTERVAL:
            self.clock.advance(timedelta(seconds=self._rng.uniform(0, 25)))
            await self._round(mortal=True)
            steps += 1
            if steps % 10 == 0:
                await self._check_the_latest()
        await self._check_the_latest()
        expected = [START + INTERVAL * n for n in range(1, TRIGGERS + 1)]
        assert all(self.ran[Accuracy.ALL][trigger] == 1 for trigger in expected), self.ran[Accuracy.ALL]
        for ran in self.ran.values():
            assert set(ran.values()) == {1}, "a trigger ran twice"
            assert all((trigger - START) % INTERVAL == timedelta(0) for trigger in ran)
        # It was no walk in the park: triggers were missed.
        assert len(self.ran[Accuracy.LATEST]) < len(self.ran[Accuracy.ALL])

    async def _start(self, place: int) -> None:
        driver = MortalDriver(self._drivers[place], self._rng, ignore_lock=self._ignore_lock)
        jobs = JobSchedule()
        for accuracy in Accuracy:
            jobs.add_job(TICK, accuracy.value, self.schedule, accuracy=accuracy, id=accuracy.value)
        lock = ExclusiveLock(every=timedelta(seconds=5), hold_for=timedelta(seconds=15))
        queue = JobQueue(cast(SchedulerDriver, driver))
        self._alive[place] = (jobs.scheduler(queue, options=SchedulerOptions(lock=lock, batch_size=3)), driver)

    async def _round(self, *, mortal: bool) -> None:
        for place in range(10):
            if self._alive[place] is None and self._rng.random() < 0.3:
                await self._start(place)
        tasks = [asyncio.create_task(self._step(place, mortal)) for place in range(10) if self._alive[place]]
        if mortal and tasks and self._rng.random() < 0.5:
            for _ in range(self._rng.randrange(1, 20)):
                await asyncio.sleep(0)
            self._rng.choice(tasks).cancel()
        await asyncio.gather(*tasks)
        if not mortal or self._rng.random() < 0.5:
            await self._work()

    async def _step(self, place: int, mortal: bool) -> None:
        scheduler, driver = self._alive[place] or (None, None)
        assert scheduler is not None
        assert driver is not None
        driver.mortal = mortal
        try:
            while await scheduler.trigger_due() == timedelta(0):
                pass
        except StoreUnavailable:
            pass
        except (Died, asyncio.CancelledError):
            self._alive[place] = None

    async def _check_the_latest(self) -> None:
        """Where nobody dies for as long as a dead one's lock holds, the latest trigger runs."""
        await self._start(0)
        self.clock.advance(timedelta(seconds=16))
        await self._round(mortal=False)
        latest = self.schedule.latest(START, self.clock.now())
        assert latest is not None
        assert self.ran[Accuracy.LATEST][latest.astimezone(UTC)] == 1

    async def _work(self) -> None:
        """Run what is due: the jobs are gone afterwards."""
        await self._worker.open_worker("worker", timedelta(days=1))
        claims = True
        while claims:
            self._sequence += 1
            claims = (await self._worker.exchange("worker", self._sequence, limit=100)).claims
            for claim in claims:
                assert claim.request is not None
                _, request = read_request(claim.request)
                self.ran[bytes(request.parameters).decode().strip('"')][claim.due] += 1
            self._sequence += 1
            settlements = [Finish(claim.job_id, claim.token) for claim in claims]
            await self._worker.exchange("worker", self._sequence, settlements)
