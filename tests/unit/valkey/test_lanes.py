"""Lanes with limits, as they lie in the store: who is woken, and what a change of limits leaves."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.contract import Finish, LaneLimit, NewJob, new_job_id
from tests.support.retention import KEEP_ALL
from tests.support.waiting import until

HOUR = timedelta(hours=1)
ONE = LaneLimit(concurrency=1)


@pytest.fixture
async def driver(valkey_client: Valkey, queue_key: str) -> AsyncIterator[ValkeyJobQueue]:
    configuration = ValkeyConfiguration(queue_key=queue_key, retention_policy=KEEP_ALL)
    async with ValkeyJobQueue(valkey_client, configuration) as driver:
        await driver.open_worker("worker", HOUR)
        yield driver


async def push(driver: ValkeyJobQueue, count: int, lane: str = "a", due: timedelta | None = None) -> None:
    await driver.push([NewJob(new_job_id(), b"{}", due, lane=lane) for _ in range(count)])


async def claimed(driver: ValkeyJobQueue, sequence: int) -> int:
    return len((await driver.exchange("worker", sequence, (), 9)).claims)


@pytest.mark.parametrize(("lane", "due", "hints"), [("a", None, 0), ("a", HOUR, 0), ("b", None, 1), ("b", HOUR, 1)])
async def test_a_push_to_a_full_lane_wakes_nobody(
    lane: str, due: timedelta | None, hints: int, driver: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    """The push to another lane wakes a worker, also if it is due later than what waits in the full one."""
    await driver.set_lane_limit("*", ONE)
    await push(driver, 3)
    assert await claimed(driver, 1) == 1
    await valkey_client.delete(f"{queue_key}.metadata._wake")
    await push(driver, 2, lane, due)
    assert await valkey_client.llen(f"{queue_key}.metadata._wake") == hints


async def test_a_limit_that_is_removed_and_never_was_leaves_no_letter(
    driver: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    await push(driver, 1)
    before = await valkey_client.get(f"{queue_key}.metadata._layout")
    await driver.set_lane_limit("a", None)
    assert await valkey_client.get(f"{queue_key}.metadata._layout") == before


async def test_what_a_change_has_left_wakes_a_worker_when_a_recovery_goes_on_with_it(
    driver: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    await driver.set_lane_limit("a*", ONE)
    await push(driver, 2)
    assert await claimed(driver, 1) == 1
    # As a change to two leaves it that was broken off after its first step, with a thousand other lines.
    await valkey_client.hset(f"{queue_key}.metadata._limits", "a*", "2 - -")
    await valkey_client.hset(f"{queue_key}.metadata._sweeps", "a*", "")
    for hints in (1, 0):
        await valkey_client.delete(f"{queue_key}.metadata._wake")
        await driver.recover()
        assert await valkey_client.llen(f"{queue_key}.metadata._wake") == hints
    assert await claimed(driver, 2) == 1


@pytest.mark.parametrize("pattern", ["a", "*"])
async def test_a_rate_that_is_made_longer_counts_for_as_long(
    pattern: str, driver: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    """The claims that the former rate still counted: their times stay for the longer time."""
    await driver.set_lane_limit(pattern, LaneLimit(rate=(2, timedelta(seconds=0.4))))
    await push(driver, 5)
    assert await claimed(driver, 1) == 2
    await driver.set_lane_limit(pattern, LaneLimit(rate=(2, HOUR)))
    assert await claimed(driver, 2) == 0
    await driver.set_lane_limit(pattern, LaneLimit(rate=(2, timedelta(seconds=0.4))))
    await until(lambda: claimed(driver, 3))


@pytest.mark.parametrize("pattern", ["a", "*"])
async def test_a_rate_that_is_made_longer_counts_for_an_idle_lane(
    pattern: str, driver: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    """Its times are looked at when they are over, under the limit of that moment."""
    await driver.set_lane_limit(pattern, LaneLimit(rate=(1, timedelta(milliseconds=50))))
    await push(driver, 1)
    (claim,) = (await driver.exchange("worker", 1, (), 9)).claims
    await driver.exchange("worker", 2, [Finish(claim.job_id, claim.token)])
    await driver.set_lane_limit(pattern, LaneLimit(rate=(1, HOUR)))
    await _until_over(valkey_client, queue_key)
    await driver.recover()
    await push(driver, 1)
    assert await claimed(driver, 3) == 0


@pytest.mark.parametrize("limit", [LaneLimit(rate=(1, timedelta(milliseconds=50))), LaneLimit(concurrency=1), None])
async def test_the_times_of_an_idle_lane_are_forgotten(
    limit: LaneLimit | None, driver: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    """By a claim of another lane, or by a recovery, if the limit is the same, shorter or no more."""
    await driver.set_lane_limit("a", LaneLimit(rate=(1, timedelta(milliseconds=50))))
    await driver.set_lane_limit("b", LaneLimit(rate=(1, HOUR)))
    await push(driver, 1)
    assert await claimed(driver, 1) == 1
    await driver.set_lane_limit("a", limit)
    await _until_over(valkey_client, queue_key)
    await push(driver, 1, "b")
    if limit:
        assert await claimed(driver, 2) == 1
    else:
        await driver.recover()
    assert await valkey_client.exists(f"{queue_key}.metadata._rate.a") == 0
    assert await valkey_client.zscore(f"{queue_key}.metadata._rated", "a") is None


async def _until_over(client: Any, queue_key: str) -> None:
    async def is_over() -> bool:
        seconds, microseconds = await client.time()
        return await client.zscore(f"{queue_key}.metadata._rated", "a") <= 1e6 * seconds + microseconds

    await until(is_over)


async def test_a_change_ends_whatever_is_in_the_way_of_many_lanes(
    driver: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    """A recovery looks at these again, not the change of a limit, which would find them so for ever."""
    await driver.set_lane_limit("*", LaneLimit(concurrency=9, rate=(9, HOUR)))
    lanes = [f"lane:{number}" for number in range(1200)]
    for at in (0, 600):
        await driver.push([NewJob(new_job_id(), b"{}", lane=lane) for lane in lanes[at : at + 600]])
    await valkey_client.mset({f"{queue_key}.metadata._rate.{lane}": "not ours" for lane in lanes})
    for concurrency in (3, 2):
        await driver.set_lane_limit("*", LaneLimit(concurrency, rate=(9, HOUR)))
    assert await claimed(driver, 1) == 0
    await valkey_client.delete(*(f"{queue_key}.metadata._rate.{lane}" for lane in lanes))
    for sequence in (2, 3):
        await driver.recover()
        assert await claimed(driver, sequence) == 9


async def test_a_change_of_many_lanes_looks_at_each(driver: ValkeyJobQueue) -> None:
    """More lines than two steps look at, of lanes that have several."""
    await driver.set_lane_limit("a*", ONE)
    jobs = [
        NewJob(new_job_id(), b"{}", lane=f"a{number}", priority=priority)
        for number in range(300)
        for priority in range(7)
    ]
    for at in range(0, len(jobs), 700):
        await driver.push(jobs[at : at + 700])
    assert len((await driver.exchange("worker", 1, (), 1000)).claims) == 300
    await driver.set_lane_limit("a*", LaneLimit(concurrency=3))
    assert len((await driver.exchange("worker", 2, (), 1000)).claims) == 600
