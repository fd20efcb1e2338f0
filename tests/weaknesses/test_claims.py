"""Weaknesses in what a worker may do, and when: 3, 7, 9, 14, 19."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import JobQueue, JobStatus, ProcessorOptions, ValkeyJobQueue, new_job_id
from jobsvalkey.contract import Claim, Fail, Finish, NewJob, Release, Retry, Settlement, SettleOutcome, SystemClock
from jobsvalkey.valkey.scripting import RECOVER
from jobsvalkey_memory import ManualClock
from tests.support.processors import options, run_in_background
from tests.support.proxy import Proxy
from tests.support.waiting import until
from tests.support.work import Work, counting
from tests.weaknesses.conftest import MakeDriver

HOLD = timedelta(seconds=30)
QueueOnValkey = JobQueue[ValkeyJobQueue]
SETTLEMENTS: list[Callable[[Claim], Settlement]] = [
    lambda claim: Finish(claim.job_id, claim.token),
    lambda claim: Fail(claim.job_id, claim.token, b"error"),
    lambda claim: Retry(claim.job_id, claim.token, b"another", timedelta(hours=1)),
    lambda claim: Release(claim.job_id, claim.token),
]


@pytest.mark.parametrize("settlement", SETTLEMENTS, ids=["finish", "fail", "retry", "release"])
async def test_weakness_03_a_stalled_worker_settles_nothing_of_anothers_run(
    make_driver: MakeDriver, settlement: Callable[[Claim], Settlement]
) -> None:
    """In the original, finished and failed go by the id alone: a worker that stalled comes back and deletes a job which
    another one is already running again.

    Here a claim that was recovered is lost: what its worker settles changes nothing.
    """
    clock = ManualClock()
    driver = make_driver(clock=clock)
    job = NewJob(new_job_id(), b"{}")
    await driver.push([job])
    await driver.open_worker("stalled", HOLD)
    (old,) = (await driver.exchange("stalled", 1, (), 1)).claims
    clock.advance(HOLD)
    assert await driver.recover() == 1
    await driver.open_worker("other", HOLD)
    (new,) = (await driver.exchange("other", 1, (), 1)).claims

    before = await driver.get(job.job_id)
    assert (await driver.exchange("stalled", 2, [settlement(old)])).outcomes == [SettleOutcome.CLAIM_LOST]
    assert await driver.get(job.job_id) == before
    assert (await driver.renew("other", HOLD)).tokens == {new.token}
    assert (await driver.exchange("other", 2, [Finish(new.job_id, new.token)])).outcomes == [SettleOutcome.SETTLED]
    assert await driver.status(job.job_id) is JobStatus.COMPLETED


async def test_weakness_07_due_times_go_by_the_servers_clock(
    driver: ValkeyJobQueue, make_driver: MakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The original compares due times with the worker's clock: one that is ahead runs jobs early.

    Here a worker whose clock is a day ahead claims nothing before the server's clock says so.
    """
    in_a_minute = SystemClock().now() + timedelta(minutes=1)
    ahead = SystemClock().now() + timedelta(days=1)
    monkeypatch.setattr(SystemClock, "now", ManualClock(ahead).now)
    await driver.push([NewJob(new_job_id(), b"{}", timedelta(minutes=1)), NewJob(new_job_id(), b"{}", in_a_minute)])
    await driver.open_worker("worker", HOLD)
    exchanged = await driver.exchange("worker", 1, (), 10)
    assert exchanged.claims == []
    assert exchanged.until_next is not None
    assert 0 < exchanged.until_next <= 60
    # The same with the worker's clock in the scripts, as an injected one is, would claim both.
    by_own_clock = make_driver(clock=ManualClock(ahead))
    await by_own_clock.open_worker("early", HOLD)
    assert len((await by_own_clock.exchange("early", 1, (), 10)).claims) == 2


async def test_weakness_09_a_dead_workers_jobs_come_back_within_a_minute_in_one_step(
    make_driver: MakeDriver, proxy: Proxy
) -> None:
    """A dead worker's jobs wait up to 12.5 minutes in the original (a lock of 450 s, recovery every 300 s), which then
    reads the list of running jobs one by one.

    Here they wait for a minute at most unless told otherwise, and one round trip brings all of them back.
    """
    lock = ProcessorOptions().worker_active_lock
    assert lock.hold_for + lock.every <= timedelta(seconds=60)

    clock = ManualClock()
    driver = make_driver(clock=clock, url=proxy.url)
    await driver.push([NewJob(new_job_id(), b"{}") for _ in range(900)])
    await driver.open_worker("dead", lock.hold_for)
    assert len((await driver.exchange("dead", 1, (), 900)).claims) == 900
    await driver.recover()
    clock.advance(lock.hold_for)
    sent = len(proxy.commands)
    assert await driver.recover() == 900
    assert [command.digest for command in proxy.commands[sent:]] == [RECOVER.digest]
    assert (await driver.counts())[JobStatus.PENDING] == 900


async def test_weakness_14_what_runs_at_the_end_of_a_shutdown_has_not_failed(queue: QueueOnValkey) -> None:
    """The original marks a job as failed that still runs when the time of the shutdown is up.

    Here it is cancelled and goes back, at the attempt that it was at, and the next worker runs it.
    """
    started, attempts = asyncio.Event(), list[int]()

    @queue.job(Work)
    async def handler(parameters: Work, context: object) -> None:  # pyright: ignore[reportUnusedFunction]
        started.set()
        await asyncio.Event().wait()

    job_id = await queue.push(Work())
    async with run_in_background(queue.processor(options(graceful_shutdown_timeout=timedelta(0)))):
        await started.wait()
    record = await queue.get(job_id)
    assert record is not None
    assert (record.status, record.attempt, record.error) == (JobStatus.PENDING, 1, None)

    following = JobQueue(queue.driver)
    attempts = counting(following)
    async with run_in_background(following.processor(options())):
        await until(lambda: attempts)
    assert await queue.status(job_id) is JobStatus.COMPLETED


async def test_weakness_19_a_job_that_kills_its_process_is_given_up(
    make_driver: MakeDriver, valkey_client: Valkey
) -> None:
    """In the original a job that kills its process is recovered for ever, and takes down one worker after the other.

    Here it is given up after its sixth worker, without another run, and says why.
    """
    clock = ManualClock()
    queue = JobQueue(make_driver(clock=clock))
    ran = counting(queue)
    job_id = await queue.push(Work())
    allowed = ProcessorOptions().max_recoveries
    assert allowed is not None
    for number in range(allowed + 1):
        await queue.driver.open_worker(f"killed-{number}", HOLD)
        assert len((await queue.driver.exchange(f"killed-{number}", 1, (), 1)).claims) == 1
        clock.advance(HOLD)
        assert await queue.driver.recover() == 1
    await queue.processor(options(burst=True)).run()
    record = await queue.get(job_id)
    assert record is not None
    assert record.error is not None
    assert (record.status, ran) == (JobStatus.FAILED, [])
    assert "JobAbandoned" in record.error.type
    assert f"{allowed + 1} workers died" in record.error.message
