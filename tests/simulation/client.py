"""Who pushes jobs, changes them, and waits for what comes of them. Its own calls always arrive."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from jobsvalkey import JobOptions, JobQueue
from jobsvalkey.contract import FINISHED, JobID, JobStatus, Unique
from jobsvalkey.runtime import JobCancelled, JobFailed, JobGone
from tests.simulation.loop import until
from tests.simulation.wire import Remote
from tests.simulation.work import Barrier, Long, Plain, Probe, Timed

CROWDS = 4
"""How often all slots are taken, if several processes and queues compete for work."""

if TYPE_CHECKING:
    from tests.simulation.run import World


class Client:
    """Uses all queues of a simulation."""

    def __init__(self, world: "World", drivers: list[Remote]) -> None:
        self._world = world
        self._random = world.random
        self._settings = world.settings
        self._ledger = world.ledger
        self._drivers = drivers
        self.queues: list[JobQueue[Any]] = [JobQueue(driver) for driver in drivers]
        self._pushed: list[tuple[JobQueue[Any], JobID]] = []
        self._waiting: list[asyncio.Task[None]] = []
        self._long: list[tuple[JobQueue[Any], JobID]] = []

    # What happens while there are faults.

    async def act(self) -> None:
        """Push all jobs, and do something to some of them, for as long as the simulation lasts."""
        random, end = self._random, self._world.loop.now + self._settings.lasts
        for number in range(self._settings.jobs):
            await self._push(number)
            if random.random() < 0.4:
                await self._meddle()
            if random.random() < 0.5:
                await asyncio.sleep(random.uniform(0, 2 * self._settings.lasts / self._settings.jobs))
        await asyncio.sleep(max(0.0, end - self._world.loop.now))

    async def _push(self, number: int) -> None:
        random = self._random
        queue = random.choice(self.queues)
        options: dict[str, Any] = {}
        if random.random() < 0.2:
            options["delay"] = timedelta(seconds=random.uniform(0, self._settings.lasts / 2))
        elif random.random() < 0.05:
            options["expires_in"] = timedelta(seconds=random.uniform(0.1, 10))
        if random.random() < 0.15:
            options["priority"] = random.randint(-2, 2)
        if random.random() < 0.15:
            options["lane"] = random.choice("ab")
        if random.random() < 0.1:
            options["unique"] = Unique(random.choice("xy"))
        if random.random() < 0.1:
            options["job_id"] = JobID(int=UUID(int=random.getrandbits(128), version=4).int)
        kind = Timed if random.random() < 0.2 else Plain
        seed = random.getrandbits(32)
        job_id = await queue.push(kind(seed), options=JobOptions(**options))
        self._pushed.append((queue, job_id))
        self._ledger.note(f"pushes {self._ledger.number(job_id)} to {self.queues.index(queue)}: {sorted(options)}")
        if random.random() < 0.3:
            self._waiting.append(asyncio.create_task(self._await_result(queue, job_id)))

    async def _meddle(self) -> None:
        random = self._random
        queue, job_id = random.choice(self._pushed)
        number = self._ledger.number(job_id)
        match random.choice(["abort", "abort", "cancel", "pause", "pause queue", "rerun"]):
            case "abort":
                outcome = await queue.abort(job_id)
                self._ledger.note(f"aborts {number}: {outcome}")
            case "cancel":
                self._ledger.note(f"cancels {number}: {await queue.cancel(job_id)}")
            case "pause":
                if await queue.pause(job_id):
                    self._ledger.note(f"pauses {number}")
                    self._later(lambda: queue.resume(job_id))
            case "pause queue":
                await queue.pause_queue()
                self._ledger.note(f"pauses queue {self.queues.index(queue)}")
                self._later(queue.resume_queue)
            case _:
                if await queue.rerun(job_id):
                    self._world.shared.saved.pop(job_id, None)
                    self._ledger.note(f"reruns {number}")

    def _later(self, change: Any) -> None:
        seconds = self._random.uniform(0, self._settings.lasts / 4)

        async def later() -> None:
            await asyncio.sleep(seconds)
            await change()

        self._waiting.append(asyncio.create_task(later()))

    async def _await_result(self, queue: JobQueue[Any], job_id: JobID) -> None:
        try:
            value = await queue.result(job_id)
        except (JobFailed, JobCancelled, JobGone) as error:
            self._ledger.note(f"hears of {self._ledger.number(job_id)}: {type(error).__name__}")
        else:
            self._ledger.note(f"hears of {self._ledger.number(job_id)}: a result")
            if value != str(job_id):
                raise self._ledger.broken(f"the result of job {job_id} is {value!r}")

    # What has to be at the end.

    async def all_ended(self) -> None:
        """Wait until all jobs have ended, and all who wait for them have heard of it."""
        await until(lambda: not self._unended())
        if self._waiting:
            await asyncio.wait(self._waiting)
            for task in self._waiting:
                task.result()
        for _, job_id in self._pushed:
            if not any(job_id in driver.state.jobs for driver in self._drivers):
                raise self._ledger.broken(f"job {self._ledger.number(job_id)} is lost")

    def _unended(self) -> list[tuple[int, JobStatus]]:
        now = self._drivers[0].clock.now() if self._drivers else None
        return [
            (self._ledger.number(job.job_id), job.status)
            for driver in self._drivers
            for job in driver.state.jobs.values()
            if job.status not in FINISHED and not (job.due and now and job.due > now)
        ]

    def what_is_left(self) -> str:
        """Say which jobs have not ended."""
        return f"jobs left {self._unended()}, processes alive {len(self._world.alive)}"

    async def fill(self, wanted: int) -> None:
        """Take all slots at the same time."""
        self._ledger.note(f"fills {wanted} slots")
        shared = self._world.shared
        for _ in range(wanted):
            await self._random.choice(self.queues).push(Barrier(wanted))
        await until(lambda: shared.most_waiting >= wanted)
        await until(lambda: not self._unended())

    async def crowd(self, wanted: int) -> None:
        """Take them again and again, while jobs of all queues end: whoever hears of work may have no slot for it."""
        shared, random = self._world.shared, self._random
        for _ in range(CROWDS):
            shared.most_waiting = 0
            pushes = [Probe()] * wanted + [Barrier(wanted)] * wanted
            random.shuffle(pushes)
            for push in pushes:
                await random.choice(self.queues).push(push)
                if random.random() < 0.5:
                    await asyncio.sleep(random.choice([0.0, 0.001, 0.01]))
            await until(lambda: shared.most_waiting >= wanted)
            await until(lambda: not self._unended())

    async def probe(self) -> None:
        """A job is begun in time in each queue, when nothing else runs."""
        for queue in self.queues:
            began = self._world.loop.now
            await self._begun(await queue.push(Probe()))
            most = self._settings.poll_time + 5 if self._settings.poll_time < 3600 else 5
            if self._world.loop.now - began > most:
                raise self._ledger.broken(f"a job waits {self._world.loop.now - began:.1f} s, and nothing else runs")

        self._check_last_trigger()

    async def _begun(self, job_id: JobID) -> None:
        await until(lambda: job_id in self._world.shared.begun)

    def _check_last_trigger(self) -> None:
        """The schedule is served to the end: each minute, but for the time that another scheduler takes over."""
        ticks = self._world.shared.ticks
        if not self._settings.schedules or self._world.loop.now < 200:
            return
        last = max(ticks, default=0.0)
        waits = self._drivers[0].clock.now().timestamp() - last
        if waits > 60 + self._world.patience_of_schedules:
            raise self._ledger.broken(f"the last trigger is {waits:.0f} s old")

    async def leave_long_jobs(self) -> None:
        """Let handlers run when the processes stop."""
        for _ in range(self._settings.slots):
            queue = self._random.choice(self.queues)
            self._long.append((queue, await queue.push(Long(self._random.choice([0.5, 2.0, 60.0])))))
        await asyncio.sleep(self._random.uniform(0, 3))

    def check_end(self) -> None:
        """Nothing is lost, and each trigger of the schedule has come once."""
        jobs = {job_id: job for driver in self._drivers for job_id, job in driver.state.jobs.items()}
        for _, job_id in [*self._pushed, *self._long]:
            if job_id not in jobs:
                raise self._ledger.broken(f"job {self._ledger.number(job_id)} is lost")
        ticks = self._world.shared.ticks
        for when, ids in ticks.items():
            if len(ids) > 1:
                raise self._ledger.broken(f"the trigger of {when} has pushed {len(ids)} jobs")
        if ticks:
            missed = set(range(int(min(ticks)), int(max(ticks)) + 1, 60)) - {int(when) for when in ticks}
            waiting = [job for job in jobs.values() if job.status not in FINISHED]
            if missed and not waiting:
                raise self._ledger.broken(f"{len(missed)} triggers have pushed nothing")
