"""Bugs of what a number stands for."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from jobsvalkey.contract import (
    JobCleanup,
    JobID,
    JobStatus,
    NewJob,
    Operation,
    OperationRefused,
    Pushed,
    PushedIf,
)
from tests.mutants.mutant import Twin, mutant


class Overlooking(Twin):
    """Takes a step for a repeat though something that it overlooks is another."""

    def overlooked(self, operation: Operation | None, *asked: Any) -> Any:
        """The answer to a step that asked for the same, as far as this looks."""
        answers: dict[Any, Any] = self.__dict__.setdefault("answers", {})
        return answers.get((operation, asked))

    def note(self, operation: Operation | None, answer: Any, *asked: Any) -> Any:
        """Remember an answer."""
        self.__dict__.setdefault("answers", {})[operation, asked] = answer
        return answer


class OverlooksOfAPush(Overlooking):
    """Overlooks a part of what is pushed."""

    def seen(self, items: Sequence[NewJob]) -> Any:
        raise NotImplementedError

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        seen = self.seen(items)
        if operation and (answer := self.overlooked(operation, seen)):
            return answer
        return self.note(operation, await super().push(items, operation=operation), seen)


@mutant("test_digest_each_argument_counts[push]")
class OverlooksRemember(OverlooksOfAPush):
    """Whether an id is to be remembered is not part of a push's digest."""

    def seen(self, items: Sequence[NewJob]) -> Any:
        return tuple((job.job_id, job.request, job.due, job.keep_for) for job in items)


@mutant("test_digest_each_argument_counts[push]")
class OverlooksMicroseconds(OverlooksOfAPush):
    """Due times are part of a push's digest in whole milliseconds."""

    def seen(self, items: Sequence[NewJob]) -> Any:
        return tuple(
            replace(job, due=job.due // timedelta(milliseconds=1) * timedelta(milliseconds=1))
            if isinstance(job.due, timedelta)
            else job
            for job in items
        )


@mutant("test_digest_each_argument_counts[push of two]")
class OverlooksOrder(OverlooksOfAPush):
    """The order of the jobs is not part of a push's digest: the answers come in the order of the first."""

    def seen(self, items: Sequence[NewJob]) -> Any:
        return tuple(sorted(items, key=lambda job: job.job_id.int))


@mutant("test_digest_each_argument_counts[push_if]")
class OverlooksExpected(Overlooking):
    """The expected value is not part of the digest of `push_if`."""

    async def push_if(
        self, item: NewJob, key: str, expected: bytes | None, value: bytes, *, operation: Operation | None = None
    ) -> PushedIf:
        if operation and (answer := self.overlooked(operation, item, key, value)):
            return answer
        answer = await super().push_if(item, key, expected, value, operation=operation)
        return self.note(operation, answer, item, key, value)


class OverlooksOfACleanup(Overlooking):
    """Overlooks one of the arguments of a cleanup."""

    what: str

    async def cleanup_step(self, status: JobStatus, cleanup: JobCleanup, **others: Any) -> int:
        operation = others.get("operation")
        asked = {"status": status, "action": cleanup.action, "max_age": cleanup.max_age, **others, self.what: None}
        seen = tuple(asked.items())
        if operation and (answer := self.overlooked(operation, seen)) is not None:
            return answer
        return self.note(operation, await super().cleanup_step(status, cleanup, **others), seen)


@mutant("test_digest_each_argument_counts[cleanup_step]")
class OverlooksAge(OverlooksOfACleanup):
    """The age is not part of a cleanup's digest."""

    what = "max_age"


@mutant("test_digest_each_argument_counts[cleanup_step]")
class OverlooksOrphans(OverlooksOfACleanup):
    """Whether only orphans are meant is not part of a cleanup's digest."""

    what = "only_orphans"


@mutant("test_digest_each_argument_counts[cleanup_step]")
class OverlooksTheException(OverlooksOfACleanup):
    """The job that is passed over is not part of a cleanup's digest."""

    what = "except_for"


@mutant("test_digest_each_argument_counts[set_metadata]")
class OverlooksCase(Overlooking):
    """Digests ignore the case of keys."""

    async def set_metadata(self, key: str, value: bytes, *, operation: Operation | None = None) -> None:
        if operation and self.overlooked(operation, key.lower(), value):
            return
        await super().set_metadata(key, value, operation=operation)
        self.note(operation, True, key.lower(), value)


@mutant("test_digest_each_argument_counts[acquire_lock]")
class OverlooksTheTime(Overlooking):
    """How long a lock is taken for is not part of the digest."""

    async def acquire_lock(
        self, key: str, holder: bytes, expires_in: timedelta, *, operation: Operation | None = None
    ) -> bool:
        if operation and self.overlooked(operation, key, holder):
            return True
        taken = await super().acquire_lock(key, holder, expires_in, operation=operation)
        return self.note(operation, taken, key, holder)


@mutant("test_digest_each_argument_counts[pause]")
class OverlooksTheMethod(Overlooking):
    """The digest is of the arguments alone: a cancel counts as a repeat of a pause."""

    async def pause(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        return self.note(operation, await super().pause(job_id, operation=operation), job_id)

    async def cancel(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        if operation and (answer := self.overlooked(operation, job_id)) is not None:
            return answer
        return await super().cancel(job_id, operation=operation)


@mutant("test_digest_each_argument_counts[resume_queue]")
class PauseIsResume(Overlooking):
    """Pausing a queue and resuming it have one digest."""

    async def resume_queue(self, *, operation: Operation | None = None) -> None:
        self.note(operation, True)
        await super().resume_queue(operation=operation)

    async def pause_queue(self, *, operation: Operation | None = None) -> None:
        if operation is None or not self.overlooked(operation):
            await super().pause_queue(operation=operation)


@mutant("test_digest_a_lower_number_is_refused[remove]")
class LowerNumbersOfNothing(Twin):
    """A lower number is refused only if there is something to be done."""

    async def remove(self, job_id: JobID, *, operation: Operation | None = None) -> bool:
        try:
            return await super().remove(job_id, operation=operation)
        except OperationRefused:
            if job_id in self.state.jobs:
                raise
            return False


@mutant("test_digest_zero_is_a_number")
class ZeroIsNoNumber(Twin):
    """A step whose number is zero counts as one without a number."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        return await super().push(items, operation=operation if operation and operation.sequence else None)


@mutant("test_digest_producers_are_told_apart[Producer]")
class ProducersWithoutCase(Twin):
    """Producers are told apart by their letters and digits only, ignoring case."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        name = operation and Operation(re.sub(r"\W", "", operation.producer).lower(), operation.sequence)
        return await super().push(items, operation=name)


class Literal(Twin):
    """Takes a repeat for another step if it is written otherwise."""

    def compare(self, operation: Operation | None, written: Any) -> None:
        """Refuse a number that was written otherwise."""
        before = self.__dict__.setdefault("written", {}).setdefault(operation, written)
        if operation and before != written:
            raise OperationRefused("it is another step")


@mutant("test_digest_the_same_in_other_words")
class TuplesAreOthers(Literal):
    """A push of a tuple is no repeat of a push of a list of the same jobs."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        self.compare(operation, type(items))
        return await super().push(items, operation=operation)


@mutant("test_digest_the_same_in_other_words")
class DefaultsAreOthers(Literal):
    """A cleanup that says what is so by default is no repeat of one that does not."""

    async def cleanup_step(
        self, status: JobStatus, cleanup: JobCleanup, *, operation: Operation | None = None, **options: Any
    ) -> int:
        self.compare(operation, options)
        return await super().cleanup_step(status, cleanup, operation=operation, **options)
