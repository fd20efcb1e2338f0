"""Clients that do random things to one queue at once: producers, workers that claim and settle, and housekeeping."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import TypeVar

from jobsvalkey.contract import (
    FINISHED,
    Cancel,
    Capability,
    Claim,
    Due,
    Fail,
    Finish,
    JobCleanup,
    JobID,
    JobStatus,
    LaneLimit,
    NewJob,
    Operation,
    Pushed,
    Release,
    Report,
    Retry,
    Settlement,
    StoreOutcome,
    Unique,
)
from jobsvalkey_conformance.changes import CHANGES, ChangeName
from jobsvalkey_conformance.harness import AnyDriver
from jobsvalkey_conformance.history.calls import (
    UNANSWERED,
    Abort,
    Call,
    Change,
    Clean,
    CloseBatch,
    CloseWorker,
    Exchange,
    Get,
    OpenWorker,
    PauseQueue,
    Push,
    Recover,
    Renew,
    SetLimit,
)
from jobsvalkey_conformance.history.flows import Flows
from jobsvalkey_conformance.history.record import DRAIN, Recorder

R = TypeVar("R")

MOST_TIME = timedelta(minutes=5)
"""How far the clock goes while clients run: a step can be repeated for longer."""
LANES = ("a", "b", "c")
LONGEST_WAIT = timedelta(seconds=20)
"""The longest delay of a job, and the longest that a worker's lock is held."""


class Shared:
    """The state that the clients of one history share."""

    def __init__(self, recorder: Recorder, capabilities: frozenset[Capability], calls: int) -> None:
        self.recorder = recorder
        self.capabilities = capabilities
        self.calls_left: int = calls
        self.job_ids: list[JobID] = []
        self.has_names: bool = False
        """Whether some jobs have unique names that they share."""
        self.has_lanes: bool = False
        self.limits: dict[str, LaneLimit] = {}
        """The limits of lanes, which hold until the drain."""
        self.flows: Flows | None = None
        """The flows and batches, if some jobs are of one."""
        self.names: dict[JobID, str] = {}
        """The names of jobs; few jobs have one and the same, since they are looked at together."""
        self._waiting: list[tuple[int, asyncio.Event]] = []
        self.changes: list[ChangeName] = [what for what, capability in CHANGES.items() if capability in capabilities]

    @property
    def has_ties(self) -> bool:
        """Whether some jobs are tied. Then a step that takes several takes all: which of them, it would not tell."""
        return self.has_names or self.flows is not None

    def more(self) -> bool:
        """Whether there is anything left to do; counts what is done."""
        self.calls_left -= 1
        for until, event in self._waiting:
            if self.calls_left <= until:
                event.set()
        return self.calls_left >= 0

    async def calls_made(self, number: int) -> None:
        """Wait until that many more calls were made, or there is nothing left to do."""
        waiting = (max(self.calls_left - number, 0), asyncio.Event())
        if self.calls_left > waiting[0]:
            self._waiting.append(waiting)
            await waiting[1].wait()
            self._waiting.remove(waiting)


class Client:
    """Makes one call after the other, and repeats one that was not answered until it is."""

    def __init__(self, shared: Shared, driver: AnyDriver, name: str, seed: int, other: AnyDriver | None = None) -> None:
        self.shared = shared
        self.driver = driver
        self.other: AnyDriver = other or driver
        """Has other connections to the same store."""
        self.name = name
        self.random: Random = Random(f"{seed} {name}")
        self._sequence = 0

    def operation(self) -> Operation:
        """The next number of this client."""
        self._sequence += 1
        return Operation(self.name, self._sequence)

    async def ask(self, call: Call[R], *, faults: bool = True) -> R:
        """Make a call until it is answered; now and then twice at once, given up at once, or again though it was."""
        ask = self.shared.recorder.ask
        if faults and call.number is not None and self.random.random() < 0.05:
            calls = (ask(self.name, driver, call) for driver in (self.driver, self.other))
            answers = [answer for answer in await asyncio.gather(*calls) if answer is not UNANSWERED]
            # An exchange that found nothing is not recorded, so that the other one may have claimed something.
            for answer in sorted(answers, key=lambda answer: bool(getattr(answer, "claims", ())), reverse=True):
                return answer
        give_up = faults and call.number is not None and self.random.random() < 0.05
        answer = await ask(self.name, self.driver, call, patience=0 if give_up else None)
        while answer is UNANSWERED or (faults and self.random.random() < 0.05):
            answer = await ask(self.name, self.driver, call)
        return answer


class ProducerClient(Client):
    """Pushes jobs, one or more at a time, and changes its mind about them."""

    async def run(self) -> None:
        """Go on until there is nothing left to do."""
        while self.shared.more():
            known = self.shared.job_ids
            if self.shared.flows is not None and self.random.random() < 0.5:
                await self._go_on_with(self.shared.flows)
            elif not known or self.random.random() < 0.5:
                push = Push(tuple(self._new_job() for _ in range(self.random.randint(1, 4))), self.operation())
                await self._push(push)
            elif Capability.INSPECTION in self.shared.capabilities and self.random.random() < 0.4:
                await self.ask(Get(self.random.choice(known)))
            elif Capability.ABORT in self.shared.capabilities and self.random.random() < 0.3:
                await self.ask(Abort(self.random.choice(known[-12:]), self.operation()))
            elif self.shared.changes:
                what = self.random.choice(self.shared.changes)
                await self.ask(Change(self.random.choice(known[-12:]), what, self.operation()))

    async def _push(self, push: Push) -> list[Pushed]:
        if self.random.random() < 0.95:
            return await self.ask(push)
        # Given up, and never asked about again.
        await self.shared.recorder.ask(self.name, self.driver, push, patience=0)
        return []

    async def _go_on_with(self, flows: Flows) -> None:
        """Push jobs of a flow, or close a batch."""
        if flows.callbacks and self.random.random() < 0.25:
            await self.ask(CloseBatch(self.random.choice(flows.callbacks[-4:]), self.operation()))
            return
        operation = self.operation()
        items = flows.items(self.random, f"{self.name} {operation.sequence}")
        self.shared.job_ids += [item.job_id for item in items if item.job_id not in self.shared.job_ids]
        answer = await self._push(Push(tuple(items), operation))
        flows.there.update(each.job_id for each in answer if each.outcome is not StoreOutcome.REFUSED)

    def _new_job(self) -> NewJob:
        known = self.shared.job_ids
        if known and self.random.random() < 0.15:
            job_id = self.random.choice(known)
        else:
            job_id = JobID(int=self.random.getrandbits(128))
            known.append(job_id)
        request = f"{self.name} {self._sequence} {self.random.getrandbits(16)}"
        remember, keep_for = self.random.random() < 0.3, None
        if Capability.RESULTS in self.shared.capabilities and self.random.random() < 0.3:
            keep_for = timedelta(seconds=self.random.randint(1, 60))
        expires = None
        if Capability.EXPIRY in self.shared.capabilities and self.random.random() < 0.15:
            expires = timedelta(seconds=self.random.randint(1, 40))
        return NewJob(
            *(job_id, request.encode(), self._due(), remember),
            keep_for=keep_for,
            expires=expires,
            unique=self._unique(job_id),
            priority=self.random.choice((0, 0, 0, 5, -5)) if self.shared.has_lanes else 0,
            lane=self.random.choice((None, *LANES)) if self.shared.has_lanes else None,
        )

    def _unique(self, job_id: JobID) -> Unique | None:
        names = self.shared.names
        if not self.shared.has_names:
            return None
        if job_id not in names:
            number = sum(map(bool, names.values()))
            names[job_id] = f"name {number // 6}" if self.random.random() < 0.4 else ""
        if not names[job_id]:
            return None
        until = self.random.choice(("end", "end", "start", timedelta(seconds=self.random.randint(1, 30))))
        return Unique(names[job_id], until, self.random.choice(("skip", "replace")))

    def _due(self) -> Due:
        match self.random.randrange(6):
            case 0:
                return timedelta(seconds=self.random.uniform(0, LONGEST_WAIT.total_seconds()) // 1)
            case 1:
                return self.shared.recorder.clock.now() - timedelta(seconds=self.random.randrange(60))
            case _:
                return None


class WorkerClient(Client):
    """Claims and settles under one worker id after the other, and leaves each in one way or another."""

    async def run(self) -> None:
        """Go on until there is nothing left to do."""
        life = 0
        while self.shared.calls_left > 0:
            life += 1
            await self._live(f"{self.name}.{life}")

    async def _live(self, worker: str) -> None:
        held: list[Claim] = []
        aborts: frozenset[bytes] = frozenset()
        await self.ask(OpenWorker(worker, self._hold_for()))
        for sequence in range(1, self.random.randint(5, 40)):
            if not self.shared.more():
                break
            if self.random.random() < 0.2:
                await self.ask(Renew(worker, self._hold_for(), leaving=self.random.random() < 0.1))
            if self.random.random() < 0.05:
                await self.shared.recorder.ask(self.name, self.driver, Recover(1000, worker))
            settled = [claim for claim in held if self.random.random() < 0.6]
            settlements = tuple(self._settlement(claim, aborts) for claim in settled)
            limit = self.random.choice((0, 1, 1, 2, 3))
            answer = await self.ask(Exchange(worker, sequence, settlements, limit, self._reports(held)))
            # Some claims are settled a second time.
            held = [claim for claim in held if claim not in settled or self.random.random() < 0.1]
            held += answer.claims
            aborts = answer.aborts
        if self.random.random() < 0.5:  # Otherwise it died.
            await self.ask(CloseWorker(worker))

    def _reports(self, held: Sequence[Claim]) -> tuple[Report, ...]:
        if Capability.REPORTS not in self.shared.capabilities:
            return ()
        return tuple(self._report(claim) for claim in held if self.random.random() < 0.15)

    def _report(self, claim: Claim) -> Report:
        value = f"report {self.random.getrandbits(16)}".encode()
        progress, state = self.random.choice(((value, None), (None, value), (value, value)))
        return Report(claim.job_id, claim.token, progress, state)

    def _hold_for(self) -> timedelta:
        return timedelta(seconds=self.random.randint(5, 20))

    def _settlement(self, claim: Claim, aborts: frozenset[bytes]) -> Settlement:
        if claim.token in aborts and self.random.random() < 0.5:
            return Cancel(claim.job_id, claim.token, self.random.choice((b"", b"cancelled")))
        match self.random.randrange(8):
            case 0:
                return Fail(claim.job_id, claim.token, b"failed", keep=self.random.random() < 0.5)
            case 1:
                return Retry(claim.job_id, claim.token, b"again", timedelta(seconds=self.random.randint(0, 20)), b"bad")
            case 2:
                return Retry(claim.job_id, claim.token)
            case 3:
                return Release(claim.job_id, claim.token)
            case 4:
                return Finish(claim.job_id, b"no such token")
            case 5 | 6 if Capability.RESULTS in self.shared.capabilities:
                return Finish(claim.job_id, claim.token, f"result {self.random.getrandbits(16)}".encode())
            case _:
                return Finish(claim.job_id, claim.token)


class Housekeeper(Client):
    """Recovers, cleans up, and lets time go by."""

    cleans_unfinished = False

    async def run(self) -> None:
        """Go on until there is nothing left to do."""
        left = MOST_TIME
        while self.shared.more():
            kind = self.random.randrange(3)
            if kind == 0 and Capability.CLEANUP in self.shared.capabilities:
                await self.ask(self._cleanup())
            elif kind == 1:
                # Recovery is repeated by nature: a lost answer is not asked for again.
                recover = Recover(1000 if self.shared.has_ties else self.random.choice((1, 2, 1000)))
                await self.shared.recorder.ask(self.name, self.driver, recover)
            elif Capability.PAUSE_QUEUE in self.shared.capabilities and self.random.random() < 0.2:
                await self.ask(PauseQueue(True, self.operation()))
                await self.shared.calls_made(self.random.randint(1, 20))
                await self.ask(PauseQueue(False, self.operation()))
            else:
                step = timedelta(seconds=self.random.choice((1, 2, 5, 12, 25)))
                if step <= left:
                    left -= step
                    await self.shared.recorder.advance(step)
            await self.shared.calls_made(self.random.randint(1, 20))

    def _cleanup(self) -> Clean:
        # A cleanup tells how many jobs it removed, not which: if it may take jobs that nobody saw, less can be
        # said at the end about what was lost.
        status = self.random.choice(sorted(JobStatus if self.cleans_unfinished else FINISHED))
        rerun = status not in (JobStatus.PENDING, JobStatus.PAUSED, JobStatus.WAITING) and self.random.random() < 0.5
        age = self.random.choice((None, timedelta(seconds=5)))
        # To revoke the claims of the living is left to the stateful machine: here every exchange whose answer is late
        # might then have claimed any job, and nothing definite could be said.
        only_orphans = status is JobStatus.PROCESSING or self.random.random() < 0.5
        return Clean(
            250 if self.shared.has_ties else self.random.choice((1, 2, 250)),
            status,
            JobCleanup("rerun" if rerun else "remove", age),
            only_orphans,
            self.operation(),
            self.random.choice(self.shared.job_ids[-12:])
            if self.shared.job_ids and self.random.random() < 0.2
            else None,
        )


async def set_limits(shared: Shared, driver: AnyDriver, random: Random) -> None:
    """Give each lane a limit or none."""
    client = Client(shared, driver, "operator", 0)
    for lane in LANES:
        shared.limits[lane] = LaneLimit(
            concurrency=random.choice((1, 2)), rate=random.choice((None, (2, timedelta(seconds=8))))
        )
        if random.random() < 0.8:
            await client.ask(SetLimit(lane, shared.limits[lane], client.operation()), faults=False)
        else:
            del shared.limits[lane]


async def drain(shared: Shared, driver: AnyDriver) -> None:
    """Bring everything to an end that can still run, and look at what is left."""
    client, worker = Client(shared, driver, DRAIN, 0), f"{DRAIN}.1"
    for lane in shared.limits:
        await client.ask(SetLimit(lane, None, client.operation()), faults=False)
    await shared.recorder.advance(timedelta(hours=1))
    while await client.ask(Recover(1000), faults=False) != 0:
        pass
    if Capability.RESUME in shared.capabilities:
        for job_id in shared.job_ids:
            if Capability.INSPECTION in shared.capabilities and await driver.status(job_id) is not JobStatus.PAUSED:
                continue
            await client.ask(Change(job_id, "resume", client.operation()), faults=False)
    for callback in shared.flows.callbacks if shared.flows is not None else ():
        await client.ask(CloseBatch(callback, client.operation()), faults=False)
    await client.ask(OpenWorker(worker, timedelta(hours=1)), faults=False)
    claims = list[Claim]()
    for sequence in range(1, 2 * len(shared.job_ids) + 10):
        settlements = tuple(Finish(claim.job_id, claim.token) for claim in claims)
        answer = await client.ask(Exchange(worker, sequence, settlements, 50), faults=False)
        claims = answer.claims
        if not claims and answer.until_next != 0:  # what is doomed ends step by step
            break
    if Capability.INSPECTION in shared.capabilities:
        for job_id in shared.job_ids:
            await client.ask(Get(job_id), faults=False)


def clients(
    shared: Shared, drivers: Sequence[AnyDriver], seed: int
) -> list[ProducerClient | WorkerClient | Housekeeper]:
    """Three producers, four workers and a housekeeper, spread over the drivers."""
    names = [f"producer-{number}" for number in (1, 2, 3)] + [f"worker-{number}" for number in (1, 2, 3, 4)]
    housekeeper = Housekeeper(shared, drivers[0], "housekeeper", seed)
    housekeeper.cleans_unfinished = seed % 2 == 1
    return [housekeeper] + [
        (ProducerClient if name.startswith("producer") else WorkerClient)(
            shared, drivers[at % len(drivers)], name, seed, drivers[(at + 1) % len(drivers)]
        )
        for at, name in enumerate(names)
    ]
