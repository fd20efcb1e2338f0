"""What Swift's own validation makes of a queue that both sides use."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import JobID, JobName, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey_memory import ManualClock
from tests.swift.beside import KEEP_ALL, Shared
from tests.swift.peer import SwiftPeer

LISTS = ("pending", "paused", "cancelled", "failed", "completed")


@pytest.fixture
async def shared(server_client: Valkey, queue_key: str) -> AsyncIterator[Shared]:
    clock = ManualClock()
    configuration = ValkeyConfiguration(queue_key=queue_key, retention_policy=KEEP_ALL)
    async with ValkeyJobQueue(server_client, configuration, clock=clock) as driver:
        yield Shared(SwiftPeer(server_client, queue_key, clock), driver)


async def reported(peer: SwiftPeer) -> tuple[set[str], set[str]]:
    """As it goes: ids on a list without a request, and requests whose id is on no list."""
    prefix = f"{peer.key}/"
    keys = [key async for key in peer.client.scan_iter(match=f"{prefix}*", count=1000, _type="string")]
    requests = {key.decode().removeprefix(prefix) for key in keys}
    listed = {each.decode() for each in await peer.client.lrange(f"{peer.key}.processing", 0, -1)}
    for name in LISTS:
        listed |= {each.decode() for each in await peer.client.zrange(f"{peer.key}.{name}", 0, -1)}
    return listed - requests, requests - listed


async def test_only_what_runs_here_and_what_is_kept_apart_lies_where_swift_does_not_look(shared: Shared) -> None:
    """The others that are in good order, in whatever state, are so to Swift as well."""
    await shared.push("Plain")
    await shared.work()
    await shared.driver.cancel(await shared.push("Plain"))
    apart = await shared.queue.push(JobName("Nobody", dict[str, Any]).with_parameters({}))
    await shared.work()
    await shared.push("Plain")
    await shared.claim()
    running: set[JobID] = {claim.job_id for claim in shared.held}
    await shared.driver.pause(await shared.push("Plain"))
    await shared.push("Plain")
    assert await shared.driver.validate() == []
    assert await reported(shared.peer) == (set(), {str(apart), *map(str, running)})
    assert running
