"""Bugs of repeats under a number."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from jobsvalkey.contract import Exchanged, NewJob, Operation, Pushed, Report, Settlement, WorkerID
from tests.mutants.mutant import Twin, mutant
from tests.support.broken_twins import ForgetfulExchange, UnnumberedPush

mutant("test_repeat_a_claim_is_not_forgotten", weakness=13, chapter=__name__)(ForgetfulExchange)


mutant("test_repeat_a_push_after_its_job_has_run_and_gone", chapter=__name__)(UnnumberedPush)


@mutant("test_repeat_a_sequence_that_cannot_be_counted")
class AnySequence(Twin):
    """Any number is accepted as a sequence: one that is too high blocks its producer for ever."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        if operation is not None and not 0 <= operation.sequence < 1 << 53:
            operation = None
        return await super().push(items, operation=operation)


@mutant("test_repeat_a_lower_exchange_is_refused")
class LowerExchangeAccepted(Twin):
    """An exchange that comes late, under a lower number, is done."""

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        holder = self.state.workers.get(worker)
        if holder is not None and sequence < (holder.sequence or 0):
            holder.sequence = None
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)


@mutant("test_repeat_an_idle_exchange_is_not_recorded")
class IdleExchangeRecorded(Twin):
    """An exchange that settles and claims nothing is recorded: every idle poll writes."""

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
        self.state.workers[worker].sequence = sequence
        return answer


@mutant("test_repeat_a_repeat_returns_only_what_is_still_held")
class RecoveredClaimsReturned(Twin):
    """A repeat of an exchange returns its claims as they were, including those that were recovered since."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.answers: dict[tuple[WorkerID, int], Exchanged] = {}

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
        return self.answers.setdefault((worker, sequence), answer) if answer.claims else answer


@mutant("test_repeat_a_lower_sequence_is_refused")
class LowerSequenceAccepted(Twin):
    """A push that comes late, under a lower number than the producer's last one, is done."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        last = self.state.producers.get(operation.producer) if operation else None
        if last and operation and operation.sequence < last.sequence:
            del self.state.producers[operation.producer]
        return await super().push(items, operation=operation)


@mutant("test_repeat_the_same_sequence_for_something_else")
class OtherContentAccepted(Twin):
    """A number that was used for another push counts as a repeat of it: the new jobs are lost."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        last = self.state.producers.get(operation.producer) if operation else None
        if last and operation and operation.sequence == last.sequence:
            return last.answer
        return await super().push(items, operation=operation)


@mutant("test_repeat_producers_are_numbered_apart")
class OneNumberForAll(Twin):
    """All producers share one sequence of numbers."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        return await super().push(items, operation=Operation("all", operation.sequence) if operation else None)


@mutant("test_repeat_a_repeat_over_another_connection")
class MemoryOfTheDriver(Twin):
    """The driver remembers its producers, not the store: a repeat over another connection is done again."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        own = Operation(f"{operation.producer} {id(self)}", operation.sequence) if operation else None
        return await super().push(items, operation=own)


@mutant("test_repeat_it_is_remembered_for_ten_minutes_after_its_last_use")
class ProducersForgottenEarly(Twin):
    """A producer is forgotten after a minute."""

    def now(self) -> datetime:
        now = super().now()
        for producer, last in list(self.state.producers.items()):
            if now - last.used_at >= timedelta(minutes=1):
                del self.state.producers[producer]
        return now


@mutant("test_repeat_it_is_remembered_for_ten_minutes_after_its_last_use")
class RepeatsProlongNothing(Twin):
    """A producer is remembered for ten minutes from its first use, although it goes on."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        last = self.state.producers.get(operation.producer) if operation else None
        stored = await super().push(items, operation=operation)
        if last and operation and last.sequence == operation.sequence:
            self.state.producers[operation.producer] = last
        return stored


@mutant("test_repeat_a_repeat_overwrites_nothing")
class UnnumberedMetadata(Twin):
    """A repeat that sets metadata undoes what was set since."""

    async def set_metadata(self, key: str, value: bytes, *, operation: Operation | None = None) -> None:
        await super().set_metadata(key, value)


@mutant("test_repeat_a_repeated_release_frees_no_other_lock")
class UnnumberedRelease(Twin):
    """A repeat that releases a lock frees the one that was taken since."""

    async def release_lock(self, key: str, holder: bytes, *, operation: Operation | None = None) -> bool:
        await super().release_lock(key, holder)
        return await super().release_lock(key, holder, operation=operation)


@mutant("test_repeat_a_lock_is_looked_at_again")
class LockFromMemory(Twin):
    """A repeat says that the lock was taken, although it has run out since and somebody else has it: two holders."""

    async def acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        return await self._acquire_lock(key, holder, expires_in, operation=operation)


@mutant("test_repeat_a_lock_that_is_held_is_not_extended")
class RepeatExtendsLock(Twin):
    """A repeat takes the lock once more: it lasts longer than its holder can know."""

    async def acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        taken = await super().acquire_lock(key, holder, expires_in, operation=operation)
        return taken and await super().acquire_lock(key, holder, expires_in)
