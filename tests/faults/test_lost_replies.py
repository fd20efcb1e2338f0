"""The reply of any one command is lost: no job is lost, no push doubled, none runs twice, none is stuck."""

import asyncio
from contextlib import nullcontext
from datetime import timedelta
from typing import Any, Literal, get_args

import pytest

from jobsvalkey import ActiveLock, JobQueue, ProcessorOptions
from jobsvalkey.contract import JobStatus
from jobsvalkey.valkey import ValkeyJobQueue
from jobsvalkey.valkey.scripting import RECOVER
from tests.support.drivers import all_completed, driver_at
from tests.support.processors import run_in_background
from tests.support.proxy import Fault, Proxy, script
from tests.support.servers import Server
from tests.support.steps import STEPS, Step, claiming
from tests.support.waiting import until
from tests.support.work import Work, counting

JOBS = 200
LOCK = ActiveLock(every=timedelta(milliseconds=20), hold_for=timedelta(seconds=30))
WEAKLY_ANSWERED = {RECOVER.name: (0, 3)}
"""Idempotent by nature, and not numbered: a repeat may find that there is nothing left to do."""

Lose = Literal["request", "reply", "two replies", "reply in silence", "reply of a forgotten script"]
LOSSES: tuple[Lose, ...] = get_args(Lose)


async def arrange(lose: Lose, step: Step, proxy: Proxy, valkey_client: Any) -> Fault:
    matches = script(step.script.digest)
    if lose == "request":
        return proxy.drop_request(matches)
    if lose == "reply":
        return proxy.swallow_reply(matches)
    if lose == "two replies":
        return proxy.swallow_reply(matches, times=2)
    if lose == "reply in silence":
        return proxy.swallow_reply(matches, after="hang")
    # The first call learns that the script is not there, the second one brings its text along.
    await valkey_client.script_flush()
    return proxy.swallow_reply(matches, nth=2)


@pytest.mark.parametrize("lose", LOSSES)
@pytest.mark.parametrize("name", STEPS)
async def test_weakness_13_a_step_whose_reply_is_lost_is_done_once(
    name: str, lose: Lose, proxy: Proxy, driver: ValkeyJobQueue, direct: ValkeyJobQueue, valkey_client: Any
) -> None:
    step = STEPS[name]
    scene = await step.prepare(direct)
    fault = await arrange(lose, step, proxy, valkey_client)
    impatient = driver_at(proxy.url, direct.configuration.queue_key, read_timeout=0.15)
    async with impatient if lose == "reply in silence" else nullcontext(driver) as driver:
        answer = await step.ask(driver, scene)
    assert fault.happened.is_set()
    if step.ask is claiming:
        assert answer == scene.ids[:2]
    else:
        assert answer == step.answer or (lose != "request" and answer in WEAKLY_ANSWERED.get(step.script.name, ()))
    assert await step.see(direct, scene) == step.left
    assert await direct.validate() == []


async def test_pushes_that_share_a_round_trip_are_stored_once_each(
    proxy: Proxy, driver: ValkeyJobQueue, direct: ValkeyJobQueue
) -> None:
    queue = JobQueue(driver)
    counting(queue)
    fault = proxy.swallow_reply(script(STEPS["push"].script.digest), nth=2)
    ids = await asyncio.gather(*(queue.push(Work(number)) for number in range(100)))
    assert fault.happened.is_set()
    assert len(set(ids)) == (await direct.counts())[JobStatus.PENDING] == 100


async def run_with(lose: Lose, nth: int, url: str, queue_key: str, direct: ValkeyJobQueue) -> bool:
    """Push and run jobs; the nth command of all is lost. Whether there were so many."""
    async with Proxy(url) as proxy, driver_at(proxy.url, queue_key) as driver:
        fault = proxy.drop_request(nth=nth) if lose == "request" else proxy.swallow_reply(nth=nth)
        queue = JobQueue(driver)
        ran = counting(queue)
        async with run_in_background(queue.processor(ProcessorOptions(num_workers=16, worker_active_lock=LOCK))):
            for first in range(0, JOBS, 50):
                await queue.push_many([Work(number) for number in range(first, first + 50)])
            await until(lambda: len(ran) >= JOBS)
        sent = len(proxy.commands)  # counted, since a wait that is sent may never be answered
    assert sorted(ran) == list(range(JOBS)), f"command {nth}: {fault.hit}"
    assert await all_completed(direct, JOBS), f"command {nth}: {fault.hit}"
    return sent >= nth


@pytest.mark.parametrize("lose", ["request", "reply"])
async def test_weakness_13_a_run_survives_the_loss_of_any_one_command(
    lose: Lose, default_server: Server, queue_key: str, valkey_client: Any
) -> None:
    nth, again = 0, True
    while again:
        nth += 1
        key = f"{queue_key}-{nth}"
        async with driver_at(default_server.url, key) as direct:
            again = await run_with(lose, nth, default_server.url, key, direct)
            assert await direct.validate() == []
        await valkey_client.unlink(*[name async for name in valkey_client.scan_iter(match=f"{key}*", count=1000)])
    assert nth > 30
