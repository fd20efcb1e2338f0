"""Unique names, as they lie in the store."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import ConfigurationError, JobCleanup, JobID, JobStatus, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.contract import Cancel, Fail, Finish, NewJob, Pushed, Release, StoreOutcome, Unique, new_job_id
from jobsvalkey_memory import ManualClock

HOUR = timedelta(hours=1)
Exit = Callable[[ValkeyJobQueue, JobID], Awaitable[object]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def driver(valkey_client: Valkey, queue_key: str, clock: ManualClock) -> AsyncIterator[ValkeyJobQueue]:
    async with ValkeyJobQueue(valkey_client, ValkeyConfiguration(queue_key=queue_key), clock=clock) as driver:
        yield driver


async def push(driver: ValkeyJobQueue, unique: Unique | None, job_id: JobID | None = None, **fields: Any) -> Pushed:
    (pushed,) = await driver.push([NewJob(job_id or new_job_id(), b"{}", unique=unique, **fields)])
    return pushed


async def claim(driver: ValkeyJobQueue, worker: str = "worker") -> bytes:
    await driver.open_worker(worker, HOUR)
    (claimed,) = (await driver.exchange(worker, 1, (), 1)).claims
    return claimed.token


def settled(settlement: Callable[[JobID, bytes], Any]) -> Exit:
    async def leave(driver: ValkeyJobQueue, job_id: JobID) -> None:
        token = await claim(driver)
        await driver.exchange("worker", 2, [settlement(job_id, token)])

    return leave


def aborted(leave: Exit) -> Exit:
    async def abort(driver: ValkeyJobQueue, job_id: JobID) -> None:
        await claim(driver)
        await driver.abort(job_id)
        await leave(driver, job_id)

    return abort


async def died(driver: ValkeyJobQueue, job_id: JobID) -> None:
    await driver.renew("worker", timedelta(0))
    assert await driver.recover() == 1


async def cleaned(driver: ValkeyJobQueue, job_id: JobID) -> None:
    await claim(driver)
    assert await driver.cleanup_step(JobStatus.PROCESSING, JobCleanup("remove"), max_jobs=10) == 1


async def pending_cleaned(driver: ValkeyJobQueue, job_id: JobID) -> None:
    assert await driver.cleanup_step(JobStatus.PENDING, JobCleanup("remove"), max_jobs=10) == 1


async def paused_removed(driver: ValkeyJobQueue, job_id: JobID) -> None:
    assert await driver.pause(job_id)
    assert await driver.remove(job_id)


EXITS: dict[str, Exit] = {
    "finish": settled(Finish),
    "result": settled(lambda job_id, token: Finish(job_id, token, b"1")),
    "fail": settled(lambda job_id, token: Fail(job_id, token, b"error")),
    "fail, kept": settled(lambda job_id, token: Fail(job_id, token, b"error", keep=True)),
    "cancel": lambda driver, job_id: driver.cancel(job_id),
    "abort": lambda driver, job_id: driver.abort(job_id),
    "abort while it runs": aborted(lambda driver, job_id: driver.close_worker("worker")),
    "abort and a crash": aborted(died),
    "remove": lambda driver, job_id: driver.remove(job_id),
    "remove, paused": paused_removed,
    "cleanup": pending_cleaned,
    "cleanup while it runs": cleaned,
}


async def left(client: Any, queue_key: str) -> set[str]:
    """The keys that are there but for those that any queue may have."""
    found = {key.decode().removeprefix(f"{queue_key}.metadata.") async for key in client.scan_iter(f"{queue_key}*")}
    return {
        key for key in found if not key.startswith(("_producer.", "_worker", "_layout", "_wake", "_news", "_ended"))
    }


@pytest.mark.parametrize("unique", [Unique("name"), Unique("name", "start")], ids=["end", "start"])
@pytest.mark.parametrize("how", EXITS)
async def test_an_exit_leaves_no_name(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue, how: str, unique: Unique
) -> None:
    job_id = (await push(driver, unique)).job_id
    await EXITS[how](driver, job_id)
    client: Any = valkey_client
    assert await client.exists(f"{queue_key}.metadata._names") == 0
    if await driver.status(job_id) is not None:
        assert await driver.remove(job_id)
    assert await left(client, queue_key) == set()


@pytest.mark.parametrize("by", ["exchange", "recover", "push"])
@pytest.mark.parametrize("how", EXITS)
async def test_a_name_for_a_time_goes_when_it_is_over(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue, clock: ManualClock, how: str, by: str
) -> None:
    client: Any = valkey_client
    job_id = (await push(driver, Unique("name", HOUR * 10))).job_id
    await EXITS[how](driver, job_id)
    if await driver.status(job_id) is not None:
        assert await driver.remove(job_id)
    assert await left(client, queue_key) == {"_names", "_timed_names"}
    clock.advance(HOUR * 10)
    if by == "recover":
        await driver.recover()
    elif by == "push":
        await push(driver, Unique("other"), job_id)
        await driver.remove(job_id)
    else:
        await driver.open_worker("another", HOUR)
        await driver.exchange("another", 1, (), 1)
    assert await left(client, queue_key) == set()


async def test_names_that_are_over_do_not_fill_the_store(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue, clock: ManualClock
) -> None:
    """A hundred are given up by each step that ends or looks for jobs, and by a push more than it takes."""
    client: Any = valkey_client

    async def take(number: int) -> None:
        await driver.push(
            [NewJob(new_job_id(), b"", HOUR * 99, unique=Unique(f"{clock.now()} {at}", HOUR)) for at in range(number)]
        )

    for number in (300, 200, 300):
        await take(number)
        assert await client.zcard(f"{queue_key}.metadata._timed_names") == number
        assert await client.hlen(f"{queue_key}.metadata._names") == number
        clock.advance(HOUR)
    for there in (200, 100):
        await driver.recover()
        assert await client.zcard(f"{queue_key}.metadata._timed_names") == there
        assert await client.hlen(f"{queue_key}.metadata._names") == there


async def test_a_name_without_a_time_is_not_given_up(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue, clock: ManualClock
) -> None:
    """One that was held for a time before is no more among those that are over."""
    await push(driver, Unique("name", HOUR))
    clock.advance(HOUR)
    holder = await push(driver, Unique("name"), due=HOUR * 9)
    await driver.recover()
    assert (await push(driver, Unique("name"))).job_id == holder.job_id
    again = await push(driver, Unique("other", HOUR), due=HOUR * 9)
    await push(driver, Unique("other", otherwise="replace"), due=HOUR * 9)
    clock.advance(HOUR)
    await driver.recover()
    assert (await push(driver, Unique("other"))).job_id == again.job_id


# Not used, it costs nothing.
async def test_the_first_one_adds_the_letter(valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue) -> None:
    client: Any = valkey_client
    await push(driver, Unique("name"))
    assert await client.get(f"{queue_key}.metadata._layout") == b"1u"


@pytest.mark.parametrize("name", ["_names", "_timed_names", "_paused"])
async def test_a_key_of_another_type_is_refused_before_anything_is_written(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue, name: str
) -> None:
    client: Any = valkey_client
    key = f"{queue_key}.metadata.{name}"
    await client.set(key, "not ours")
    for step in (driver.push([NewJob(new_job_id(), b"{}", unique=Unique("name"))]),):
        with pytest.raises(ConfigurationError, match=name):
            await step
    with pytest.raises(ConfigurationError, match=name):
        await driver.push_if(NewJob(new_job_id(), b"{}", unique=Unique("name")), "key", None, b"1")
    assert await left(client, queue_key) == {name}
    await client.delete(key)
    job_id = (await push(driver, Unique("name"))).job_id
    token = await claim(driver)
    before = await client.dump(key)
    await client.delete(key)
    await client.set(key, "not ours")
    with pytest.raises(ConfigurationError, match=name):
        await driver.exchange("worker", 2, [Finish(job_id, token)])
    with pytest.raises(ConfigurationError, match=name):
        await driver.cleanup_step(JobStatus.PROCESSING, JobCleanup("remove"), max_jobs=1)
    await client.delete(key)
    if before:
        await client.restore(key, 0, before)
    await driver.exchange("worker", 2, [Finish(job_id, token)])
    assert await left(client, queue_key) == set()


async def test_fields_that_are_lost_hold_no_name(valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue) -> None:
    """A job whose fields somebody has spoiled could never free its name: the next push takes it."""
    client: Any = valkey_client
    first = await push(driver, Unique("name"))
    await client.delete(f"{queue_key}.metadata._job.{first.job_id}")
    await client.set(f"{queue_key}.metadata._job.{first.job_id}", "not ours")
    second = await push(driver, Unique("name", otherwise="replace"), due=HOUR)
    assert second.outcome is StoreOutcome.STORED
    token = await claim(driver)
    await driver.exchange("worker", 2, [Finish(first.job_id, token)])
    assert (await push(driver, Unique("name"))).job_id == second.job_id


@pytest.mark.parametrize("spoiled", [{"unique": "%ff"}, {"until": "never"}, {"until": "-5"}, {"unique": "x" * 2000}])
async def test_fields_that_make_no_sense_fail_no_claim(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue, spoiled: dict[str, str]
) -> None:
    client: Any = valkey_client
    job_id = (await push(driver, Unique("name", HOUR))).job_id
    await client.hset(f"{queue_key}.metadata._job.{job_id}", mapping=spoiled)
    await driver.open_worker("worker", HOUR)
    (claimed,) = (await driver.exchange("worker", 1, (), 1)).claims
    assert claimed.job_id == job_id
    await driver.exchange("worker", 2, [Finish(job_id, claimed.token)])
    assert await driver.status(job_id) is None


async def test_a_broken_request_is_replaced(valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue) -> None:
    client: Any = valkey_client
    holder = await push(driver, Unique("name"))
    await client.delete(f"{queue_key}/{holder.job_id}")
    await client.lpush(f"{queue_key}/{holder.job_id}", "not ours")
    assert await push(driver, Unique("name", otherwise="replace")) == Pushed(StoreOutcome.REPLACED, holder.job_id)
    await driver.open_worker("worker", HOUR)
    (claimed,) = (await driver.exchange("worker", 1, (), 1)).claims
    assert (claimed.job_id, claimed.request) == (holder.job_id, b"{}")


@pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PAUSED])
async def test_a_holder_that_swift_has_moved_is_replaced_where_it_belongs(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue, status: JobStatus
) -> None:
    client: Any = valkey_client
    holder = await push(driver, Unique("name"))
    if status is JobStatus.PAUSED:
        await driver.pause(holder.job_id)
    await client.zadd(f"{queue_key}.pending", {str(holder.job_id): 1.0})
    assert await push(driver, Unique("name", otherwise="replace"), due=HOUR) == Pushed(
        StoreOutcome.REPLACED, holder.job_id
    )
    assert await client.zcard(f"{queue_key}.pending") == 0


async def test_what_swift_runs_anew_takes_nothing(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue
) -> None:
    """Swift knows no names: its rerun asks for none, and the job that has it keeps it."""
    client: Any = valkey_client
    first = await push(driver, Unique("name"), keep_for=HOUR)
    token = await claim(driver)
    await driver.exchange("worker", 2, [Fail(first.job_id, token, b"error")])
    second = await push(driver, Unique("name"), due=HOUR)
    await client.zadd(f"{queue_key}.pending", {str(first.job_id): 1.0})
    (claimed,) = (await driver.exchange("worker", 3, (), 5)).claims
    assert claimed.job_id == first.job_id
    await driver.exchange("worker", 4, [Finish(first.job_id, claimed.token)])
    assert (await push(driver, Unique("name"))).job_id == second.job_id


async def test_a_name_is_read_as_it_was_given(valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue) -> None:
    client: Any = valkey_client
    await push(driver, Unique("invoice:42/äö %"))
    assert await client.hkeys(f"{queue_key}.metadata._names") == [b"invoice:42/%C3%A4%C3%B6%20%25"]


async def test_a_release_does_not_take_what_a_claim_freed(
    valkey_client: Valkey, queue_key: str, driver: ValkeyJobQueue
) -> None:
    client: Any = valkey_client
    job_id = (await push(driver, Unique("name", "start"))).job_id
    token = await claim(driver)
    assert await client.exists(f"{queue_key}.metadata._names") == 0
    await driver.exchange("worker", 2, [Release(job_id, token)])
    assert await client.exists(f"{queue_key}.metadata._names") == 0
    (claimed,) = (await driver.exchange("worker", 3, (), 1)).claims
    await driver.abort(job_id)
    await driver.exchange("worker", 4, [Cancel(job_id, claimed.token)])
    assert await left(client, queue_key) == set()
