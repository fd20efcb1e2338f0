"""Schedulers on a real server, where they or the server are killed: each trigger is pushed exactly once."""

import asyncio
import itertools
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsvalkey.contract import Clock, Finish, JobName, JobStatus
from jobsvalkey.runtime import ExponentialJitter, JobQueue
from jobsvalkey.scheduling import Accuracy, ExclusiveLock, JobSchedule, Schedule, SchedulerOptions
from jobsvalkey.scheduling import scheduler as scheduler_module
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.valkey.scripting import ACQUIRE_LOCK, EXCHANGE, PUSH_IF, SET_METADATA
from jobsvalkey_memory import ManualClock
from tests.support.drivers import client_of
from tests.support.proxy import Command, Proxy
from tests.support.servers import Server, ServerOptions
from tests.support.waiting import until
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


async def test_a_server_that_is_killed_and_comes_back_loses_and_doubles_nothing(
    start_server: Callable[..., Server],
    queue_key: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(scheduler_module, "_BACKOFF", ExponentialJitter(max_backoff=timedelta(seconds=0.1)))
    server = start_server(ServerOptions(appendonly=True, settings={"appendfsync": "always"}))
    start = datetime(2025, 1, 1, tzinfo=UTC)
    clock = ManualClock(start)
    impatient = ValkeyConfiguration(queue_key=queue_key, operation_timeout=timedelta(seconds=0.3))
    ran = list[datetime]()
    sequence = itertools.count(1)

    jobs = JobSchedule()
    jobs.add_job(JobName("tick", str), "", Schedule.crontab("* * * * * *"), accuracy=Accuracy.ALL)
    # It wakes often, since the clock jumps.
    often = SchedulerOptions(lock=ExclusiveLock(every=timedelta(milliseconds=10), hold_for=timedelta(hours=1)))
    async with (
        client_of(server.url) as client,
        ValkeyJobQueue(client, impatient, clock=clock) as pushing,
        ValkeyJobQueue(client, ValkeyConfiguration(queue_key=queue_key), clock=clock) as driver,
    ):

        async def run_jobs() -> None:
            claims = (await driver.exchange("worker", next(sequence), limit=2000)).claims
            settlements = [Finish(claim.job_id, claim.token) for claim in claims]
            await driver.exchange("worker", next(sequence), settlements)
            ran.extend(claim.due for claim in claims)

        async def pushed() -> int:
            return len(ran) + (await driver.counts())[JobStatus.PENDING]

        async def wait_for(number: int) -> None:
            async def are_pushed() -> bool:
                return await pushed() >= number

            await until(are_pushed)

        await driver.open_worker("worker", timedelta(days=1))
        running = asyncio.create_task(jobs.scheduler(JobQueue(pushing), options=often).run())
        await until(lambda: driver.get_metadata(f"{queue_key}.tick.jobScheduleLastDate"))
        clock.advance(timedelta(seconds=1000))
        await wait_for(100)
        await run_jobs()
        await wait_for(len(ran) + 1)
        assert await pushed() < 1000
        server.kill()
        await until(lambda: "cannot schedule" in caplog.text)
        clock.advance(timedelta(seconds=100))
        server.start()
        await wait_for(1100)
        running.cancel()
        await asyncio.wait([running])
        await run_jobs()
        assert ran == [start + timedelta(seconds=number) for number in range(1, 1101)]
        assert await driver.validate() == []
