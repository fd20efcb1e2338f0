"""The base of the driver: jobs go in, workers claim them and settle the claims."""

import asyncio
import os
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Final, Self
from weakref import WeakKeyDictionary

from valkey.asyncio import Valkey, ValkeyCluster

from jobsvalkey.contract import (
    Capability,
    Clock,
    ConfigurationError,
    Exchanged,
    NewJob,
    Operation,
    OperationRefused,
    Settlement,
    SystemClock,
    WorkerClosed,
    WorkerID,
    check_push,
    check_settlements,
)
from jobsvalkey.valkey import wire
from jobsvalkey.valkey.configuration import ValkeyConfiguration
from jobsvalkey.valkey.faults import cluster_key, has_hash_tag
from jobsvalkey.valkey.line import Argument, Reply
from jobsvalkey.valkey.pushing import push_arguments
from jobsvalkey.valkey.scripting import CLOSE_WORKER, EXCHANGE, PUSH, RECOVER, RENEW, Script
from jobsvalkey.valkey.session import Session

# Sessions of a parent process. Their connections are the parent's: a child must neither use nor close them.
_inherited: Final[list[Session]] = []


class ValkeyBase:
    """What `ValkeyJobQueue` does for every capability: sessions, and the capability `QUEUE`."""

    def __init__(
        self,
        client: Valkey,
        configuration: ValkeyConfiguration | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._configuration = configuration or ValkeyConfiguration()
        if not isinstance(client, Valkey):  # pyright: ignore[reportUnnecessaryIsInstance]
            if not isinstance(client, ValkeyCluster):
                raise ConfigurationError(f"give a valkey.asyncio.Valkey, not {type(client)}")
            if not has_hash_tag(self._configuration.queue_key):
                raise cluster_key(self._configuration.queue_key)
            raise ConfigurationError("clients of a cluster are not supported yet: give a valkey.asyncio.Valkey")
        self._client = client
        self._injected = clock
        self._clock: Clock = clock or SystemClock()
        self._settings: list[Argument] = [
            *wire.retention_arguments(self._configuration.retention_policy),
            wire.microseconds(self._configuration.idempotency_window),
        ]
        self._last: Session | None = None
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, Session] = WeakKeyDictionary()

    @property
    def configuration(self) -> ValkeyConfiguration:
        """The settings of the queue."""
        return self._configuration

    @property
    def clock(self) -> Clock:
        """The clock that was given, else this machine's; the store itself goes by the server's clock then."""
        return self._clock

    @property
    def capabilities(self) -> frozenset[Capability]:
        """All of them."""
        return frozenset(Capability)

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[bool]:
        """Store all items, or none. For each: whether it was stored; `False` is a duplicate, which changes nothing.

        Calls that come while another is under way share a round trip, but for those with an `operation`.

        Raises:
            PushTooLarge: more than `max_atomic_push` jobs or `max_atomic_push_bytes` bytes.
            PayloadTooLarge: a request of more than `max_payload` bytes.
            StoreFull: no room. `StoreUnavailable`: no answer within `operation_timeout`.
        """
        size = check_push(items, self._configuration)
        if not items and operation is None:
            return []
        session = self._session()
        if operation is None:
            return await session.pusher.push(items, size, self._context)
        answer = await session.producer.run(PUSH, self._context(), push_arguments(items), operation)
        return [flag == ord("1") for flag in answer]

    async def exchange(
        self, worker: WorkerID, sequence: int, settlements: Sequence[Settlement] = (), limit: int = 0
    ) -> Exchanged:
        """Settle claims, and claim up to `limit` jobs that are due, in one step; repeated until there is an answer.

        Raises:
            WorkerClosed: the worker was closed or is not known.
            OperationRefused: a `sequence` below the last one.
        """
        check_settlements(settlements)
        words = wire.settlement_arguments(settlements)
        session = self._session()
        start = [*self._context(), worker, sequence, limit, session.new_call()]
        try:
            reply = await session.line(f"exchange {worker}").call(
                EXCHANGE, [*start, "", *words], patience=None, repeat=[*start, "1", *words]
            )
        except (WorkerClosed, OperationRefused):
            await session.close_line(f"exchange {worker}")  # whoever runs goes on as another worker
            raise
        return wire.exchanged(reply)

    async def open_worker(self, worker: WorkerID, hold_for: timedelta) -> None:
        """Make a worker known, with an active lock for `hold_for`."""
        await self._upkeep(RENEW, [worker, wire.microseconds(hold_for), "1"])

    async def renew(self, worker: WorkerID, hold_for: timedelta) -> frozenset[bytes]:
        """Extend the worker's lock to `hold_for` from now; the tokens of the claims that it holds.

        Raises:
            WorkerClosed: the worker was closed or is not known.
        """
        try:
            return frozenset(await self._upkeep(RENEW, [worker, wire.microseconds(hold_for), ""]))
        except WorkerClosed:
            await self._session().close_line(f"exchange {worker}")
            raise

    async def close_worker(self, worker: WorkerID) -> None:
        """Forget the worker and release its claims. Closing twice is fine. For workers without running handlers."""
        await self._upkeep(CLOSE_WORKER, [worker])
        await self._session().close_line(f"exchange {worker}")

    async def wait(self, worker: WorkerID, timeout: timedelta) -> None:
        """Return at a hint that there may be work, at the loss of the connection, or after `timeout`."""
        await self._session().waiter.wait(timeout.total_seconds())

    async def recover(self, max_jobs: int = 1000) -> int:
        """Put the jobs of workers whose lock has run out back into the queue, at most `max_jobs`; how many it was.

        Raises:
            StoreUnavailable: no answer within `operation_timeout`.
        """
        session = self._session()
        arguments = [max(max_jobs, 0), wire.microseconds(self._configuration.unowned_grace)]
        # Not on the line of renewals, which are repeated for as long as it takes: users call this, too.
        line = session.line("control")
        return await line.call(RECOVER, [*self._context(), *arguments], patience=session.patience)

    async def aclose(self) -> None:
        """End this event loop's connections and background tasks. The user's client stays open."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        self._last = None
        if session is not None and session.process == os.getpid():
            await session.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _session(self) -> Session:
        loop = asyncio.get_running_loop()
        # A look-up by weak reference costs more than the rest of a call; mostly it is the same loop as last time.
        session = self._last if self._last is not None and self._last.loop is loop else self._sessions.get(loop)
        if session is not None and session.process != os.getpid():
            _inherited.append(session)
            session = None
        if session is None:
            session = self._sessions[loop] = Session(loop, self._client, self._configuration)
        self._last = session
        return session

    def _context(self) -> list[Argument]:
        now = "" if self._injected is None else wire.microseconds(self._injected.now())
        return [now, *self._settings]

    async def _write(
        self,
        script: Script,
        arguments: Sequence[Argument],
        operation: Operation | None,
        asked: Sequence[Argument] | None = None,
    ) -> Reply:
        return await self._session().producer.run(script, self._context(), arguments, operation, asked)

    async def _upkeep(self, script: Script, arguments: Sequence[Argument]) -> Reply:
        line = self._session().line("upkeep")
        return await line.call(script, [*self._context(), *arguments], patience=None)

    async def _read(self, script: Script, arguments: Sequence[Argument]) -> Reply:
        session = self._session()
        return await session.line("read").call(script, [*self._context(), *arguments], patience=session.patience)
