"""What handlers return, kept and waited for, over every driver that can keep results."""

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import (
    DO_NOT_RETAIN,
    JobCancelled,
    JobContext,
    JobDefinition,
    JobDone,
    JobFailed,
    JobGone,
    JobName,
    JobOptions,
    JobQueue,
    JobStatus,
    NoRetry,
    RetentionPolicy,
    UnsupportedOperation,
    new_job_id,
)
from jobsvalkey.contract import CAPABILITY_PROTOCOLS, Capability, DriverConfiguration, Exchanged, Finish
from jobsvalkey_memory import MemoryJobQueue
from tests.support.every_driver import COMPLETE_DRIVERS, Queue, Store, burst
from tests.support.processors import run_in_background
from tests.support.retention import KEEP_ALL
from tests.support.waiting import PATIENCE, until
from tests.support.work import Work
from tests.unit.runtime.support import make_queue, run_all

HOUR = timedelta(hours=1)
KEPT = JobOptions(keep_for=HOUR)
KEEP_NONE = RetentionPolicy(failed_jobs=DO_NOT_RETAIN)
SOON = timedelta(seconds=PATIENCE)
every_driver = pytest.mark.parametrize("store", COMPLETE_DRIVERS, indirect=True)


def returning(kind: Any, value: Any) -> Any:
    """Make a handler that declares what it returns."""

    async def handler(parameters: Work, context: JobContext) -> Any:
        return value

    handler.__annotations__["return"] = kind
    return handler


@pytest.fixture
async def queue(store: Store) -> Queue:
    return await store.queue(retention_policy=KEEP_NONE)


# Not used, it costs nothing.
@pytest.mark.parametrize(("policy", "is_kept"), [(KEEP_ALL, True), (KEEP_NONE, False)], ids=["retained", "not kept"])
async def test_what_is_not_kept_costs_nothing(policy: RetentionPolicy, is_kept: bool) -> None:
    seen: list[Finish] = []

    class Watched(MemoryJobQueue[Any]):
        async def exchange(
            self, worker: str, sequence: int, settlements: Any = (), limit: int = 0, *, reports: Any = ()
        ) -> Exchanged:
            seen.extend(settlements)
            return await super().exchange(worker, sequence, settlements, limit)

    queue = JobQueue(Watched(DriverConfiguration(retention_policy=policy)))
    queue.register_job(Work, returning(str, "result"))
    job_id = await queue.push(Work(1))
    await run_all(queue)  # pyright: ignore[reportArgumentType]
    assert [finish.result for finish in seen] == [b'"result"' if is_kept else None]
    if not is_kept:
        with pytest.raises(JobGone, match="keep_for"):
            await queue.result(job_id)


@every_driver
async def test_each_end_is_told_to_who_waits(queue: Queue) -> None:
    @queue.job(Work, retry_strategy=NoRetry())
    async def handler(parameters: Work, context: JobContext) -> int:  # pyright: ignore[reportUnusedFunction]
        if parameters.number == 2:
            raise ValueError("not two")
        return parameters.number * 10

    one, two = await queue.push_many([Work(1), Work(2)], options=KEPT)
    three = await queue.push(Work(3), options=JobOptions(keep_for=HOUR, delay=HOUR))
    waits = [asyncio.create_task(queue.result(each)) for each in (one, two, three)]
    await asyncio.sleep(0.02)
    assert await queue.cancel(three)
    await burst(queue)
    async with asyncio.timeout(PATIENCE):
        assert await waits[0] == 10
        with pytest.raises(JobFailed, match=rf"job {two} failed: ValueError: not two") as failed:
            await waits[1]
        with pytest.raises(JobCancelled, match=str(three)):
            await waits[2]
        with pytest.raises(JobGone):
            await queue.result(new_job_id())
    assert (failed.value.error.type, failed.value.error.message) == ("ValueError", "not two")
    # Those who come later are told the same.
    done = {each.job_id: each async for each in queue.results([one, two, three, one], timeout=SOON)}
    assert done == {
        one: JobDone(job_id=one, status=JobStatus.COMPLETED, value=10),
        two: JobDone(job_id=two, status=JobStatus.FAILED, error=failed.value.error),
        three: JobDone(job_id=three, status=JobStatus.CANCELLED),
    }
    assert [each.job_id async for each in queue.results([three, one, two])] == [three, one, two]
    (gone,) = [each async for each in queue.results([new_job_id()])]
    assert gone.status is None


@every_driver
async def test_a_job_that_is_not_kept_lets_nobody_hang(queue: Queue) -> None:
    queue.register_job(Work, returning(int, 1))
    job_id = await queue.push(Work(1))
    wait = asyncio.create_task(queue.result(job_id))
    await asyncio.sleep(0.02)
    await burst(queue)
    with pytest.raises(JobGone):
        await asyncio.wait_for(wait, PATIENCE)


@every_driver
async def test_a_result_that_does_not_come_in_time(queue: Queue) -> None:
    job_id = await queue.push(Work(1), options=KEPT)
    for timeout in (timedelta(0), timedelta(milliseconds=30)):
        with pytest.raises(TimeoutError, match=f"job {job_id} is still pending"):
            await queue.result(job_id, timeout=timeout)
        with pytest.raises(TimeoutError):
            _ = [done async for done in queue.results([job_id], timeout=timeout)]
    assert await queue.cancel(job_id)


@every_driver
async def test_a_job_that_is_run_again_has_its_new_result(store: Store, queue: Queue) -> None:
    runs: list[int] = []

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> int:  # pyright: ignore[reportUnusedFunction]
        runs.append(1)
        return len(runs)

    job_id = await queue.push(Work(1), options=KEPT)
    await burst(queue)
    assert await queue.result(job_id) == 1
    assert await queue.rerun(job_id)
    with pytest.raises(TimeoutError):
        await queue.result(job_id, timeout=timedelta(0))
    await burst(queue)
    assert await queue.result(job_id) == 2
    store.clock.advance(HOUR)
    with pytest.raises(JobGone):
        await queue.result(job_id)


@every_driver
async def test_a_hundred_wait_in_ten_drivers(store: Store, queue: Queue) -> None:
    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> int:  # pyright: ignore[reportUnusedFunction]
        return parameters.number

    queues = [await store.queue(retention_policy=KEEP_NONE) for _ in range(10)]
    ids = await queue.push_many([Work(number) for number in range(100)], options=KEPT)
    waits = [asyncio.create_task(queues[n % 10].result(ids[n], type=int)) for n in range(100)]
    async with run_in_background(queue.processor()), asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*waits) == list(range(100))


async def test_a_job_says_how_long_its_results_are_kept() -> None:
    queue = make_queue()
    name = JobName("named", Work)
    queue.register_job(JobDefinition(Work, returning(int, 1), keep_result=HOUR))
    queue.register_job(name, returning(int, 1), keep_result=2 * HOUR)
    ids = [
        await queue.push(Work(1)),
        await queue.push(name, Work(1)),
        *await queue.push_many([Work(1)], options=JobOptions(keep_for=3 * HOUR)),
        *await queue.push_many([name.with_parameters(Work(1))], atomic=False),
    ]
    records = [await queue.get(job_id) for job_id in ids]
    assert [record and record.keep_for for record in records] == [HOUR, 2 * HOUR, 3 * HOUR, 2 * HOUR]
    queue.replace_job(Work, returning(int, 1))
    record = await queue.get(await queue.push(Work(1)))
    assert record is not None
    assert record.keep_for is None


@pytest.mark.parametrize("wrong", [timedelta(0), -HOUR, timedelta(days=40_000)], ids=str)
def test_a_time_that_is_none(wrong: timedelta) -> None:
    with pytest.raises(ValueError, match="keep_for is a time above zero"):
        JobOptions(keep_for=wrong)
    with pytest.raises(ValueError, match="keep_result is a time above zero"):
        JobDefinition(Work, returning(int, 1), keep_result=wrong)


async def test_a_driver_without_results_is_asked_for_none() -> None:
    class Without(MemoryJobQueue[Any]):
        capabilities: frozenset[Capability] = frozenset(CAPABILITY_PROTOCOLS) - {Capability.RESULTS}

    queue = JobQueue(Without(DriverConfiguration(retention_policy=KEEP_ALL)))
    queue.register_job(Work, returning(int, 1))
    with pytest.raises(UnsupportedOperation, match="'results'"):
        await queue.push(Work(1), options=KEPT)
    with pytest.raises(UnsupportedOperation, match="'results'"):
        await queue.result(new_job_id())
    with pytest.raises(UnsupportedOperation, match="'results'"):
        _ = [done async for done in queue.results([new_job_id()])]
    job_id = await queue.push(Work(1))
    await run_all(queue)  # pyright: ignore[reportArgumentType]
    stored = await queue.driver.get(job_id)
    assert stored is not None
    assert stored.result is None


async def test_a_plain_functions_result_comes_from_its_thread() -> None:
    queue = make_queue()

    def handler(parameters: Work, context: JobContext) -> str:
        return threading.current_thread().name

    queue.register_job(Work, handler, timeout=SOON)
    job_id = await queue.push(Work(1), options=KEPT)
    await run_all(queue)
    assert await queue.result(job_id) == f"job {job_id}"


async def test_who_leaves_the_loop_over_results_leaves_nothing_behind() -> None:
    queue = make_queue()
    queue.register_job(Work, returning(int, 1))
    ids = await queue.push_many([Work(1), Work(2)], options=KEPT)
    ends = queue.results(ids)
    wait: asyncio.Future[JobDone] = asyncio.ensure_future(anext(ends))  # pyright: ignore[reportArgumentType]
    await until(lambda: len(queue.driver.state.watched) == 2)
    wait.cancel()
    await asyncio.gather(wait, return_exceptions=True)
    assert queue.driver.state.watched == {}


async def test_the_record_shows_the_result() -> None:
    queue = make_queue()
    queue.register_job(Work, returning(dict[str, int], {"x": 1}))
    job_id = await queue.push(Work(1), options=KEPT)
    await run_all(queue)
    record = await queue.get(job_id)
    assert record is not None
    assert (record.result, record.keep_for) == ('{"x":1}', HOUR)
