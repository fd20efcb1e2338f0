"""A primary and a replica that Sentinels watch, on the loopback interface."""

import tempfile
from pathlib import Path
from typing import Any, cast

from valkey.asyncio import Valkey
from valkey.asyncio.sentinel import Sentinel

from tests.support.ports import HOST
from tests.support.servers.group import Group, ask, port_of, wait_for
from tests.support.servers.kinds import ServerKind, local_kind
from tests.support.servers.options import ServerOptions
from tests.support.servers.process import ProcessServer
from tests.support.servers.server import Server

SERVICE = "mymaster"
QUORUM = 2
DOWN_AFTER = 1000
"""Milliseconds without an answer after which a Sentinel takes a server for dead."""


class SentinelServer(ProcessServer):
    """A Sentinel: the same binary, with a file that it keeps its state in."""

    def __init__(self, like: ProcessServer, lines: list[str]) -> None:
        super().__init__(like.kind, like.source, like.binary, ServerOptions())
        self._directory_of_state = tempfile.TemporaryDirectory(prefix="jobsvalkey-")
        self._file = Path(self._directory_of_state.name) / "sentinel.conf"
        self._file.write_text("\n".join([*lines, ""]))

    def _arguments(self) -> list[str]:
        return [str(self._file), *self._listening(), "--bind", HOST, "--sentinel"]

    def close(self) -> None:
        """End it, whatever its state, and remove its data."""
        super().close()
        self._directory_of_state.cleanup()


class SentinelGroup(Group):
    """A primary, its replicas and the Sentinels.

    Args:
        replicas: how many the primary has.
        announced: the port of the primary that the Sentinels tell, and use: that of a proxy, say.
        down_after: milliseconds without an answer after which the primary is taken for dead.
    """

    def __init__(
        self,
        kind: ServerKind | None = None,
        *,
        replicas: int = 1,
        announced: int | None = None,
        appendonly: bool = False,
        down_after: int = DOWN_AFTER,
    ) -> None:
        super().__init__()
        made = kind or local_kind()
        self.kind: str = made.id
        self.announced: int | None = announced
        options = ServerOptions(appendonly=appendonly, settings={"repl-diskless-sync-delay": "0"})
        self.servers: list[Server] = [made.make(options) for _ in range(1 + replicas)]
        """The primary as it is at the start, then its replicas."""
        self.sentinels: list[SentinelServer] = []
        """There are some once all is started."""
        self._down_after = down_after

    def start(self) -> None:
        """Start the servers, then the Sentinels, which look at once who replicates: later they take ten seconds."""
        for server in self.servers:
            self._stack.enter_context(server)
        primary, *replicas = self.servers
        for replica in replicas:
            ask(replica, "REPLICAOF", HOST, port_of(primary))
        wait_for("all replicate", lambda: len(ask(primary, "ROLE")[2]) == len(replicas))
        assert isinstance(primary, ProcessServer), "Sentinels watch servers that are processes here"
        monitor = [
            f"sentinel monitor {SERVICE} {HOST} {self.announced or port_of(primary)} {QUORUM}",
            f"sentinel down-after-milliseconds {SERVICE} {self._down_after}",
            f"sentinel failover-timeout {SERVICE} 5000",
        ]
        self.sentinels = [self._stack.enter_context(SentinelServer(primary, monitor)) for _ in range(3)]

    def wait_until_whole(self) -> None:
        """Wait until all Sentinels know each other and the replicas."""
        wait_for("the Sentinels know all", lambda: all(self._knows_all(sentinel) for sentinel in self.sentinels))

    def heal(self) -> None:
        """Start what was killed, thaw what was frozen, and wait until all is whole again."""
        for server in (*self.servers, *self.sentinels):
            server.thaw() if server.is_running else server.start()
        self.wait_until_whole()

    def _knows_all(self, sentinel: Server) -> bool:
        flat = ask(sentinel, "SENTINEL", "MASTER", SERVICE)
        state = dict(zip(flat[::2], flat[1::2], strict=True))
        if int(state[b"num-other-sentinels"]) != len(self.sentinels) - 1 or state[b"flags"] != b"master":
            return False
        flat_replicas = ask(sentinel, "SENTINEL", "REPLICAS", SERVICE)
        replicas = [dict(zip(flat[::2], flat[1::2], strict=True)) for flat in flat_replicas]
        up = [each for each in replicas if each[b"flags"] == b"slave" and each[b"master-link-status"] == b"ok"]
        return len(up) == len(self.servers) - 1

    @property
    def places(self) -> list[tuple[str, int]]:
        """Where the Sentinels are."""
        return [(HOST, port_of(sentinel)) for sentinel in self.sentinels]

    @property
    def primary(self) -> Server:
        """The server that the first Sentinel which is up calls primary."""
        _, port = ask(self.sentinels[0], "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next(server for server in self.servers if port_of(server) == int(port))

    def primary_of(self, queue_key: str) -> Server:
        """The server that has a queue now."""
        return self.primary

    def replicas_of(self, primary: Server) -> list[Server]:
        """The servers that replicate it."""
        return [server for server in self.servers if server is not primary]

    def client(self, **settings: object) -> Valkey:
        """A client of the primary, as a user would make it."""
        # The client has no complete types.
        return cast(Any, Sentinel)(self.places).master_for(SERVICE, **settings)
