"""A key that somebody else uses: a job's spoils that job alone, a queue's fails the step, with nothing half done."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest
from msgspec.structs import replace

from jobsvalkey import (
    DO_NOT_RETAIN,
    ConfigurationError,
    InconsistencyKind,
    JobQueue,
    ProcessorOptions,
    RetentionPolicy,
    new_job_id,
)
from jobsvalkey.contract import (
    Claim,
    Fail,
    Finish,
    Inconsistency,
    JobCleanup,
    JobID,
    JobStatus,
    NewJob,
    Release,
    SettleOutcome,
    StoreOutcome,
)
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.drivers import HOUR, claims_of, driver_at, new_job, open_worker
from tests.support.processors import run_in_background
from tests.support.pushes import STORED, outcomes
from tests.support.scenes import claimed, pending
from tests.support.servers import Server
from tests.support.steps import STEPS
from tests.support.waiting import until
from tests.support.work import Work, counting

QUEUE_KEYS = (
    *(".pending", ".paused", ".processing", ".completed", ".failed", ".cancelled", ".metadata._workers"),
    *(
        ".metadata._claimed",
        ".metadata._claims.worker",
        ".metadata._worker.worker",
        ".metadata._ids",
        ".metadata._kept",
    ),
    *(".metadata._wake", ".metadata._unowned", ".metadata.value", ".metadata.lock", ".metadata.held"),
    *(".metadata._locks", ".metadata._layout", ".metadata._producer.*"),
    *(".metadata._pending", ".metadata._paused", ".metadata._ended", ".metadata._ends_at"),
    *(".metadata._kept_completed", ".metadata._kept_cancelled"),
    ".metadata._waiting",
    *(".metadata._laned", ".metadata._priorities", ".metadata._turns"),
    *(".metadata._lanes", ".metadata._limits", ".metadata._sweeps", ".metadata._rated"),
    *(".metadata._lasts_completed", ".metadata._lasts_failed", ".metadata._lasts_cancelled"),
)
JOB_KEYS = ("", ".metadata")

Change: TypeAlias = Callable[[ValkeyJobQueue, JobID], Awaitable[bool]]


async def everything(client: Any, queue_key: str) -> dict[bytes, bytes]:
    """All that is stored."""
    return {key: await client.dump(key) async for key in client.scan_iter(match=f"{queue_key}*", count=1000)}


async def spoil(client: Any, key: str) -> None:
    """Let it hold what is never ours."""
    await client.delete(key)
    await client.xadd(key, {b"somebody": b"else's"})


@pytest.mark.parametrize("key", QUEUE_KEYS)
@pytest.mark.parametrize("name", STEPS)
async def test_a_key_of_the_queue_fails_a_step_as_a_whole(
    name: str, key: str, direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    step = STEPS[name]
    scene = await step.prepare(direct)
    keys = [f"{queue_key}{key}"]
    if key.endswith("*"):  # names that the driver makes up
        keys = [each async for each in valkey_client.scan_iter(match=keys[0], count=1000)]
        assert keys
    for each in keys:
        await spoil(valkey_client, each)
    before = await everything(valkey_client, queue_key)
    failure: ConfigurationError | None = None
    try:
        await step.ask(direct, scene)
    except ConfigurationError as error:
        failure = error
    if failure is None:
        # It had no need of that key.
        assert [await valkey_client.type(each) for each in keys] == [b"stream"] * len(keys)
    else:
        assert queue_key in str(failure)
        assert await everything(valkey_client, queue_key) == before


Vanishing: TypeAlias = Callable[[ValkeyJobQueue, JobID, Claim], Awaitable[Any]]

VANISHING: dict[str, Vanishing] = {
    "cancel": lambda driver, job_id, _: driver.cancel(job_id),
    "abort": lambda driver, job_id, _: driver.abort(job_id),
    "remove": lambda driver, job_id, _: driver.remove(job_id),
    "cleanup": lambda driver, _, __: driver.cleanup_step(JobStatus.PENDING, JobCleanup.remove(), max_jobs=9),
    "finish": lambda driver, _, claim: driver.exchange("worker", 2, [Finish(claim.job_id, claim.token)]),
    "fail": lambda driver, _, claim: driver.exchange("worker", 2, [Fail(claim.job_id, claim.token, b"error")]),
    "release": lambda driver, _, claim: driver.exchange("worker", 2, [Release(claim.job_id, claim.token)]),
    "close": lambda driver, _, __: driver.close_worker("worker"),
    "recover": lambda driver, _, __: driver.recover(),
}
"""Steps after which nothing is left of a job but its id: one that waits, or one that runs and is to end."""
NOTHING = RetentionPolicy(failed_jobs=DO_NOT_RETAIN)


@pytest.mark.parametrize("name", VANISHING)
async def test_the_ids_that_are_remembered_fail_a_step_as_a_whole(
    name: str, default_server: Server, valkey_client: Any, queue_key: str
) -> None:
    async with driver_at(default_server.url, queue_key, retention_policy=NOTHING) as driver:
        runs, waits = (NewJob(new_job_id(), b"request", remember=True) for _ in range(2))
        await driver.push([runs])
        (claim,) = await claims_of(driver, 1)
        await driver.abort(claim.job_id)
        await driver.push([waits])
        if name == "recover":
            await driver.renew("worker", timedelta(microseconds=1))
        await spoil(valkey_client, f"{queue_key}.metadata._ids")
        before = await everything(valkey_client, queue_key)
        with pytest.raises(ConfigurationError, match="_ids holds a stream"):
            await VANISHING[name](driver, waits.job_id, claim)
        assert await everything(valkey_client, queue_key) == before


async def test_a_running_processor_waits_for_the_repair_of_a_key(
    direct: ValkeyJobQueue, valkey_client: Any, queue_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobsvalkey.runtime.workers.CONFIGURATION_PAUSE", 0.05)
    queue = JobQueue(direct)
    ran = counting(queue)
    processor = queue.processor(ProcessorOptions())
    async with run_in_background(processor):
        await queue.push(Work(1))
        await until(lambda: ran == [1])
        await spoil(valkey_client, f"{queue_key}.pending")
        await until(lambda: processor.state is not None and not processor.state.connected)
        with pytest.raises(ConfigurationError, match=f"{queue_key}.pending"):
            await queue.push(Work(2))
        await valkey_client.delete(f"{queue_key}.pending")
        await queue.push(Work(3))
        await until(lambda: ran == [1, 3])


@pytest.mark.parametrize("key", JOB_KEYS)
async def test_fault_6_a_pending_jobs_key_spoils_that_job_alone(
    key: str, direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    queue = JobQueue(direct)
    ran = counting(queue)
    ids = await queue.push_many([Work(number) for number in range(5)])
    await spoil(valkey_client, f"{queue_key}/{ids[2]}{key}")
    async with run_in_background(queue.processor(ProcessorOptions())):
        await until(lambda: len(ran) == 4)

        async def has_failed() -> bool:
            return await queue.status(ids[2]) is JobStatus.FAILED

        await until(has_failed)
    assert sorted(ran) == [0, 1, 3, 4]
    assert await valkey_client.type(f"{queue_key}/{ids[2]}{key}") == b"stream"
    assert not await queue.rerun(ids[2]) or key == ".metadata"


@pytest.mark.parametrize("key", JOB_KEYS)
async def test_fault_6_a_running_jobs_key_spoils_one_outcome(
    key: str, direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    scene = await claimed(direct)
    bad, good, _ = scene.claims
    await spoil(valkey_client, f"{queue_key}/{bad.job_id}{key}")
    exchanged = await direct.exchange("worker", 2, [Finish(claim.job_id, claim.token) for claim in (bad, good)])
    assert exchanged.outcomes == [SettleOutcome.BROKEN, SettleOutcome.SETTLED]
    assert await direct.status(bad.job_id) is JobStatus.PROCESSING
    exchanged = await direct.exchange("worker", 3, [Fail(bad.job_id, bad.token, b"error", keep=True)])
    assert exchanged.outcomes == [SettleOutcome.SETTLED]
    assert await direct.status(bad.job_id) is JobStatus.FAILED


CHANGES: dict[str, Change] = {
    "cancel": lambda driver, job_id: driver.cancel(job_id),
    "pause": lambda driver, job_id: driver.pause(job_id),
    "remove": lambda driver, job_id: driver.remove(job_id),
}


@pytest.mark.parametrize("key", JOB_KEYS)
@pytest.mark.parametrize("name", CHANGES)
async def test_a_job_whose_key_is_spoiled_can_be_put_away(
    name: str, key: str, direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    scene = await pending(direct)
    job_id = scene.ids[0]
    await spoil(valkey_client, f"{queue_key}/{job_id}{key}")
    assert Inconsistency(InconsistencyKind.WRONG_TYPE, job_id) in await direct.validate()
    assert await CHANGES[name](direct, job_id)
    assert (await direct.counts())[JobStatus.PENDING] == 2
    assert len(await claims_of(direct, 9)) == 2
    if name != "remove":
        assert await direct.remove(job_id)
    assert await direct.validate() == []


@pytest.mark.parametrize("key", JOB_KEYS)
async def test_a_cleanup_meets_a_job_whose_key_is_spoiled(
    key: str, direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    scene = await pending(direct)
    await spoil(valkey_client, f"{queue_key}/{scene.ids[1]}{key}")
    assert await direct.cleanup_step(JobStatus.PENDING, JobCleanup.remove(), max_jobs=9) == 3
    assert await direct.validate() == []


LEFT = {"recoveries": "9", "reset": "1", "error": "an old one", "stored": "1", "remember": "1", "status": "failed"}
"""The envelope of a job that is gone."""


async def leave(client: Any, key: str) -> None:
    """Let it hold what a job of the same id had."""
    await client.hset(key, mapping=LEFT)


PUSHED: dict[str, Callable[[NewJob], NewJob]] = {
    "plain": lambda job: job,
    "due": lambda job: replace(job, due=-HOUR + datetime.now(UTC)),
    "own id": lambda job: replace(job, remember=True),
}
THERE: dict[str, tuple[str, Callable[[Any, str], Awaitable[None]]]] = {
    "a request of the wrong type": ("", spoil),
    "an envelope of the wrong type": (".metadata", spoil),
    "an envelope that was left": (".metadata", leave),
}


@pytest.mark.parametrize("others", [0, 4], ids=["alone", "in a batch"])
@pytest.mark.parametrize("pushed", PUSHED.values(), ids=PUSHED)
@pytest.mark.parametrize("there", THERE.values(), ids=THERE)
async def test_what_is_in_the_way_of_a_push_is_replaced(
    there: tuple[str, Callable[[Any, str], Awaitable[None]]],
    pushed: Callable[[NewJob], NewJob],
    others: int,
    direct: ValkeyJobQueue,
    valkey_client: Any,
    queue_key: str,
) -> None:
    jobs = [pushed(new_job()) for _ in range(others + 1)]
    bad = jobs[others // 2]
    key, put = there
    await put(valkey_client, f"{queue_key}/{bad.job_id}{key}")
    pushes = [direct.push([job]) for job in jobs]  # one is under way, the others share the next step
    assert [outcomes(pushed) for pushed in await asyncio.gather(*pushes)] == [[STORED]] * len(jobs)
    claims = {claim.job_id: claim for claim in await claims_of(direct, 9)}
    assert set(claims) == {job.job_id for job in jobs}
    for job in jobs:
        claim = claims[job.job_id]
        assert (claim.request, claim.recoveries, claim.reset_attempt, claim.error) == (job.request, 0, False, None)
        assert claim.stored_at.year > 2000
    assert await direct.validate() == []


async def test_what_is_in_the_way_of_a_push_by_condition_is_replaced(
    direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    for put in (spoil, leave):
        job = new_job()
        await put(valkey_client, f"{queue_key}/{job.job_id}.metadata")
        assert (await direct.push_if(job, "value", None, b"")).outcome is StoreOutcome.STORED
        assert (await direct.push_if(new_job(), "value", None, b"")).outcome is StoreOutcome.UNEXPECTED
        (claim,) = await claims_of(direct, 9)
        assert (claim.request, claim.recoveries, claim.reset_attempt, claim.error) == (job.request, 0, False, None)
        await direct.exchange("worker", 2, [Finish(claim.job_id, claim.token)])
        await valkey_client.delete(f"{queue_key}.metadata.value", f"{queue_key}.metadata._worker.worker")


@pytest.mark.parametrize("score", ["253402300800", "1e300", "inf", "-1e300", "-inf"])
async def test_a_score_that_is_no_time_spoils_no_look_and_no_claim(
    score: str, direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    held, cancelled = new_job().job_id, new_job().job_id
    await direct.push([NewJob(held, b"{}"), NewJob(cancelled, b"{}")])
    await valkey_client.zadd(f"{queue_key}.pending", {str(held): score, str(cancelled): score})
    due = [job.due async for job in direct.jobs(JobStatus.PENDING)]
    assert [each.year for each in due if each] == [1 if score.startswith("-") else 9999] * 2
    assert await direct.cancel(cancelled)
    await open_worker(direct)
    exchanged = await direct.exchange("worker", 1, limit=2)
    assert [claim.job_id for claim in exchanged.claims] == [held] * score.startswith("-")
    for claim in exchanged.claims:
        assert [job.due async for job in direct.jobs(JobStatus.PROCESSING)] == [claim.due]
        await direct.exchange("worker", 2, [Fail(held, claim.token, b"why")])
    assert await direct.rerun(held) == score.startswith("-")
    assert sum([len([job async for job in direct.jobs(status)]) for status in JobStatus]) == 2
    assert await direct.validate() == []
