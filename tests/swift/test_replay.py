"""The recordings play, and leave what they were recorded to leave."""

import json
from typing import Any

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import new_job_id
from jobsvalkey_memory import ManualClock
from tests.swift.peer import SwiftPeer
from tests.swift.recordings import VERSIONS, situations

KILLED = "a worker is killed in a handler; after its lock has run out another starts and runs the job"


@pytest.fixture
def peer(server_client: Valkey, queue_key: str) -> SwiftPeer:
    return SwiftPeer(server_client, queue_key, ManualClock())


async def contents(peer: SwiftPeer) -> dict[str, Any]:
    """The queue's keys, without its beginning."""
    found: dict[str, Any] = {}
    async for key in peer.client.scan_iter(match=f"{peer.key}*", count=1000):
        kind = await peer.client.type(key)
        name = key.decode().removeprefix(peer.key)
        if kind == b"string":
            found[name] = (await peer.client.get(key)).decode()
        elif kind == b"hash":
            found[name] = {k.decode(): v.decode() for k, v in (await peer.client.hgetall(key)).items()}
        elif kind == b"list":
            found[name] = [each.decode() for each in await peer.client.lrange(key, 0, -1)]
        else:
            found[name] = [each.decode() for each in await peer.client.zrange(key, 0, -1)]
    return found


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_push(peer: SwiftPeer, version: str) -> None:
    play = peer.plays(version, "push, delayed by 3600 s")
    await play.rest()
    job_id = play.names["<id1>"]
    found = await contents(peer)
    request = json.loads(found.pop(f"/{job_id}"))
    assert request["Plain"]["p"] == {"n": 0, "text": 'é✓ "quoted" / slash 😀 0'}
    assert request["Plain"]["q"] == 757425600 - 0.003
    status = {f"/{job_id}.metadata": {"status": "pending"}} if version == "main" else {}
    assert found == {".pending": [job_id], **status}
    score = await peer.client.zscore(f"{peer.key}.pending", job_id)
    assert score == peer.clock.now().timestamp() + 3599.997


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_run(peer: SwiftPeer, version: str) -> None:
    job_id = await peer.push(version, "Plain")
    play = peer.plays(version, "run one to its end; completed jobs are retained")
    while not await peer.client.llen(f"{peer.key}.processing"):
        await play.step()
    while not await peer.client.hexists(f"{peer.key}/{job_id}.metadata", "workerID"):
        await play.step()
    await play.rest()
    assert play.ended == {str(job_id)}
    found = await contents(peer)
    assert found.keys() == {".completed", f"/{job_id}", f"/{job_id}.metadata"}
    assert found[".completed"] == [job_id]
    assert found[f"/{job_id}.metadata"].get("status") == ("completed" if version == "main" else None)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_poll_that_finds_nothing_ends_a_recording(peer: SwiftPeer, version: str) -> None:
    play = peer.plays(version, "run one to its end; completed jobs are retained")
    await play.rest()
    assert play.ended == set()
    assert await contents(peer) == {}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_request_that_goes_is_failed_as_the_library_fails_it(peer: SwiftPeer, version: str) -> None:
    """In whatever recording it goes: that of such a request is played to its end."""
    job_id = await peer.push(version, "Plain")
    await peer.client.delete(f"{peer.key}/{job_id}")
    play = peer.plays(version, "run one to its end; completed jobs are not retained")
    await play.rest()
    assert (await contents(peer))[".failed"] == [job_id]
    assert play.ended == {str(job_id)}


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_jobs_of_a_live_worker_are_left_to_it(peer: SwiftPeer, version: str) -> None:
    """The library's own recovery goes by the lock."""
    job_id = await peer.push(version, "Plain")
    running = peer.plays(version, "run one to its end; completed jobs are retained")
    while not [step for step in running.steps[: running.at] if "workerID" in str(step)]:
        await running.step()
    while not [each async for each in peer.client.scan_iter(match=f"{peer.key}.metadata.worker.*", count=1000)]:
        await running.step()
    starting = peer.plays(version, KILLED)
    await starting.rest()
    assert (await contents(peer))[".processing"] == [job_id]
    assert starting.ended == set()
    await peer.let_locks_run_out()
    starting = peer.plays(version, KILLED)
    await starting.rest()
    assert starting.ended == {str(job_id)}
    assert f"/{job_id}" not in await contents(peer)


@pytest.mark.parametrize(("version", "situation"), [(each, name) for each in VERSIONS for name in situations(each)])
async def test_every_recording_plays(peer: SwiftPeer, version: str, situation: str) -> None:
    """Whatever stands in the queue: here nothing but an id, in each state."""
    job_id = new_job_id()
    for state in ("pending", "paused", "failed"):
        await peer.client.zadd(f"{peer.key}.{state}", {str(job_id): 1.0})
    await peer.plays(version, situation, id1=job_id).rest()
