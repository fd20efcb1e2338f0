"""The capability `QUEUE`: jobs go in, workers claim them and settle the claims."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from jobsvalkey.contract import (
    Exchanged,
    NewJob,
    Operation,
    OperationRefused,
    Pushed,
    Renewed,
    Report,
    Settlement,
    StoreFull,
    StoreUnavailable,
    WorkerClosed,
    WorkerID,
    check_about,
    check_push,
    check_reports,
    check_sequence,
    check_settlements,
    refusals,
)
from jobsvalkey.valkey import wire
from jobsvalkey.valkey.arguments import Reply
from jobsvalkey.valkey.base import ValkeyBase
from jobsvalkey.valkey.confirming import naming
from jobsvalkey.valkey.direct import DirectPushes, Home
from jobsvalkey.valkey.scripting import CLOSE_WORKER, PUSH, RECOVER, RENEW
from jobsvalkey.valkey.words import CloseWorker, Exchange, Recover, Renew

SHORTEST_SILENCE = 0.1
"""Seconds that a renewal is given at least, however short the lock."""


class ValkeyQueueing(ValkeyBase):
    """The capability `QUEUE`."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        """Store all items, or none, and say what became of each. A duplicate changes nothing.

        Calls that come while another is under way share a round trip, but for those with an `operation`.

        Raises:
            PushTooLarge: more than `max_atomic_push` jobs or `max_atomic_push_bytes` bytes.
            PayloadTooLarge: a request of more than `max_payload` bytes.
            StoreFull: no room. `StoreUnavailable`: no answer within `operation_timeout`.
            NotDurable: stored, and what a `durability` demands was not true in time.
        """
        size = check_push(items, self._configuration)
        if not items and operation is None:
            return []
        if refused := refusals(items, self.capabilities):
            return refused
        demand = self._demand(items)
        if demand is None and operation is None:
            return await self._session().pusher.push(items, size)
        with naming(items):
            if operation is None:
                return await self._session().pusher_for(demand).push(items, size)
            return wire.pushed(items, await self._write(PUSH, wire.push_arguments(items), operation, demand=demand))

    def direct_pushes(self) -> DirectPushes:
        """Return what threads push by, beside the running event loop."""
        return self._session().direct

    def push_directly(self, direct: DirectPushes, items: Sequence[NewJob], home: Home) -> list[Pushed]:
        """Do what `push` does, for a thread that waits; `home` is the loop that `direct` is of."""
        size = check_push(items, self._configuration)
        if items and self._demand(items) is None:
            return direct.push(items, size, home)
        return home.wait(partial(self.push, items))

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        """Note reports, settle claims, and claim up to `limit` jobs that are due, in one step.

        Raises:
            WorkerClosed: the worker was closed or is not known.
            OperationRefused: a `sequence` below the last one.
            StoreUnavailable: no answer within `operation_timeout`: ask again, with the same arguments.
        """
        check_sequence(sequence)
        check_settlements(settlements)
        if reports:
            check_reports(reports, self._configuration, self.capabilities)
        session = self._session()
        words = Exchange(
            worker=worker,
            sequence=sequence,
            limit=limit,
            max_bytes=self._configuration.max_atomic_push_bytes,
            call=session.new_call(),
            is_repeat="",
        )
        try:
            arguments = wire.settlement_arguments(settlements)
            if reports:
                arguments = wire.report_arguments(reports) + arguments
            reply = await session.exchanges(worker).call(words, arguments)
        except StoreFull as error:
            raise _full_for_now(error) from error
        except (WorkerClosed, OperationRefused):
            await session.end_exchanges(worker)  # whoever runs goes on as another worker
            raise
        return wire.exchanged(reply)

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        """Make a worker known, with an active lock for `hold_for`, and describe it for `workers`.

        Raises:
            PayloadTooLarge: `about` is larger than 1 KiB.
            StoreUnavailable: no answer within `operation_timeout`.
        """
        opening = (b"a" if self._configuration.activity else b"1") + check_about(about)
        self._session().waiter.know(worker)
        await self._hold(worker, hold_for, opening)

    async def renew(self, worker: WorkerID, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        """Extend the worker's lock to `hold_for` from now, and return the claims that it holds.

        Once it is `leaving`, the recovery of what it holds does not raise `recoveries`.

        Raises:
            WorkerClosed: the worker was closed or is not known.
            StoreUnavailable: no answer within `operation_timeout`, or in a part of `hold_for`: ask again.
        """
        try:
            tokens, aborts = await self._hold(worker, hold_for, leaving=leaving)
        except WorkerClosed:
            await self._session().end_exchanges(worker)
            raise
        return Renewed(frozenset(tokens), frozenset(aborts))

    async def close_worker(self, worker: WorkerID) -> None:
        """Forget the worker and release its claims. Closing twice is fine. For workers without running handlers.

        Raises:
            StoreUnavailable: no answer within `operation_timeout`.
        """
        session = self._session()
        try:
            await session.upkeep.call(CLOSE_WORKER, CloseWorker(worker=worker), patience=session.patience)
        except StoreFull as error:
            raise _full_for_now(error) from error
        await session.end_exchanges(worker)
        session.waiter.forget(worker)

    async def wait(self, worker: WorkerID, timeout: timedelta, *, work: bool = True) -> None:
        """Return at a hint of work, at news of claims, at the loss of the connection, or after `timeout`.

        Without `work` only news of claims are waited for: a worker whose slots are all taken leaves the hints to those
        that have use for them.
        """
        await self._session().waiter.wait(worker, timeout.total_seconds(), work=work)

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        """Put the jobs of workers whose lock has run out back into the queue, at most `max_jobs`; return how many.

        If the lock of `worker`, which asks, has run out, it has to be renewed first, and nothing is done.

        Raises:
            StoreUnavailable: no answer within `operation_timeout`.
        """
        session = self._session()
        words = Recover(
            max_jobs=max(max_jobs, 0), grace=wire.microseconds(self._configuration.unowned_grace), asker=worker or ""
        )
        # Not on the channel of renewals, which must not wait.
        return await session.control.call(RECOVER, words, patience=session.patience)

    async def _hold(
        self, worker: WorkerID, hold_for: timedelta, opening: bytes = b"", *, leaving: bool = False
    ) -> Reply:
        session = self._session()
        seconds = hold_for.total_seconds()
        # A reply that is lost is missed early enough to ask once more, and more than once, before the lock runs out.
        silence = max(seconds / 6, SHORTEST_SILENCE)
        patience = min(session.patience, max(seconds / 3, 2 * SHORTEST_SILENCE))
        words = Renew(
            worker=worker,
            hold=wire.microseconds(hold_for),
            open=opening,
            leaving="1" if leaving else "",
            listener=session.name,
        )
        try:
            held = await session.upkeep.call(RENEW, words, patience=patience, silence=silence)
        except StoreFull as error:
            raise _full_for_now(error) from error
        session.exchanges(worker).locked_for(seconds)
        return held


def _full_for_now(error: StoreFull) -> StoreUnavailable:
    """Let a worker's step be asked for again if there is no room: it takes up none, but for a moment."""
    return StoreUnavailable(str(error), outcome="not_done")
