"""The servers of a run, and how its processes reach them."""

import subprocess
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from tests.chaos.cable import Network
from tests.chaos.crew import CrewProcess
from tests.chaos.disk import SmallDisk
from tests.support.ports import HOST
from tests.support.proxy import Proxy
from tests.support.servers import Cluster, SentinelGroup, Server, ServerOptions, local_kind
from tests.support.servers.group import ask, port_of, wait_for
from tests.support.servers.sentinel import SERVICE

PATIENCE = "socket_timeout=1"
"""The seconds that an attempt of a process is given."""


@dataclass(frozen=True)
class Stage:
    """What a run is played on."""

    url: str
    """For the processes."""
    direct: str
    """For whoever looks what has become of it."""
    kind: str
    """The servers, in a word."""
    servers: list[Server]
    group: Cluster | SentinelGroup | None = None
    proxy: Proxy | None = None
    network: Network | None = None
    disk: SmallDisk | None = None
    set_clock: Callable[[float], None] | None = None
    """Lets the clock of the processes be off by so many seconds."""
    process: CrewProcess | None = None
    """What the processes are copies of, if not what those of all runs are."""

    @property
    def server(self) -> Server:
        """The first server."""
        return self.servers[0]


MakeStage: TypeAlias = Callable[[], AbstractAsyncContextManager[Stage]]


def one_server(**options: Any) -> MakeStage:
    """A server, which is asked directly."""

    @asynccontextmanager
    async def make() -> AsyncGenerator[Stage]:
        with local_kind().make(ServerOptions(**options)) as server:
            yield Stage(f"{server.url}?{PATIENCE}", server.url, server.kind, [server])

    return make


def behind_a_proxy(**options: Any) -> MakeStage:
    """A server that the processes reach by way of a proxy."""

    @asynccontextmanager
    async def make() -> AsyncGenerator[Stage]:
        with local_kind().make(ServerOptions(**options)) as server:
            async with Proxy(server.url) as proxy:
                yield Stage(f"{proxy.url}?{PATIENCE}", server.url, server.kind, [server], proxy=proxy)

    return make


@asynccontextmanager
async def cluster() -> AsyncGenerator[Stage]:
    """Three primaries and three replicas."""
    with Cluster() as group:
        places = ",".join(f"{HOST}:{port_of(node)}" for node in group.nodes)
        url = f"valkey+cluster://{places}?{PATIENCE}"
        yield Stage(url, url, f"cluster of {group.kind}", group.nodes, group)


@asynccontextmanager
async def sentinels() -> AsyncGenerator[Stage]:
    """A primary and two replicas, of which one is left when the other one is promoted, and three Sentinels."""
    with SentinelGroup(replicas=2) as group:
        group.wait_until_whole()
        places = ",".join(f"{host}:{port}" for host, port in group.places)
        url = f"valkey+sentinel://{places}/{SERVICE}?{PATIENCE}"
        yield Stage(url, url, f"sentinel of {group.kind}", group.servers, group)


@asynccontextmanager
async def with_a_replica() -> AsyncGenerator[Stage]:
    """A server and a replica of it, of which the processes do not know."""
    options = ServerOptions(settings={"repl-diskless-sync-delay": "0"})
    with local_kind().make(options) as server, local_kind().make(options) as replica:
        ask(replica, "REPLICAOF", HOST, port_of(server))
        wait_for("it replicates", lambda: ask(replica, "ROLE")[3] == b"connected")
        yield Stage(f"{server.url}?{PATIENCE}", server.url, server.kind, [server, replica])


def with_a_small_disk(**settings: str) -> MakeStage:
    """A server whose append-only file is on a disk of its own."""

    @asynccontextmanager
    async def make() -> AsyncGenerator[Stage]:
        with SmallDisk() as disk:
            own = {"dir": str(disk.path), "auto-aof-rewrite-percentage": "0", **settings}
            with local_kind().make(ServerOptions(appendonly=True, settings=own)) as server:
                yield Stage(f"{server.url}?{PATIENCE}", server.url, server.kind, [server], disk=disk)

    return make


@asynccontextmanager
async def across_a_network() -> AsyncGenerator[Stage]:
    """A server that the processes reach by a network, which goes when they do."""
    with local_kind().make(ServerOptions()) as server, CrewProcess(["unshare", "--net"]) as process:
        process.wait_until_ready()
        network = Network(process.number, port_of(server))
        ask(server, "CONFIG", "SET", "bind", f"{HOST} {network.address}")
        url = f"valkey://{network.address}:{port_of(server)}?{PATIENCE}"
        yield Stage(url, server.url, server.kind, [server], process=process, network=network)


@asynccontextmanager
async def clock_of_its_own() -> AsyncGenerator[Stage]:
    """A server, and processes that are told the time by a file."""
    library = files("libfaketime").joinpath("vendor/libfaketime/src/libfaketime.so.1")
    with TemporaryDirectory(prefix="jobsvalkey-") as folder:
        offset = Path(folder) / "offset"

        environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

        def set_clock(seconds: float) -> None:
            written = offset.with_suffix(".new")
            written.write_text(f"{seconds:+.0f}\n")
            written.rename(offset)  # at once
            told = subprocess.run(["date", "+%s"], env=environment, capture_output=True, check=True).stdout
            assert abs(int(told) - time.time() - seconds) < 60, "the clock does not do as it is told"

        set_clock(0)
        with CrewProcess(environment=environment) as process, local_kind().make(ServerOptions()) as server:
            url = f"{server.url}?{PATIENCE}"
            yield Stage(url, server.url, server.kind, [server], process=process, set_clock=set_clock)
