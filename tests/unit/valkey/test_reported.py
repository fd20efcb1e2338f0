"""Jobs that have reported, as they lie in the store: where Swift does not look, and no longer than they live."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import RETAIN, ConfigurationError, JobStatus, RetentionPolicy, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.contract import Claim, Fail, Finish, NewJob, Release, Report, Retry, SettleOutcome, new_job_id

HOUR = timedelta(hours=1)
SETTLED = SettleOutcome.SETTLED


@pytest.fixture
async def driver(valkey_client: Valkey, queue_key: str) -> AsyncIterator[ValkeyJobQueue]:
    configuration = ValkeyConfiguration(queue_key=queue_key, retention_policy=RetentionPolicy(completed_jobs=RETAIN))
    async with ValkeyJobQueue(valkey_client, configuration) as driver:
        yield driver


async def claimed(driver: ValkeyJobQueue) -> Claim:
    await driver.push([NewJob(new_job_id(), b"{}")])
    await driver.open_worker("worker", HOUR)
    (claim,) = (await driver.exchange("worker", 1, (), 1)).claims
    return claim


async def report(driver: ValkeyJobQueue, claim: Claim, sequence: int = 2, state: bytes = b"state") -> None:
    answer = await driver.exchange("worker", sequence, reports=[Report(claim.job_id, claim.token, b"half", state)])
    assert answer.reported == [SETTLED]


async def keys_of(client: Any, queue_key: str, claim: Claim) -> set[str]:
    found = {key.decode().removeprefix(queue_key) async for key in client.scan_iter(f"{queue_key}*")}
    return {key for key in found if str(claim.job_id) in key}


async def test_a_job_is_plain_before_its_first_report_and_after_its_end(
    valkey_client: Any, queue_key: str, driver: ValkeyJobQueue
) -> None:
    claim = await claimed(driver)
    job_id = str(claim.job_id)
    assert await valkey_client.get(f"{queue_key}.metadata._layout") == b"1"
    assert await keys_of(valkey_client, queue_key, claim) == {f"/{job_id}"}
    await report(driver, claim)
    assert await valkey_client.get(f"{queue_key}.metadata._layout") == b"1s"
    assert f".metadata._job.{job_id}" in await keys_of(valkey_client, queue_key, claim)
    assert (await valkey_client.hget(f"{queue_key}.metadata._claimed", job_id)).split()[3] == b"fielded"
    await driver.exchange("worker", 3, [Finish(claim.job_id, claim.token)])
    assert f".metadata._job.{job_id}" not in await keys_of(valkey_client, queue_key, claim)
    assert await valkey_client.zscore(f"{queue_key}.completed", job_id) is not None
    await driver.rerun(claim.job_id)
    assert await valkey_client.zscore(f"{queue_key}.pending", job_id) is not None
    await driver.remove(claim.job_id)
    assert await keys_of(valkey_client, queue_key, claim) == set()


@pytest.mark.parametrize("how", ["retry", "release", "close", "recover"])
async def test_between_its_runs_it_waits_where_swift_does_not_look(
    valkey_client: Any, queue_key: str, driver: ValkeyJobQueue, how: str
) -> None:
    claim = await claimed(driver)
    if how in ("retry", "release"):
        settlement = (Retry if how == "retry" else Release)(claim.job_id, claim.token)
        reports = [Report(claim.job_id, claim.token, None, b"state")]
        assert (await driver.exchange("worker", 2, [settlement], reports=reports)).outcomes == [SETTLED]
    else:
        await report(driver, claim)
        if how == "close":
            await driver.close_worker("worker")
        else:
            await driver.renew("worker", timedelta(0))
            assert await driver.recover() == 1
    assert await valkey_client.zcard(f"{queue_key}.pending") == 0
    assert await valkey_client.zcard(f"{queue_key}.metadata._pending") == 1
    assert await driver.validate() == []


async def test_a_look_does_not_read_states(valkey_client: Any, driver: ValkeyJobQueue, queue_key: str) -> None:
    """A state may have a megabyte, and a list of jobs has many."""
    claim = await claimed(driver)
    await report(driver, claim, state=b"x" * 1_000_000)
    before = (await valkey_client.info("stats"))["total_net_output_bytes"]
    assert [job.progress async for job in driver.jobs(JobStatus.PROCESSING)] == [b"half"]
    assert (await valkey_client.info("stats"))["total_net_output_bytes"] - before < 100_000


async def test_fields_of_another_type_break_the_report_and_not_the_job(
    valkey_client: Any, queue_key: str, driver: ValkeyJobQueue
) -> None:
    claim = await claimed(driver)
    key = f"{queue_key}.metadata._job.{claim.job_id}"
    await valkey_client.set(key, "not ours")
    reports = [Report(claim.job_id, claim.token, b"1", b"2")]
    answer = await driver.exchange("worker", 2, reports=reports)
    assert answer.reported == [SettleOutcome.BROKEN]
    assert await valkey_client.get(key) == b"not ours"
    answer = await driver.exchange("worker", 3, [Fail(claim.job_id, claim.token, b"error", keep=True)])
    assert answer.outcomes == [SETTLED]
    assert await driver.status(claim.job_id) is JobStatus.FAILED


@pytest.mark.parametrize("name", ["_pending", "_paused", "_kept_completed", "_lasts_failed", "_ended"])
async def test_the_first_report_of_a_queue_looks_at_the_lists_before_it_writes(
    valkey_client: Any, queue_key: str, driver: ValkeyJobQueue, name: str
) -> None:
    claim = await claimed(driver)
    await valkey_client.set(f"{queue_key}.metadata.{name}", "not ours")
    reports = [Report(claim.job_id, claim.token, b"1", b"2")]
    with pytest.raises(ConfigurationError):
        await driver.exchange("worker", 2, [Release(claim.job_id, claim.token)], reports=reports)
    assert await valkey_client.get(f"{queue_key}.metadata._layout") == b"1"
    await valkey_client.delete(f"{queue_key}.metadata.{name}")
    answer = await driver.exchange("worker", 2, [Release(claim.job_id, claim.token)], reports=reports)
    assert (answer.reported, answer.outcomes) == ([SETTLED], [SETTLED])


async def test_nothing_is_left_of_a_job_that_a_swift_worker_has_ended_after_all(
    valkey_client: Any, queue_key: str, driver: ValkeyJobQueue
) -> None:
    claim = await claimed(driver)
    await report(driver, claim)
    await driver.exchange("worker", 3, [Release(claim.job_id, claim.token)])
    await valkey_client.zadd(f"{queue_key}.metadata._taken", {str(claim.job_id): 1})
    await valkey_client.delete(f"{queue_key}/{claim.job_id}", f"{queue_key}/{claim.job_id}.metadata")
    assert (await driver.exchange("worker", 4, (), 1)).claims == []
    assert await keys_of(valkey_client, queue_key, claim) == set()
