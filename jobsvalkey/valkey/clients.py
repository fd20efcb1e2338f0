"""Clients by URL: of one server, of a cluster, or of the primary that Sentinels name."""

from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit, urlunsplit

from valkey.asyncio import Connection, SSLConnection, Valkey, ValkeyCluster
from valkey.asyncio.cluster import ClusterNode
from valkey.asyncio.connection import parse_url
from valkey.asyncio.sentinel import Sentinel

CLUSTER: Final = "+cluster"
SENTINEL: Final = "+sentinel"
"""The ends of schemes, after that of a single server."""
_SENTINEL_PORT: Final = 26379
_PORT: Final = 6379


def client_from_url(url: str) -> Valkey | ValkeyCluster:
    """Return a client of what is at `url`; it connects when it is first used.

    `valkey+cluster://HOST:PORT,HOST:PORT` is a cluster, of which any nodes are named;
    `valkey+sentinel://HOST:PORT,HOST:PORT/SERVICE` is the primary of that service; anything else is one server.

    Raises:
        ValueError, TypeError, AttributeError: it is no such URL; the message may hold a piece of a password.
    """
    scheme = url.partition("://")[0]
    if scheme.endswith(CLUSTER):
        places, settings = _take_apart(url, CLUSTER, _PORT)
        if settings.pop("db", 0):
            raise ValueError("a cluster has no database but 0")
        # The clients have no complete types.
        return cast(Any, ValkeyCluster)(startup_nodes=[ClusterNode(*place) for place in places], **settings)
    if scheme.endswith(SENTINEL):
        service, _, database = urlsplit(url).path.strip("/").partition("/")
        if not service:
            raise ValueError("the path of the URL names no service")
        places, settings = _take_apart(_with_path(url, database), SENTINEL, _SENTINEL_PORT)
        connection_class = SSLConnection if settings.get("ssl") else Connection
        connection_class(**{name: value for name, value in settings.items() if name != "ssl"})  # refuses what it must
        to_sentinels = {name: value for name, value in settings.items() if name.startswith(("socket_", "ssl"))}
        return cast(Any, Sentinel)(places, sentinel_kwargs=to_sentinels, **settings).master_for(unquote(service))
    client = cast(Any, Valkey).from_url(url)
    # It looks at the URL's options when it connects, which is too late here.
    client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)
    return client


def _take_apart(url: str, ending: str, port: int) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """The places that a URL names, and the other settings, as of a URL that names one."""
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    places: list[tuple[str, int]] = []
    settings: dict[str, Any] = {}
    for host in hosts.split(","):
        one = parts._replace(scheme=parts.scheme.removesuffix(ending), netloc=f"{login}{at}{host}")
        settings = dict(cast("dict[str, Any]", parse_url(urlunsplit(one))))
        places.append((settings.pop("host", "localhost"), settings.pop("port", port)))
    if settings.pop("connection_class", None) is SSLConnection:
        settings["ssl"] = True
    return places, settings


def _with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}" if path else ""))
