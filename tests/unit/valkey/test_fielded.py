"""Jobs with fields that Swift does not know, as they lie in the store; and what they cost those who have none."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Any

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import ConfigurationError, JobID, JobStatus, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.contract import Fail, Finish, NewJob, Release, Retry, new_job_id
from tests.support.pushes import STORED, outcomes
from tests.support.waiting import PATIENCE, until

HOUR = timedelta(hours=1)


@pytest.fixture
async def driver(valkey_client: Valkey, queue_key: str) -> AsyncIterator[ValkeyJobQueue]:
    async with ValkeyJobQueue(valkey_client, ValkeyConfiguration(queue_key=queue_key)) as driver:
        yield driver


async def push(driver: ValkeyJobQueue, keep_for: timedelta | None = HOUR, **fields: Any) -> JobID:
    job = NewJob(new_job_id(), b"{}", keep_for=keep_for, **fields)
    assert outcomes(await driver.push([job])) == [STORED]
    return job.job_id


async def swifts(client: Any, queue_key: str) -> set[str]:
    """Give the ids that a Swift worker would see as pending or paused."""
    return {
        each.decode() for name in ("pending", "paused") for each in await client.zrange(f"{queue_key}.{name}", 0, -1)
    }


async def test_no_step_puts_a_fielded_job_where_swift_would_take_it(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue
) -> None:
    job_id = await push(driver)
    await driver.open_worker("worker", HOUR)
    sequence = 0

    async def claim(**settlement: Any) -> bytes:
        nonlocal sequence
        sequence += 1
        (claim,) = (await driver.exchange("worker", sequence, (), 1)).claims
        assert claim.job_id == job_id
        return claim.token

    async def settle(settlement: Any) -> None:
        nonlocal sequence
        sequence += 1
        await driver.exchange("worker", sequence, [settlement])

    async def check() -> None:
        assert await swifts(valkey_client, queue_key) == set()
        assert await driver.validate() == []

    await check()
    await driver.pause(job_id)
    await check()
    await driver.resume(job_id)
    await settle(Retry(job_id, await claim()))
    await check()
    await settle(Release(job_id, await claim()))
    await check()
    await claim()
    await driver.renew("worker", timedelta(0))
    assert await driver.recover() == 1
    await driver.renew("worker", HOUR)
    await check()
    await settle(Fail(job_id, await claim(), b"error"))
    await driver.rerun(job_id)
    await check()
    await claim()
    await driver.close_worker("worker")
    await check()
    await driver.open_worker("worker", HOUR)
    sequence = 0
    await settle(Finish(job_id, await claim(), b"result"))
    await check()
    stored = await driver.get(job_id)
    assert stored is not None
    assert (stored.result, stored.keep_for) == (b"result", HOUR)
    await driver.remove(job_id)
    client: Any = valkey_client
    left = {key.decode().removeprefix(queue_key) async for key in client.scan_iter(f"{queue_key}*")}
    assert not [key for key in left if str(job_id) in key], left


@pytest.mark.parametrize("before", ["pending", "paused", "completed"])
async def test_what_swift_puts_among_its_own_is_put_back(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue, before: str
) -> None:
    client: Any = valkey_client
    job_id, plain = await push(driver), await push(driver, None)
    await driver.open_worker("worker", HOUR)
    if before == "paused":
        await driver.pause(job_id)
    elif before == "completed":
        claims = (await driver.exchange("worker", 1, (), 2)).claims
        tokens = {claim.job_id: claim.token for claim in claims}
        await driver.exchange("worker", 2, [Finish(job_id, tokens[job_id], b"old"), Release(plain, tokens[plain])])
    await client.zadd(f"{queue_key}.pending", {str(job_id): 1.0})
    claims = (await driver.exchange("worker", 3, (), 5)).claims
    assert [claim.job_id for claim in claims] == [job_id, plain]
    assert claims[0].keep_for == HOUR
    assert await swifts(client, queue_key) == set()
    assert await driver.validate() == []
    await driver.exchange("worker", 4, [Finish(job_id, claims[0].token)])
    stored = await driver.get(job_id)
    assert stored is not None
    assert (stored.status, stored.result) == (JobStatus.COMPLETED, None)


# Not used, it costs nothing.
async def test_the_first_such_push_adds_the_letter(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue
) -> None:
    client: Any = valkey_client
    await push(driver, None)
    assert await client.get(f"{queue_key}.metadata._layout") == b"1"
    await push(driver)
    await push(driver)
    assert await client.get(f"{queue_key}.metadata._layout") == b"1r"
    await client.set(f"{queue_key}.metadata._layout", "1rz")
    with pytest.raises(ConfigurationError, match="newer"):
        await push(driver)


@pytest.mark.parametrize(
    "name", ["_pending", "_paused", "_kept_completed", "_kept_cancelled", "_lasts_completed", "_lasts_failed", "_ended"]
)
async def test_a_list_of_another_type_is_refused_before_anything_is_written(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue, name: str
) -> None:
    client: Any = valkey_client
    job_id = await push(driver)
    await driver.open_worker("worker", HOUR)
    (claim,) = (await driver.exchange("worker", 1, (), 1)).claims
    await client.delete(f"{queue_key}.metadata.{name}")
    await client.set(f"{queue_key}.metadata.{name}", "not ours")
    with pytest.raises(ConfigurationError):
        await driver.exchange("worker", 2, [Finish(job_id, claim.token, b"1")])
    await client.delete(f"{queue_key}.metadata.{name}")
    await driver.exchange("worker", 2, [Finish(job_id, claim.token, b"1")])
    assert await driver.status(job_id) is JobStatus.COMPLETED


async def test_the_fields_may_be_of_another_type_and_the_job_still_ends(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue
) -> None:
    client: Any = valkey_client
    job_id = await push(driver)
    await client.delete(f"{queue_key}.metadata._job.{job_id}")
    await client.set(f"{queue_key}.metadata._job.{job_id}", "not ours")
    await driver.open_worker("worker", HOUR)
    (claim,) = (await driver.exchange("worker", 1, (), 1)).claims
    assert claim.keep_for is None
    await driver.exchange("worker", 2, [Finish(job_id, claim.token, b"1")])
    assert await driver.status(job_id) is None
    assert await client.exists(f"{queue_key}.metadata._job.{job_id}") == 0


class Counted:
    """Counts the commands of a queue, those within scripts included."""

    def __init__(self, client: Any, queue_key: str) -> None:
        self._client = client
        self._key = queue_key

    async def __call__(self, step: Awaitable[Any]) -> tuple[Any, Counter[str]]:
        found = Counter[str]()
        async with self._client.monitor() as monitor:
            result = await step
            await self._client.echo(f"{self._key} is done")
            async for each in monitor.listen():
                words = each["command"].split(" ")
                if words[1:] == [self._key, "is", "done"]:
                    return result, found
                if any(word.startswith(self._key) for word in words):
                    found[words[0].upper()] += 1
        raise AssertionError("the server has stopped telling")


# Not used, it costs nothing.
async def test_a_queue_without_letters_is_asked_for_none_of_this(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue
) -> None:
    """The numbers were recorded before there were fields, but for what a connection asks when it is opened."""
    counted = Counted(valkey_client, queue_key)
    await push(driver, None)
    await driver.open_worker("worker", HOUR)
    await driver.exchange("worker", 1, (), 1)
    # A connection looks at the server when it is opened, which would count, unless another has just done so.
    await driver.cancel(new_job_id())
    await driver.counts()
    found: dict[str, int] = {}

    async def count(name: str, step: Awaitable[Any]) -> Any:
        result, commands = await counted(step)
        found[name] = sum(commands.values()) - commands["EVAL"] - commands["EVALSHA"]
        return result

    await count("push", driver.push([NewJob(new_job_id(), b"{}") for _ in range(3)]))
    claims = (await count("claim", driver.exchange("worker", 2, (), 3))).claims
    one, two, three = claims
    await count("finish", driver.exchange("worker", 3, [Finish(one.job_id, one.token)]))
    await count("finish and claim nothing", driver.exchange("worker", 4, [Finish(two.job_id, two.token)], 1))
    await count("retry", driver.exchange("worker", 5, [Retry(three.job_id, three.token)]))
    await count("pause", driver.pause(three.job_id))
    await count("resume", driver.resume(three.job_id))
    await count("get", driver.get(three.job_id))
    await count("counts", driver.counts())
    await count("cancel", driver.cancel(three.job_id))
    await count("recover", driver.recover())
    await count("close", driver.close_worker("worker"))
    assert found == RECORDED


RECORDED = {
    "push": 10,
    "claim": 17,
    "finish": 15,
    "finish and claim nothing": 19,
    "retry": 15,
    "pause": 9,
    "resume": 10,
    "get": 5,  # of a job with an envelope it reads the runs, too
    "counts": 11,
    "cancel": 12,
    "recover": 14,
    "close": 17,
}


async def test_a_thousand_wait_by_one_read(valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue) -> None:
    jobs = [NewJob(new_job_id(), b"{}", keep_for=HOUR) for _ in range(1000)]
    await driver.push(jobs)
    waits = [asyncio.create_task(driver.ended([job.job_id], HOUR)) for job in jobs]
    client: Any = valkey_client

    async def readers() -> list[Any]:
        return [each for each in await client.client_list() if each["cmd"] == "xread"]

    await until(readers)
    assert len(await readers()) == 1
    await driver.open_worker("worker", HOUR)
    claims = (await driver.exchange("worker", 1, (), 1000)).claims
    await driver.exchange("worker", 2, [Finish(claim.job_id, claim.token, b"1") for claim in claims])
    async with asyncio.timeout(PATIENCE):
        ended = await asyncio.gather(*waits)
    assert {job and job.result for (job,) in ended} == {b"1"}


async def test_a_result_is_there_two_round_trips_after_the_end(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue
) -> None:
    job_id = await push(driver)
    await driver.open_worker("worker", HOUR)
    (claim,) = (await driver.exchange("worker", 1, (), 1)).claims
    async with ValkeyJobQueue(valkey_client, ValkeyConfiguration(queue_key=queue_key, poll_time=HOUR)) as waiting:
        wait = asyncio.create_task(waiting.ended([job_id], HOUR))
        client: Any = valkey_client

        async def is_reading() -> bool:
            return any(each["cmd"] == "xread" for each in await client.client_list())

        await until(is_reading)

        async def end() -> Any:
            await driver.exchange("worker", 2, [Finish(job_id, claim.token, b"1")])
            return await asyncio.wait_for(wait, PATIENCE)

        (job,), commands = await Counted(client, queue_key)(end())
    assert job is not None
    assert job.result == b"1"
    # That of the worker, and one look; the read that was blocked, and the one that goes on.
    assert commands["EVALSHA"] + commands["EVAL"] == 2
    assert commands["XREAD"] <= 1


async def test_an_end_of_which_the_news_is_lost_is_found_by_a_look(valkey_client: Valkey, queue_key: str) -> None:
    settings = ValkeyConfiguration(queue_key=queue_key, poll_time=timedelta(milliseconds=50))
    async with ValkeyJobQueue(valkey_client, settings) as driver:
        job_id, plain = await push(driver), await push(driver, None)
        waits = [asyncio.create_task(driver.ended([each], HOUR)) for each in (job_id, plain)]
        client: Any = valkey_client
        await driver.open_worker("worker", HOUR)
        claims = (await driver.exchange("worker", 1, (), 2)).claims
        await client.client_kill_filter(_type="normal", skipme=True)
        await driver.exchange("worker", 2, [Finish(claim.job_id, claim.token, b"1") for claim in claims])
        await client.delete(f"{queue_key}.metadata._ended")
        (kept,), (gone,) = await asyncio.wait_for(asyncio.gather(*waits), PATIENCE)
        assert kept is not None
        assert kept.result == b"1"
        assert gone is None


async def test_who_waits_when_the_driver_is_closed_is_told(valkey_client: Valkey, queue_key: str) -> None:
    driver = ValkeyJobQueue(valkey_client, ValkeyConfiguration(queue_key=queue_key))
    job_id = await push(driver)
    wait = asyncio.create_task(driver.ended([job_id], HOUR))
    await until(lambda: not wait.done())
    await asyncio.sleep(0.05)
    await driver.aclose()
    with pytest.raises(Exception, match="closed"):
        await asyncio.wait_for(wait, PATIENCE)
