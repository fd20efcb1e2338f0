"""Pushes that share a round trip stay within what one step may take."""

import asyncio
from typing import Any

import pytest

from jobsvalkey.contract import NewJob, StoreOutcome, new_job_id
from jobsvalkey.valkey.scripting import PUSH
from tests.support.drivers import driver_at, new_job
from tests.support.proxy import Proxy, script
from tests.support.pushes import STORED, outcomes

REQUEST = b"x" * 300


@pytest.mark.parametrize("limit", [{"max_atomic_push_bytes": 1000}, {"max_atomic_push": 3}], ids=["bytes", "jobs"])
async def test_no_step_is_larger_than_an_atomic_push(
    limit: dict[str, Any], proxy: Proxy, queue_key: str, valkey_client: Any
) -> None:
    await valkey_client.script_load(PUSH.text)
    async with driver_at(proxy.url, queue_key, max_payload=500, **limit) as driver:
        stored = await asyncio.gather(*(driver.push([new_job(REQUEST)]) for _ in range(10)))
    assert [outcomes(answer) for answer in stored] == [[STORED]] * 10
    sizes = [command.arguments.count(REQUEST) for command in proxy.commands if script(PUSH.digest)(command)]
    assert sizes == [1, 3, 3, 3]


async def test_a_push_that_is_refused_is_refused_alone(proxy: Proxy, queue_key: str, valkey_client: Any) -> None:
    await valkey_client.script_load(PUSH.text)
    orphan = NewJob(new_job_id(), REQUEST, after=(new_job_id(),))
    async with driver_at(proxy.url, queue_key) as driver:
        pushes = [[new_job(REQUEST)], [new_job(REQUEST)], [orphan], [new_job(REQUEST)]]
        answers = await asyncio.gather(*map(driver.push, pushes))
    assert [outcomes(answer) for answer in answers] == [[STORED], [STORED], [StoreOutcome.REFUSED], [STORED]]
