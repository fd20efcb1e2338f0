"""Connections of the driver's own, with the settings of the user's client, which stays as it is."""

from collections.abc import Iterable
from typing import Any, Protocol, cast

from valkey.asyncio import Valkey

DEFAULT_READ_TIMEOUT = 5.0
"""Seconds; a frozen server still acknowledges packets, so no read goes without a bound."""


class Connection(Protocol):
    """The part of the client's connection that we use."""

    @property
    def is_connected(self) -> bool:
        """Whether it is open."""
        ...

    async def connect(self) -> None:
        """Open it, log in, choose the database."""
        ...

    async def disconnect(self, nowait: bool = False) -> None:
        """Close it."""
        ...

    async def send_packed_command(self, command: Iterable[bytes]) -> None:
        """Send words that are packed already."""
        ...

    async def read_response(self) -> Any:
        """The next reply; an error of the server is raised."""
        ...


def _settings(client: Valkey) -> dict[str, Any]:
    return dict(cast("dict[str, Any]", client.connection_pool.connection_kwargs))  # pyright: ignore[reportUnknownMemberType]


def read_timeout(client: Valkey) -> float:
    """Seconds after which a missing reply counts as lost: the client's own setting, or 5."""
    return float(_settings(client).get("socket_timeout") or DEFAULT_READ_TIMEOUT)


def new_connection(client: Valkey) -> Connection:
    """A connection that gives bytes, and leaves timeouts and repetition to its caller."""
    settings = _settings(client)
    for name in ("cache_enabled", "client_cache", "retry_on_error"):
        settings.pop(name, None)
    settings.update(
        decode_responses=False,
        socket_timeout=None,
        socket_connect_timeout=settings.get("socket_connect_timeout") or read_timeout(client),
        health_check_interval=0,
        retry=None,
        retry_on_timeout=False,
    )
    connection_class = cast("type[Any]", client.connection_pool.connection_class)
    return cast("Connection", connection_class(**settings))
