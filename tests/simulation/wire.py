"""The way between a process and its store: the twin, seen by the ledger, behind a network that loses and delays."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from jobsvalkey.contract import (
    AbortOutcome,
    DriverConfiguration,
    Exchanged,
    JobID,
    NewJob,
    Operation,
    PushedIf,
    Renewed,
    Report,
    Settlement,
    SettleOutcome,
    StoreOutcome,
    StoreUnavailable,
    WorkerID,
)
from jobsvalkey_memory import MemoryJobQueue, MemoryStore
from jobsvalkey_memory.clock import START
from jobsvalkey_memory.store import Worker
from tests.simulation.ledger import Ledger
from tests.simulation.loop import Host, SimulatedLoop
from tests.simulation.settings import HOUR, LONGEST, Faults
from tests.support.retention import KEEP_ALL

OPERATION_TIMEOUT = 10.0
UNTOUCHED = Faults(distance=0.0)


class LoopClock:
    """Tells the time of the loop."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        """Return it."""
        return START + timedelta(seconds=self._loop.now)


class WatchedTwin(MemoryJobQueue[Any]):
    """Tells the ledger what its steps do."""

    def __init__(
        self, configuration: DriverConfiguration, clock: LoopClock, store: MemoryStore, ledger: Ledger
    ) -> None:
        super().__init__(configuration, clock, store)
        self._ledger = ledger
        self._refused: set[tuple[str, bytes | None]] = set()
        """What was thought to be under a key, and was not."""

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        pushed = await super().push_if(item, key, expected, value, operation=operation)
        if pushed.outcome is StoreOutcome.UNEXPECTED:
            if (key, expected) in self._refused:
                raise self._ledger.broken("a scheduler was told that somebody else was first, and has not looked since")
            self._refused.add((key, expected))
        return pushed

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        with self._ledger.because("settle"):
            exchanged = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        for claim in exchanged.claims:
            self._ledger.claimed(worker, claim.token, claim.job_id, claim.recoveries)
        return exchanged

    def _settle(self, holder: Worker, settlement: Settlement, now: datetime) -> SettleOutcome:
        worker = self._worker_of(holder)
        outcome = super()._settle(holder, settlement, now)
        if outcome is SettleOutcome.SETTLED:
            self._ledger.settled(worker, settlement)
        return outcome

    async def abort(self, job_id: JobID, *, operation: Operation | None = None) -> AbortOutcome:
        outcome = await super().abort(job_id, operation=operation)
        if outcome is AbortOutcome.REQUESTED:
            job = self.state.jobs[job_id]
            self._ledger.aborted(job.worker or "", self._token(job))
        return outcome

    async def close_worker(self, worker: WorkerID) -> None:
        with self._ledger.because("close"):
            await super().close_worker(worker)

    async def forget(self, worker: WorkerID) -> None:
        """Lose all that is known of a worker."""
        with self._ledger.because("forget"):
            await super().close_worker(worker)

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        with self._ledger.because("recover"):
            return await super().recover(max_jobs, worker=worker)

    def _unclaim(self, holder: Worker, token: bytes) -> Any:
        job = self.state.jobs[holder.claims[token]]
        unclaimed = super()._unclaim(holder, token)
        self._ledger.unclaimed(job.worker or "", token)
        return unclaimed

    def _rerun(self, job: Any, now: datetime) -> None:
        self._ledger.rerun(job.job_id)
        super()._rerun(job, now)

    def _worker_of(self, holder: Worker) -> WorkerID:
        return next(worker for worker, each in self.state.workers.items() if each is holder)


class Network:
    """What lies between the processes and the store: its random faults, and its outages."""

    def __init__(self, loop: SimulatedLoop, random: Random, ledger: Ledger) -> None:
        self.loop = loop
        self.random = random
        self.ledger = ledger
        self.faults = UNTOUCHED
        self.away_until = 0.0

    @property
    def is_away(self) -> bool:
        """Whether the store cannot be reached."""
        return self.loop.now < self.away_until

    def go_away(self, seconds: float) -> None:
        """Let the store be out of reach for a while."""
        self.away_until = self.loop.now + seconds
        self.ledger.note(f"the store is away for {seconds:.3f} s")
        self.ledger.trouble(None, self.away_until + OPERATION_TIMEOUT)

    def happens(self, probability: float) -> bool:
        """Let chance decide."""
        return probability > 0 and self.random.random() < probability

    def distance(self, host: Host | None) -> float:
        """Seconds that a message takes."""
        if self.happens(self.faults.slow):
            seconds = self.random.uniform(0, LONGEST)
            self.ledger.trouble(host, self.loop.now + seconds)
            return seconds
        return self.random.uniform(0, self.faults.distance) if self.faults.distance else 0.0

    def error(self, *, done: bool) -> Exception:
        """What a call fails with."""
        if not done and self.random.random() < 0.3:
            return OSError("the connection was reset")
        return StoreUnavailable("no answer", outcome="unknown" if done else "not_done")


def _told(name: str, answer: Any) -> str:
    if isinstance(answer, Renewed):  # sets have another order in each process
        return f"renew: {sorted(answer.tokens)}, to end {sorted(answer.aborts)}"
    if not isinstance(answer, Exchanged):
        return f"{name}: {answer!r}"[:150]
    return f"exchange: {len(answer.claims)} claims, next {answer.until_next}, {len(answer.outcomes)} settled"


class _Call:
    """One call on its way."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_given_up = False


class Remote(WatchedTwin):
    """The driver of one process: each of its steps is done by the store, to which messages take their time."""

    def __init__(
        self,
        configuration: DriverConfiguration,
        clock: LoopClock,
        store: MemoryStore,
        network: Network,
        host: Host | None,
    ) -> None:
        super().__init__(configuration, clock, store, network.ledger)
        self.network = network
        self.host = host
        self.waits: set[asyncio.Task[None]] = set()
        self.place = f"{host.name if host else 'client'}/{configuration.queue_key}"
        self._number = 0
        self._answered: dict[str, int] = {}

    async def ask(self, name: str, who: str, step: Callable[[], Awaitable[Any]]) -> Any:
        loop = self.network.loop
        self._number += 1
        self.network.ledger.detail(f"{self.place} asks to {name}")
        call = _Call(self._number)
        reply: asyncio.Future[Any] = loop.create_future()
        serving = loop.outside(self._serve(name, who, step, call, reply))
        if name == "wait":
            self.waits.add(serving)
            serving.add_done_callback(self.waits.discard)
        try:
            return await reply
        except asyncio.CancelledError:
            call.is_given_up = True
            if reply.done():
                self._pass_on(name)
            if name == "wait" or not self.network.happens(self.network.faults.late):
                serving.cancel()
            raise

    async def _serve(
        self, name: str, who: str, step: Callable[[], Awaitable[Any]], call: _Call, reply: "asyncio.Future[Any]"
    ) -> None:
        network, faults = self.network, self.network.faults
        can_fail = self.host is not None and (
            name not in ("wait", "ended") or self.configuration.poll_time.seconds < HOUR
        )
        await self._travel()
        if network.is_away and self.host is not None:
            await asyncio.sleep(min(OPERATION_TIMEOUT, network.away_until - network.loop.now))
            if network.is_away:
                return self._fail(name, reply, done=False)
        if can_fail and network.happens(faults.refused):
            return self._fail(name, reply, done=False)
        is_lost = can_fail and network.happens(faults.lost)
        if is_lost and network.happens(faults.late):
            network.ledger.trouble(self.host, network.loop.now + OPERATION_TIMEOUT)
            await asyncio.sleep(network.random.uniform(0, OPERATION_TIMEOUT))
            self._fail(name, reply, done=True)
            call.is_given_up = True
            await asyncio.sleep(network.random.uniform(0, LONGEST))
        if call.is_given_up and self._answered.get(who, 0) > call.number:
            return None
        try:
            answer, error = await self._done(name, step), None
        except Exception as failure:
            answer, error = None, failure
        try:
            await self._travel()
        except asyncio.CancelledError:
            self._pass_on(name)
            raise
        if is_lost:
            return self._fail(name, reply, done=True)
        if not reply.done():
            self._answered[who] = max(call.number, self._answered.get(who, 0))
            text = _told(name, answer if error is None else error)
            self._ledger.detail(f"{self.place} is answered {text}")
            if error is None:
                if isinstance(answer, Renewed | Exchanged):
                    self._ledger.told(who, answer.aborts)
                reply.set_result(answer)
            else:
                reply.set_exception(error)
        else:
            self._pass_on(name)  # who asked has given up in this moment
        return None

    async def _done(self, name: str, step: Callable[[], Awaitable[Any]]) -> Any:
        began, hints = self.network.loop.now, self.state.hints
        try:
            answer = await step()
        except asyncio.CancelledError:
            if self.state.hints > hints:
                self._pass_on(name)
            raise
        if name == "wait" and self.network.happens(self.network.faults.hints_lost):
            left = began + self.configuration.poll_time.total_seconds() - self.network.loop.now
            await asyncio.sleep(max(0.0, left))
        return answer

    def _pass_on(self, name: str) -> None:
        """Give the hint to another worker that this one may have been given, and has no use for."""
        if name == "wait" and not (self.host and self.host.is_dead):
            self.state.hint()

    def _fail(self, name: str, reply: "asyncio.Future[Any]", *, done: bool) -> None:
        self.network.ledger.trouble(self.host, self.network.loop.now)
        if not reply.done():
            if self.host is not None:
                self.network.ledger.note(f"{self.host.name}: {name} fails{', and is done' if done else ''}")
            reply.set_exception(self.network.error(done=done))

    async def _travel(self) -> None:
        if self.host is not None and (seconds := self.network.distance(self.host)):
            await asyncio.sleep(seconds)

    def cut(self) -> None:
        """End the connections of a process that has died."""
        for wait in list(self.waits):
            wait.cancel()


REMOTE_STEPS: Sequence[str] = (
    *("push", "push_if", "exchange", "open_worker", "renew", "close_worker", "recover", "wait", "ended"),
    *("cancel", "abort", "pause", "resume", "pause_queue", "resume_queue", "rerun", "remove", "close_batch"),
    *("get_metadata", "set_metadata", "acquire_lock", "release_lock", "cleanup_step"),
)
_OF_WORKERS = {"exchange", "open_worker", "renew", "close_worker", "wait"}


def _remote(name: str) -> Any:
    served = getattr(WatchedTwin, name)

    async def step(self: Remote, *args: Any, **kwargs: Any) -> Any:
        who = str(args[0]) if name in _OF_WORKERS else "producer"

        async def done() -> Any:
            if name == "open_worker" and self.host is not None:
                self.network.ledger.workers[who] = self.host
            return await served(self, *args, **kwargs)

        return await self.ask(name, who, done)

    return step


for _name in REMOTE_STEPS:
    setattr(Remote, _name, _remote(_name))


def configuration(queue: int, poll_time: float) -> DriverConfiguration:
    """Return the settings of one queue."""
    return DriverConfiguration(queue_key=f"q{queue}", poll_time=timedelta(seconds=poll_time), retention_policy=KEEP_ALL)


def job_ids(store: MemoryStore) -> list[JobID]:
    """List all jobs there are."""
    return [job_id for state in store.queues.values() for job_id in state.jobs]
