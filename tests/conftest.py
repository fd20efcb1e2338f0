"""Fixtures of all tests: real servers and clients of them. No server is an error, never a skip."""

import gc
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeAlias, cast
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from valkey.asyncio import Valkey

from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.dashboards import CHROMIUM
from tests.support.drivers import driver_at
from tests.support.parallel import check_names, spread
from tests.support.postgres import PROGRAMS
from tests.support.proxy import Proxy
from tests.support.servers import Server, ServerKind, ServerOptions, default_kind, found_kinds, local_kind

StartServer: TypeAlias = Callable[..., Server]

# How long an example takes depends on what else the machine does.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Use several processes, if there is enough for them to do; listen to signals."""
    spread(config)
    # Thousands of tests are made, and none is garbage: to look for it takes a sixth of the time.
    gc.disable()
    # A shell that runs this in the background, or without a terminal, has them ignored, and all programs inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_finish() -> None:
    """Look for garbage from now on, but not among the tests."""
    gc.enable()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Look at the names of the tests."""
    check_names(items)


def pytest_report_header() -> list[str]:
    """Which servers the tests use, and where the default one comes from."""
    servers = f"servers: {', '.join(kind.id for kind in found_kinds())}"
    others = f"browser: {CHROMIUM or 'none'}", f"postgresql: {PROGRAMS or 'none'}"
    return [servers, f"default server: {default_kind()}", *others]


class Servers:
    """The servers that tests share, each started when it is first asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._running: dict[str, Server] = {}

    def get(self, kind: ServerKind) -> Server:
        if kind.id not in self._running:
            self._running[kind.id] = self._stack.enter_context(kind.make(ServerOptions()))
        return self._running[kind.id]


@pytest.fixture(scope="session")
def shared_servers() -> Iterator[Servers]:
    """The servers that tests share; ask for `server` or `default_server` instead."""
    with ExitStack() as stack:
        yield Servers(stack)


@pytest.fixture(scope="session", params=found_kinds(), ids=lambda kind: kind.id)
def server(request: pytest.FixtureRequest, shared_servers: Servers) -> Server:
    """Each server of this machine in turn. It is shared: do not stop, freeze or flush it."""
    return shared_servers.get(request.param)


@pytest.fixture(scope="session")
def default_server(shared_servers: Servers) -> Server:
    """One server: that of `JOBSVALKEY_TEST_URL`, else a container, else a wheel's. Shared, like `server`."""
    return shared_servers.get(default_kind())


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """`start_server(options=ServerOptions(), kind=local_kind())` starts a server of the test's own."""
    with ExitStack() as stack:

        def start(options: ServerOptions | None = None, kind: ServerKind | None = None) -> Server:
            return stack.enter_context((kind or local_kind()).make(options or ServerOptions()))

        yield start


@pytest.fixture
def queue_key() -> str:
    """A queue key that no other test uses."""
    return f"test-{uuid4()}"


async def _client(server: Server, queue_key: str) -> AsyncIterator[Valkey]:
    # The client has no complete types.
    client: Any = cast(Any, Valkey).from_url(server.url)
    try:
        yield client
        keys = [key async for key in client.scan_iter(match=f"{queue_key}*", count=1000)]
        for at in range(0, len(keys), 10_000):  # a test of scale leaves a million
            await client.unlink(*keys[at : at + 10_000])
    finally:
        await client.aclose()


@pytest.fixture
async def valkey_client(default_server: Server, queue_key: str) -> AsyncIterator[Valkey]:
    """A client of the default server; afterwards the keys that begin with `queue_key` are removed."""
    async for client in _client(default_server, queue_key):
        yield client


@pytest.fixture
async def server_client(server: Server, queue_key: str) -> AsyncIterator[Valkey]:
    """A client of each server in turn; afterwards the keys that begin with `queue_key` are removed."""
    async for client in _client(server, queue_key):
        yield client


@pytest.fixture
async def proxy(default_server: Server) -> AsyncIterator[Proxy]:
    """Stands before the default server."""
    async with Proxy(default_server.url) as proxy:
        yield proxy


@pytest.fixture
async def direct(default_server: Server, queue_key: str, valkey_client: Any) -> AsyncIterator[ValkeyJobQueue]:
    """A driver of the same queue that goes around the proxy."""
    async with driver_at(default_server.url, queue_key) as driver:
        yield driver
