"""Bugs of pausing the queue as a whole."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from jobsvalkey.contract import Exchanged, Operation, Report, Settlement, WorkerID
from tests.mutants.mutant import Search, Twin, mutant
from tests.mutants.scripts import script_mutant


@mutant("test_pausing_a_paused_queue_is_not_claimed_from")
class PauseKnownToItsDriver(Twin):
    """A pause is kept in the driver that made it: workers of others go on."""

    async def pause_queue(self, *, operation: Operation | None = None) -> None:
        self.__dict__["paused"] = True

    async def resume_queue(self, *, operation: Operation | None = None) -> None:
        self.__dict__["paused"] = False
        await super().resume_queue(operation=operation)

    async def is_queue_paused(self) -> bool:
        return self.__dict__.get("paused", False)

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        self.state.is_paused = await self.is_queue_paused()
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)


@mutant("test_pausing_takes_effect_at_once", found_by=[Search.HISTORIES])
class PauseReadOnce(Twin):
    """A worker remembers that the queue was not paused, and claims once more."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        known: dict[WorkerID, bool] = self.__dict__.setdefault("known", {})
        now, self.state.is_paused = self.state.is_paused, known.get(worker, self.state.is_paused)
        answer = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        self.state.is_paused = known[worker] = now
        return answer


@mutant("test_pausing_what_runs_is_settled")
class PauseStopsSettling(Twin):
    """A paused queue does not settle: what has run runs again."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        kept = () if self.state.is_paused else settlements
        return await super().exchange(worker, sequence, kept, limit, reports=reports)


@mutant("test_pausing_what_runs_is_settled", found_by=[Search.MACHINE])
class PausedWorkersSpin(Twin):
    """The time until the next job is told while the queue is paused: workers ask again and again."""

    def _until_next(self, now: datetime) -> float | None:
        is_paused, self.state.is_paused = self.state.is_paused, False
        found = super()._until_next(now)
        self.state.is_paused = is_paused
        return found


@mutant("test_pausing_a_repeat_shows_its_claims")
class PauseHidesClaims(Twin):
    """While the queue is paused, the repeat of an exchange returns no claims: they are lost until the worker dies."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        answer = await super().exchange(worker, sequence, settlements, limit, reports=reports)
        return replace(answer, claims=[]) if self.state.is_paused else answer


@mutant("test_pausing_the_queue_goes_on_otherwise")
class PauseStopsRecovery(Twin):
    """The jobs of dead workers are not recovered while the queue is paused."""

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        return 0 if self.state.is_paused else await super().recover(max_jobs, worker=worker)


@mutant("test_pausing_twice", found_by=[Search.MACHINE])
class PausesAreCounted(Twin):
    """Each pause needs a resumption of its own."""

    async def pause_queue(self, *, operation: Operation | None = None) -> None:
        self.__dict__["pauses"] = self.__dict__.get("pauses", 0) + 1
        await super().pause_queue(operation=operation)

    async def resume_queue(self, *, operation: Operation | None = None) -> None:
        await super().resume_queue(operation=operation)
        self.__dict__["pauses"] = max(0, self.__dict__.get("pauses", 0) - 1)
        self.state.is_paused = self.__dict__["pauses"] > 0


@mutant("test_pausing_is_an_operation")
class PausesAreDoneTwice(Twin):
    """A late repeat of a pause pauses the queue again."""

    async def pause_queue(self, *, operation: Operation | None = None) -> None:
        await super().pause_queue()


@mutant("test_pausing_ends_with_a_hint")
class ResumedInSilence(Twin):
    """No worker is woken when the queue is resumed."""

    async def resume_queue(self, *, operation: Operation | None = None) -> None:
        self.state.is_paused = False


script_mutant(
    "ScriptClaimsWhilePaused",
    "`exchange.lua`: a paused queue is claimed from.",
    "test_pausing_a_paused_queue_is_not_claimed_from",
    "local is_claiming = tonumber(limit) > 0 and expires > now and not is_paused",
    "local is_claiming = tonumber(limit) > 0 and expires > now",
    chapter=__name__,
)
script_mutant(
    "ScriptSpinsWhilePaused",
    "`exchange.lua`: the time until the next job is told while the queue is paused.",
    "test_pausing_what_runs_is_settled",
    "local first, expiry = not is_paused and first_claimable(), first_expiry()",
    "local first, expiry = first_claimable(), first_expiry()",
    chapter=__name__,
)
script_mutant(
    "ScriptResumesInSilence",
    "`pause_queue.lua`: no worker is woken when the queue is resumed.",
    "test_pausing_ends_with_a_hint",
    "if paused ~= '1' then wake() end",
    "",
    chapter=__name__,
)
script_mutant(
    "ScriptNeverResumes",
    "`pause_queue.lua`: pauses are counted, so that a second one outlives the resumption.",
    "test_pausing_twice",
    ":gsub(PAUSE, '')",
    ":gsub(PAUSE, '', paused == '1' and 0 or 1)",
    chapter=__name__,
)
