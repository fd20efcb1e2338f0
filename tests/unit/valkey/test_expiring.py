"""Jobs that expire, as they lie in the store, beside Swift, and in large numbers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import JobID, JobStatus, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.contract import MOST_EXPIRED, NewJob, new_job_id
from tests.support.retention import KEEP_ALL

HOUR = timedelta(hours=1)
PAST = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
async def driver(valkey_client: Valkey, queue_key: str) -> AsyncIterator[ValkeyJobQueue]:
    configuration = ValkeyConfiguration(queue_key=queue_key, retention_policy=KEEP_ALL)
    async with ValkeyJobQueue(valkey_client, configuration) as driver:
        await driver.open_worker("worker", HOUR)
        yield driver


async def push(driver: ValkeyJobQueue, **fields: Any) -> JobID:
    job = NewJob(new_job_id(), b"{}", **fields)
    await driver.push([job])
    return job.job_id


# Not used, it costs nothing.
async def test_the_first_job_that_expires_adds_the_letter(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue
) -> None:
    client: Any = valkey_client
    await push(driver)
    assert await client.get(f"{queue_key}.metadata._layout") == b"1"
    job_id = await push(driver, expires=HOUR)
    assert await client.get(f"{queue_key}.metadata._layout") == b"1e"
    assert await client.zrange(f"{queue_key}.metadata._ends_at", 0, -1) == [str(job_id).encode()]
    assert await client.zrange(f"{queue_key}.pending", 0, -1) != [str(job_id).encode()]
    await driver.remove(job_id)
    assert await client.exists(f"{queue_key}.metadata._ends_at", f"{queue_key}.metadata._job.{job_id}") == 0


async def test_what_swift_reruns_does_not_expire(valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue) -> None:
    """Swift moves an id from one list to another, and knows of no more."""
    client: Any = valkey_client
    expired = await push(driver, expires=PAST)
    assert (await driver.exchange("worker", 1)).claims == []
    assert await driver.status(expired) is JobStatus.CANCELLED
    await client.zrem(f"{queue_key}.cancelled", str(expired))
    await client.zadd(f"{queue_key}.pending", {str(expired): 1.0})
    (claim,) = (await driver.exchange("worker", 2, (), 5)).claims
    assert (claim.job_id, claim.expires) == (expired, None)
    assert await driver.validate() == []


async def test_what_swift_resumes_expires_as_before(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue
) -> None:
    client: Any = valkey_client
    job_id = await push(driver, expires=HOUR)
    await client.zadd(f"{queue_key}.pending", {str(job_id): 1.0})
    (claim,) = (await driver.exchange("worker", 1, (), 5)).claims
    assert claim.job_id == job_id
    assert claim.expires is not None


async def test_an_entry_without_a_job_is_forgotten(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue
) -> None:
    """Somebody has removed keys by hand: nothing comes of it, and it does not stay."""
    client: Any = valkey_client
    job_id = await push(driver, expires=HOUR)
    await client.zadd(f"{queue_key}.metadata._ends_at", {str(new_job_id()): 1.0, "no id": 2.0})
    answer = await driver.exchange("worker", 1, (), 5)
    assert [claim.job_id for claim in answer.claims] == [job_id]
    assert await client.exists(f"{queue_key}.metadata._ends_at") == 0


@pytest.mark.parametrize("limit", [1, 100])
async def test_behind_ten_thousand_that_have_expired(driver: ValkeyJobQueue, limit: int) -> None:
    """None of them runs, each exchange ends a hundred, and what does not expire does not wait for it."""
    for _ in range(10):
        await driver.push([NewJob(new_job_id(), b"{}", PAST, expires=PAST + HOUR) for _ in range(1000)])
    first = await push(driver, due=PAST - HOUR, expires=PAST + 2 * HOUR)  # due first, and ended last
    plain, alive = await push(driver), await push(driver, expires=HOUR)
    exchanges, claimed = 0, list[JobID]()
    while True:
        exchanges += 1
        answer = await driver.exchange("worker", exchanges, (), limit)
        claimed += [claim.job_id for claim in answer.claims]
        if exchanges == 1:
            assert claimed == [plain]
        if answer.until_next != 0:
            break
    assert sorted(claimed) == sorted([plain, alive])
    assert 10_000 // MOST_EXPIRED <= exchanges <= 10_000 // MOST_EXPIRED + 3
    assert await driver.status(first) is JobStatus.CANCELLED
    counts = await driver.counts()
    assert (counts[JobStatus.PENDING], counts[JobStatus.CANCELLED]) == (0, 10_001)
