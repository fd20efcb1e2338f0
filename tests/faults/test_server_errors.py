"""Every error that a server answers with, once, to every step: what heals by itself is passed over."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import ActiveLock, ConfigurationError, JobContext, JobQueue, JobStatus, ProcessorOptions, StoreFull
from jobsvalkey.contract import new_job_id
from jobsvalkey.valkey import ValkeyJobQueue, scripting
from tests.support.drivers import client_of, driver_at, new_job
from tests.support.processors import run_in_background
from tests.support.proxy import Matches, Proxy, named, script
from tests.support.server_errors import FULL, LASTING, PASSING
from tests.support.servers import Server
from tests.support.steps import STEPS, claiming
from tests.support.waiting import until
from tests.support.work import Work

ERRORS = {**PASSING, **LASTING, "OOM": FULL}
LOCK = ActiveLock(every=timedelta(seconds=0.5), hold_for=timedelta(seconds=6))
COMMANDS: dict[str, Matches] = {
    "claim or settle": script(scripting.EXCHANGE.digest),
    "renew": script(scripting.RENEW.digest),
    "recover": script(scripting.RECOVER.digest),
    "wait": named("BLPOP"),
    "greet": named("GET"),
}


@asynccontextmanager
async def several_queues(url: str, queue_key: str) -> AsyncGenerator[Callable[[str], str]]:
    """Names of queues, whose keys are removed at the end."""
    client = client_of(url)
    async with client:
        yield lambda name: f"{queue_key}-{name}"
        if keys := [key async for key in client.scan_iter(match=f"{queue_key}-*", count=1000)]:
            await client.unlink(*keys)


async def run_one_job(url: str, queue_key: str, error: str, matches: Matches) -> tuple[int, int]:
    """How often a job was started, and how many of its runs were recovered, if a command is refused as it runs."""
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(url))
        poll_time = timedelta(seconds=0.1)
        driver = await stack.enter_async_context(driver_at(proxy.url, queue_key, poll_time=poll_time))
        direct = await stack.enter_async_context(driver_at(url, queue_key))
        queue = JobQueue(driver)
        end, starts = asyncio.Event(), list[JobContext]()

        @queue.job(Work)
        async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
            starts.append(context)
            await end.wait()

        processor = queue.processor(ProcessorOptions(worker_active_lock=LOCK, num_workers=2))
        await stack.enter_async_context(run_in_background(processor))
        (pushed,) = await direct.push([new_job(b'{"Work":{"p":{"number":1},"q":0,"a":1}}')])
        await until(lambda: starts)
        refused = proxy.refuse_command(error, matches)
        if matches is COMMANDS["greet"]:
            proxy.cut()
        await until(refused.happened.is_set)
        end.set()

        async def is_completed() -> bool:
            return await direct.status(pushed.job_id) is JobStatus.COMPLETED

        await until(is_completed)
        stored = await direct.get(pushed.job_id)
        assert stored is not None
        return len(starts), stored.recoveries


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_claim_survives_every_error_of_the_server(command: str, default_server: Server, queue_key: str) -> None:
    async with several_queues(default_server.url, queue_key) as name, asyncio.TaskGroup() as group:
        runs = {
            code: group.create_task(run_one_job(default_server.url, name(code), error, COMMANDS[command]))
            for code, error in ERRORS.items()
        }
        await asyncio.wait(runs.values())
        assert {code: run.result() for code, run in runs.items() if run.result() != (1, 0)} == {}


@pytest.mark.parametrize("name", STEPS)
async def test_what_heals_by_itself_is_passed_over(
    name: str, default_server: Server, queue_key: str, valkey_client: Valkey
) -> None:
    step = STEPS[name]
    async with several_queues(default_server.url, queue_key) as queue, Proxy(default_server.url) as proxy:
        for code, error in PASSING.items():
            async with driver_at(default_server.url, queue(code)) as direct:
                scene = await step.prepare(direct)
                async with driver_at(proxy.url, queue(code)) as driver:
                    refused = proxy.refuse_command(error, script(step.script.digest))
                    answer = await step.ask(driver, scene)
                    assert refused.happened.is_set()
                if step.ask is claiming:
                    assert answer == scene.ids[:2], code
                else:
                    assert answer == step.answer, code
                assert await step.see(direct, scene) == step.left, code


CALLS: dict[str, Callable[[ValkeyJobQueue], Awaitable[Any]]] = {
    "push": lambda driver: driver.push([new_job()]),
    "set_metadata": lambda driver: driver.set_metadata("key", b"value"),
    "counts": lambda driver: driver.counts(),
    "abort": lambda driver: driver.abort(new_job_id()),
    "pause_queue": lambda driver: driver.pause_queue(),
    "is_queue_paused": lambda driver: driver.is_queue_paused(),
    "ended": lambda driver: driver.ended([new_job_id()], timedelta(hours=1)),
}


@pytest.mark.parametrize("code", LASTING)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_what_needs_an_operator_is_told_at_once(
    call: Callable[[ValkeyJobQueue], Awaitable[Any]], code: str, proxy: Proxy, queue_key: str
) -> None:
    async with driver_at(proxy.url, queue_key) as driver:
        refused = proxy.refuse_command(LASTING[code], lambda command: command.name in ("EVAL", "EVALSHA"))
        with pytest.raises(ConfigurationError):
            await call(driver)
        assert len(refused.hit) == 1


async def test_a_push_to_a_full_server_is_told_at_once(proxy: Proxy, queue_key: str) -> None:
    async with driver_at(proxy.url, queue_key) as driver:
        proxy.refuse_command(FULL, script(scripting.PUSH.digest))
        with pytest.raises(StoreFull):
            await driver.push([new_job()])
