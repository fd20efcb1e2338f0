"""Ten schedulers, killed and restarted at random, on a real server: each trigger is pushed exactly once."""

import itertools
from contextlib import AsyncExitStack
from typing import Any

import pytest

from jobsvalkey.contract import Clock
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.valkey.scripting import ACQUIRE_LOCK, EXCHANGE, PUSH_IF, SET_METADATA
from tests.faults.proxy import Command, Proxy
from tests.faults.support import client_of
from tests.servers import Server
from tests.unit.scheduling.ten_schedulers import TenSchedulers


async def let_them_run(client: Any, queue_key: str, seed: int, *, ignore_lock: bool) -> None:
    """Run the ten schedulers, each with a driver of its own."""
    async with AsyncExitStack() as drivers:
        made = list[ValkeyJobQueue]()

        def make_driver(clock: Clock) -> ValkeyJobQueue:
            made.append(ValkeyJobQueue(client, ValkeyConfiguration(queue_key=queue_key), clock=clock))
            drivers.push_async_callback(made[-1].aclose)
            return made[-1]

        await TenSchedulers(make_driver, seed, ignore_lock=ignore_lock).run()
        assert await made[0].validate() == []


@pytest.mark.parametrize("ignore_lock", [False, True], ids=["lock", "lock believed by all"])
@pytest.mark.parametrize("seed", range(2))
async def test_each_trigger_is_pushed_exactly_once(
    seed: int, ignore_lock: bool, valkey_client: Any, queue_key: str
) -> None:
    await let_them_run(valkey_client, queue_key, seed, ignore_lock=ignore_lock)


@pytest.mark.usefixtures("valkey_client")
async def test_each_trigger_is_pushed_exactly_once_where_replies_are_lost(
    default_server: Server, queue_key: str
) -> None:
    steps = {script.digest for script in (ACQUIRE_LOCK, EXCHANGE, PUSH_IF, SET_METADATA)}
    calls = itertools.count(1)

    def unlucky(command: Command) -> bool:
        return command.digest in steps and next(calls) % 7 == 0

    async with Proxy(default_server.url) as proxy:
        lost = proxy.swallow_reply(unlucky, times=100_000)
        client = client_of(proxy.url)
        try:
            await let_them_run(client, queue_key, 3, ignore_lock=True)
        finally:
            await client.aclose()
    assert {command.digest for command in lost.hit} == steps
