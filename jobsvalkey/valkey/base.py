"""The ground floor of the driver: its settings, and a session for each event loop that uses it."""

import asyncio
import os
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self
from weakref import WeakKeyDictionary

from valkey.asyncio import Valkey, ValkeyCluster

from jobsvalkey.contract import CAPABILITY_PROTOCOLS, Capability, Clock, ConfigurationError, Operation, SystemClock
from jobsvalkey.valkey.arguments import Argument, Reply
from jobsvalkey.valkey.configuration import ValkeyConfiguration
from jobsvalkey.valkey.context import ScriptContext
from jobsvalkey.valkey.faults import cluster_key, has_hash_tag
from jobsvalkey.valkey.scripting import Script
from jobsvalkey.valkey.session import Session

_CAPABILITIES: Final = frozenset(CAPABILITY_PROTOCOLS)

# Sessions of a parent process. Their connections are the parent's: a child must neither use nor close them.
_inherited: Final[list[Session]] = []


class ValkeyBase:
    """What all capabilities of `ValkeyJobQueue` share; each capability is a class of its own upon this one."""

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
        self._clock: Clock = clock or SystemClock()
        self._context = ScriptContext(self._configuration, clock)
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
        """All that there is a protocol of."""
        return _CAPABILITIES

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
            session = self._sessions[loop] = Session(loop, self._client, self._configuration, self._context)
        self._last = session
        return session

    async def _write(
        self,
        script: Script,
        arguments: Sequence[Argument],
        operation: Operation | None,
        asked: Sequence[Argument] | None = None,
    ) -> Reply:
        return await self._session().control_writer.run(script, arguments, operation, asked)

    async def _read(self, script: Script, arguments: Sequence[Argument]) -> Reply:
        session = self._session()
        return await session.reads.call(script, arguments, patience=session.patience)
