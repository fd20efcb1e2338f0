"""The proxy loses exactly what it is told to lose."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest
from valkey.asyncio import Valkey
from valkey.backoff import NoBackoff
from valkey.exceptions import ConnectionError as NotConnected
from valkey.exceptions import TimeoutError as NoAnswer
from valkey.retry import Retry

from tests.support.proxy import Proxy, named, script
from tests.support.servers import Server

Connect = Callable[..., Any]
LOST = (NotConnected, NoAnswer)


@pytest.fixture
async def proxy(default_server: Server) -> AsyncIterator[Proxy]:
    async with Proxy(default_server.url) as proxy:
        yield proxy


@pytest.fixture
async def connect(proxy: Proxy) -> AsyncIterator[Connect]:
    clients = list[Any]()

    def connect(protocol: int = 2, timeout: float = 5.0) -> Any:
        settings = {"socket_timeout": timeout, "protocol": protocol, "single_connection_client": True}
        # The client repeats a command that was cut by itself, unless it is told not to.
        client = cast(Any, Valkey).from_url(proxy.url, retry=cast(Any, Retry)(NoBackoff(), 0), **settings)
        clients.append(client)
        return client

    yield connect
    for client in clients:
        await client.aclose()


@pytest.mark.parametrize("protocol", [2, 3])
async def test_replies_of_every_shape_pass_unchanged(
    proxy: Proxy, connect: Connect, valkey_client: Any, queue_key: str, protocol: int
) -> None:
    client = connect(protocol)
    await client.hset(queue_key, mapping={"a": b"\r\n$5\r\n", "b": b"x" * 300_000})
    assert await client.hgetall(queue_key) == await valkey_client.hgetall(queue_key)
    nested = "return {1, {'a', {}, false}, redis.status_reply('fine')}"
    assert await client.eval(nested, 0) == await valkey_client.eval(nested, 0)
    assert await client.get("no such key") is None
    async with client.pipeline() as pipeline:
        assert await pipeline.incr(f"{queue_key}-n").incr(f"{queue_key}-n").execute() == [1, 2]


async def test_it_sees_commands_and_scripts(proxy: Proxy, connect: Connect) -> None:
    client, text = connect(), "return 1"
    digest = await client.script_load(text)
    await client.evalsha(digest, 0)
    await client.eval(text, 0)
    seen = [command for command in proxy.commands if script(digest)(command)]
    assert [command.name for command in seen] == ["EVALSHA", "EVAL"]
    assert digest == hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_swallowed_reply_is_of_a_command_that_was_done(
    proxy: Proxy, connect: Connect, valkey_client: Any, queue_key: str, protocol: int, nth: int
) -> None:
    client = connect(protocol)
    fault = proxy.swallow_reply(named("incrby"), nth=nth)
    for number in range(1, nth):
        assert await client.incr(queue_key) == number
    with pytest.raises(NotConnected):
        await client.incr(queue_key)
    assert fault.happened.is_set()
    assert await valkey_client.get(queue_key) == str(nth).encode()
    assert await client.incr(queue_key) == nth + 1


async def test_a_dropped_request_is_never_done(
    proxy: Proxy, connect: Connect, valkey_client: Any, queue_key: str
) -> None:
    client = connect()
    fault = proxy.drop_request(named("incrby"), times=2)
    for _ in range(2):
        with pytest.raises(NotConnected):
            await client.incr(queue_key)
    assert [command.name for command in fault.hit] == ["INCRBY", "INCRBY"]
    assert await valkey_client.get(queue_key) is None
    assert await client.incr(queue_key) == 1


@pytest.mark.parametrize("swallow", [True, False])
async def test_a_connection_hangs(
    proxy: Proxy, connect: Connect, valkey_client: Any, queue_key: str, swallow: bool
) -> None:
    client, other = connect(), connect()
    await client.ping()
    lose = proxy.swallow_reply if swallow else proxy.drop_request
    fault = lose(named("incrby"), after="hang")
    asking = asyncio.ensure_future(client.incr(queue_key))
    await fault.happened.wait()
    assert await other.ping()
    assert await asyncio.wait([asking], timeout=0.05) == (set(), {asking})
    asking.cancel()
    assert await valkey_client.get(queue_key) == (b"1" if swallow else None)


async def test_a_delayed_command_comes_later(proxy: Proxy, connect: Connect) -> None:
    client = connect()
    await client.ping()
    proxy.delay(0.1, named("ping"))
    started = asyncio.get_running_loop().time()
    assert await client.ping()
    assert asyncio.get_running_loop().time() - started >= 0.1


async def test_connections_are_cut_and_new_ones_refused(proxy: Proxy, connect: Connect) -> None:
    client, url = connect(), proxy.url
    await client.ping()
    assert proxy.connections == 1
    proxy.cut()
    with pytest.raises(NotConnected):
        await client.ping()
    async with proxy.away():
        with pytest.raises(NotConnected):
            await client.ping()
    assert await client.ping()
    assert proxy.url == url


async def test_a_frozen_proxy_takes_connections_and_answers_later(proxy: Proxy, connect: Connect) -> None:
    client = connect()
    await client.ping()
    proxy.freeze()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(client.ping())
        with pytest.raises(LOST):
            await connect(timeout=0.1).ping()
        assert not waiting.done()
        proxy.thaw()
    assert waiting.result()


@pytest.mark.parametrize("protocol", [2, 3])
async def test_subscriptions_pass(proxy: Proxy, connect: Connect, queue_key: str, protocol: int) -> None:
    async with connect(protocol).pubsub() as subscription:
        await subscription.subscribe(queue_key)
        assert (await subscription.get_message(timeout=5))["type"] == "subscribe"
        await connect(protocol).publish(queue_key, "news")
        assert (await subscription.get_message(timeout=5))["data"] == b"news"


async def test_a_server_that_is_away_cuts_the_connection(start_server: Callable[..., Server]) -> None:
    server = start_server()
    async with Proxy(server.url) as proxy:
        client = cast(Any, Valkey).from_url(proxy.url)
        assert await client.ping()
        server.kill()
        with pytest.raises(NotConnected):
            await client.ping()
        server.start()
        assert await client.ping()
        await client.aclose()
