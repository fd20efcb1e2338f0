"""The certificates of TLS connections are read once for many, and anew after a while."""

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest

from jobsvalkey import JobQueue
from jobsvalkey.valkey.certificates import READ_ANEW, Certificates
from tests.conftest import StartServer
from tests.support.drivers import driver_at
from tests.support.servers import ServerOptions
from tests.support.work import Work


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[ssl.SSLContext]:
    """Each time that certificates were read."""
    made: list[ssl.SSLContext] = []
    make: Callable[..., ssl.SSLContext] = ssl.create_default_context

    def note(*arguments: Any, **settings: Any) -> ssl.SSLContext:
        made.append(make(*arguments, **settings))
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", note)
    return made


async def test_the_connections_of_a_driver_read_them_once(
    start_server: StartServer, queue_key: str, read: list[ssl.SSLContext]
) -> None:
    server = start_server(ServerOptions(tls=True))
    read.clear()  # the server, and who waits for it, have read theirs
    async with driver_at(server.url, queue_key) as driver:
        queue = JobQueue(driver)
        await asyncio.gather(queue.push(Work()), queue.counts(), driver.set_metadata("key", b"value"))
    assert len(read) == 1


class _Tls:
    __slots__ = ("ca_certs", "context")

    def __init__(self, ca_certs: str) -> None:
        self.ca_certs = ca_certs
        self.context: object = None

    def get(self) -> object:
        return object()


class _Connection:
    def __init__(self, ca_certs: str = "file") -> None:
        self.ssl_context = _Tls(ca_certs)


def _context(certificates: Certificates, connection: Any) -> object:
    certificates.share(connection)
    return connection.ssl_context.context


def test_they_are_read_again_after_a_while_and_apart_for_other_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    certificates = Certificates()
    first = _context(certificates, _Connection())
    other = _context(certificates, _Connection("another file"))
    assert first is not other
    assert _context(certificates, _Connection()) is first
    now += READ_ANEW
    assert _context(certificates, _Connection()) is not first
    certificates.share(object())  # a connection without TLS is left alone
