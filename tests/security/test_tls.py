"""TLS: a server is taken for what its certificate says, its name too if the client is told to look at it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from jobsvalkey import ConfigurationError, JobQueue, StoreUnavailable
from jobsvalkey.cli.main import main
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from tests.support.drivers import client_of
from tests.support.servers import Server, ServerOptions, local_kind
from tests.support.work import Work

BRIEF = ValkeyConfiguration(operation_timeout=timedelta(seconds=0.5))


@pytest.fixture(scope="module")
def tls() -> Iterator[Server]:
    """A server whose certificate is for its address, and for no name."""
    with local_kind().make(ServerOptions(tls=True)) as server:
        yield server


def named(server: Server, *, host: str, checked: bool) -> str:
    """The URL of the server by another name for this machine."""
    return server.url.replace("127.0.0.1", host) + f"&ssl_check_hostname={str(checked).lower()}"


async def push(url: str) -> None:
    client = client_of(url)
    async with client, ValkeyJobQueue(client, BRIEF) as driver:
        await JobQueue(driver).push(Work())


async def test_the_name_in_the_certificate_is_the_servers(tls: Server) -> None:
    await push(named(tls, host="127.0.0.1", checked=True))


async def test_another_name_is_refused_if_it_is_looked_at(tls: Server) -> None:
    await push(named(tls, host="localhost", checked=False))
    with pytest.raises((StoreUnavailable, ConfigurationError), match=r"(?i)hostname mismatch|certificate is not valid"):
        await push(named(tls, host="localhost", checked=True))


def test_commands_look_at_the_name_as_well(tls: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--url", named(tls, host="127.0.0.1", checked=True)]) == 0
    assert main(["info", "--url", named(tls, host="localhost", checked=True)]) == 1
    assert "ertificate" in capsys.readouterr().err
