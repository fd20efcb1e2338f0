"""What Python has noted of a job belongs to Python's runs of it: what Swift has done since makes it void."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import (
    ExponentialJitter,
    JobContext,
    JobFail,
    JobID,
    JobName,
    JobQueue,
    JobStatus,
    ValkeyConfiguration,
    ValkeyJobQueue,
)
from jobsvalkey.contract import StoredJob
from jobsvalkey_memory import ManualClock
from tests.swift.beside import GRACE, HOUR, KEEP_ALL, Shared
from tests.swift.peer import SwiftPeer
from tests.swift.recordings import VERSIONS

RERUN = "cleanup: rerun the failed"
FAIL = "fail for good; failed jobs are retained"
RETRY = "fail at the first attempt, succeed at the second"
UNKNOWN = "pop a job whose name is not registered"
GONE = "pop an id whose request is gone"
KEEP = "run one to its end; completed jobs are retained"
KILLED = "a worker is killed in a handler; after its lock has run out another starts and runs the job"


@pytest.fixture
async def shared(server_client: Valkey, queue_key: str) -> AsyncIterator[Shared]:
    clock = ManualClock()
    configuration = ValkeyConfiguration(queue_key=queue_key, retention_policy=KEEP_ALL, unowned_grace=GRACE)
    async with ValkeyJobQueue(server_client, configuration, clock=clock) as driver:
        yield Shared(SwiftPeer(server_client, queue_key, clock), driver)


async def work(shared: Shared, error: Exception | None, worker: str) -> None:
    """Run what is due by a handler that raises that, if anything."""
    queue = JobQueue(
        shared.driver, default_retry_strategy=ExponentialJitter(max_attempts=3, min_jitter=0, max_jitter=0)
    )

    async def handler(parameters: dict[str, Any], context: JobContext) -> None:
        if error is not None:
            raise error

    queue.register_job(JobName("Fails", dict[str, Any]), handler)
    await shared.driver.open_worker(worker, HOUR)
    claims = (await shared.driver.exchange(worker, 1, (), 10)).claims
    runner = queue.runner()
    await shared.driver.exchange(worker, 2, [await runner.run(claim) for claim in claims])
    await shared.driver.close_worker(worker)


async def failed_here(shared: Shared) -> JobID:
    job_id = await shared.push("Fails")
    await work(shared, JobFail("in Python"), "failing")
    stored = await stored_of(shared, job_id)
    assert stored.status is JobStatus.FAILED
    assert b"in Python" in (stored.error or b"")
    return job_id


async def stored_of(shared: Shared, job_id: JobID) -> StoredJob:
    stored = await shared.driver.get(job_id)
    assert stored is not None
    return stored


async def all_noted(shared: Shared, job_id: JobID) -> tuple[Any, ...]:
    """Error, recoveries and whether the attempt is reset; they are the same in a look and in a claim, and stay so."""
    stored = await stored_of(shared, job_id)
    noted = (stored.error, stored.recoveries, stored.reset_attempt)
    if stored.status is JobStatus.PENDING:
        shared.peer.clock.advance(HOUR)
        for sequence in (1, 1):
            await shared.driver.open_worker("looking", HOUR)
            (claim,) = (await shared.driver.exchange("looking", sequence, (), 1)).claims
            assert (claim.error, claim.recoveries, claim.reset_attempt) == noted
        claimed = await stored_of(shared, job_id)
        assert (claimed.error, claimed.recoveries, claimed.reset_attempt) == noted
        await shared.driver.close_worker("looking")
    return noted


@pytest.mark.parametrize("end", [FAIL, UNKNOWN, GONE, KEEP])
@pytest.mark.parametrize("version", VERSIONS)
async def test_an_end_of_swifts_has_no_error_of_pythons(shared: Shared, version: str, end: str) -> None:
    job_id = await failed_here(shared)
    shared.peer.clock.advance(HOUR)
    await shared.peer.plays(version, RERUN).rest()
    if end == GONE:
        await shared.peer.client.delete(f"{shared.peer.key}/{job_id}")
    await shared.peer.plays(version, end).rest()
    stored = await stored_of(shared, job_id)
    assert stored.status is (JobStatus.COMPLETED if end == KEEP else JobStatus.FAILED)
    assert stored.error is None


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_end_of_swifts_after_a_retry_of_pythons_has_no_error(shared: Shared, version: str) -> None:
    """Also if no Swift worker has signed for it."""
    job_id = await shared.push("Fails")
    await work(shared, RuntimeError("in Python"), "retrying")
    assert b"in Python" in ((await stored_of(shared, job_id)).error or b"")
    shared.peer.clock.advance(HOUR)
    await shared.peer.plays(version, UNKNOWN).rest()
    stored = await stored_of(shared, job_id)
    assert (stored.status, stored.error) == (JobStatus.FAILED, None)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_rerun_by_swift_is_without_error(shared: Shared, version: str) -> None:
    job_id = await failed_here(shared)
    shared.peer.clock.advance(HOUR)
    await shared.peer.plays(version, RERUN).rest()
    assert await all_noted(shared, job_id) == (None, 0, False)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_retry_by_swift_voids_all_that_was_noted(shared: Shared, version: str) -> None:
    """As one by Python does: the attempt is that of the request, and no worker has died with it."""
    job_id = await failed_here(shared)
    assert await shared.driver.rerun(job_id)
    await shared.claim()
    shared.peer.clock.advance(HOUR * 200)
    assert await shared.driver.recover() == 1
    stored = await stored_of(shared, job_id)
    assert (stored.recoveries, stored.reset_attempt) == (1, True)
    play = shared.peer.plays(version, RETRY)
    while str(play.steps[play.at]).split()[:2] != ["ZADD", "Q.pending"]:
        await play.step()
    await play.step()
    assert await all_noted(shared, job_id) == (None, 0, False)


@pytest.mark.parametrize("version", VERSIONS)
async def test_deaths_are_counted_across_both_sides(shared: Shared, version: str) -> None:
    """A job that kills its workers is given up in the end, whoever runs it in between."""
    job_id = await shared.push("Fails")
    for number in range(1, 4):
        await shared.driver.open_worker(f"dying {number}", HOUR)
        assert len((await shared.driver.exchange(f"dying {number}", 1, (), 1)).claims) == 1
        shared.peer.clock.advance(HOUR * 2)
        assert await shared.recover() == 1
        await killed_there(shared, version)
        assert await shared.recover() == 1
        assert (await stored_of(shared, job_id)).recoveries == 2 * number


async def killed_there(shared: Shared, version: str) -> None:
    """A Swift worker that has signed for the job that is due is gone."""
    play = shared.peer.plays(version, KEEP)
    while not str(play.steps[play.at]).startswith("LREM"):
        await play.step()
    await shared.peer.let_locks_run_out()


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_is_taken_from_swift_is_without_what_was_noted_before(shared: Shared, version: str) -> None:
    job_id = await failed_here(shared)
    assert await shared.driver.rerun(job_id)
    await work(shared, RuntimeError("in Python"), "retrying")
    shared.peer.clock.advance(HOUR)
    await killed_there(shared, version)
    assert await shared.recover() == 1
    assert await all_noted(shared, job_id) == (None, 1, False)


async def test_deaths_are_counted_across_swifts_own_recovery(shared: Shared) -> None:
    """It leaves the name of the worker that died."""
    job_id = await shared.push("Fails")
    await shared.claim()
    shared.peer.clock.advance(HOUR * 200)
    assert await shared.driver.recover() == 1
    await killed_there(shared, "main")
    starting = shared.peer.plays("main", KILLED)
    while starting.steps[starting.at].function != "swiftjobs_pop":
        await starting.step()
    assert await all_noted(shared, job_id) == (None, 1, False)


async def test_an_error_of_pythons_stays_with_its_own_end(shared: Shared) -> None:
    """After Swift has run the job, too."""
    job_id = await failed_here(shared)
    shared.peer.clock.advance(HOUR)
    await shared.peer.plays("main", RERUN).rest()
    await shared.peer.plays("main", FAIL).rest()
    await shared.peer.plays("main", RERUN).rest()
    await work(shared, JobFail("again in Python"), "failing again")
    assert b"again in Python" in ((await stored_of(shared, job_id)).error or b"")
    assert await shared.driver.validate() == []


async def test_a_job_that_is_kept_shows_its_error(shared: Shared) -> None:
    """One without a handler, say."""
    job_id = await shared.queue.push(JobName("Nobody", dict[str, Any]).with_parameters({}))
    await shared.work()
    assert b"Nobody" in ((await stored_of(shared, job_id)).error or b"")
