"""The whole life of a job over each way to connect, and what the user's client is like afterwards."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import (
    RETAIN,
    ConfigurationError,
    ExponentialJitter,
    JobContext,
    JobQueue,
    JobStatus,
    RetentionPolicy,
    StoreUnavailable,
    ValkeyConfiguration,
    ValkeyJobQueue,
)
from tests.conftest import StartServer
from tests.support.processors import QUICK_LOCK, options, run_in_background
from tests.support.servers import Server, ServerKind, ServerOptions, found_kinds, local_kind
from tests.support.stopwatch import Stopwatch
from tests.support.waiting import PATIENCE, until
from tests.support.work import Work

KINDS = [kind for kind in found_kinds() if kind.id not in ("container", "url")]
WAKE_UP = 0.1
"""Seconds from a push to the start of its handler, on an idle worker that polls once an hour."""


def default(server: Server) -> str:
    return server.url


@dataclass(frozen=True)
class Way:
    """How a client connects."""

    options: ServerOptions = field(default_factory=ServerOptions)
    url: Callable[[Server], str] = default
    client: dict[str, Any] = field(default_factory=dict[str, Any])
    """Settings of the client."""


WAYS = {
    "password": Way(ServerOptions(password="p@ss:word/1")),
    "user": Way(
        ServerOptions(users={"me": "on >secret ~* &* +@all"}, password="another"), lambda s: s.url_for("me", "secret")
    ),
    "user with few rights": Way(
        ServerOptions(users={"me": "on >secret ~jobs* resetchannels +@all -@dangerous -@admin"}, password="another"),
        lambda server: server.url_for("me", "secret"),
    ),
    "tls": Way(ServerOptions(tls=True, password="secret")),
    "database": Way(url=lambda server: server.url_for(database=3)),
    "unix socket": Way(ServerOptions(unix_socket=True, password="secret"), lambda server: server.url_for(database=2)),
    "resp2": Way(client={"protocol": 2}),
    "resp3": Way(client={"protocol": 3}),
    "texts": Way(client={"decode_responses": True}),
    "texts in resp3": Way(client={"decode_responses": True, "protocol": 3, "encoding": "latin-1"}),
    "short timeout": Way(client={"socket_timeout": 0.3}),
    "no timeout": Way(client={"socket_timeout": None, "socket_connect_timeout": None}),
    "health checks": Way(client={"health_check_interval": 1, "retry_on_timeout": True, "client_name": "service"}),
}


@pytest.fixture
async def admin(start_server: StartServer, way: Way, kind: ServerKind) -> AsyncIterator[tuple[Server, Any]]:
    """A server as the way asks for, and a client of its default user."""
    server = start_server(way.options, kind)
    client: Any = cast(Any, Valkey).from_url(server.url)
    yield server, client
    await client.aclose()


def settings_of(client: Any) -> dict[str, Any]:
    """All that a client's connections are made from, and how many there are."""
    pool = client.connection_pool
    return {
        "pool": pool,
        "class": pool.connection_class,
        "settings": dict(pool.connection_kwargs),
        "connections": len(pool._available_connections) + len(pool._in_use_connections),
        "callbacks": dict(client.response_callbacks),
    }


async def has_blocked_client(admin: Any) -> bool:
    """Whether a worker waits at the server."""
    return (await admin.info("clients"))["blocked_clients"] > 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_the_whole_life_of_a_job(way: Way, admin: tuple[Server, Any]) -> None:
    server, watcher = admin
    client: Any = cast(Any, Valkey).from_url(way.url(server), **way.client)
    before = settings_of(client)
    configuration = ValkeyConfiguration(
        queue_key="jobs", poll_time=timedelta(hours=1), retention_policy=RetentionPolicy(completed_jobs=RETAIN)
    )
    async with client, ValkeyJobQueue(client, configuration) as driver:
        queue = JobQueue(driver)
        server_process = (await watcher.info("server"))["process_id"]
        now = Stopwatch(lambda: [server_process]).seconds
        attempts: asyncio.Queue[tuple[int, float]] = asyncio.Queue()
        strategy = ExponentialJitter(max_attempts=2, max_backoff=timedelta(0))

        @queue.job(Work, retry_strategy=strategy)
        async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
            attempts.put_nowait((context.attempt, now()))
            if context.attempt == 1:
                raise RuntimeError("once more")

        waited: list[float] = []
        async with run_in_background(queue.processor(options(worker_active_lock=QUICK_LOCK))):
            for number in range(3):
                await until(lambda: has_blocked_client(watcher))
                pushed_at = now()
                job_id = await queue.push(Work(number))
                async with asyncio.timeout(PATIENCE):
                    (first, started), (second, _) = await attempts.get(), await attempts.get()
                waited.append(started - pushed_at)
                assert (first, second) == (1, 2)
                await until(lambda job_id=job_id: is_completed(queue, job_id))
        assert min(waited) < WAKE_UP
        assert await driver.validate() == []
        assert (await queue.counts())[JobStatus.COMPLETED] == 3
        after = settings_of(client)
        assert after == before
        assert await client.ping()
        if "decode_responses" in way.client:
            assert await client.echo("text") == "text"


async def is_completed(queue: JobQueue[ValkeyJobQueue], job_id: Any) -> bool:
    """Whether the job has been settled."""
    return await queue.status(job_id) is JobStatus.COMPLETED


async def test_a_server_with_a_certificate_of_somebody_else(start_server: StartServer) -> None:
    server, other = start_server(ServerOptions(tls=True)), start_server(ServerOptions(tls=True))
    wrong = other.url.partition("?")[2]
    client: Any = cast(Any, Valkey).from_url(f"{server.url.partition('?')[0]}?{wrong}")
    configuration = ValkeyConfiguration(operation_timeout=timedelta(seconds=1))
    async with client, ValkeyJobQueue(client, configuration) as driver:
        with pytest.raises(StoreUnavailable, match=r"(?i)certificate.verify.failed") as raised:
            await driver.set_metadata("key", b"value")
        assert raised.value.outcome == "not_done"
    plain: Any = cast(Any, Valkey).from_url(server.url)
    async with plain:
        assert await plain.keys() == []


async def test_a_database_that_is_not_there(start_server: StartServer) -> None:
    client: Any = cast(Any, Valkey).from_url(start_server().url_for(database=999))
    async with client, ValkeyJobQueue(client) as driver:
        with pytest.raises(ConfigurationError, match=r"DB index is out of range|Invalid Database"):
            await driver.counts()


async def test_queues_in_two_databases_do_not_see_each_other(start_server: StartServer) -> None:
    server = start_server(kind=local_kind())
    one: Any = cast(Any, Valkey).from_url(server.url_for(database=1))
    two: Any = cast(Any, Valkey).from_url(server.url_for(database=2))
    async with one, two, ValkeyJobQueue(one) as first, ValkeyJobQueue(two) as second:
        await JobQueue(first).push(Work())
        assert (await first.counts())[JobStatus.PENDING] == 1
        assert (await second.counts())[JobStatus.PENDING] == 0
