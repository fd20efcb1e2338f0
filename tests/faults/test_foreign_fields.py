"""What somebody else has written into the fields of a job: the job is claimed, ends, and leaves nothing behind."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from jobsvalkey.contract import Finish, JobStatus, LaneLimit, NewJob, SettleOutcome, new_job_id
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.drivers import HOUR, claims_of

FIELDS = ["keep_for", "expires", "unique", "until", "otherwise", "priority", "lane", "after", "batch", "progress"]
VALUES = ["x", "", "5 6", "5=6", "5+abort", "-5", "5.5", "nan", "1e999", b"\xff"]
ENDS: dict[str, Callable[[ValkeyJobQueue, Finish], Awaitable[object]]] = {
    "finish": lambda driver, finish: driver.exchange("worker", 2, [finish]),
    "the worker's end": lambda driver, finish: driver.close_worker("worker"),
}


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_a_claim_says_nothing_that_cannot_be_read_again(
    end: Callable[[ValkeyJobQueue, Finish], Awaitable[object]],
    field: str,
    value: str | bytes,
    direct: ValkeyJobQueue,
    valkey_client: Any,
    queue_key: str,
) -> None:
    job = NewJob(new_job_id(), b"request", lane="a", keep_for=HOUR)
    await direct.set_lane_limit("a", LaneLimit(1))
    await direct.push([job])
    await valkey_client.hset(f"{queue_key}.metadata._job.{job.job_id}", field, value)
    (claim,) = await claims_of(direct, 9)
    await end(direct, Finish(claim.job_id, claim.token))
    assert (await direct.counts())[JobStatus.PROCESSING] == 0
    assert [key async for key in valkey_client.scan_iter(match=f"{queue_key}.metadata._slots.*", count=1000)] == []
    if end is ENDS["finish"]:
        assert (await direct.exchange("worker", 2)).outcomes == [SettleOutcome.SETTLED]


async def test_the_limit_of_a_lane_holds_though_nothing_says_that_lanes_are_named(
    direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    """As when an earlier version, which did not say so, has set it."""
    await direct.set_lane_limit("a", LaneLimit(1))
    await valkey_client.hset(f"{queue_key}.metadata._limits", "", "")
    await direct.push([NewJob(new_job_id(), b"request", lane="a") for _ in range(2)])
    assert len(await claims_of(direct, 9)) == 1
