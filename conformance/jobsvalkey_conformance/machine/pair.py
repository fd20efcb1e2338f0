"""The driver under test and the twin, side by side on one clock: both are asked the same, and must answer the same."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

from msgspec import structs

from jobsvalkey.contract import (
    Cancel,
    Capability,
    Claim,
    Clock,
    DriverConfiguration,
    Exchanged,
    Fail,
    Finish,
    JobID,
    JobsError,
    JobStatus,
    QueueDriver,
    Release,
    Renewed,
    Report,
    Retry,
    Settlement,
    StoredJob,
    StoredLane,
    WorkerID,
)
from jobsvalkey_conformance.harness import GARBLED, AnyDriver, Damage, DriverHarness, Hook
from jobsvalkey_conformance.machine.behind import look_behind, same
from jobsvalkey_memory import MemoryJobQueue, MemoryStore

T = TypeVar("T")
Call = Callable[[AnyDriver], Awaitable[T]]

SETTLEMENTS = (
    "finish",
    "finish",
    "return",
    "return",
    "fail",
    "keep",
    "retry",
    "retry later",
    "release",
    "cancel",
    "wrong job",
    "wrong token",
)

RETRY_DELAY = timedelta(seconds=20)
"""How long a `retry later` waits."""


@dataclass(frozen=True, slots=True)
class Raised:
    """The answer of a call that raised one of the contract's errors."""

    error: str


async def answer(call: Call[T], driver: AnyDriver) -> T | Raised:
    """Return the call's result, or the kind of error that it raises; other errors than the contract's are raised."""
    try:
        return await call(driver)
    except (JobsError, ValueError) as error:
        return Raised(type(error).__name__)


@dataclass(frozen=True, slots=True)
class PairedClaim:
    """One claim as each of the two named it."""

    worker: WorkerID
    job_id: JobID
    tested: bytes
    twin: bytes


@dataclass(frozen=True, slots=True)
class PairedSettlement:
    """One settlement, to be told to each of the two by its own token."""

    kind: str
    claim: PairedClaim
    note: bytes = b""
    """The end of its error, or of its result, which tells it from others of its kind."""

    def with_token(self, token: bytes) -> Settlement:
        """The settlement of the claim that `token` names."""
        job_id = self.claim.job_id
        match self.kind:
            case "finish":
                return Finish(job_id, token)
            case "return":
                return Finish(job_id, token, b"result" + self.note)
            case "fail":
                return Fail(job_id, token, b"failed" + self.note)
            case "keep":
                return Fail(job_id, token, b"kept" + self.note, keep=True)
            case "retry":
                return Retry(job_id, token)
            case "retry later":
                return Retry(job_id, token, b"again", RETRY_DELAY, b"to be retried" + self.note)
            case "release":
                return Release(job_id, token)
            case "cancel":
                return Cancel(job_id, token, b"cancelled" + self.note)
            case "wrong job":
                return Finish(JobID(int=job_id.int + (1 << 32)), token)
            case _:
                return Finish(job_id, token + b"x")


REPORTS = ("progress", "progress", "state", "state", "both", "wrong job", "wrong token")


@dataclass(frozen=True, slots=True)
class PairedReport:
    """One report, to be told to each of the two by its own token."""

    kind: str
    claim: PairedClaim
    value: bytes

    def with_token(self, token: bytes) -> Report:
        """The report about the claim that `token` names."""
        job_id, value = self.claim.job_id, self.value
        match self.kind:
            case "progress":
                return Report(job_id, token, value)
            case "state":
                return Report(job_id, token, state=value)
            case "both":
                return Report(job_id, token, value, value)
            case "wrong job":
                return Report(JobID(int=job_id.int + (1 << 32)), token, value, value)
            case _:
                return Report(job_id, token + b"x", value, value)


@dataclass(frozen=True, slots=True)
class PairedExchange:
    """One exchange, kept so that it can be sent again."""

    worker: WorkerID
    sequence: int
    settlements: Sequence[PairedSettlement]
    limit: int
    reports: Sequence[PairedReport] = ()


class Pair:
    """One queue, twice."""

    def __init__(self, harness: DriverHarness, configuration: DriverConfiguration, clock: Clock) -> None:
        self.harness = harness
        self.configuration = configuration
        self.store: MemoryStore = MemoryStore()
        self.twin: MemoryJobQueue[Clock] = MemoryJobQueue(configuration, clock=clock, store=self.store)
        self.claims: list[PairedClaim] = []
        """All claims that there ever were, the latest last; who knows that older ones are lost may take these out."""
        self._by_token: dict[tuple[WorkerID, bytes], PairedClaim] = {}
        self.losing_reply: bool = False
        """Whether the reply of the driver's next step is to be lost."""
        self._clock = clock
        self._closing = asyncio.Event()
        self._life: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Make the driver."""
        made: asyncio.Future[QueueDriver] = asyncio.get_running_loop().create_future()
        self._closing.clear()
        self._life = asyncio.create_task(self._live(made))
        self.tested: AnyDriver = cast(AnyDriver, await made)

    async def aclose(self) -> None:
        """Close the driver."""
        self._closing.set()
        if self._life is not None:
            await self._life

    async def _live(self, made: asyncio.Future[QueueDriver]) -> None:
        # A driver may own a TaskGroup, so that one task has to enter and leave it; each step is a task of its own.
        try:
            async with self.harness.make_driver(self.configuration, self._clock) as driver:
                made.set_result(driver)
                await self._closing.wait()
        except BaseException as error:
            if made.done():
                raise
            made.set_exception(error)

    async def reopen(self) -> None:
        """Close the driver, and make a new one on the same store."""
        await self.aclose()
        await self.open()

    def states(self, *capabilities: Capability) -> bool:
        """Whether the driver states all of these."""
        return self.tested.capabilities.issuperset(capabilities)

    # -- steps

    async def both(self, what: str, call: Call[T], *, repeatable: bool = True) -> T | Raised:
        """Ask both the same. `repeatable` is false if the answer would be another one when asked twice."""
        tested = await self._answer_of_tested(call, repeatable)
        twin = await answer(call, cast(AnyDriver, self.twin))
        same(what, tested, twin)
        return twin

    async def exchange(self, what: str, asked: PairedExchange, *, repeat: bool = False) -> Exchanged | Raised:
        """Exchange with both, each by its own tokens."""

        def call(token_of: Callable[[PairedClaim], bytes]) -> Call[Exchanged]:
            settlements = [one.with_token(token_of(one.claim)) for one in asked.settlements]
            reports = [one.with_token(token_of(one.claim)) for one in asked.reports]
            return lambda driver: driver.exchange(
                asked.worker, asked.sequence, settlements, asked.limit, reports=reports
            )

        tested = await self._answer_of_tested(call(lambda claim: claim.tested), repeatable=True)
        twin = await answer(call(lambda claim: claim.twin), cast(AnyDriver, self.twin))
        if isinstance(tested, Raised) or isinstance(twin, Raised):
            same(what, tested, twin)
            return twin
        same(f"{what}, outcomes", tested.outcomes, twin.outcomes)
        same(f"{what}, reported", tested.reported, twin.reported)
        same(f"{what}, lock_expired", tested.lock_expired, twin.lock_expired)
        shown = [[_without_token(claim) for claim in one.claims] for one in (tested, twin)]
        same(f"{what}, claims", shown[0], shown[1])
        for ours, theirs in zip(tested.claims, twin.claims, strict=True):
            claim = PairedClaim(asked.worker, ours.job_id, ours.token, theirs.token)
            before = self._by_token.setdefault((claim.worker, claim.tested), claim)
            assert before == claim, f"{what}: the token {ours.token!r} was used before"
            if before is claim:
                self.claims.append(claim)
        self._same_aborts(what, asked.worker, tested.aborts, twin.aborts)
        # What is recorded of an exchange is its outcomes and claims: a repeat may tell another time until the next.
        if not repeat and tested.until_next != twin.until_next:
            close = None not in (tested.until_next, twin.until_next) and (
                abs((tested.until_next or 0) - (twin.until_next or 0))
                <= self.harness.time_precision.total_seconds() + 1e-6
            )
            assert close, f"{what}: until_next is {tested.until_next} of the driver, {twin.until_next} of the twin"
        return twin

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> None:
        """Renew with both, and compare the claims that are held."""
        what = f"renew({worker!r}, {leaving=})"

        def call(driver: AnyDriver) -> Awaitable[Renewed]:
            return driver.renew(worker, hold_for, leaving=leaving)

        tested = await self._answer_of_tested(call, repeatable=True)
        twin = await answer(call, cast(AnyDriver, self.twin))
        if isinstance(tested, Raised) or isinstance(twin, Raised):
            same(what, tested, twin)
            return
        claims = [claim for claim in self.claims if claim.worker == worker]
        same(
            f"{what}, claims held",
            [claim for claim in claims if claim.tested in tested.tokens],
            [claim for claim in claims if claim.twin in twin.tokens],
        )
        same(f"{what}, number of claims held", len(tested.tokens), len(twin.tokens))
        self._same_aborts(what, worker, tested.aborts, twin.aborts)

    def _same_aborts(self, what: str, worker: WorkerID, tested: frozenset[bytes], twin: frozenset[bytes]) -> None:
        claims = [claim for claim in self.claims if claim.worker == worker]
        same(
            f"{what}, claims that are to be aborted",
            [claim for claim in claims if claim.tested in tested],
            [claim for claim in claims if claim.twin in twin],
        )
        same(f"{what}, number of claims that are to be aborted", len(tested), len(twin))

    async def _answer_of_tested(self, call: Call[T], repeatable: bool) -> T | Raised:
        if self.losing_reply and repeatable:
            self.losing_reply = False
            async with self.harness.drop_reply():
                return await answer(call, self.tested)
        return await answer(call, self.tested)

    async def damage(self, job_id: JobID, how: Damage) -> None:
        """Spoil the request of a job, if there is one."""
        job = await self.twin.get(job_id)
        if job is not None and job.request is not None:
            try:
                await self.harness.damage(self.configuration, job_id, how)
            except NotImplementedError:
                return  # the store cannot have it
            left = None if how is Damage.LOST_REQUEST else GARBLED
            self.store.damage(self.configuration.queue_key, job_id, left)

    # -- what both show

    async def compare(self, job_ids: Sequence[JobID], keys: Sequence[str], *, singly: bool = True) -> None:
        """Compare all that can be seen: through the drivers, and behind the tested one's back.

        `singly`: ask for each job alone, too, and not only for lists of them.
        """
        if self.states(Capability.METADATA):
            for key in keys:
                await self.both(f"get_metadata({key!r})", lambda driver, key=key: driver.get_metadata(key))
        if self.states(Capability.INSPECTION):
            await self.both("counts()", lambda driver: driver.counts())
            await self.both("load()", lambda driver: driver.load())
            await self.both("workers()", lambda driver: driver.workers())
            for status in JobStatus:
                same(f"jobs({status})", await _listed(self.tested, status), await _listed(self.twin, status))
            asked = job_ids if singly else ()
            tested = await asyncio.gather(*(self.tested.get(job_id) for job_id in asked))
            status_of = await asyncio.gather(*(self.tested.status(job_id) for job_id in asked))
            for job_id, shown, status in zip(asked, tested, status_of, strict=True):
                same(f"get({job_id})", shown, await self.twin.get(job_id))
                same(f"status({job_id})", status, shown and shown.status)
            same("validate()", set(await self.tested.validate()), set(await self.twin.validate()))
        if self.states(Capability.LANES):
            await self.both("lane_limits()", lambda driver: driver.lane_limits())
            same("lanes()", await _lanes(self.tested), await _lanes(self.twin))
        if self.states(Capability.ACTIVITY):
            await self.both("activity()", lambda driver: driver.activity())
        if Hook.OBSERVE in self.harness.hooks:
            observed = await self.harness.observe(self.configuration)
            present = {job_id: job for job_id in job_ids if (job := await self.twin.get(job_id))}
            look_behind(observed, self.store.queues[self.configuration.queue_key], present, job_ids)


def _without_token(claim: Claim) -> Claim:
    return structs.replace(claim, token=b"")


async def _listed(driver: AnyDriver | MemoryJobQueue[Clock], status: JobStatus) -> list[StoredJob]:
    listed = [job async for job in driver.jobs(status)]
    # The order of running jobs is nobody's promise.
    return sorted(listed, key=lambda job: job.job_id.int) if status is JobStatus.PROCESSING else listed


async def _lanes(driver: AnyDriver | MemoryJobQueue[Clock]) -> list[StoredLane]:
    lanes, cursor = list[StoredLane](), None
    while True:
        page = await driver.lanes(cursor, limit=1)
        lanes += page.lanes
        if (cursor := page.cursor) is None:
            return sorted(lanes, key=lambda lane: lane.name)  # the order is the driver's choice
