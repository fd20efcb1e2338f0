"""A link that is slow loses nothing: bytes that arrive, or leave, are an answer under way."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from jobsvalkey import JobContext, JobQueue, JobStatus, ProcessorOptions, StoreUnavailable, new_job_id
from jobsvalkey.contract import Fail, Finish, NewJob, Retry, StoreOutcome
from jobsvalkey.valkey import ValkeyJobQueue, scripting
from tests.conftest import StartServer
from tests.support.drivers import claims_of, driver_at
from tests.support.processors import run_in_background
from tests.support.proxy import Proxy, script
from tests.support.servers import Server
from tests.support.slow_link import SlowLink
from tests.support.waiting import until

READ_TIMEOUT = 0.8
"""Seconds; each of the steps here takes several times as long. A busy machine may be silent for half of it."""
RATE = 500_000
LARGE = bytes(1_000_000)


@dataclass(frozen=True)
class Large:
    job_name: ClassVar[str] = "Large"
    number: int
    payload: str


@asynccontextmanager
async def slow_driver(
    server: Server, queue_key: str, **rates: float
) -> AsyncGenerator[tuple[ValkeyJobQueue, SlowLink]]:
    async with (
        SlowLink(server.url, **rates) as link,
        driver_at(link.url, queue_key, read_timeout=READ_TIMEOUT) as driver,
    ):
        yield driver, link


def large_job() -> NewJob:
    return NewJob(new_job_id(), LARGE)


async def claim(driver: ValkeyJobQueue) -> None:
    await driver.open_worker("worker", timedelta(hours=1))
    exchanged = await driver.exchange("worker", 1, (), 1)
    assert [claim.request for claim in exchanged.claims] == [LARGE]


async def look(driver: ValkeyJobQueue) -> None:
    assert [len(job.request or b"") async for job in driver.jobs(JobStatus.PENDING)] == [len(LARGE)]


async def get(driver: ValkeyJobQueue) -> None:
    (job,) = [job async for job in driver.jobs(JobStatus.PENDING, limit=1)]
    found = await driver.get(job.job_id)
    assert found is not None
    assert found.request == LARGE


async def metadata(driver: ValkeyJobQueue) -> None:
    assert await driver.get_metadata("large") == LARGE


@pytest.mark.parametrize("step", [claim, look, get, metadata], ids=lambda step: step.__name__)
async def test_an_answer_that_arrives_slowly_is_read_to_its_end(
    step: Callable[[ValkeyJobQueue], Awaitable[None]], default_server: Server, queue_key: str, direct: ValkeyJobQueue
) -> None:
    await direct.push([large_job()])
    await direct.set_metadata("large", LARGE)
    async with slow_driver(default_server, queue_key, down=RATE) as (driver, link):
        await step(driver)
        assert link.carried_down < 3 * len(LARGE), "it was sent again and again"


async def push(driver: ValkeyJobQueue, direct: ValkeyJobQueue) -> None:
    assert [each.outcome for each in await driver.push([large_job(), large_job()])] == [StoreOutcome.STORED] * 2


async def push_at_once(driver: ValkeyJobQueue, direct: ValkeyJobQueue) -> None:
    pushed = await asyncio.gather(*(driver.push([large_job()]) for _ in range(3)))
    assert [each.outcome for (each,) in pushed] == [StoreOutcome.STORED] * 3


async def push_if(driver: ValkeyJobQueue, direct: ValkeyJobQueue) -> None:
    await driver.push_if(large_job(), "key", None, b"value")
    assert await direct.get_metadata("key") == b"value"


async def set_metadata(driver: ValkeyJobQueue, direct: ValkeyJobQueue) -> None:
    await driver.set_metadata("large", LARGE)
    assert await direct.get_metadata("large") == LARGE


async def retry(driver: ValkeyJobQueue, direct: ValkeyJobQueue) -> None:
    await direct.push([NewJob(new_job_id(), b"request")])
    (claim,) = await claims_of(direct, 1)
    await driver.exchange("worker", 2, [Retry(claim.job_id, claim.token, LARGE)])
    found = await direct.get(claim.job_id)
    assert found is not None
    assert found.request == LARGE


async def fail(driver: ValkeyJobQueue, direct: ValkeyJobQueue) -> None:
    await direct.push([NewJob(new_job_id(), b"request")])
    (claim,) = await claims_of(direct, 1)
    await driver.exchange("worker", 2, [Fail(claim.job_id, claim.token, LARGE)])
    assert await direct.status(claim.job_id) is JobStatus.FAILED


async def finish(driver: ValkeyJobQueue, direct: ValkeyJobQueue) -> None:
    await direct.push([NewJob(new_job_id(), b"request")])
    (claim,) = await claims_of(direct, 1)
    await driver.exchange("worker", 2, [Finish(claim.job_id, claim.token, LARGE)])
    (ended,) = await direct.ended([claim.job_id], timedelta(hours=1))
    assert ended is not None
    assert ended.result == LARGE


@pytest.mark.parametrize(
    "step", [push, push_at_once, push_if, set_metadata, retry, fail, finish], ids=lambda step: step.__name__
)
async def test_a_step_that_leaves_slowly_is_sent_to_its_end(
    step: Callable[[ValkeyJobQueue, ValkeyJobQueue], Awaitable[None]],
    default_server: Server,
    queue_key: str,
    direct: ValkeyJobQueue,
) -> None:
    async with slow_driver(default_server, queue_key, up=RATE) as (driver, link):
        await driver.counts()
        await step(driver, direct)
        assert link.accepted <= 3, "it was sent again and again"


async def test_a_result_that_arrives_slowly_is_read_to_its_end(
    default_server: Server, queue_key: str, direct: ValkeyJobQueue
) -> None:
    await direct.push([NewJob(new_job_id(), b"request")])
    (claim,) = await claims_of(direct, 1)
    await direct.exchange("worker", 2, [Finish(claim.job_id, claim.token, LARGE)])
    async with slow_driver(default_server, queue_key, down=RATE) as (driver, link):
        (ended,) = await driver.ended([claim.job_id], timedelta(hours=1))
        assert ended is not None
        assert ended.result == LARGE
        assert link.carried_down < 3 * len(LARGE), "it was sent again and again"


async def test_patience_is_not_over_while_bytes_move(
    default_server: Server, queue_key: str, direct: ValkeyJobQueue
) -> None:
    await direct.push([large_job()])
    settings: dict[str, Any] = {"read_timeout": READ_TIMEOUT, "operation_timeout": timedelta(seconds=READ_TIMEOUT)}
    async with (
        SlowLink(default_server.url, down=RATE, up=RATE) as link,
        driver_at(link.url, queue_key, **settings) as driver,
    ):
        await look(driver)
        (pushed,) = await driver.push([large_job()])
        assert pushed.outcome is StoreOutcome.STORED


async def test_sixteen_large_jobs_over_a_slow_link_run(
    default_server: Server, queue_key: str, direct: ValkeyJobQueue
) -> None:
    """The whole of them takes a multiple of the read timeout."""
    payload = "x" * 200_000
    queue = JobQueue(direct)
    await queue.push_many([Large(number, payload) for number in range(16)])
    async with slow_driver(default_server, queue_key, down=RATE * 2) as (driver, link):
        slow = JobQueue(driver)
        ran: list[int] = []

        @slow.job(Large)
        async def handler(parameters: Large, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
            ran.append(parameters.number)

        async with run_in_background(slow.processor(ProcessorOptions(num_workers=16))):
            await until(lambda: sorted(ran) == list(range(16)))
        assert link.carried_down < 2 * 16 * len(payload)


async def test_an_answer_that_always_takes_longer_than_the_read_timeout_is_waited_for(
    proxy: Proxy, queue_key: str, valkey_client: Any
) -> None:
    """Something on the way holds all answers back: each attempt is given more time than the one before."""
    late = proxy.delay(3 * READ_TIMEOUT, script(scripting.EXCHANGE.digest), times=1000)
    async with driver_at(proxy.url, queue_key, read_timeout=READ_TIMEOUT) as driver:
        await driver.push([NewJob(new_job_id(), b"request")])
        await driver.open_worker("worker", timedelta(hours=1))
        await driver.exchange("worker", 1, (), 1)
        assert len(late.hit) <= 4


async def test_a_link_that_carries_nothing_is_given_up_in_time(start_server: StartServer, queue_key: str) -> None:
    server = start_server()
    async with driver_at(
        server.url, queue_key, read_timeout=READ_TIMEOUT, operation_timeout=timedelta(seconds=1)
    ) as driver:
        await driver.counts()
        server.freeze()
        async with asyncio.timeout(5):
            with pytest.raises(StoreUnavailable):
                await driver.push([NewJob(new_job_id(), bytes(1_000_000)) for _ in range(4)])
        server.thaw()
