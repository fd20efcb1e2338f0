"""Something else is in the place of what lanes with a limit have in the store, or that is gone."""

from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey.contract import Claim, Finish, LaneLimit, NewJob, new_job_id
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.drivers import claims_of

LIMITS = {
    "_slots.a": LaneLimit(concurrency=1),
    "_rate.a": LaneLimit(rate=(1, timedelta(hours=1))),
}
"""By what may be in the way of it."""


async def exchanged(driver: ValkeyJobQueue, sequence: int, *held: Claim) -> list[Claim]:
    """Finish, and claim what may be."""
    return (await driver.exchange("worker", sequence, [Finish(each.job_id, each.token) for each in held], 9)).claims


@pytest.mark.parametrize("key", LIMITS)
async def test_something_in_the_way_of_a_limit_lets_no_more_run_and_can_be_removed(
    key: str, direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    """Jobs of the lane wait, those of others run; when it is gone, the next recovery looks at the lane again."""
    await direct.set_lane_limit("a", LIMITS[key])
    await direct.push([NewJob(new_job_id(), b"{}", lane="a") for _ in range(3)])
    (held,) = await claims_of(direct, 9)
    await valkey_client.delete(f"{queue_key}.metadata.{key}")
    await valkey_client.set(f"{queue_key}.metadata.{key}", "not ours")
    await direct.push([NewJob(new_job_id(), b"{}", lane=lane) for lane in "ab"])
    (other,) = await exchanged(direct, 2)
    assert other.lane == "b"
    assert (await direct.exchange("worker", 3)).until_next is None
    assert await exchanged(direct, 4, held, other) == []
    await direct.recover()
    assert await exchanged(direct, 5) == []
    await valkey_client.delete(f"{queue_key}.metadata.{key}")
    await direct.recover()
    assert [claim.lane for claim in await exchanged(direct, 6)] == ["a"]


async def test_a_lane_that_is_free_again_is_found_among_very_many_that_are_not(
    direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    """A recovery looks at 500 of them: each has its turn."""
    lanes = [str(number) for number in range(600)]
    await direct.set_lane_limit("*", LaneLimit(concurrency=1))
    await valkey_client.mset({f"{queue_key}.metadata._slots.{lane}": "not ours" for lane in lanes})
    await direct.push([NewJob(new_job_id(), b"{}", lane=lane) for lane in lanes])
    listed = await valkey_client.hkeys(f"{queue_key}.metadata._sweeps")
    assert len(listed) == len(lanes)
    await valkey_client.delete(*(f"{queue_key}.metadata._slots.{lane.decode()}" for lane in (listed[0], listed[-1])))
    found = {claim.lane for claim in await claims_of(direct, 9)}
    for sequence in range(2, 100):
        await direct.recover()
        found |= {claim.lane for claim in await exchanged(direct, sequence)}
        if len(found) == 2:
            break
    assert found == {listed[0].decode(), listed[-1].decode()}


async def test_a_lane_whose_turn_was_lost_comes_again(
    direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    await direct.set_lane_limit("a", LaneLimit(concurrency=1))
    await direct.push([NewJob(new_job_id(), b"{}", lane="a", priority=priority) for priority in (1, 2, 3)])
    (held,) = await claims_of(direct, 9)
    await valkey_client.delete(*(f"{queue_key}.metadata._offers.{priority}" for priority in (1, 2)))
    for sequence, priority in enumerate((2, 1), 2):
        (held,) = await exchanged(direct, sequence, held)
        assert held.priority == priority


async def test_a_lane_whose_offer_was_in_the_way_of_something_comes_again(
    direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    """When it has room and cannot be offered, the next recovery looks at it again."""
    await direct.set_lane_limit("a", LaneLimit(concurrency=1))
    await direct.push([NewJob(new_job_id(), b"{}", lane="a") for _ in range(2)])
    (held,) = await claims_of(direct, 9)
    await valkey_client.set(f"{queue_key}.metadata._offers.0", "not ours")
    assert await exchanged(direct, 2, held) == []
    for _ in range(2):
        await direct.recover()
    await valkey_client.delete(f"{queue_key}.metadata._offers.0")
    await direct.recover()
    (held,) = await exchanged(direct, 3)
    assert held.lane == "a"
