"""A server that is out of memory takes nothing more, and what is there can be run and settled."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from jobsvalkey import JobQueue, ProcessorOptions, StoreFull
from jobsvalkey.contract import (
    AbortOutcome,
    Cancel,
    Fail,
    Finish,
    JobCleanup,
    JobStatus,
    LaneLimit,
    NewJob,
    Release,
    Report,
    Retry,
    Settlement,
    SettleOutcome,
    new_job_id,
)
from jobsvalkey.valkey import ValkeyJobQueue, scripting
from jobsvalkey.valkey.scripting import PUSH, SWEEP_LANES
from tests.support.drivers import HOUR, all_completed, claims_of, client_of, driver_at, new_job, open_worker
from tests.support.processors import run_in_background
from tests.support.proxy import Proxy, script
from tests.support.pushes import STORED, outcomes
from tests.support.servers import Server
from tests.support.steps import STEPS, claiming
from tests.support.waiting import until
from tests.support.work import Work, counting

Fill = Callable[[], Awaitable[None]]


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Any]:
    async with client_of(server.url) as client:
        yield client


@pytest.fixture
async def driver(server: Server, queue_key: str) -> AsyncIterator[ValkeyJobQueue]:
    async with driver_at(server.url, queue_key) as driver:
        yield driver


@pytest.fixture
def fill(client: Any) -> Fill:
    """Makes the server full: it has more than it may have."""

    async def fill() -> None:
        await client.config_set("maxmemory-policy", "noeviction")
        await client.config_set("maxmemory", "1mb")

    return fill


@pytest.fixture
def unfill(client: Any) -> Fill:
    """Gives the server room again."""

    async def unfill() -> None:
        await client.config_set("maxmemory", "0")

    return unfill


async def everything(client: Any) -> dict[bytes, bytes]:
    return {key: await client.dump(key) async for key in client.scan_iter(count=1000)}


@pytest.mark.parametrize("number", [1, 600])
async def test_a_push_stores_nothing_and_says_why(driver: ValkeyJobQueue, client: Any, fill: Fill, number: int) -> None:
    await driver.push([new_job()])
    await driver.set_metadata("key", b"0")
    await fill()
    before = await everything(client)
    with pytest.raises(StoreFull) as caught:
        await driver.push([new_job() for _ in range(number)])
    assert caught.value.outcome == "not_done"
    with pytest.raises(StoreFull):
        await driver.push_if(new_job(), "key", b"0", b"1")
    assert await everything(client) == before


async def test_a_push_that_was_stored_is_told_so_though_the_server_is_full_by_then(
    server: Server, queue_key: str, fill: Fill
) -> None:
    async with Proxy(server.url) as proxy, driver_at(proxy.url, queue_key) as driver:
        await driver.push([new_job()])
        fault = proxy.swallow_reply(script(PUSH.digest))
        proxy.delay(0.3, script(PUSH.digest), nth=2)
        push = asyncio.create_task(driver.push([new_job()]))
        await fault.happened.wait()
        await fill()
        assert outcomes(await push) == [STORED]


SETTLEMENTS: dict[str, tuple[Callable[[Any], Settlement], JobStatus]] = {
    "finish": (lambda claim: Finish(claim.job_id, claim.token), JobStatus.COMPLETED),
    "finish with a result": (lambda claim: Finish(claim.job_id, claim.token, b"result"), JobStatus.COMPLETED),
    "cancel": (lambda claim: Cancel(claim.job_id, claim.token, b"reason"), JobStatus.CANCELLED),
    "fail": (lambda claim: Fail(claim.job_id, claim.token, b"error"), JobStatus.FAILED),
    "retry": (lambda claim: Retry(claim.job_id, claim.token, b"again", HOUR, b"error"), JobStatus.PENDING),
    "release": (lambda claim: Release(claim.job_id, claim.token), JobStatus.PENDING),
}


@pytest.mark.parametrize("name", SETTLEMENTS)
async def test_claims_are_made_and_settled(driver: ValkeyJobQueue, fill: Fill, name: str) -> None:
    settle, status = SETTLEMENTS[name]
    await driver.push([new_job() for _ in range(2)])
    (claim,) = await claims_of(driver, 1)
    await fill()
    exchanged = await driver.exchange("worker", 2, [settle(claim)], 1)
    assert exchanged.outcomes == [SettleOutcome.SETTLED]
    assert len(exchanged.claims) == 1
    if name != "release":
        assert await driver.status(claim.job_id) is status
    again = await driver.exchange("worker", 2, [settle(claim)], 1)
    assert (again.outcomes, again.claims) == (exchanged.outcomes, exchanged.claims)
    assert (await driver.renew("worker", HOUR)).tokens == {exchanged.claims[0].token}
    await driver.close_worker("worker")


async def test_reports_are_taken_and_go_with_the_end(driver: ValkeyJobQueue, client: Any, fill: Fill) -> None:
    await driver.push([new_job()])
    (claim,) = await claims_of(driver, 1)
    await fill()
    reports = [Report(claim.job_id, claim.token, b"half", b"x" * 1000)]
    answer = await driver.exchange("worker", 2, [Release(claim.job_id, claim.token)], 1, reports=reports)
    assert (answer.reported, answer.outcomes) == ([SettleOutcome.SETTLED], [SettleOutcome.SETTLED])
    assert [again.state for again in answer.claims] == [b"x" * 1000]
    (claim,) = answer.claims
    assert (await driver.exchange("worker", 3, [Finish(claim.job_id, claim.token)])).outcomes == [SettleOutcome.SETTLED]
    assert [key for key in await client.keys() if b"_job." in key] == []


ADDING = (scripting.PUSH, scripting.PUSH_IF, scripting.SET_METADATA, scripting.ACQUIRE_LOCK)
"""What a full server refuses; all else removes before it adds."""


async def test_every_step_but_those_that_only_add_works(
    driver: ValkeyJobQueue, client: Any, fill: Fill, unfill: Fill
) -> None:
    for name, step in STEPS.items():
        scene = await step.prepare(driver)
        await fill()
        if step.script in ADDING:
            before = await everything(client)
            with pytest.raises(StoreFull):
                await step.ask(driver, scene)
            assert await everything(client) == before, name
            await unfill()
        else:
            answer = await step.ask(driver, scene)
            assert answer == (scene.ids[:2] if step.ask is claiming else step.answer), name
            assert await driver.validate() == [], name
            await unfill()  # names are seen by pushes of them
            assert await step.see(driver, scene) == step.left, name
        await client.flushall()


async def test_a_job_with_fields_that_swift_has_run_anew_is_claimed(
    driver: ValkeyJobQueue, client: Any, queue_key: str, fill: Fill
) -> None:
    job = NewJob(new_job_id(), b"request", keep_for=HOUR)
    await driver.push([job])
    await open_worker(driver)
    await client.zadd(f"{queue_key}.pending", {str(job.job_id): 1})
    await client.zrem(f"{queue_key}.metadata._pending", str(job.job_id))
    await fill()
    assert [claim.job_id for claim in (await driver.exchange("worker", 1, (), 1)).claims] == [job.job_id]
    assert await driver.validate() == []


async def test_what_takes_jobs_away_works(driver: ValkeyJobQueue, fill: Fill) -> None:
    jobs = [new_job() for _ in range(4)]
    await driver.push(jobs)
    await fill()
    one, two, three, four = (job.job_id for job in jobs)
    assert await driver.cancel(one)
    assert await driver.pause(two)
    assert await driver.resume(two)
    assert await driver.remove(three)
    assert await driver.rerun(one)
    assert await driver.status(four) is JobStatus.PENDING
    await open_worker(driver)
    assert await driver.recover() == 0
    assert await driver.validate() == []


async def test_a_recovery_that_keeps_the_times_of_a_rate_for_longer_works(driver: ValkeyJobQueue, fill: Fill) -> None:
    await driver.set_lane_limit("a", LaneLimit(rate=(1, timedelta(milliseconds=1))))
    await driver.push([NewJob(new_job_id(), b"request", lane="a")])
    await driver.open_worker("worker", timedelta(seconds=0.1))
    assert (await driver.exchange("worker", 1, (), 1)).claims
    await driver.set_lane_limit("a", LaneLimit(rate=(1, HOUR)))
    await fill()

    async def has_recovered() -> bool:
        return await driver.recover() == 1

    await until(has_recovered)


async def test_a_worker_whose_job_is_to_be_aborted_claims_another(driver: ValkeyJobQueue, fill: Fill) -> None:
    await driver.push([replace(new_job(), keep_for=HOUR) for _ in range(3)])
    first, second = await claims_of(driver, 2)
    assert await driver.abort(first.job_id) is AbortOutcome.REQUESTED
    await fill()
    exchanged = await driver.exchange("worker", 2, (), 1)
    assert len(exchanged.claims) == 1
    assert exchanged.aborts == {first.token}
    assert (await driver.exchange("worker", 3)).aborts == {first.token}
    exchanged = await driver.exchange("worker", 4, [Finish(second.job_id, second.token)])
    assert (exchanged.outcomes, exchanged.aborts) == ([SettleOutcome.SETTLED], {first.token})
    await driver.exchange("worker", 5, [Release(first.job_id, first.token)])
    assert await driver.status(first.job_id) is JobStatus.CANCELLED


async def test_a_look_at_lanes_finds_none_left(server: Server, client: Any, queue_key: str, fill: Fill) -> None:
    """Since a recovery has looked at them between two steps of `set_lane_limit`."""
    async with Proxy(server.url) as proxy, driver_at(proxy.url, queue_key) as driver:
        for at in range(0, 1001, 500):
            await driver.push([replace(new_job(), lane=f"lane:{at + number}") for number in range(500)])
        held = proxy.hold(script(SWEEP_LANES.digest))
        limiting = asyncio.create_task(driver.set_lane_limit("*", LaneLimit(1)))
        await held.happened.wait()
        async with driver_at(server.url, queue_key) as other:
            await other.recover()
        await client.delete(f"{queue_key}.metadata._wake")  # as a worker that waits
        await fill()
        held.released.set()
        await limiting
        assert await driver.lane_limits() == {"*": LaneLimit(1)}


@pytest.mark.parametrize("how", ["remove", "cleanup"])
async def test_a_member_of_a_batch_is_removed(driver: ValkeyJobQueue, fill: Fill, how: str) -> None:
    callback = new_job_id()
    member = replace(new_job(), due=HOUR, batch=callback)
    await driver.push([NewJob(callback, b"request", batch=callback), member])
    assert await driver.close_batch(callback)
    await fill()
    if how == "remove":
        assert await driver.remove(member.job_id)
    else:
        assert await driver.cleanup_step(JobStatus.PENDING, JobCleanup.remove(), max_jobs=1) == 1
    assert await driver.status(member.job_id) is None
    assert await driver.status(callback) is JobStatus.PENDING


async def test_a_processor_drains_the_queue(driver: ValkeyJobQueue, fill: Fill) -> None:
    queue = JobQueue(driver)
    ran = counting(queue, 0.001)
    await queue.push_many([Work(number) for number in range(200)])
    await fill()
    async with run_in_background(queue.processor(ProcessorOptions(num_workers=8))):
        await until(lambda: len(ran) == 200)
        with pytest.raises(StoreFull):
            await queue.push(Work(200))
    assert sorted(ran) == list(range(200))
    assert await all_completed(driver, 200)
    assert await driver.validate() == []
