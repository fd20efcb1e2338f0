"""Servers that cannot do what is asked of them: one clear error, and nothing stored."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import pytest
import valkey
from valkey.asyncio import Valkey, ValkeyCluster
from valkey.asyncio.sentinel import Sentinel

from jobsvalkey import (
    ConfigurationError,
    JobQueue,
    JobsError,
    StoreFull,
    StoreUnavailable,
    ValkeyConfiguration,
    ValkeyJobQueue,
    new_job_id,
)
from jobsvalkey.cli.connection import make_client
from jobsvalkey.cli.errors import WrongUsage
from jobsvalkey.contract import Finish, NewJob, SettleOutcome
from tests.conftest import StartServer
from tests.support.contents import contents
from tests.support.ports import free_port
from tests.support.servers import ServerKind, ServerOptions, found_kinds
from tests.support.servers.group import port_of
from tests.support.work import Work

MINUTE = timedelta(minutes=1)
KINDS = [kind for kind in found_kinds() if kind.id not in ("container", "url")]

Step = Callable[[ValkeyJobQueue], Awaitable[Any]]
STEPS: dict[str, Step] = {
    "push": lambda driver: JobQueue(driver).push(Work()),
    "push_if": lambda driver: driver.push_if(NewJob(new_job_id(), b"{}"), "key", None, b"value"),
    "open_worker": lambda driver: driver.open_worker("worker", MINUTE),
    "set_metadata": lambda driver: driver.set_metadata("key", b"value"),
    "counts": lambda driver: driver.counts(),
    "validate": lambda driver: driver.validate(),
}
FULL = timedelta(milliseconds=500)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.id)
def kind(request: pytest.FixtureRequest) -> ServerKind:
    return request.param


@asynccontextmanager
async def driver_at(url: str, timeout: timedelta = MINUTE) -> AsyncGenerator[ValkeyJobQueue]:
    """A driver that is patient: an error that comes at once is one that it does not wait out."""
    async with (
        cast(Any, Valkey).from_url(url) as client,
        ValkeyJobQueue(client, ValkeyConfiguration(operation_timeout=timeout)) as driver,
    ):
        yield driver


async def everything(url: str) -> dict[bytes, bytes]:
    client: Any = cast(Any, Valkey).from_url(url)
    try:
        return await contents(client)
    finally:
        await client.aclose()


async def refused(step: Awaitable[Any], error: type[JobsError], text: str) -> JobsError:
    """The error of a step that is refused at once, by itself and not in a group."""
    with pytest.raises(error, match=text) as raised:
        await asyncio.wait_for(asyncio.ensure_future(step), 10)
    assert type(raised.value) is error
    return raised.value


@pytest.mark.parametrize("url", ["http://localhost", "localhost:6379", "postgres://localhost/jobs"])
def test_an_unknown_scheme(url: str) -> None:
    with pytest.raises(ValueError, match="schemes"):
        cast(Any, Valkey).from_url(url)
    with pytest.raises(WrongUsage, match=r"is not the URL of a server .*: write valkey://HOST:PORT"):
        make_client(url)


@pytest.mark.parametrize("name", [name for name in STEPS if name != "open_worker"])  # a worker waits for its server
async def test_nobody_listens(name: str) -> None:
    async with driver_at(f"valkey://127.0.0.1:{free_port()}", timedelta(milliseconds=50)) as driver:
        error = await refused(
            STEPS[name](driver), StoreUnavailable, "the server cannot be reached .*: nothing was done"
        )
        assert cast(StoreUnavailable, error).outcome == "not_done"


async def test_a_server_that_does_not_answer(start_server: StartServer) -> None:
    server = start_server()
    async with driver_at(server.url, timedelta(milliseconds=300)) as driver:
        await driver.push([])
        await driver.set_metadata("key", b"before")
        server.freeze()
        error = await refused(driver.set_metadata("key", b"after"), StoreUnavailable, "did not answer .* may have been")
        assert cast(StoreUnavailable, error).outcome == "unknown"
        server.thaw()


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_a_wrong_password(start_server: StartServer, step: Step) -> None:
    server = start_server(ServerOptions(password="s3cr3t"))
    for url in (server.url_for(password="wrong"), server.url_for("nobody", "s3cr3t"), server.address):
        async with driver_at(url) as driver:
            text = "the server refuses the login or the command .*: check password, user and rights"
            error = await refused(step(driver), ConfigurationError, text)
            assert "s3cr3t" not in str(error)
    assert await everything(server.url) == {}


RIGHTS = {
    "no scripts": "~* &* +@all -@scripting",
    "no keys of the queue": "~other* &* +@all",
    "no commands within scripts": "~* &* +@all -zadd -zcard -type -get -set -ttl",
    "nothing": "~* &*",
}


@pytest.mark.parametrize("rights", RIGHTS.values(), ids=RIGHTS)
async def test_a_user_without_rights(start_server: StartServer, kind: ServerKind, rights: str) -> None:
    server = start_server(ServerOptions(users={"me": f"on >secret {rights}"}), kind)
    async with driver_at(server.url_for("me", "secret")) as driver:
        for name in ("push", "open_worker", "set_metadata", "counts"):
            await refused(STEPS[name](driver), ConfigurationError, "refuses .*: check password, user and rights")
    left = await everything(server.url)
    assert {key for key in left if not key.endswith(b"_layout")} == set()


async def test_a_full_server(start_server: StartServer, kind: ServerKind) -> None:
    server = start_server(ServerOptions(maxmemory="8mb"), kind)
    client: Any = cast(Any, Valkey).from_url(server.url)
    async with client, driver_at(server.url, FULL) as driver:
        jobs = [NewJob(new_job_id(), b"{}") for _ in range(3)]
        await driver.push(jobs)
        await driver.open_worker("worker", MINUTE)
        claim, *_ = (await driver.exchange("worker", 1, (), 1)).claims
        await client.setrange("large", 16_000_000, "x")
        before = await everything(server.url)
        for name in ("push", "push_if", "set_metadata"):
            error = await refused(STEPS[name](driver), StoreFull, r"out of memory \(maxmemory\), nothing was stored")
            assert cast(StoreUnavailable, error).outcome == "not_done"
        assert await everything(server.url) == before
        # What makes room works.
        assert (await driver.exchange("worker", 2, [Finish(claim.job_id, claim.token)])).outcomes == [
            SettleOutcome.SETTLED
        ]
        assert await driver.cancel(new_job_id()) is False
        assert await driver.cancel(jobs[1].job_id)
        assert await driver.remove(jobs[2].job_id)
        await driver.renew("worker", MINUTE)
        await client.delete("large")
        await STEPS["push"](driver)


async def test_a_server_that_only_reads(start_server: StartServer) -> None:
    server, primary = start_server(), start_server()
    client: Any = cast(Any, Valkey).from_url(server.url)
    async with client, driver_at(server.url, FULL) as driver:
        host, port = primary.address.removeprefix("valkey://").split(":")
        await client.replicaof(host, port)
        await refused(STEPS["push"](driver), StoreUnavailable, "READONLY|can't write against a read only")
        await client.replicaof("NO", "ONE")
        await STEPS["push"](driver)


async def test_a_client_of_a_cluster_and_a_queue_without_a_tag() -> None:
    client: Any = cast(Any, ValkeyCluster)(host="127.0.0.1", port=free_port())
    with pytest.raises(ConfigurationError, match=r"queue_key='\{mail\}' instead of 'mail'"):
        ValkeyJobQueue(client, ValkeyConfiguration(queue_key="mail"))


async def test_nodes_of_a_cluster_that_are_away() -> None:
    client: Any = cast(Any, ValkeyCluster)(host="127.0.0.1", port=free_port())
    configuration = ValkeyConfiguration(queue_key="{mail}", operation_timeout=timedelta(seconds=0.3))
    async with ValkeyJobQueue(client, configuration) as driver:
        error = await refused(driver.counts(), StoreUnavailable, "nobody says where the primary is .*127.0.0.1:")
        assert cast(StoreUnavailable, error).outcome == "not_done"


async def test_sentinels_that_are_away_or_do_not_know_the_service(start_server: StartServer) -> None:
    # An ordinary server is a Sentinel that knows no command of one.
    for port in (free_port(), port_of(start_server())):
        client: Any = cast(Any, Sentinel)([("127.0.0.1", port)]).master_for("mail")
        async with ValkeyJobQueue(client, ValkeyConfiguration(operation_timeout=timedelta(seconds=0.3))) as driver:
            await refused(driver.counts(), StoreUnavailable, f"nobody says where the primary is .*127.0.0.1:{port}")


def test_a_client_of_replicas() -> None:
    client: Any = cast(Any, Sentinel)([("127.0.0.1", 26379)]).slave_for("mail")
    with pytest.raises(ConfigurationError, match=r"make the client by Sentinel\.master_for, not slave_for"):
        ValkeyJobQueue(client)


@pytest.mark.parametrize(
    ("client", "name"),
    [
        (cast(Any, valkey.Valkey)(), r"valkey\.client\.Valkey"),
        ("valkey://localhost:6379", "str"),
        (None, "NoneType"),
    ],
    ids=["synchronous", "url", "none"],
)
def test_a_client_of_another_kind(client: Any, name: str) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"^give a valkey\.asyncio\.Valkey or .*ValkeyCluster, not <class '{name}'>$"
    ):
        ValkeyJobQueue(client)


async def test_a_layout_that_cannot_be_read_is_refused_each_time(start_server: StartServer) -> None:
    server = start_server()
    client: Any = cast(Any, Valkey).from_url(server.url)
    async with client, driver_at(server.url) as driver:
        await client.sadd("jobQueue.metadata._layout", "not ours")
        for _ in range(2):
            for step in STEPS.values():
                await refused(step(driver), ConfigurationError, "in use for something else")
        assert await client.keys() == [b"jobQueue.metadata._layout"]
        await client.delete("jobQueue.metadata._layout")
        await STEPS["push"](driver)


async def test_a_queue_of_a_newer_version(start_server: StartServer) -> None:
    server = start_server()
    client: Any = cast(Any, Valkey).from_url(server.url)
    async with client, driver_at(server.url) as driver:
        await client.set("jobQueue.metadata._layout", "7")
        for step in STEPS.values():
            await refused(step(driver), ConfigurationError, r"newer version of jobsvalkey \(layout 7\): upgrade")
        assert await client.keys() == [b"jobQueue.metadata._layout"]
