"""One simulation from its seed: jobs are pushed and changed, processes come and go, and at the end all must be well."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, cast

from jobsvalkey_memory import MemoryStore
from tests.simulation.chance import seeded
from tests.simulation.client import Client
from tests.simulation.hosts import Process
from tests.simulation.ledger import Broken, Ledger
from tests.simulation.loop import Host, SimulatedLoop, run_simulated
from tests.simulation.settings import HOUR, LONGEST, Settings, draw
from tests.simulation.wire import LoopClock, Network, Remote, configuration
from tests.simulation.work import Shared


@dataclass(frozen=True)
class Outcome:
    """How a simulation went."""

    settings: Settings
    trace: list[str]
    digest: str
    error: str | None
    rounds: int


def simulate(seed: int, *, details: bool = False) -> Outcome:
    """Run one simulation; the error says which promise was broken."""
    settings = draw(seed)
    loop = SimulatedLoop(Random(f"order {seed}"), settings.step)
    ledger = Ledger(settings, loop.time)
    ledger.has_details = details
    world = World(settings, loop, ledger)
    before, error = logging.root.manager.disable, None
    logging.disable(logging.CRITICAL)
    try:
        with seeded(seed, lambda: int(1e12 + loop.now * 1000)):
            try:
                run_simulated(loop, world.run)
            finally:
                world.drop_what_is_left()
    except Broken as broken:
        error = str(broken)
    finally:
        logging.disable(before)
    if error is None and ledger.errors:
        error = str(ledger.errors[0])
    return Outcome(settings, ledger.trace, ledger.digest(), error, loop.rounds)


class World:
    """Everything that happens in one simulation."""

    def __init__(self, settings: Settings, loop: SimulatedLoop, ledger: Ledger) -> None:
        self.settings = settings
        self.loop = loop
        self.ledger = ledger
        self.random = Random(f"world {settings.seed}")
        self.store = MemoryStore()
        self.network = Network(loop, Random(f"network {settings.seed}"), ledger)
        self.shared = Shared(loop, ledger, settings.blocks, self._kill, kills_left=3 if settings.deaths else 0)
        self.processes: list[Process] = []
        self.is_quiet = False

    @property
    def alive(self) -> list[Process]:
        """The processes that serve the queues."""
        return [process for process in self.processes if process.is_alive]

    async def run(self) -> None:
        """Let it all happen."""
        drivers = [
            Remote(configuration(number, self.settings.poll_time), LoopClock(self.loop), self.store, self.network, None)
            for number in range(self.settings.queues)
        ]
        self.client = Client(self, drivers)
        self.network.faults = self.settings.faults
        for _ in range(self.settings.hosts):
            self.begin_process()
        happening = asyncio.create_task(self._happen())
        await self._watched(self.client.act(), self.settings.lasts * 3 + 100)
        happening.cancel()
        await self._calm_down()
        await self._watched(self.client.all_ended(), self.patience)
        await self._check_slots()
        await self._shut_down()
        self._check_end()

    @property
    def patience(self) -> float:
        """Seconds in which all is done once there are no more faults."""
        settings = self.settings
        return HOUR / 2 if settings.poll_time >= HOUR else 300 + 3 * (settings.hold_for + LONGEST + settings.poll_time)

    @property
    def patience_of_schedules(self) -> float:
        """Seconds by which a trigger may be late at the end: the lock, a backoff, and the time to claim it."""
        return 60 + (5 if self.settings.poll_time >= HOUR else self.settings.poll_time)

    async def _watched(self, doing: Coroutine[Any, Any, None], seconds: float) -> None:
        """Await something, for so many seconds at the longest, and raise whatever is found broken meanwhile."""
        task = asyncio.create_task(doing)
        end = self.loop.now + seconds
        while not task.done():
            await asyncio.wait([task], timeout=1)
            self.ledger.check_news()
            if self.ledger.errors:
                raise self.ledger.errors[0]
            if self.loop.now > end and not task.done():
                raise self.ledger.broken(f"not done after {seconds:.0f} s: {self.client.what_is_left()}")
        task.result()

    # What happens to processes and the store.

    def begin_process(self) -> Process:
        """Start one more."""
        is_service = self.settings.schedules or self.random.random() < 0.3
        name = f"host {len(self.processes) + 1}"
        process = Process(
            *(name, self.settings, self.loop, self.store, self.network, self.shared), is_service=is_service
        )
        self.processes.append(process)
        return process

    async def _happen(self) -> None:
        settings, random = self.settings, self.random
        kinds = ["stop"]
        kinds += ["die"] * 2 * settings.deaths + ["freeze"] * 3 * settings.stalls
        kinds += ["away"] * 2 * settings.outages + ["forget"] * settings.forgets
        while True:
            await asyncio.sleep(random.uniform(0, settings.lasts / 4))
            process = random.choice(self.processes)
            kind = random.choice(kinds)
            if kind == "away":
                self.network.go_away(random.choice([0.5, 5.0, 60.0]) * random.random())
            elif process.is_alive and not process.is_frozen:
                await self._do(kind, process)
            while len(self.alive) < settings.hosts and (random.random() < 0.7 or not self.alive):
                self.begin_process()

    async def _do(self, kind: str, process: Process) -> None:
        random = self.random
        match kind:
            case "die":
                process.kill()
            case "freeze":
                process.freeze(random.choice([1.0, 10.0, 100.0]) * random.random())
            case "forget":
                for driver in process.drivers:
                    for worker, host in self.ledger.workers.items():
                        if host is process.host and worker in driver.state.workers:
                            self.ledger.note(f"the store forgets a worker of {host.name}")
                            self.ledger.trouble(host, self.loop.now)
                            await driver.forget(worker)
            case _:
                hurried = random.choice([None, None, random.uniform(0, 5)])
                process.stop(hurried_after=hurried, cancelled=random.random() < 0.2)

    def _kill(self, host: Host) -> None:
        next(process for process in self.processes if process.host is host).kill()

    # The end.

    async def _calm_down(self) -> None:
        self.is_quiet = True
        self.ledger.note("quiet")
        self.network.faults = type(self.network.faults)(distance=self.settings.faults.distance)
        self.network.away_until = 0.0
        self.shared.may_block, self.shared.kills_left = False, 0
        for process in self.processes:
            process.host.frozen_until = min(process.host.frozen_until, self.loop.now)
        while len(self.alive) < self.settings.hosts:
            self.begin_process()

    async def _check_slots(self) -> None:
        """All slots of all processes can be taken at the same time, and each queue is served."""
        # Calls of the time before may still be on their way.
        await asyncio.sleep(2 * LONGEST + self.settings.hold_for + 10)
        wanted = len(self.alive) * self.settings.slots
        await self._watched(self.client.fill(wanted), self.patience)
        if self.settings.queues > 1 and len(self.alive) > 1:
            await self._watched(self.client.crowd(wanted), self.patience)
        await self._watched(self.client.probe(), self.patience)

    async def _shut_down(self) -> None:
        await self.client.leave_long_jobs()
        if self.random.random() < 0.5:
            self.network.faults = self.settings.faults
        for process in self.alive:
            await asyncio.sleep(self.random.choice([0, 0, 1, 5]))
            hurried = self.random.choice([None, None, self.random.uniform(0, 3)])
            process.stop(hurried_after=hurried, cancelled=self.random.random() < 0.2)
        stopped = [process.stopped for process in self.processes if process.stopped is not None]
        await self._watched(self._all(stopped), 3600)
        self.network.faults = type(self.network.faults)(distance=0.0)
        await asyncio.sleep(max(0.0, self.shared.deaf_until - self.loop.now) + 3 * LONGEST + 70)

    async def _all(self, tasks: "list[asyncio.Task[None]]") -> None:
        for task in tasks:
            await task

    def _check_end(self) -> None:
        if self.ledger.errors:
            raise self.ledger.errors[0]
        for process in self.processes:
            if not process.host.is_dead and (left := process.host.left):
                names = sorted(cast("Any", task.get_coro()).__qualname__ for task in left)
                raise self.ledger.broken(f"{process.host.name} has left tasks behind: {names}")
        self.client.check_end()

    def drop_what_is_left(self) -> None:
        """End the tasks of the dead, which would else end when the garbage collector comes by."""
        self.ledger.is_over = True
        for process in self.processes:
            for task in process.host.left:
                with suppress(BaseException):
                    cast("Coroutine[Any, Any, Any]", task.get_coro()).close()
