"""The Valkey driver, which notes what it was asked and what it answered."""

from collections.abc import Awaitable, Sequence
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

from jobsvalkey_conformance.history.calls import AnyCall, CloseWorker, Exchange, OpenWorker, Push, Recover, Renew

from jobsvalkey import JobsError, NotDurable, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.contract import Exchanged, NewJob, Operation, Pushed, Renewed, Report, Settlement, WorkerID
from tests.chaos.log import Log

T = TypeVar("T")


class RecordingQueue(ValkeyJobQueue):
    """Used as the driver is. What is called by a name that others do not have is not noted."""

    def __init__(self, client: Any, configuration: ValkeyConfiguration, log: Log, name: str) -> None:
        super().__init__(client, configuration)
        self._log = log
        self._producer = name
        self._numbers = count()

    async def _note(self, call: AnyCall, answer: Awaitable[T], number: int) -> T:
        self._log.write("asked", number, call)
        try:
            told = await answer
        except JobsError as error:
            may_be_done = isinstance(error, NotDurable) or getattr(error, "outcome", None) == "unknown"
            self._log.write("unanswered" if may_be_done else "refused", number)
            raise
        self._log.write("answered", number, told)
        return told

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        number = next(self._numbers)
        call = Push(tuple(items), operation or Operation(self._producer, number))
        return await self._note(call, super().push(items, operation=operation), number)

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        call = Exchange(worker, sequence, tuple(settlements), limit, tuple(reports))
        answer = super().exchange(worker, sequence, settlements, limit, reports=reports)
        return await self._note(call, answer, next(self._numbers))

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        answer = super().open_worker(worker, hold_for, about=about)
        await self._note(OpenWorker(worker, hold_for), answer, next(self._numbers))

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        answer = super().renew(worker, hold_for, leaving=leaving)
        return await self._note(Renew(worker, hold_for, leaving), answer, next(self._numbers))

    async def close_worker(self, worker: WorkerID) -> None:
        await self._note(CloseWorker(worker), super().close_worker(worker), next(self._numbers))

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        answer = super().recover(max_jobs, worker=worker)
        return await self._note(Recover(max_jobs, worker), answer, next(self._numbers))
