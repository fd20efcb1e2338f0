"""Weaknesses of workers that wait: 6, 16."""

from datetime import timedelta
from typing import Any, cast

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import ActiveLock, JobQueue, JobStatus, ValkeyJobQueue, new_job_id
from jobsvalkey.contract import NewJob
from tests.support.processors import options, run_in_background
from tests.support.waiting import until
from tests.support.work import Work, counting
from tests.weaknesses.conftest import MakeDriver

LONG_LOCK = ActiveLock(every=timedelta(minutes=10), hold_for=timedelta(hours=1))
POLLS = 20


async def changes_and_polls(client: Any) -> tuple[int, int]:
    """How often the server's data was changed, and how many scripts were called."""
    calls = (await client.info("commandstats")).get("cmdstat_evalsha", {"calls": 0})["calls"]
    return (await client.info("persistence"))["rdb_changes_since_last_save"], calls


@pytest.mark.parametrize("delayed", [0, 3])
async def test_weakness_06_an_idle_worker_writes_nothing(
    make_driver: MakeDriver, valkey_client: Valkey, delayed: int
) -> None:
    """In the original, every poll of an empty queue, or of one whose jobs are delayed, pops an entry and adds it again:
    an idle worker writes to the log and to the replicas ten times a second.

    Here it polls, and changes nothing.
    """
    queue = JobQueue(make_driver(poll_time=timedelta(milliseconds=10)))
    ran = counting(queue)
    await queue.driver.push([NewJob(new_job_id(), b"{}", timedelta(hours=1)) for _ in range(delayed)])
    async with run_in_background(queue.processor(options(worker_active_lock=LONG_LOCK))):
        await queue.push(Work())
        await until(lambda: ran)
        await until(lambda: has_completed(queue))
        await until_it_polls(valkey_client, 3)
        changes, _ = await changes_and_polls(valkey_client)
        await until_it_polls(valkey_client, POLLS)
        assert (await changes_and_polls(valkey_client))[0] == changes


async def until_it_polls(client: Any, times: int) -> None:
    """Wait until the worker has asked for work that often."""
    _, before = await changes_and_polls(client)

    async def polled() -> bool:
        return (await changes_and_polls(client))[1] >= before + times

    await until(polled)


async def has_completed(queue: JobQueue[ValkeyJobQueue]) -> bool:
    """Whether the first job has been settled."""
    return (await queue.counts())[JobStatus.COMPLETED] == 1


@pytest.mark.parametrize("delay", [timedelta(0), timedelta(milliseconds=50)])
async def test_weakness_16_a_job_does_not_wait_for_the_poll(
    make_driver: MakeDriver, valkey_client: Valkey, delay: timedelta
) -> None:
    """In the original the latency is the time between two polls, 100 ms by default.

    Here a push wakes an idle worker, and one for later tells it when to wake up: with an hour between two polls the
    job runs all the same.
    """
    queue = JobQueue(make_driver(poll_time=timedelta(hours=1)))
    ran = counting(queue)
    async with run_in_background(queue.processor(options(worker_active_lock=LONG_LOCK))):
        await until(lambda: is_waiting(valkey_client))
        await make_driver().push([NewJob(new_job_id(), b'{"Work":{"p":{"number":1},"q":0,"a":1}}', delay)])
        await until(lambda: ran == [1])


async def is_waiting(client: Valkey) -> bool:
    """Whether a worker is blocked at the server."""
    listed: list[dict[str, str]] = await cast(Any, client).client_list()
    return any(found["cmd"] == "blpop" and "b" in found["flags"] for found in listed)
