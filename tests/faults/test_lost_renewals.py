"""A renewal that is lost is repeated well before the lock runs out, whatever the read timeout of the client."""

import asyncio
from datetime import timedelta
from typing import Any, Literal

import pytest

from jobsvalkey.valkey import ValkeyJobQueue, scripting
from tests.support.drivers import driver_at, open_worker
from tests.support.proxy import Proxy, script

HOLD_FOR = 6.0
"""Seconds: the lock of the guide. The read timeout of a client is nearly as long."""


@pytest.mark.parametrize("lose", ["request", "reply"])
async def test_a_lost_renewal_is_repeated_in_time(
    lose: Literal["request", "reply"], proxy: Proxy, queue_key: str, direct: ValkeyJobQueue, valkey_client: Any
) -> None:
    async with driver_at(proxy.url, queue_key, read_timeout=5.0) as driver:
        await open_worker(driver, "worker", timedelta(seconds=HOLD_FOR))
        matches = script(scripting.RENEW.digest)
        if lose == "request":
            proxy.drop_request(matches, after="hang")
        else:
            proxy.swallow_reply(matches, after="hang")
        clock = asyncio.get_running_loop().time
        began = clock()
        await driver.renew("worker", timedelta(seconds=HOLD_FOR))
        assert clock() - began < HOLD_FOR / 2
