"""The ways of a driver's connections: to one server, or to the primary that Sentinels or a cluster's nodes name."""

import asyncio
from asyncio import StreamWriter
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from valkey.asyncio import Connection, SSLConnection, Valkey, ValkeyCluster
from valkey.asyncio.sentinel import SentinelConnectionPool
from valkey.crc import key_slot
from valkey.exceptions import ConnectionError as ConnectionLost
from valkey.exceptions import ValkeyError

from jobsvalkey.contract import ConfigurationError
from jobsvalkey.valkey.arguments import Reply
from jobsvalkey.valkey.certificates import Certificates
from jobsvalkey.valkey.faults import cluster_key, has_hash_tag, without_login

DEFAULT_READ_TIMEOUT = 5.0
"""Seconds; a frozen server still acknowledges packets, so no read goes without a bound."""
LOOKS: Final = 4
"""Sentinels, or nodes of the cluster, that are asked in the time of a reply if those before them do not answer."""

Settings: TypeAlias = dict[str, Any]
Place: TypeAlias = tuple[str, int]
"""Host and port."""


def route_to(client: Valkey | ValkeyCluster, queue_key: str) -> "Route":
    """The way to the server that has the queue.

    Raises:
        ConfigurationError: it is no client that can lead there.
    """
    if isinstance(client, ValkeyCluster):
        if not has_hash_tag(queue_key):
            raise cluster_key(queue_key)
        return _ClusterRoute(client, queue_key)
    if not isinstance(client, Valkey):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"give a valkey.asyncio.Valkey or a valkey.asyncio.ValkeyCluster, not {type(client)}")
    pool: Any = client.connection_pool
    if isinstance(pool, SentinelConnectionPool):
        return _SentinelRoute(pool)
    return Route(pool.connection_class, pool.connection_kwargs)


class Route:
    """The way to one server, by the settings of the user's client, which stays as it is."""

    def __init__(self, connection_class: type[Any], settings: Mapping[str, Any]) -> None:
        self.read_timeout: float = float(settings.get("socket_timeout") or DEFAULT_READ_TIMEOUT)
        """Seconds without a byte after which a reply counts as lost: the client's own setting, or 5."""
        self._class = connection_class
        self._settings = _own(settings)
        self._certificates = Certificates()

    @property
    def address(self) -> str:
        """The URL without user and password, for logs."""
        settings = self._settings
        if path := settings.get("path"):
            return f"unix://{path}"
        return f"{self._scheme}://{_shown(_place_of(settings))}/{settings.get('db') or 0}"

    async def connect(self) -> Any:
        """An open connection of the client's class, which has logged in and chosen the database."""
        return await self._open()

    def moved(self, error: Exception) -> bool:
        """Whether an error says where to ask instead; from then on connections lead there."""
        return False

    def lost(self) -> None:
        """Look for the server again before the next connection: this one has failed."""

    @property
    def _scheme(self) -> str:
        return "valkeys" if issubclass(self._class, SSLConnection) else "valkey"

    async def _open(self, **place: Any) -> Any:
        connection = self._class(**self._settings | place)
        self._certificates.share(connection)

        async def hang_up(nowait: bool = True) -> None:
            # By itself it says goodbye to TLS, and its loop may end before there is an answer.
            if isinstance(connection._writer, StreamWriter):  # noqa: SLF001
                connection._writer.transport.abort()  # noqa: SLF001
            await cast(Any, type(connection)).disconnect(connection, nowait=True)

        connection.disconnect = hang_up
        try:
            await connection.connect()
        finally:
            del connection.disconnect
        return connection


class _SoughtRoute(Route):
    """The way to a primary that others have to be asked for, whichever of them answers first.

    They are asked over short connections of our own: those of the client belong to one event loop.
    """

    def __init__(
        self, connection_class: type[Any], settings: Mapping[str, Any], asked: Iterable[tuple[type[Any], Settings]]
    ) -> None:
        super().__init__(connection_class, settings)
        self._asked = deque(asked)
        """Whom to ask, in this order."""

    async def _ask(self, words: Sequence[str | int], read: Callable[[Reply, Settings], Place | None]) -> Place:
        """The place that the first one names who knows it. Who does not answer is asked last the next time."""
        told: list[str] = []
        for asked in tuple(self._asked):
            place = None
            try:
                async with asyncio.timeout(self.read_timeout / LOOKS):
                    place = read(await self._answer(*asked, words), asked[1])
            except (ValkeyError, OSError, TimeoutError) as error:
                told.append(f"{_shown(_place_of(asked[1]))}: {without_login(str(error)) or 'no answer'}")
            finally:
                if place is None and asked in self._asked:  # also if the attempt was given up
                    self._asked.remove(asked)
                    self._asked.append(asked)
            if place is not None:
                return place
        raise ConnectionLost(f"nobody says where the primary is ({'; '.join(told) or 'it is down'})")

    async def _answer(self, connection_class: type[Any], settings: Settings, words: Sequence[str | int]) -> Reply:
        connection = connection_class(**settings)
        try:
            self._certificates.share(connection)
            await connection.connect()
            await connection.send_command(*words)
            return await connection.read_response()
        finally:
            await connection.disconnect(nowait=True)


class _SentinelRoute(_SoughtRoute):
    """The way to the primary of a service that Sentinels watch. They are asked before each connection."""

    def __init__(self, pool: Any) -> None:
        if not pool.is_master:
            raise ConfigurationError("a queue needs the primary: make the client by Sentinel.master_for, not slave_for")
        settings = dict(pool.connection_kwargs)
        settings.pop("connection_pool", None)
        pools: list[Any] = [sentinel.connection_pool for sentinel in pool.sentinel_manager.sentinels]
        super().__init__(
            # The pool's own class asks by way of the client.
            SSLConnection if issubclass(pool.connection_class, SSLConnection) else Connection,
            settings,
            [(each.connection_class, _own(each.connection_kwargs)) for each in pools],
        )
        self._name = str(pool.service_name)
        self._least_others = int(pool.sentinel_manager.min_other_sentinels)

    @property
    def address(self) -> str:
        """The URL without user and password, for logs."""
        places = ",".join(_shown(_place_of(settings)) for _, settings in self._asked)
        return f"{self._scheme}+sentinel://{places}/{self._name}/{self._settings.get('db') or 0}"

    async def connect(self) -> Any:
        """An open connection to the server that is the primary now."""
        host, port = await self._ask(("SENTINEL", "MASTER", self._name), self._read)
        return await self._open(host=host, port=port)

    def _read(self, reply: Reply, asked: Settings) -> Place | None:
        state = mapping(reply)
        flags = state[b"flags"].split(b",")
        if b"s_down" in flags or b"o_down" in flags or int(state[b"num-other-sentinels"]) < self._least_others:
            return None
        return state[b"ip"].decode(), int(state[b"port"])


class _ClusterRoute(_SoughtRoute):
    """The way to the primary that has the queue's slot. It is remembered until a connection fails or is moved."""

    def __init__(self, client: Any, queue_key: str) -> None:
        settings = dict(client.connection_kwargs)
        connection_class = settings.pop("connection_class")
        # The last one reads from replicas.
        for name in ("max_connections", "parser_class", "response_callbacks", "valkey_connect_func"):
            settings.pop(name, None)
        super().__init__(connection_class, settings, ())
        self._remap = client.nodes_manager.remap_host_port
        self._slot = key_slot(queue_key.encode())
        self._startup: list[Place] = [
            (node.host, int(node.port)) for node in client.nodes_manager.startup_nodes.values()
        ]
        self._know(self._startup)
        self._primary: Place | None = None

    @property
    def address(self) -> str:
        """The URL without user and password, for logs."""
        return f"{self._scheme}+cluster://{','.join(map(_shown, self._startup))}"

    async def connect(self) -> Any:
        """An open connection to the slot's primary."""
        place = self._primary
        if place is None:
            place = self._primary = await self._ask(("CLUSTER", "SLOTS"), self._read)
            self._asked.rotate(-1)  # should this one be wrong, another is asked
        return await self._open(host=place[0], port=place[1])

    def moved(self, error: Exception) -> bool:
        """Whether the slot is on another node, for good. `ASK` says that it is on its way: it is still here."""
        code, _, rest = str(error).partition(" ")
        if code != "MOVED":
            return False
        host, _, port = rest.split()[1].rpartition(":")
        known = self._primary[0] if self._primary is not None else ""
        self._primary = self._remap(host if host not in ("", "?") else known, int(port))
        return True

    def lost(self) -> None:
        """Ask the others first: this node may have been replaced, and not know it."""
        primary, self._primary = self._primary, None
        if primary is not None:
            self._know([place for place in map(_place_of, self._known) if place != primary] + [primary])

    @property
    def _known(self) -> list[Settings]:
        return [settings for _, settings in self._asked]

    def _know(self, places: Iterable[Place]) -> None:
        self._asked = deque(
            (self._class, {**self._settings, "host": host, "port": port}) for host, port in dict.fromkeys(places)
        )

    def _read(self, reply: Reply, asked: Settings) -> Place | None:
        found: Place | None = None
        places: list[Place] = []
        for first, last, *nodes in reply:
            told = [
                self._remap(node[0].decode() if node[0] not in (b"", b"?", None) else asked["host"], int(node[1]))
                for node in nodes
            ]
            if first <= self._slot <= last:
                found = told[0]
            places += told
        self._know([_place_of(asked), *places, *self._startup])
        return found


def _own(settings: Mapping[str, Any]) -> Settings:
    """The settings of the client for a connection that gives bytes, and leaves timeouts and repetition to its user."""
    own = dict(settings)
    for name in ("cache_enabled", "client_cache", "retry_on_error"):
        own.pop(name, None)
    own.update(
        decode_responses=False,
        socket_timeout=None,
        socket_connect_timeout=own.get("socket_connect_timeout")
        or settings.get("socket_timeout")
        or DEFAULT_READ_TIMEOUT,
        health_check_interval=0,
        retry=None,
        retry_on_timeout=False,
    )
    return own


def mapping(reply: Reply) -> Mapping[bytes, bytes]:
    """A map as RESP3 has it, or as RESP2 does, as a flat list."""
    if isinstance(reply, list):
        flat = cast("list[bytes]", reply)
        return dict(zip(flat[::2], flat[1::2], strict=True))
    return cast("Mapping[bytes, bytes]", reply)


def _place_of(settings: Settings) -> Place:
    return str(settings.get("host", "localhost")), int(settings.get("port", 6379))


def _shown(place: Place) -> str:
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
