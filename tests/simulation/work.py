"""The jobs of a simulation: each has a plan that its number decides, and follows it on every host."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, ClassVar

from jobsvalkey import ExponentialJitter, JobContext, JobFail, JobQueue, JobSleep
from jobsvalkey.contract import ClaimLost, JobID
from tests.simulation.ledger import ClaimNote, Ledger
from tests.simulation.loop import Host, SimulatedLoop, until

TIMEOUT = 1.5


@dataclass(frozen=True)
class Plain:
    """A job whose handler does what the plan of its seed says."""

    job_name: ClassVar[str] = "plain"
    seed: int


@dataclass(frozen=True)
class Timed:
    """The same, within a time."""

    job_name: ClassVar[str] = "timed"
    seed: int


@dataclass(frozen=True)
class Barrier:
    """Waits until so many of them run at the same time."""

    job_name: ClassVar[str] = "barrier"
    together: int


@dataclass(frozen=True)
class Probe:
    """Does nothing."""

    job_name: ClassVar[str] = "probe"


@dataclass(frozen=True)
class Long:
    """Takes so many seconds, and ends when it is asked to."""

    job_name: ClassVar[str] = "long"
    seconds: float


@dataclass(frozen=True)
class Tick:
    """Comes from a schedule."""

    job_name: ClassVar[str] = "tick"


@dataclass
class Shared:
    """What handlers of all processes share with whoever looks on."""

    loop: SimulatedLoop
    ledger: Ledger
    may_block: bool
    kill: Callable[[Host], None]
    waiting: int = 0
    """How many barrier jobs run."""
    most_waiting: int = 0
    begun: dict[JobID, float] = field(default_factory=dict[JobID, float])
    ticks: dict[float, set[JobID]] = field(default_factory=dict[float, set[JobID]])
    saved: dict[JobID, int] = field(default_factory=dict[JobID, int])
    deaf_until: float = 0.0
    kills_left: int = 0


class Handlers:
    """The handlers of one process."""

    def __init__(self, shared: Shared, host: Host) -> None:
        self._shared = shared
        self._host = host

    def register(self, queue: JobQueue[Any]) -> None:
        """Register all of them."""
        quick = ExponentialJitter(max_attempts=3, max_backoff=timedelta(seconds=3))
        queue.register_job(Plain, self._watched(self._plain), retry_strategy=quick)
        queue.register_job(Timed, self._watched(self._plain), retry_strategy=quick, timeout=timedelta(seconds=TIMEOUT))
        for kind, handler in ((Barrier, self._barrier), (Probe, self._probe), (Long, self._long), (Tick, self._tick)):
            queue.register_job(kind, self._watched(handler), retry_strategy=quick)

    def _watched(
        self, handler: Callable[[Any, JobContext, ClaimNote], Awaitable[Any]]
    ) -> Callable[[Any, JobContext], Awaitable[Any]]:
        ledger = self._shared.ledger

        async def watched(parameters: Any, context: JobContext) -> Any:
            note, began = ledger.begins(context), self._shared.loop.now
            self._shared.begun[context.job_id] = began
            how = "raised"
            try:
                result = await handler(parameters, context, note)
                how = "returned"
                return result
            except asyncio.CancelledError:
                how = "cancelled"
                if isinstance(parameters, Timed) and self._shared.loop.now >= began + TIMEOUT - 0.05:
                    how = "timed out"
                else:
                    ledger.cancelled(note, context)
                raise
            except JobSleep as sleep:
                how = "slept" if sleep.attempts == "keep" else "slept and counted"
                raise
            except ClaimLost:
                how = "cancelled"
                raise
            except JobFail:
                how = "failed"
                raise
            except GeneratorExit:
                how = "left behind"
                raise
            finally:
                ledger.ends(note, how)

        return watched

    async def _plain(self, parameters: Plain | Timed, context: JobContext, note: ClaimNote) -> Any:
        shared, plan = self._shared, Random(f"{parameters.seed} {self._shared.ledger.runs[note.job]}")
        kind = plan.choice(["quick", "quick", "slow", "slow", "long"])
        seconds = {"quick": plan.choice([0.0, 0.01]), "slow": plan.uniform(0, 1), "long": plan.uniform(0, 12)}[kind]
        await self._save(context, plan, note)
        if shared.may_block and plan.random() < 0.1:
            self._block(plan.uniform(0, 2) ** 4)
        if shared.kills_left and plan.random() < 0.15:
            shared.kills_left -= 1
            shared.kill(self._host)
        await self._sleep(seconds, note, deaf=plan.choice([0.0, 0.0, 0.0, 0.1, 3.0, 10.0]))
        match plan.choice(["return"] * 4 + ["raise", "raise", "fail", "sleep", "again"]):
            case "raise":
                raise ValueError("as planned")
            case "fail":
                raise JobFail("as planned")
            case "sleep":
                raise JobSleep(for_=timedelta(seconds=plan.uniform(0, 3)))
            case "again":
                raise JobSleep(for_=timedelta(seconds=plan.uniform(0, 3)), attempts="increment")
            case _:
                pass
        return str(context.job_id)

    async def _save(self, context: JobContext, plan: Random, note: ClaimNote) -> None:
        saved = self._shared.saved
        if plan.random() < 0.6:
            return
        before, known = context.saved(int), saved.get(context.job_id, 0)
        if (before or 0) < known and note.is_held:
            raise self._shared.ledger.broken(f"job {note.job} has saved {known}, and is given {before}")
        number = (before or 0) + 1
        context.progress(number, 10)
        await context.save(number)
        saved[context.job_id] = max(number, known)

    def _block(self, seconds: float) -> None:
        self._host.frozen_until = max(self._host.frozen_until, self._shared.loop.now + seconds)
        self._shared.ledger.note(f"{self._host.name} is blocked for {seconds:.3f} s")
        self._shared.ledger.trouble(self._host, self._host.frozen_until)

    async def _sleep(self, seconds: float, note: ClaimNote, *, deaf: float = 0.0) -> None:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            note.is_asked = True
            if deaf:
                self._shared.deaf_until = max(self._shared.deaf_until, self._shared.loop.now + deaf)
                await asyncio.sleep(deaf)
            raise

    async def _barrier(self, parameters: Barrier, context: JobContext, note: ClaimNote) -> None:
        shared = self._shared
        shared.waiting += 1
        shared.most_waiting = max(shared.most_waiting, shared.waiting)
        try:
            await until(lambda: shared.most_waiting >= parameters.together)
        finally:
            shared.waiting -= 1

    async def _probe(self, parameters: Probe, context: JobContext, note: ClaimNote) -> None:
        pass

    async def _long(self, parameters: Long, context: JobContext, note: ClaimNote) -> None:
        await self._sleep(parameters.seconds, note)

    async def _tick(self, parameters: Tick, context: JobContext, note: ClaimNote) -> None:
        if context.scheduled_at is not None:
            self._shared.ticks.setdefault(context.scheduled_at.timestamp(), set()).add(context.job_id)
