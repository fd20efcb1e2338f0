"""Real servers for tests: where they come from, how they are started, stopped, killed and frozen."""

from tests.support.servers.cluster import Cluster
from tests.support.servers.kinds import ServerKind, default_kind, found_kinds, local_kind
from tests.support.servers.options import ServerOptions
from tests.support.servers.sentinel import SentinelGroup
from tests.support.servers.server import Server, ServerError

__all__ = [
    "Cluster",
    "SentinelGroup",
    "Server",
    "ServerError",
    "ServerKind",
    "ServerOptions",
    "default_kind",
    "found_kinds",
    "local_kind",
]
