"""Both cleanup jobs, whichever side has asked for them and whichever runs them."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from valkey.asyncio import Valkey

from jobsvalkey import (
    CleanupParameters,
    JobCleanup,
    JobID,
    JobName,
    JobStatus,
    ValkeyConfiguration,
    ValkeyJobQueue,
)
from jobsvalkey.contract import OrphanedCleanupParameters
from jobsvalkey_memory import ManualClock
from tests.swift.beside import GRACE, HOUR, KEEP_ALL, Shared
from tests.swift.peer import SwiftPeer
from tests.swift.recordings import VERSIONS, recording

PUSH_BOTH = "push both cleanup jobs"


@pytest.fixture(params=["plain", "swift"])
async def shared(server_client: Valkey, queue_key: str, request: pytest.FixtureRequest) -> AsyncIterator[Shared]:
    clock = ManualClock()
    configuration = ValkeyConfiguration(queue_key=queue_key, retention_policy=KEEP_ALL, unowned_grace=GRACE)
    async with ValkeyJobQueue(server_client, configuration, clock=clock) as driver:
        yield Shared(SwiftPeer(server_client, queue_key, clock), driver, request.param)


async def finished(shared: Shared, status: JobStatus) -> JobID:
    """A job in that state, due in an hour if it has not ended."""
    job_id = await shared.push("Plain")
    if status is JobStatus.CANCELLED:
        assert await shared.driver.cancel(job_id)
    elif status is JobStatus.PAUSED:
        assert await shared.driver.pause(job_id)
    elif status is JobStatus.COMPLETED:
        await shared.work()
    else:
        await shared.queue.push(JobName("Nobody", dict[str, Any]).with_parameters({}))
        await shared.driver.remove(job_id)
        await shared.work()
        async for job in shared.driver.jobs(JobStatus.FAILED, limit=1):
            job_id = job.job_id
    assert await shared.driver.status(job_id) is status
    return job_id


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_swift_asks_for_is_done_here(shared: Shared, version: str) -> None:
    """Failed jobs of an hour and cancelled ones are removed, completed ones are rerun, paused ones left."""
    old = await finished(shared, JobStatus.FAILED)
    cancelled = await finished(shared, JobStatus.CANCELLED)
    shared.peer.clock.advance(HOUR)
    young = await finished(shared, JobStatus.FAILED)
    completed = await finished(shared, JobStatus.COMPLETED)
    paused = await finished(shared, JobStatus.PAUSED)
    play = shared.peer.plays(version, PUSH_BOTH)
    await play.rest()
    await shared.work()
    for name in ("id1", "id2"):
        assert await shared.driver.status(JobID.parse(play.names[f"<{name}>"])) is JobStatus.COMPLETED
    assert [await shared.driver.status(each) for each in (old, cancelled)] == [None, None]
    assert await shared.driver.status(young) is JobStatus.FAILED
    assert shared.runs[completed] == 2
    assert await shared.driver.status(paused) is JobStatus.PAUSED


@pytest.mark.parametrize("number", [7, 2**63 - 1])
async def test_swifts_orphan_cleanup_is_done_here(shared: Shared, number: int) -> None:
    """`JobService` schedules it always, with the largest number there is."""
    await shared.push("Plain")
    await shared.driver.open_worker("dead", HOUR)
    assert len((await shared.driver.exchange("dead", 1, (), 1)).claims) == 1
    shared.peer.clock.advance(HOUR * 2)
    name = f"_Jobs_ValkeyOrphanedCleanup_{shared.peer.key}"
    job_id = await shared.peer.push("main", name, f'{{"maxJobsToProcess":{number}}}')
    await shared.work()
    assert await shared.driver.status(job_id) is JobStatus.COMPLETED
    assert (await shared.driver.counts())[JobStatus.COMPLETED] == 2


async def test_paused_jobs_that_swift_reruns_are_resumed(shared: Shared) -> None:
    paused = [await finished(shared, JobStatus.PAUSED) for _ in range(3)]
    leave = '{"rawValue":{"doNothing":{}}}'
    states = {
        "completedJobs": leave,
        "failedJobs": leave,
        "cancelledJobs": leave,
        "pausedJobs": '{"rawValue":{"rerun":{}}}',
    }
    asked = "{" + ",".join(f'"{state}":{what}' for state, what in states.items()) + "}"
    await shared.peer.push("main", f"_Jobs_ValkeyCleanup_{shared.peer.key}", asked)
    await shared.work()
    assert [shared.runs[each] for each in paused] == [1, 1, 1]


async def test_what_cannot_be_read_is_kept_with_the_reason(shared: Shared) -> None:
    job_id = await shared.peer.push("main", f"_Jobs_ValkeyCleanup_{shared.peer.key}", '{"failedJobs":{"remove":{}}}')
    await shared.work()
    record = await shared.queue.get(job_id)
    assert record is not None
    assert record.error is not None
    assert "rawValue" in record.error.message


def asked_in_swift(version: str) -> dict[str, Any]:
    """The parameters of both jobs, as they were recorded, by their names without the queue."""
    requests = [step.commands[0][2] for step in recording(version, PUSH_BOTH) if step.commands[0][0] == "SET"]
    found: dict[str, Any] = {}
    for request in requests:
        text, _, _ = request.partition(',"q":<')
        (name,) = (part.split('"')[0] for part in text.split('{"')[1:2])
        parameters = request[request.index('"p":') + 4 :]
        found[name], _ = json.JSONDecoder().raw_decode(parameters)
    return found


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_is_asked_for_here_has_swifts_spelling(shared: Shared, version: str) -> None:
    """A Swift worker may claim it. It passes over the states that its own cleanup job does not have."""
    queue, driver = shared.queue, shared.driver
    cleanup = CleanupParameters(
        failed_jobs=JobCleanup.remove(max_age=timedelta(hours=1)),
        cancelled_jobs=JobCleanup.remove(),
        completed_jobs=JobCleanup.RERUN,
    )
    pushed = {
        await queue.push(driver.cleanup_job, cleanup),
        await queue.push(driver.orphan_cleanup_job, OrphanedCleanupParameters(max_jobs=7)),
    }
    found: dict[str, Any] = {}
    for job_id in pushed:
        ((name, body),) = msgspec.json.decode(await shared.peer.client.get(f"{shared.peer.key}/{job_id}")).items()
        found[name.replace(shared.peer.key, "Q")] = body["p"]
    written = found["_Jobs_ValkeyCleanup_Q"]
    assert {
        written.pop(state)["rawValue"].popitem() == ("doNothing", {}) for state in ("pendingJobs", "processingJobs")
    }
    assert written.pop("onlyOrphans") is False
    assert found == asked_in_swift(version)
