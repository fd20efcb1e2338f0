"""The ground floor of the driver: its settings, and a session for each event loop that uses it."""

from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from valkey.asyncio import Valkey, ValkeyCluster

from jobsvalkey.contract import (
    CAPABILITY_PROTOCOLS,
    Capability,
    Clock,
    Durability,
    NewJob,
    Operation,
    SystemClock,
)
from jobsvalkey.contract.durability import strongest_durability
from jobsvalkey.contract.option_types import check_option
from jobsvalkey.valkey.arguments import Argument, Reply
from jobsvalkey.valkey.configuration import ValkeyConfiguration
from jobsvalkey.valkey.context import ScriptContext
from jobsvalkey.valkey.routes import route_to
from jobsvalkey.valkey.scripting import Script
from jobsvalkey.valkey.session import Session
from jobsvalkey.valkey.sessions import Sessions

_CAPABILITIES: Final = frozenset(CAPABILITY_PROTOCOLS)


class ValkeyBase:
    """The base that all capabilities of `ValkeyJobQueue` share; each capability is a class of its own upon this one."""

    def __init__(
        self,
        client: Valkey | ValkeyCluster,
        configuration: ValkeyConfiguration | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        check_option("configuration", configuration, ValkeyConfiguration | None)
        self._configuration = configuration or ValkeyConfiguration()
        route = route_to(client, self._configuration.queue_key)
        self.address: str = route.address
        """The URL of the server, without user and password."""
        self._clock: Clock = clock or SystemClock()
        context = ScriptContext(self._configuration, clock)
        self._sessions = Sessions(lambda: Session(route, self._configuration, context))

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
        """End this event loop's connections and background tasks. The user's client stays open.

        Calls that are under way fail with `StoreUnavailable`, and whoever waits returns. Closing twice is fine, and a
        later call opens new connections. When an event loop ends, its connections are ended as well.
        """
        await self._sessions.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _session(self) -> Session:
        return self._sessions.current()

    async def _write(
        self,
        script: Script,
        arguments: Sequence[Argument],
        operation: Operation | None,
        asked: Sequence[Argument] | None = None,
        demand: Durability | None = None,
    ) -> Reply:
        return await self._session().writer_for(demand).run(script, arguments, operation, asked)

    def _demand(self, items: Sequence[NewJob]) -> Durability | None:
        """Everything that is demanded of one step."""
        default = self._configuration.durability
        demands = [demand for item in items if (demand := item.durability or default) is not None]
        return strongest_durability(demands) if demands else None

    async def _read(self, script: Script, arguments: Sequence[Argument]) -> Reply:
        session = self._session()
        return await session.reads.call(script, arguments, patience=session.patience)
