"""The capability `QUEUE`: jobs go in, workers claim them and settle the claims."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from jobsvalkey.contract import (
    Exchanged,
    NewJob,
    Operation,
    OperationRefused,
    Pushed,
    Renewed,
    Report,
    Settlement,
    WorkerClosed,
    WorkerID,
    check_push,
    check_reports,
    check_settlements,
    refusals,
)
from jobsvalkey.valkey import wire
from jobsvalkey.valkey.arguments import Argument, Reply
from jobsvalkey.valkey.base import ValkeyBase
from jobsvalkey.valkey.scripting import CLOSE_WORKER, EXCHANGE, PUSH, RECOVER, RENEW, Script


class ValkeyQueueing(ValkeyBase):
    """The capability `QUEUE`."""

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        """Store all items, or none, and say what became of each. A duplicate changes nothing.

        Calls that come while another is under way share a round trip, but for those with an `operation`.

        Raises:
            PushTooLarge: more than `max_atomic_push` jobs or `max_atomic_push_bytes` bytes.
            PayloadTooLarge: a request of more than `max_payload` bytes.
            StoreFull: no room. `StoreUnavailable`: no answer within `operation_timeout`.
        """
        size = check_push(items, self._configuration)
        if not items and operation is None:
            return []
        if refused := refusals(items, self.capabilities):
            return refused
        if operation is None:
            return await self._session().pusher.push(items, size)
        return wire.pushed(items, await self._write(PUSH, wire.push_arguments(items), operation))

    async def exchange(
        self,
        worker: WorkerID,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        """Settle claims, and claim up to `limit` jobs that are due, in one step; repeated until there is an answer.

        Raises:
            WorkerClosed: the worker was closed or is not known.
            OperationRefused: a `sequence` below the last one.
        """
        check_settlements(settlements)
        check_reports(reports, self.capabilities)
        words = wire.settlement_arguments(settlements)
        session = self._session()
        start: list[Argument] = [worker, sequence, limit, session.new_call()]
        try:
            reply = await session.exchanges(worker).call(
                EXCHANGE, [*start, "", *words], patience=None, repeat=[*start, "1", *words]
            )
        except (WorkerClosed, OperationRefused):
            await session.end_exchanges(worker)  # whoever runs goes on as another worker
            raise
        return wire.exchanged(reply)

    async def open_worker(self, worker: WorkerID, hold_for: timedelta, *, about: bytes = b"") -> None:
        """Make a worker known, with an active lock for `hold_for`."""
        await self._upkeep(RENEW, [worker, wire.microseconds(hold_for), "1"])

    async def renew(self, worker: WorkerID, hold_for: timedelta) -> Renewed:
        """Extend the worker's lock to `hold_for` from now; the claims that it holds.

        Raises:
            WorkerClosed: the worker was closed or is not known.
        """
        try:
            return Renewed(frozenset(await self._upkeep(RENEW, [worker, wire.microseconds(hold_for), ""])))
        except WorkerClosed:
            await self._session().end_exchanges(worker)
            raise

    async def close_worker(self, worker: WorkerID) -> None:
        """Forget the worker and release its claims. Closing twice is fine. For workers without running handlers."""
        await self._upkeep(CLOSE_WORKER, [worker])
        await self._session().end_exchanges(worker)

    async def wait(self, worker: WorkerID, timeout: timedelta, *, work: bool = True) -> None:
        """Return at a hint that there may be work, at the loss of the connection, or after `timeout`.

        Without `work` no hint is taken, and there is no other news yet.
        """
        if not work:
            await asyncio.sleep(timeout.total_seconds())
            return
        await self._session().waiter.wait(timeout.total_seconds())

    async def recover(self, max_jobs: int = 1000, *, worker: WorkerID | None = None) -> int:
        """Put the jobs of workers whose lock has run out back into the queue, at most `max_jobs`; how many it was.

        Those of `worker`, which asks, stay.

        Raises:
            StoreUnavailable: no answer within `operation_timeout`.
        """
        session = self._session()
        arguments: list[Argument] = [
            max(max_jobs, 0),
            wire.microseconds(self._configuration.unowned_grace),
            worker or "",
        ]
        # Not on the channel of renewals, which are repeated for as long as it takes: users call this, too.
        return await session.control.call(RECOVER, arguments, patience=session.patience)

    async def _upkeep(self, script: Script, arguments: Sequence[Argument]) -> Reply:
        return await self._session().upkeep.call(script, arguments, patience=None)
