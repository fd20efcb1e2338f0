"""One kind of an idle worker's commands fails alone, in every way: the worker does not spin, and works afterwards."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TypeAlias

import pytest

from jobsvalkey import ActiveLock, JobQueue, ProcessorOptions
from jobsvalkey.valkey import scripting
from tests.support.drivers import client_of, driver_at
from tests.support.processors import run_in_background
from tests.support.proxy import Matches, Proxy, named, script
from tests.support.server_errors import FULL, LASTING, PASSING, TURNED_AWAY
from tests.support.servers import Server
from tests.support.waiting import until
from tests.support.work import Work, counting

WATCHED = 3.0
"""Seconds that the worker is watched."""
LOCK = ActiveLock(every=timedelta(seconds=0.5), hold_for=timedelta(seconds=30))
POLL_TIME = timedelta(seconds=0.5)
SCRIPTS_A_SECOND = 12
"""A worker that polls, renews and recovers twice a second sends six, and what fails is repeated ever more rarely."""
CONNECTS_A_SECOND = 6

ROLES: dict[str, Matches] = {
    "wait": named("BLPOP"),
    "exchange": script(scripting.EXCHANGE.digest),
    "renew": script(scripting.RENEW.digest),
    "recover": script(scripting.RECOVER.digest),
}
Break: TypeAlias = Callable[[Proxy, Matches], None]


def refused(error: str) -> Break:
    def break_(proxy: Proxy, role: Matches) -> None:
        proxy.refuse_command(error, role, times=1_000_000)

    return break_


def cut(proxy: Proxy, role: Matches) -> None:
    proxy.drop_request(role, times=1_000_000)


def lost(proxy: Proxy, role: Matches) -> None:
    proxy.swallow_reply(role, times=1_000_000)


def cannot_connect(proxy: Proxy, role: Matches) -> None:
    proxy.refuse()
    proxy.cut_those(role)


def turned_away(proxy: Proxy, role: Matches) -> None:
    proxy.turns_away = TURNED_AWAY
    proxy.cut_those(role)


WAYS: dict[str, Break] = {
    **{name: refused(error) for name, error in {**PASSING, **LASTING, "OOM": FULL}.items()},
    "cut": cut,
    "lost": lost,
    "cannot connect": cannot_connect,
    "turned away": turned_away,
}


async def watch(url: str, queue_key: str, role: Matches, break_: Break) -> tuple[float, float]:
    """How many scripts, and connections, an idle worker makes a second while something fails; it then runs a job."""
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(url))
        driver = await stack.enter_async_context(driver_at(proxy.url, queue_key, poll_time=POLL_TIME))
        queue = JobQueue(driver)
        ran = counting(queue)
        await stack.enter_async_context(run_in_background(queue.processor(ProcessorOptions(worker_active_lock=LOCK))))
        await until(lambda: all(any(map(matches, proxy.commands)) for matches in ROLES.values()))
        commands, accepted = len(proxy.commands), proxy.accepted
        break_(proxy, role)
        began = time.monotonic()
        await asyncio.sleep(WATCHED)
        # On a busy machine it is more than that.
        passed = time.monotonic() - began
        sent = Counter(command.name for command in proxy.commands[commands:])
        # A script that the server does not know is sent twice in one call: by its digest, then as a text.
        scripts, connects = max(sent["EVALSHA"], sent["EVAL"]), proxy.accepted - accepted
        proxy.clear()
        proxy.turns_away = None
        await proxy.accept()
        await queue.push(Work(1))
        await until(lambda: ran == [1])
    return scripts / passed, connects / passed


@pytest.mark.parametrize("role", ROLES)
async def test_an_idle_worker_does_not_spin_if_one_of_its_commands_fails(
    role: str, default_server: Server, queue_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: dict[str, Awaitable[tuple[float, float]]] = {}
    async with asyncio.TaskGroup() as group:
        for way, break_ in WAYS.items():
            watched[way] = group.create_task(watch(default_server.url, f"{queue_key}{way}", ROLES[role], break_))
    rates = {way: await rate for way, rate in watched.items()}
    client = client_of(default_server.url)
    async with client:
        await client.unlink(*[key async for key in client.scan_iter(match=f"{queue_key}*", count=1000)])
    spinning = {way: rate for way, rate in rates.items() if rate[0] > SCRIPTS_A_SECOND or rate[1] > CONNECTS_A_SECOND}
    assert spinning == {}, rates
