"""What somebody else has written into the queue's own keys: it stops no worker, and costs no other job anything."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import InconsistencyKind, JobQueue, ProcessorOptions
from jobsvalkey.contract import (
    Finish,
    Inconsistency,
    JobCleanup,
    JobStatus,
    LaneLimit,
    NewJob,
    SettleOutcome,
    new_job_id,
)
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey_memory import ManualClock
from tests.support.drivers import HOUR, claims_of, client_of, new_job, open_worker
from tests.support.processors import run_in_background
from tests.support.scenes import orphaned, pending
from tests.support.servers import Server
from tests.support.waiting import until
from tests.support.work import Work, counting

NO_IDS = [
    "garbage",
    "ABC",
    "",
    "é",
    b"\xff\x00\n",
    "0195F3A0-5C1E-7D5A-9D8E-0A1B2C3D4E5G",
    "-" * 36,
    "A" * 36,
    "A" * 32,
]
LISTS = {
    JobStatus.PENDING: ".pending",
    JobStatus.PAUSED: ".paused",
    JobStatus.COMPLETED: ".completed",
    JobStatus.FAILED: ".failed",
    JobStatus.CANCELLED: ".cancelled",
}


def text_of(entry: str | bytes) -> str:
    return entry if isinstance(entry, str) else entry.decode(errors="replace")


@pytest.mark.parametrize("with_payload", [False, True])
async def test_entries_that_are_no_ids_are_dropped_and_the_jobs_claimed(
    with_payload: bool,
    direct: ValkeyJobQueue,
    valkey_client: Any,
    queue_key: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    job = new_job()
    await direct.push([job])
    for entry in NO_IDS:
        await valkey_client.zadd(f"{queue_key}.pending", {entry: 1.0})
        if with_payload:
            key = entry if isinstance(entry, bytes) else entry.encode()
            await valkey_client.set(f"{queue_key}/".encode() + key, b"{}")
    found = await direct.validate()
    assert {Inconsistency(InconsistencyKind.NO_ID, text_of(entry)) for entry in NO_IDS} == set(found)
    (claim,) = await claims_of(direct, 100)
    assert (claim.job_id, claim.request, claim.token) == (job.job_id, job.request, b"1.0")
    assert await valkey_client.zcard(f"{queue_key}.pending") == 0
    assert await valkey_client.hkeys(f"{queue_key}.metadata._claimed") == [str(job.job_id).encode()]
    assert caplog.text.count("is no job id, and was removed") == len(NO_IDS)
    assert "b'garbage' among the pending jobs" in caplog.text
    assert await direct.validate() == []


async def test_a_worker_gets_past_more_of_them_than_it_has_slots(
    direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    queue = JobQueue(direct)
    ran = counting(queue)
    await valkey_client.zadd(f"{queue_key}.pending", {f"garbage {number}": 1.0 for number in range(50)})
    await queue.push_many([Work(number) for number in range(5)])
    async with run_in_background(queue.processor(ProcessorOptions(num_workers=2))):
        await until(lambda: len(ran) == 5)
        await valkey_client.zadd(f"{queue_key}.pending", {"more": 1.0})
        await queue.push(Work(5))
        await until(lambda: len(ran) == 6)
    assert sorted(ran) == list(range(6))
    assert await direct.validate() == []


async def test_a_uuid_in_lower_case_runs_and_is_reported(
    direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    queue = JobQueue(direct)
    ran = counting(queue)
    job_id = str(new_job_id()).lower()
    await valkey_client.set(f"{queue_key}/{job_id}", b'{"Work":{"p":{"number":7},"q":1.0,"a":1}}')
    await valkey_client.zadd(f"{queue_key}.pending", {job_id: 1.0})
    assert await direct.validate() == [Inconsistency(InconsistencyKind.NO_ID, job_id)]
    async with run_in_background(queue.processor(ProcessorOptions())):
        await until(lambda: ran == [7])
    assert await valkey_client.zscore(f"{queue_key}.completed", job_id)


@pytest.mark.parametrize("entry", ["garbage", b"\xff\x00\n"])
@pytest.mark.parametrize("status", LISTS)
async def test_no_look_and_no_cleanup_stops_at_an_entry_that_is_no_id(
    status: JobStatus, entry: str | bytes, direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    await valkey_client.zadd(f"{queue_key}{LISTS[status]}", {entry: 1.0})
    assert [job async for job in direct.jobs(status)] == []
    assert (await direct.counts())[status] == 1
    assert await direct.validate() == [Inconsistency(InconsistencyKind.NO_ID, text_of(entry))]
    if status not in (JobStatus.PENDING, JobStatus.PAUSED):
        assert await direct.cleanup_step(status, JobCleanup.RERUN, max_jobs=9) == 0
    assert await direct.cleanup_step(status, JobCleanup.remove(), max_jobs=9) == 1
    assert await direct.validate() == []


async def test_an_expiry_that_nothing_waits_for_is_found(
    direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    """Of a job that is absent, runs or has ended, and of what is none; of one that waits it is right."""
    jobs = [NewJob(new_job_id(), b"{}", expires=HOUR, keep_for=HOUR) for _ in range(3)]
    await direct.push(jobs)
    ended, runs = await claims_of(direct, 2)
    await direct.exchange("worker", 2, [Finish(ended.job_id, ended.token)])
    assert await direct.validate() == []
    absent = new_job_id()
    strays = [str(absent), str(runs.job_id), str(ended.job_id), "garbage"]
    await valkey_client.zadd(f"{queue_key}.metadata._ends_at", dict.fromkeys(strays, 1.0))
    assert set(await direct.validate()) == {
        *(Inconsistency(InconsistencyKind.WRONG_STATUS, job_id) for job_id in (absent, runs.job_id, ended.job_id)),
        Inconsistency(InconsistencyKind.NO_ID, "garbage"),
    }
    await direct.recover()  # which meets them when their time is over
    assert await direct.validate() == []


async def test_a_time_of_a_rate_that_is_none_stops_nobody(
    direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    await direct.set_lane_limit("a", LaneLimit(rate=(1, timedelta(hours=1))))
    await direct.push([NewJob(new_job_id(), b"{}", lane="a"), NewJob(new_job_id(), b"{}", lane="b")])
    held = {claim.job_id: claim for claim in await claims_of(direct, 2)}
    await valkey_client.lset(f"{queue_key}.metadata._rate.a", 0, "no time")
    await direct.push([NewJob(new_job_id(), b"{}", lane="a"), last := NewJob(new_job_id(), b"{}", lane="b")])
    exchanged = await direct.exchange("worker", 2, [Finish(each, held[each].token) for each in held], 2)
    assert exchanged.outcomes == [SettleOutcome.SETTLED] * 2
    assert last.job_id in [claim.job_id for claim in exchanged.claims]


@pytest.mark.parametrize("end", ["close", "recover", "remove"])
async def test_a_claim_that_is_not_ours_has_a_slot_no_more_when_it_ends(
    end: str, direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    await direct.set_lane_limit("a%", LaneLimit(concurrency=1))
    await direct.push([NewJob(new_job_id(), b"{}", lane="a%") for _ in range(2)])
    (held,) = await claims_of(direct, 9)
    await valkey_client.hset(f"{queue_key}.metadata._claimed", str(held.job_id), "not ours")
    if end == "close":
        await direct.close_worker("worker")
    elif end == "recover":
        await direct.renew("worker", timedelta(0))
        assert await direct.recover() == 1
    else:
        assert await direct.cleanup_step(JobStatus.PROCESSING, JobCleanup.remove(), max_jobs=9) == 1
    assert await valkey_client.exists(f"{queue_key}.metadata._slots.a%") == 0
    assert len(await claims_of(direct, 9, "other")) == 1


@pytest.mark.parametrize("limit", [None, LaneLimit(concurrency=1)])
@pytest.mark.parametrize("what", ["something else", "nothing"])
async def test_a_line_that_is_lost_makes_nobody_look_for_it_without_a_pause(
    what: str, limit: LaneLimit | None, direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    """Jobs of other lanes run, and are what a worker waits for."""
    await direct.set_lane_limit("*", limit)
    await direct.push([NewJob(new_job_id(), b"{}", lane="a"), NewJob(new_job_id(), b"{}", lane="b")])
    await valkey_client.delete(f"{queue_key}.metadata._line.0.a")
    if what == "something else":
        await valkey_client.set(f"{queue_key}.metadata._line.0.a", "not ours")
    (held,) = await claims_of(direct, 9)
    assert held.lane == "b"
    assert (await direct.exchange("worker", 2, [Finish(held.job_id, held.token)], 9)).until_next == 0.1
    await direct.push([NewJob(new_job_id(), b"{}", timedelta(milliseconds=100), lane="b")])
    assert 0 < ((await direct.exchange("worker", 3, (), 9)).until_next or 0) <= 0.1
    await direct.push([NewJob(new_job_id(), b"{}", lane="b")])
    assert len((await direct.exchange("worker", 4, (), 9)).claims) > 0


@pytest.mark.parametrize("key", ["_line.5.a", "_offers.5"])
async def test_a_lane_or_priority_whose_key_is_anothers_is_found(
    key: str, direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    job, other = NewJob(new_job_id(), b"{}", priority=5, lane="a"), NewJob(new_job_id(), b"{}", lane="b")
    await direct.push([job, other])
    assert await direct.validate() == []
    await valkey_client.delete(f"{queue_key}.metadata.{key}")
    await valkey_client.set(f"{queue_key}.metadata.{key}", "not ours")
    assert await direct.validate() == [Inconsistency(InconsistencyKind.WRONG_TYPE, job.job_id)]


async def test_swifts_list_may_hold_what_is_no_id(direct: ValkeyJobQueue, valkey_client: Any, queue_key: str) -> None:
    await valkey_client.rpush(f"{queue_key}.processing", "garbage")
    await valkey_client.hset(f"{queue_key}/garbage.metadata", mapping={"workerID": b"\xff", "processingStarted": "x"})
    job_id = new_job_id()
    await valkey_client.rpush(f"{queue_key}.processing", str(job_id))
    await valkey_client.hset(f"{queue_key}/{job_id}.metadata", mapping={"workerID": b"\xff", "processingStarted": "x"})
    (job,) = [job async for job in direct.jobs(JobStatus.PROCESSING)]
    assert (job.job_id, job.worker, job.claimed_at) == (job_id, "�", None)
    assert Inconsistency(InconsistencyKind.NO_ID, "garbage") in await direct.validate()
    assert await direct.cleanup_step(JobStatus.PROCESSING, JobCleanup.remove(), max_jobs=9) == 2
    assert await direct.validate() == []


@pytest.mark.parametrize("value", ["x", "", "nan", "1e999", b"\xff"])
@pytest.mark.parametrize("field", ["stored", "recoveries", "reset", "error"])
async def test_a_field_that_cannot_be_read_spoils_no_claim_and_no_look(
    field: str, value: str | bytes, direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    scene = await pending(direct)
    bad = scene.ids[1]
    await valkey_client.hset(f"{queue_key}/{bad}.metadata", field, value)
    assert [job.job_id async for job in direct.jobs(JobStatus.PENDING)] == scene.ids
    claims = await claims_of(direct, 9)
    assert [claim.job_id for claim in claims] == scene.ids
    spoiled = claims[1]
    # How many workers it has killed cannot be told: it is not run.
    assert (spoiled.request is None) == (field == "recoveries" and value != "")
    assert spoiled.recoveries == 0
    if field == "stored" and value != "1e999":
        assert spoiled.stored_at == spoiled.due
    assert [job.job_id async for job in direct.jobs(JobStatus.PROCESSING)].count(bad) == 1


@pytest.mark.parametrize("field", ["stored", "recoveries"])
async def test_a_processor_goes_on_beside_a_job_with_a_spoiled_field(
    field: str, direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    queue = JobQueue(direct)
    ran = counting(queue)
    ids = await queue.push_many([Work(number) for number in range(5)])
    await valkey_client.hset(f"{queue_key}/{ids[2]}.metadata", field, "x")
    ended = JobStatus.FAILED if field == "recoveries" else JobStatus.COMPLETED

    async def has_ended() -> bool:
        return await queue.status(ids[2]) is ended

    async with run_in_background(queue.processor(ProcessorOptions())):
        await until(lambda: len(ran) >= 4)
        await until(has_ended)
        if ended is JobStatus.FAILED:
            assert await queue.rerun(ids[2])  # which forgets the count
        await until(lambda: len(ran) == 5)


ENDS: dict[str, Callable[[ValkeyJobQueue], Awaitable[object]]] = {
    "recovery": lambda driver: driver.recover(),
    "the worker's end": lambda driver: driver.close_worker("worker"),
    "a cleanup": lambda driver: driver.cleanup_step(JobStatus.PROCESSING, JobCleanup.RERUN, max_jobs=9),
}


@pytest.mark.parametrize(
    "claim",
    ["x", "", "1.0 x 1.0 - worker", "1.0 1 x - worker", "1.0 1 nan - worker", "1.0 1 -nan - worker", "1.0 1 1.0"],
)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_a_claim_that_cannot_be_read_ends_like_the_others(
    end: Callable[[ValkeyJobQueue], Awaitable[object]],
    claim: str,
    direct: ValkeyJobQueue,
    valkey_client: Any,
    queue_key: str,
) -> None:
    scene = await orphaned(direct)
    await valkey_client.hset(f"{queue_key}.metadata._claimed", str(scene.ids[0]), claim)
    assert {job.job_id async for job in direct.jobs(JobStatus.PROCESSING)} == set(scene.ids)
    await end(direct)
    assert [await direct.status(job_id) for job_id in scene.ids] == [JobStatus.PENDING] * 3


async def test_a_claim_that_is_somebody_elses_by_now_stays_with_them(
    direct: ValkeyJobQueue, valkey_client: Any, queue_key: str
) -> None:
    """A worker's set that still names a job which another worker has claimed since gives it to nobody."""
    scene = await pending(direct)
    theirs = await claims_of(direct, 3, "other")
    await open_worker(direct, "dead", timedelta(milliseconds=1))
    await open_worker(direct, "leaves")
    for worker in ("dead", "leaves"):
        await valkey_client.sadd(f"{queue_key}.metadata._claims.{worker}", *map(str, scene.ids))
    assert (await direct.renew("leaves", HOUR)).tokens == frozenset()
    await direct.close_worker("leaves")
    await until(lambda: is_dead(valkey_client, queue_key))
    assert await direct.recover() == 0
    assert (await direct.renew("other", HOUR)).tokens == {claim.token for claim in theirs}
    assert [await direct.status(job_id) for job_id in scene.ids] == [JobStatus.PROCESSING] * 3
    assert not await valkey_client.exists(*(f"{queue_key}.metadata._claims.{worker}" for worker in ("dead", "leaves")))
    assert await direct.validate() == []


async def is_dead(client: Any, queue_key: str) -> bool:
    """Whether the lock of the dead worker has run out."""
    seconds, micros = await client.time()
    return await client.zscore(f"{queue_key}.metadata._workers", "dead") < seconds * 1_000_000 + micros


async def test_ids_that_need_not_be_remembered_any_more_are_freed(
    valkey_client: Any, queue_key: str, default_server: Server
) -> None:
    """All at once, by the next recovery, whether or not another such job ends."""
    clock = ManualClock()
    window = timedelta(minutes=1)
    configuration = ValkeyConfiguration(queue_key=queue_key, idempotency_window=window)
    async with ValkeyJobQueue(client_of(default_server.url), configuration, clock=clock) as driver:
        for _ in range(9):
            jobs = [NewJob(new_job_id(), b"{}", remember=True) for _ in range(1000)]
            await driver.push(jobs)
            claims = await claims_of(driver, 1000)
            await driver.exchange("worker", 2, [Finish(each.job_id, each.token) for each in claims])
            await driver.close_worker("worker")
        ids = f"{queue_key}.metadata._ids"
        assert await valkey_client.zcard(ids) == 9000
        clock.advance(window)
        await driver.recover()
        assert await valkey_client.zcard(ids) == 0
