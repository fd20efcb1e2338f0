"""The calls of a client to a driver, as values: to be made, written down, and looked at from the side of some jobs.

A step that touches several jobs is, to the history of one of them, the same step with the others left out. Each
call says what is left of it, and of its answer, for one job, or for those that are tied to each other by a unique
name or a flow; and whether an answer is the one that the twin gives.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from typing import Any, Final, Generic, TypeAlias, TypeVar

from msgspec import structs

from jobsvalkey.contract import (
    AbortOutcome,
    Exchanged,
    JobCleanup,
    JobID,
    JobStatus,
    LaneLimit,
    NewJob,
    Operation,
    Pushed,
    Renewed,
    Report,
    Settlement,
    StoredJob,
    WorkerID,
)
from jobsvalkey_conformance.changes import ChangeName
from jobsvalkey_conformance.harness import AnyDriver

R = TypeVar("R")
S = TypeVar("S", bound=Settlement | Report)


class Unanswered(Enum):
    """Stands for the answer that never came."""

    UNANSWERED = "unanswered"


Number: TypeAlias = tuple[str, int]
"""A step's number, with the producer or the worker whose number it is."""
UNANSWERED: Final = Unanswered.UNANSWERED
Tokens: TypeAlias = Mapping[WorkerID, Mapping[bytes, tuple[JobID, bytes]]]
"""For each claim of a worker its job, and the token that the twin gives it in the history of that job."""


class Call(Generic[R]):
    """One step that is asked of a driver."""

    @abstractmethod
    async def on(self, driver: AnyDriver) -> R:
        """Ask it."""

    @property
    def number(self) -> Number | None:
        """Under what number it is sent; `None` for a step that may be repeated without one."""
        operation: object = getattr(self, "operation", None)
        return (operation.producer, operation.sequence) if isinstance(operation, Operation) else None

    def part(
        self, job_ids: frozenset[JobID], answer: R | Unanswered, tokens: Tokens
    ) -> "tuple[Call[R], R | Unanswered] | None":
        """The call and its answer as far as these jobs are concerned; `None` if they are not."""
        return self, answer

    def unanswered(self) -> "tuple[Call[R], ...]":
        """List the effects that the call may have had on the job if its answer is not known."""
        return (self,)

    def agrees(self, twin: R, seen: R) -> bool:
        """Whether a driver may have answered `seen` if the twin, which knows one job alone, answers `twin`."""
        return twin == seen

    def may_pass_over(self, seen: R) -> bool:
        """Whether the step may have left this job alone because it had enough others."""
        return False


AnyCall: TypeAlias = Call[Any]


@dataclass(frozen=True)
class Push(Call[list[Pushed]]):
    """`push`."""

    items: tuple[NewJob, ...]
    operation: Operation

    async def on(self, driver: AnyDriver) -> list[Pushed]:
        """Ask it."""
        return await driver.push(self.items, operation=self.operation)

    def part(
        self, job_ids: frozenset[JobID], answer: list[Pushed] | Unanswered, tokens: Tokens
    ) -> tuple[Call[list[Pushed]], list[Pushed] | Unanswered] | None:
        """Return the part that concerns these jobs."""
        places = [place for place, item in enumerate(self.items) if item.job_id in job_ids]
        if not places:
            return None
        call = replace(self, items=tuple(self.items[place] for place in places))
        return call, answer if answer is UNANSWERED else [answer[place] for place in places]


@dataclass(frozen=True)
class Exchange(Call[Exchanged]):
    """`exchange`."""

    worker: WorkerID
    sequence: int
    settlements: tuple[Settlement, ...] = ()
    limit: int = 0
    reports: tuple[Report, ...] = ()

    @property
    def number(self) -> Number:
        """The worker\'s."""
        return self.worker, self.sequence

    async def on(self, driver: AnyDriver) -> Exchanged:
        """Ask it."""
        return await driver.exchange(self.worker, self.sequence, self.settlements, self.limit, reports=self.reports)

    def part(
        self, job_ids: frozenset[JobID], answer: Exchanged | Unanswered, tokens: Tokens
    ) -> tuple[Call[Exchanged], Exchanged | Unanswered] | None:
        """Return the part that concerns these jobs."""
        places = [place for place, one in enumerate(self.settlements) if one.job_id in job_ids]
        noted = [place for place, one in enumerate(self.reports) if one.job_id in job_ids]
        if answer is UNANSWERED:
            limit, part = min(self.limit, len(job_ids)), answer
        else:
            claims = [
                structs.replace(claim, token=tokens[self.worker][claim.token][1])
                for claim in answer.claims
                if claim.job_id in job_ids
            ]
            outcomes = [answer.outcomes[place] for place in places]
            limit, part = len(claims), Exchanged(outcomes, [answer.reported[place] for place in noted], claims)
        if not places and not noted and not limit:
            return None
        settlements = tuple(self._named(self.settlements[place], tokens) for place in places)
        reports = tuple(self._named(self.reports[place], tokens) for place in noted)
        return replace(self, settlements=settlements, limit=limit, reports=reports), part

    def unanswered(self) -> "tuple[Call[Exchanged], ...]":
        """It may have claimed the jobs, or others that were due before."""
        return tuple(replace(self, limit=limit) for limit in range(self.limit, -1, -1))

    def _named(self, one: S, tokens: Tokens) -> S:
        _, token = tokens.get(self.worker, {}).get(one.token, (one.job_id, one.token))
        return structs.replace(one, token=token)

    def agrees(self, twin: Exchanged, seen: Exchanged) -> bool:
        """Whether a driver may have answered so."""
        same = twin.outcomes == seen.outcomes and twin.reported == seen.reported
        return same and twin.claims == seen.claims


@dataclass(frozen=True)
class OpenWorker(Call[None]):
    """`open_worker`."""

    worker: WorkerID
    hold_for: timedelta

    async def on(self, driver: AnyDriver) -> None:
        """Ask it."""
        await driver.open_worker(self.worker, self.hold_for)


@dataclass(frozen=True)
class Renew(Call[Renewed]):
    """`renew`."""

    worker: WorkerID
    hold_for: timedelta
    leaving: bool = False
    known: frozenset[bytes] = field(default=frozenset(), repr=False)
    """The claims of one job that the history shows; there may be others, whose answer was lost."""

    async def on(self, driver: AnyDriver) -> Renewed:
        """Ask it."""
        return await driver.renew(self.worker, self.hold_for, leaving=self.leaving)

    def part(
        self, job_ids: frozenset[JobID], answer: Renewed | Unanswered, tokens: Tokens
    ) -> tuple[Call[Renewed], Renewed | Unanswered] | None:
        """Return the part that concerns these jobs."""
        named = {token: twin for token, (job, twin) in tokens.get(self.worker, {}).items() if job in job_ids}
        call = replace(self, known=frozenset(named.values()))
        if answer is UNANSWERED:
            return call, answer
        shown = (frozenset(named[token] for token in held if token in named) for held in (answer.tokens, answer.aborts))
        return call, Renewed(*shown)

    def agrees(self, twin: Renewed, seen: Renewed) -> bool:
        """Whether a driver may have answered so."""
        return twin.tokens & self.known == seen.tokens and twin.aborts & self.known == seen.aborts


@dataclass(frozen=True)
class CloseWorker(Call[None]):
    """`close_worker`."""

    worker: WorkerID

    async def on(self, driver: AnyDriver) -> None:
        """Ask it."""
        await driver.close_worker(self.worker)


@dataclass(frozen=True)
class _UpTo(Call[int]):
    """A step that takes up to a number of jobs, and answers how many it took."""

    max_jobs: int

    def may_pass_over(self, seen: int) -> bool:
        """Whether it took as many as it might."""
        return seen >= self.max_jobs


@dataclass(frozen=True)
class Recover(_UpTo):
    """`recover`."""

    worker: WorkerID | None = None

    async def on(self, driver: AnyDriver) -> int:
        """Ask it."""
        return await driver.recover(self.max_jobs, worker=self.worker)

    def part(
        self, job_ids: frozenset[JobID], answer: int | Unanswered, tokens: Tokens
    ) -> tuple[Call[int], int | Unanswered] | None:
        """In its own name: it may also have done nothing, which depends on a lock that no job of these shows."""
        return (self if self.worker is None else _RecoverInANameOfItsOwn(self.max_jobs, self.worker)), answer

    def agrees(self, twin: int, seen: int) -> bool:
        """Always: it has no number, so that an answer may be that of a repeat, which finds nothing left to do."""
        return True


@dataclass(frozen=True)
class _RecoverInANameOfItsOwn(Recover):
    async def on(self, driver: AnyDriver) -> int:
        return await driver.recover(self.max_jobs)

    def may_pass_over(self, seen: int) -> bool:
        return True


@dataclass(frozen=True)
class Sweep(Call[None]):
    """The part of an exchange that concerns jobs which it does not name: it ends those that have expired."""

    async def on(self, driver: AnyDriver) -> None:
        """Do it on the twin."""
        await driver.recover(0)


@dataclass(frozen=True)
class Clean(_UpTo):
    """`cleanup_step`."""

    status: JobStatus
    cleanup: JobCleanup
    only_orphans: bool
    operation: Operation
    except_for: JobID | None = None

    async def on(self, driver: AnyDriver) -> int:
        """Ask it."""
        return await driver.cleanup_step(
            self.status,
            self.cleanup,
            max_jobs=self.max_jobs,
            only_orphans=self.only_orphans,
            except_for=self.except_for,
            operation=self.operation,
        )

    def agrees(self, twin: int, seen: int) -> bool:
        """Whether a driver may have answered so."""
        return twin <= seen


@dataclass(frozen=True)
class _OfOneJob(Call[R]):
    job_id: JobID

    def part(
        self, job_ids: frozenset[JobID], answer: R | Unanswered, tokens: Tokens
    ) -> tuple[Call[R], R | Unanswered] | None:
        """Return the part that concerns these jobs."""
        return (self, answer) if self.job_id in job_ids else None


@dataclass(frozen=True)
class Change(_OfOneJob[bool]):
    """`cancel`, `pause`, `resume`, `rerun` or `remove`."""

    what: ChangeName
    operation: Operation

    async def on(self, driver: AnyDriver) -> bool:
        """Ask it."""
        return await getattr(driver, self.what)(self.job_id, operation=self.operation)


@dataclass(frozen=True)
class Abort(_OfOneJob[AbortOutcome]):
    """`abort`."""

    operation: Operation

    async def on(self, driver: AnyDriver) -> AbortOutcome:
        """Ask it."""
        return await driver.abort(self.job_id, operation=self.operation)


@dataclass(frozen=True)
class CloseBatch(_OfOneJob[bool]):
    """`close_batch`."""

    operation: Operation

    async def on(self, driver: AnyDriver) -> bool:
        """Ask it."""
        return await driver.close_batch(self.job_id, operation=self.operation)


@dataclass(frozen=True)
class PauseQueue(Call[None]):
    """`pause_queue` or `resume_queue`."""

    is_paused: bool
    operation: Operation

    async def on(self, driver: AnyDriver) -> None:
        """Ask it."""
        await (driver.pause_queue if self.is_paused else driver.resume_queue)(operation=self.operation)


@dataclass(frozen=True)
class SetLimit(Call[None]):
    """`set_lane_limit`."""

    pattern: str
    limit: LaneLimit | None
    operation: Operation

    async def on(self, driver: AnyDriver) -> None:
        """Ask it."""
        await driver.set_lane_limit(self.pattern, self.limit, operation=self.operation)

    def part(self, job_ids: frozenset[JobID], answer: Unanswered | None, tokens: Tokens) -> None:
        """Return nothing: it changes no job, and a job alone waits for no other of its lane."""


@dataclass(frozen=True)
class Get(_OfOneJob[StoredJob | None]):
    """`get`."""

    async def on(self, driver: AnyDriver) -> StoredJob | None:
        """Ask it."""
        return await driver.get(self.job_id)
