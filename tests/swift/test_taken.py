"""Jobs that are taken from Swift workers: when, and what becomes of one whose worker lives after all."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import JobCleanup, JobID, JobStatus, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.contract import new_job_id
from jobsvalkey_memory import ManualClock
from tests.support.servers import Server
from tests.swift.beside import GRACE, KEEP_ALL, Shared
from tests.swift.peer import Play, SwiftPeer
from tests.swift.recordings import VERSIONS

RUN = "run one to its end; completed jobs are not retained"
KILLED = "a worker is killed in a handler; after its lock has run out another starts and runs the job"
MOMENT = timedelta(microseconds=1)


@pytest.fixture
async def shared(server_client: Valkey, queue_key: str) -> AsyncIterator[Shared]:
    clock = ManualClock()
    configuration = ValkeyConfiguration(queue_key=queue_key, retention_policy=KEEP_ALL, unowned_grace=GRACE)
    async with ValkeyJobQueue(server_client, configuration, clock=clock) as driver:
        yield Shared(SwiftPeer(server_client, queue_key, clock), driver)


async def running(shared: Shared, version: str, situation: str = RUN) -> Play:
    """A worker that has signed for the job that is due."""
    play = shared.peer.plays(version, situation)
    while not play.is_over and not str(play.steps[play.at]).startswith("LREM"):
        await play.step()
    return play


@pytest.mark.parametrize("taken_by", ["recovery", "cleanup"])
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_job_that_its_worker_ends_after_all_leaves_only_a_line_in_the_log(
    shared: Shared, version: str, taken_by: str, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = await shared.push("Plain")
    play = await running(shared, version)
    await shared.peer.let_locks_run_out()
    if taken_by == "recovery":
        assert await shared.recover() == 1
    else:
        assert (await shared.driver.cleanup(processing_jobs=JobCleanup.RERUN))[JobStatus.PROCESSING] == 1
    assert await shared.driver.status(job_id) is JobStatus.PENDING
    await play.rest()
    other = await shared.push("Plain")
    with caplog.at_level(logging.WARNING, "jobsvalkey"):
        await shared.work()
    assert shared.runs == {other: 1}
    assert await shared.driver.status(job_id) is None
    assert [str(job_id) in record.getMessage() for record in caplog.records] == [True]
    assert await shared.driver.validate() == []


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_job_that_its_worker_ends_while_it_runs_here_is_not_run_again(shared: Shared, version: str) -> None:
    """Released, it goes back without a request."""
    job_id = await shared.push("Plain")
    play = await running(shared, version)
    await shared.peer.let_locks_run_out()
    assert await shared.recover() == 1
    await shared.claim()
    await play.rest()
    await shared.driver.close_worker("holder")
    await shared.work()
    assert shared.runs == {}
    assert await shared.driver.status(job_id) is None


async def test_a_request_that_is_gone_otherwise_is_told(shared: Shared) -> None:
    job_id = await shared.push("Plain")
    await shared.peer.client.delete(f"{shared.peer.key}/{job_id}")
    await shared.work()
    record = await shared.queue.get(job_id)
    assert record is not None
    assert record.status is JobStatus.FAILED
    assert record.error is not None
    for word in ("evicted", "deleted", "Swift", "twice"):
        assert word in record.error.message


async def test_what_was_taken_is_forgotten_after_a_day(shared: Shared) -> None:
    job_ids: list[JobID] = []
    for day in range(3):
        job_ids.append(await shared.push("Plain"))
        await running(shared, "main")
        await shared.peer.let_locks_run_out()
        assert await shared.recover() == 1
        noted = await shared.peer.client.zrange(f"{shared.peer.key}.metadata._taken", 0, -1)
        assert noted == [str(job_ids[day]).encode()]
        await shared.driver.remove(job_ids[day])
        shared.peer.clock.advance(timedelta(days=1))


async def clean(shared: Shared) -> int:
    """Rerun the jobs of dead workers."""
    cleaned = await shared.driver.cleanup(processing_jobs=JobCleanup.RERUN, only_orphans=True)
    return cleaned[JobStatus.PROCESSING]


async def recover(shared: Shared) -> int:
    return await shared.driver.recover()


LOOKS: dict[str, Callable[[Shared], Awaitable[int]]] = {"recovery": recover, "cleanup of orphans": clean}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_claim_without_a_lock_is_taken_at_the_second_look(
    shared: Shared, version: str, look: Callable[[Shared], Awaitable[int]]
) -> None:
    job_id = await shared.push("Plain")
    await running(shared, version)
    await shared.peer.let_locks_run_out()
    shared.peer.clock.advance(timedelta(hours=1))
    assert await look(shared) == 0, "the first look only notes it, however long ago it was signed for"
    shared.peer.clock.advance(GRACE - MOMENT)
    assert await look(shared) == 0
    shared.peer.clock.advance(MOMENT)
    assert await look(shared) == 1
    assert await shared.driver.status(job_id) is JobStatus.PENDING
    assert await shared.peer.client.llen(f"{shared.peer.key}.processing") == 0


async def test_a_dead_workers_job_is_taken_on_a_full_server(start_server: Callable[[], Server], queue_key: str) -> None:
    """A look that cannot note what it has seen would never be followed by a second one."""
    client: Any = cast(Any, Valkey).from_url(start_server().url)
    clock = ManualClock()
    configuration = ValkeyConfiguration(queue_key=queue_key, unowned_grace=GRACE)
    async with ValkeyJobQueue(client, configuration, clock=clock) as driver:
        shared = Shared(SwiftPeer(client, queue_key, clock), driver)
        await shared.push("Plain")
        await running(shared, "main")
        await shared.peer.let_locks_run_out()
        await client.config_set("maxmemory", "1mb")
        assert await driver.recover() == 0
        clock.advance(GRACE)
        assert await driver.recover() == 1
    await client.aclose()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_recovery_is_counted(shared: Shared, version: str) -> None:
    job_id = await shared.push("Plain")
    await running(shared, version)
    await shared.peer.let_locks_run_out()
    assert await shared.recover() == 1
    stored = await shared.driver.get(job_id)
    assert stored is not None
    assert (stored.status, stored.recoveries) == (JobStatus.PENDING, 1)


async def test_what_was_taken_and_popped_again_begins_anew(shared: Shared) -> None:
    """Also if nobody has signed for it either time."""
    await shared.push("Plain")
    for _ in range(2):
        play = shared.peer.plays("main", RUN)
        while not await shared.peer.client.llen(f"{shared.peer.key}.processing"):
            await play.step()
        assert await shared.driver.recover() == 0
        shared.peer.clock.advance(GRACE)
        assert await shared.driver.recover() == 1


async def test_a_worker_that_takes_its_lock_between_two_looks_keeps_its_claim(shared: Shared) -> None:
    """A starting worker signs for its first job before that."""
    job_id = await shared.push("Plain")
    play = shared.peer.plays("1.0.0", RUN)
    while "HMSET" not in str(play.steps[play.at - 1]):
        await play.step()
    assert await shared.driver.recover() == 0
    await shared.peer.client.set(f"{shared.peer.key}.metadata.worker.{play.names['<id2>']}", "lock")
    shared.peer.clock.advance(GRACE)
    for _ in range(3):
        assert await shared.recover() == 0
    assert await shared.driver.status(job_id) is JobStatus.PROCESSING


@pytest.mark.parametrize("version", VERSIONS)
async def test_another_claim_of_the_same_job_starts_the_grace_anew(shared: Shared, version: str) -> None:
    """Swift's own cleanup has put it back with the dead worker's name, and another worker has popped it."""
    await shared.push("Plain")
    await running(shared, version)
    await shared.peer.let_locks_run_out()
    assert await shared.driver.recover() == 0
    shared.peer.clock.advance(GRACE)
    starting = shared.peer.plays(version, KILLED)
    while "LPUSH" not in str(starting.steps[starting.at - 1].commands):
        await starting.step()
    await shared.peer.let_locks_run_out()
    # Popped, and still signed for by the dead worker: the same claim, to all appearances.
    while not str(starting.steps[starting.at - 1]).startswith(("HSET", "HMSET")) or "workerID" not in str(
        starting.steps[starting.at - 1]
    ):
        await starting.step()
    await shared.peer.let_locks_run_out()
    assert await shared.driver.recover() == 0, "another worker has signed for it"
    shared.peer.clock.advance(GRACE)
    assert await shared.driver.recover() == 1


async def sign(shared: Shared, job_id: JobID, worker: str, started: float) -> None:
    fields = {"workerID": worker, "processingStarted": repr(started)}
    await shared.peer.client.hset(f"{shared.peer.key}/{job_id}.metadata", mapping=fields)


@pytest.mark.parametrize("meanwhile", ["its lock", "another start", "another worker", "the queue"])
async def test_a_claim_that_was_another_in_between_begins_anew(shared: Shared, meanwhile: str) -> None:
    """Also if it looks the same again by then."""
    job_id = await shared.push("Plain")
    client, key = shared.peer.client, shared.peer.key
    await shared.peer.plays("main", RUN).until(2)
    await sign(shared, job_id, "worker", 1.5)
    other = new_job_id()
    await sign(shared, other, "alive", 1.5)
    await client.set(f"{key}.metadata.worker.alive", "lock")
    await client.lpush(f"{key}.processing", str(other))
    assert await shared.driver.recover() == 0
    shared.peer.clock.advance(GRACE)
    if meanwhile == "its lock":
        await client.set(f"{key}.metadata.worker.worker", "lock")
        assert await shared.driver.recover() == 0
        await client.delete(f"{key}.metadata.worker.worker")
    elif meanwhile == "the queue":
        await client.lrem(f"{key}.processing", 0, str(job_id))
        assert await shared.driver.recover() == 0
        await client.lpush(f"{key}.processing", str(job_id))
    else:
        await sign(shared, job_id, *(("worker", 2.5) if meanwhile == "another start" else ("other", 1.5)))
    assert await shared.driver.recover() == 0
    shared.peer.clock.advance(GRACE)
    assert await shared.driver.recover() == 1


@pytest.mark.parametrize("found", ["nothing", "a list"])
async def test_only_a_request_that_is_gone_says_that_the_job_has_ended(shared: Shared, found: str) -> None:
    """Then nothing is left, whoever has removed the request."""
    job_id = await shared.push("Plain")
    await running(shared, "main")
    await shared.peer.let_locks_run_out()
    assert await shared.recover() == 1
    await shared.peer.client.delete(f"{shared.peer.key}/{job_id}")
    if found == "a list":
        await shared.peer.client.rpush(f"{shared.peer.key}/{job_id}", "a list")
    await shared.work()
    assert not shared.runs
    if found == "a list":
        assert await shared.driver.status(job_id) is JobStatus.FAILED
    else:
        assert await shared.driver.status(job_id) is None
        assert await shared.driver.validate() == []


async def test_an_unsigned_claim_is_taken_at_the_second_look(shared: Shared) -> None:
    await shared.push("Plain")
    play = shared.peer.plays("main", RUN)
    await play.until(2)
    assert await shared.peer.client.llen(f"{shared.peer.key}.processing") == 1
    assert await shared.driver.recover() == 0
    shared.peer.clock.advance(GRACE)
    assert await shared.driver.recover() == 1


async def test_a_live_worker_keeps_its_jobs(shared: Shared) -> None:
    job_id = await shared.push("Plain")
    await running(shared, "main")
    for _ in range(3):
        shared.peer.clock.advance(timedelta(hours=1))
        assert await shared.recover() == 0
    assert await shared.driver.status(job_id) is JobStatus.PROCESSING
    assert await shared.driver.cancel(job_id) is False
    assert await shared.driver.remove(job_id) is False
