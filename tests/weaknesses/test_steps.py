"""Weaknesses of steps that are made of several commands: 1, 2, 8, 10, 13."""

import itertools
from datetime import timedelta
from typing import Any, cast

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import Accuracy, JobCleanup, JobContext, JobName, JobQueue, JobSchedule, JobStatus, Schedule, new_job_id
from jobsvalkey.contract import Fail, NewJob, SettleOutcome
from jobsvalkey.valkey.scripting import EXCHANGE
from jobsvalkey_memory import ManualClock
from tests.support.processors import options, run_in_background
from tests.support.proxy import Proxy, script
from tests.support.waiting import until
from tests.support.work import Work
from tests.weaknesses.conftest import MakeDriver
from tests.weaknesses.cutting import Lost, cut_at_every_command

HOUR = timedelta(hours=1)
ONCE = timedelta(0)

lost_either = pytest.mark.parametrize("lost", ["request", "reply"])


@lost_either
async def test_weakness_01_a_push_is_one_step(
    make_driver: MakeDriver, proxy: Proxy, valkey_client: Valkey, queue_key: str, lost: Lost
) -> None:
    """The original sends a push as three commands: one that dies between them leaves a payload that is on no list.

    Here, wherever the producer is cut off, the job is there as a whole or not at all.
    """
    cut, whole = make_driver(url=proxy.url, operation_timeout=ONCE), make_driver()
    pushed: list[NewJob] = []

    async def push() -> None:
        pushed.append(NewJob(new_job_id(), b"{}", timedelta(minutes=1), remember=True))
        await cut.push(pushed[-1:])

    async for number in cut_at_every_command(proxy, lost, push):
        job = pushed[-1]
        keys = [key async for key in cast(Any, valkey_client).scan_iter(match=f"{queue_key}/{job.job_id}*")]
        is_there = await whole.status(job.job_id) is JobStatus.PENDING
        assert len(keys) == (2 if is_there else 0), f"half of the job is stored, cut at command {number}"
        assert await whole.validate() == []
    assert await whole.status(pushed[-1].job_id) is JobStatus.PENDING


@lost_either
async def test_weakness_02_no_claim_is_without_its_worker(make_driver: MakeDriver, proxy: Proxy, lost: Lost) -> None:
    """The original pops an id, then writes in further commands whose it is: a worker that dies between them leaves a
    job that recovery passes over for ever.

    Here, wherever the worker is cut off, its job is pending again once its lock has run out.
    """
    clock = ManualClock()
    cut, other = make_driver(url=proxy.url, clock=clock), make_driver(clock=clock)
    job = NewJob(new_job_id(), b"{}")
    await other.push([job])
    workers: list[str] = []

    async def claim() -> None:
        workers.append(f"worker-{len(workers)}")
        await cut.open_worker(workers[-1], timedelta(seconds=30))
        await cut.exchange(workers[-1], 1, (), 1)

    async for number in cut_at_every_command(proxy, lost, claim):
        clock.advance(timedelta(seconds=30))
        await other.recover()
        assert await other.status(job.job_id) is JobStatus.PENDING, f"nobody recovers it, cut at command {number}"
        assert await other.validate() == []
    stored = await other.get(job.job_id)
    assert stored is not None
    assert stored.recoveries >= 1  # the last worker had it, at least


@lost_either
async def test_weakness_08_a_cleanup_loses_no_job_that_is_too_young(
    make_driver: MakeDriver, proxy: Proxy, lost: Lost
) -> None:
    """The original's cleanup pops entries and puts back those that are too young: they are gone if it dies in between.

    Here, wherever the cleanup is cut off, the young ones are all where they were.
    """
    clock = ManualClock()
    cut, other = make_driver(url=proxy.url, clock=clock, operation_timeout=ONCE), make_driver(clock=clock)
    await other.open_worker("worker", timedelta(days=1))
    young: list[NewJob] = []
    for number in range(1, 3):
        clock.advance(HOUR)
        young = [NewJob(new_job_id(), b"{}") for _ in range(5)]
        await other.push(young)
        claims = (await other.exchange("worker", 2 * number, (), 5)).claims
        failures = [Fail(claim.job_id, claim.token, b"error") for claim in claims]
        assert (await other.exchange("worker", 2 * number + 1, failures)).outcomes == [SettleOutcome.SETTLED] * 5

    async def clean() -> None:
        await cut.cleanup(failed_jobs=JobCleanup.remove(max_age=HOUR))

    async for number in cut_at_every_command(proxy, lost, clean):
        left = {job.job_id async for job in other.jobs(JobStatus.FAILED)}
        assert {job.job_id for job in young} <= left, f"young jobs are gone, cut at command {number}"
        assert await other.validate() == []
    assert (await other.counts())[JobStatus.FAILED] == len(young)


@lost_either
@pytest.mark.parametrize("accuracy", Accuracy)
async def test_weakness_10_a_trigger_is_pushed_once_wherever_its_scheduler_dies(
    make_driver: MakeDriver, proxy: Proxy, lost: Lost, accuracy: Accuracy
) -> None:
    """The original's scheduler pushes a job, then stores its date: a crash in between schedules it twice, and so do
    two schedulers.

    Here each trigger is pushed once, wherever one scheduler is cut off, also where its job has run by the time that
    the next one looks.
    """
    clock = ManualClock()
    cut, other = make_driver(url=proxy.url, clock=clock, operation_timeout=ONCE), make_driver(clock=clock)
    schedule = JobSchedule()
    schedule.add_job(JobName("tick", str), "text", Schedule.hourly(), accuracy=accuracy)
    await schedule.scheduler(JobQueue(other)).trigger_due()
    await other.open_worker("worker", timedelta(days=100))
    exchanges = itertools.count(1)

    async def trigger() -> None:
        clock.advance(HOUR)  # the next trigger is due, and the lock of the last scheduler has run out
        await schedule.scheduler(JobQueue(cut)).trigger_due()

    async def run_what_was_pushed() -> int:
        claims = (await other.exchange("worker", next(exchanges), (), 100)).claims
        await other.cleanup(processing_jobs=JobCleanup.remove())
        return len(claims)

    async for number in cut_at_every_command(proxy, lost, trigger):
        pushed = await run_what_was_pushed()
        clock.advance(timedelta(minutes=2))  # the lock of the dead one runs out
        await schedule.scheduler(JobQueue(other)).trigger_due()
        pushed += await run_what_was_pushed()
        assert pushed == 1, f"pushed {pushed} times, cut at command {number}"


async def test_weakness_13_a_claim_whose_reply_is_lost_is_not_forgotten(make_driver: MakeDriver, proxy: Proxy) -> None:
    """In the original, a claim whose reply is lost stays, for as long as it lives, with a worker that does not know it.

    Here the worker asks again under the same number, is told of the same claims, and runs each job once.
    """
    queue = JobQueue(make_driver(url=proxy.url))
    ran: list[int] = []

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        ran.append(parameters.number)

    await make_driver().push([])
    job_ids = await queue.push_many(Work(number) for number in range(10))
    fault = proxy.swallow_reply(script(EXCHANGE.digest), nth=1, times=2)
    async with run_in_background(queue.processor(options())):
        await until(lambda: len(ran) == 10)
    assert len(fault.hit) == 2
    assert sorted(ran) == list(range(10))
    assert [await queue.status(job_id) for job_id in job_ids] == [JobStatus.COMPLETED] * 10
