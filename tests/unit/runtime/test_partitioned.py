"""A queue in several parts: where jobs go, where they are looked for, and what cannot be in two places."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from jobsvalkey import (
    AbortOutcome,
    ConfigurationError,
    Flow,
    JobContext,
    JobOptions,
    JobQueue,
    JobStatus,
    PartitionedQueue,
    ProcessorOptions,
    Push,
    PushIncomplete,
    StoreUnavailable,
    new_job_id,
)
from jobsvalkey.contract import Clock, DriverConfiguration, NewJob, Operation, Pushed, StoreOutcome, SystemClock, Unique
from jobsvalkey_memory import MemoryJobQueue, MemoryStore
from tests.support.processors import run_in_background
from tests.support.retention import KEEP_ALL
from tests.support.waiting import until

BURST = ProcessorOptions(burst=True)


@dataclass(frozen=True)
class Work:
    job_name: ClassVar[str] = "Work"
    number: int = 0


class Part(MemoryJobQueue[Clock]):
    """The twin, whose store may be away."""

    is_away = False

    async def push(self, items: Any, *, operation: Operation | None = None) -> list[Pushed]:
        if self.is_away:
            raise StoreUnavailable("away", outcome="not_done")
        return await super().push(items, operation=operation)


def make_part(number: int) -> JobQueue[Part]:
    configuration = DriverConfiguration(queue_key=f"mail-{number}", retention_policy=KEEP_ALL)
    return JobQueue(Part(configuration, SystemClock(), MemoryStore()))


def make(number: int = 4) -> PartitionedQueue:
    return PartitionedQueue([make_part(each) for each in range(number)])


async def sizes(queue: PartitionedQueue) -> list[int]:
    return [sum((await part.counts()).values()) for part in queue.partitions]


async def test_jobs_go_round_and_their_ids_say_where_they_are() -> None:
    queue = make(4)
    job_ids = [await queue.push(Work(number)) for number in range(40)]
    assert await sizes(queue) == [10] * 4
    for job_id in job_ids:
        assert await queue.partition_of(job_id=job_id).status(job_id) == JobStatus.PENDING
    assert (await queue.counts())[JobStatus.PENDING] == 40
    assert sorted([record.id async for record in queue.jobs(JobStatus.PENDING)]) == sorted(job_ids)
    assert len([record async for record in queue.jobs(JobStatus.PENDING, limit=25)]) == 25
    # They came from us: nothing remembers them when they are gone.
    assert await queue.remove(job_ids[0])
    await queue.partition_of(job_id=job_ids[0]).driver.push([NewJob(job_ids[0], b"{}")])
    assert await queue.status(job_ids[0]) == JobStatus.PENDING


async def test_a_unique_name_and_an_id_of_your_own_have_a_place() -> None:
    queue = make(4)
    places = set[str]()
    for number in range(30):
        options = JobOptions(unique=Unique(f"invoice:{number}"))
        first, second = [await queue.push_unless_held(Work(number), options=options) for _ in range(2)]
        assert (first.outcome, second.outcome) == (StoreOutcome.STORED, StoreOutcome.DUPLICATE)
        assert second.job_id == first.job_id
        part = queue.partition_of(unique=f"invoice:{number}")
        assert await part.status(first.job_id) == JobStatus.PENDING
        assert queue.partition_of(job_id=first.job_id) is part
        places.add(part.driver.configuration.queue_key)
    assert len(places) == 4
    job_id = uuid4()
    for _ in range(8):
        assert await queue.push(Work(), options=JobOptions(job_id=job_id)) == job_id
    assert (await queue.counts())[JobStatus.PENDING] == 31


async def test_the_place_of_a_name_is_the_same_in_every_process() -> None:
    queue = make(8)
    assert queue.partitions.index(queue.partition_of(unique="invoice:42")) == 1
    assert queue.partitions.index(queue.partition_of(job_id="0195f3a0-5c1e-7d5a-9d8e-0a1b2c3d4e5f")) == 7


async def test_jobs_that_lie_elsewhere_are_found() -> None:
    queue = make(4)
    for step in ("cancel", "pause", "resume", "rerun", "remove", "get", "status", "abort"):
        job_id = new_job_id()
        # At a part that neither its id nor anything else tells.
        part = next(part for part in queue.partitions if part is not queue.partition_of(job_id=job_id))
        await part.push(Work(), options=JobOptions(job_id=job_id, delay=timedelta(hours=1)))
        if step == "resume":
            await part.pause(job_id)
        if step == "rerun":
            await part.cancel(job_id)
        assert await getattr(queue, step)(job_id)
        if step == "abort":
            assert await queue.abort(new_job_id()) == AbortOutcome.NOTHING
        elif step in ("get", "status"):
            assert await getattr(queue, step)(new_job_id()) is None
        else:
            assert await getattr(queue, step)(new_job_id()) is False


async def test_one_step_is_at_one_part() -> None:
    queue = make(4)
    await queue.push_many([Work(number) for number in range(10)])
    assert sorted(await sizes(queue)) == [0, 0, 0, 10]
    several = [Push(Work(), JobOptions(unique=Unique(f"{number}"))) for number in range(9)]
    with pytest.raises(ValueError, match=r"belong to \d parts, and one step is at one of them: push with atomic=False"):
        await queue.push_many(several)
    assert sum(await sizes(queue)) == 10
    together = [Work(), Push(Work(), JobOptions(unique=Unique("a"))), Work()]
    assert len(await queue.push_many(together)) == 3
    assert sum((await queue.partition_of(unique="a").counts()).values()) in (3, 13)


async def test_many_jobs_are_dealt_to_all_parts_and_their_ids_come_in_order() -> None:
    queue = make(4)
    jobs = [Push(Work(n), JobOptions(unique=Unique(f"{n}"))) if n % 5 == 0 else Work(n) for n in range(100)]
    job_ids = await queue.push_many(jobs, atomic=False)
    for number, job_id in enumerate(job_ids):
        record = await queue.get(job_id)
        assert record is not None
        assert record.parameters == f'{{"number":{number}}}'
    assert min(await sizes(queue)) >= 20
    assert await queue.push_many([], atomic=False) == []


async def test_a_part_that_is_away_takes_nothing_and_the_others_do() -> None:
    queue = make(4)
    queue.partitions[1].driver.is_away = True
    with pytest.raises(PushIncomplete, match="75 of 100 jobs are stored") as incomplete:
        await queue.push_many([Work(number) for number in range(100)], atomic=False)
    assert len(incomplete.value.stored) == 75
    assert await sizes(queue) == [25, 0, 25, 25]


async def test_workers_serve_all_parts_and_results_come_from_all() -> None:
    queue = make(4)
    ran = Counter[int]()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        ran[parameters.number] += 1

    @queue.task(keep_result=timedelta(minutes=1))
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    await queue.push_many([Work(number) for number in range(40)], atomic=False)
    async with run_in_background(queue.processor(ProcessorOptions(num_workers=4))):
        await until(lambda: len(ran) == 40)
        assert [await double.call(number) for number in range(8)] == [2 * number for number in range(8)]
        job_ids = [await double.push(number) for number in range(20)]
        done = [each async for each in queue.results(job_ids, timeout=timedelta(seconds=30))]
        assert sorted(each.value for each in done) == [2 * number for number in range(20)]
        assert await queue.result(job_ids[3], timeout=timedelta(seconds=30)) == 6
    await queue.processor(BURST).run()


async def test_a_pause_is_of_all_parts() -> None:
    queue = make(3)
    await queue.pause_queue()
    assert await queue.is_queue_paused()
    await queue.partitions[1].resume_queue()
    assert not await queue.is_queue_paused()
    await queue.resume_queue()
    assert [load.is_paused for load in await queue.load()] == [False] * 3


def test_parts_that_do_not_fit_are_refused() -> None:
    part = make_part(0)
    with pytest.raises(ValueError, match="at least"):
        PartitionedQueue([])
    with pytest.raises(ValueError, match="given twice"):
        PartitionedQueue([part, part])
    with pytest.raises(ValueError, match="give an id or a unique name"):
        make(2).partition_of()
    other = make_part(1)

    @other.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        raise NotImplementedError

    with pytest.raises(ConfigurationError, match=r"jobs of its own \(Work\): register at the PartitionedQueue"):
        PartitionedQueue([make_part(0), other])
    swift = JobQueue(make_part(2).driver, values="swift")
    with pytest.raises(ConfigurationError, match="write values alike"):
        PartitionedQueue([make_part(0), swift])


async def test_moving_to_another_number_of_parts() -> None:
    """The old parts are drained by workers of theirs, while pushes go to the new ones."""
    parts = [make_part(number) for number in range(3)]
    old = PartitionedQueue(parts[:2])
    ran: list[int] = []

    async def handler(parameters: Work, context: JobContext) -> None:
        ran.append(parameters.number)

    for number in range(10):
        await old.push(Work(number))
    new = PartitionedQueue([make_part(number) for number in range(10, 13)])
    for queue in (old, new):
        queue.register_job(Work, handler)
    for number in range(10, 20):
        await new.push(Work(number))
    await old.processor(BURST).run()
    await new.processor(BURST).run()
    assert sorted(ran) == list(range(20))


async def test_a_flow_and_a_batch_live_at_one_part() -> None:
    queue = make(4)
    flow = Flow()
    flow.add(Work(3), after=[flow.add(Work(1)), flow.add(Work(2))])
    pushed = [await queue.push_flow(flow) for _ in range(4)]
    for ids in pushed:
        assert len({queue.partition_of(job_id=each) for each in ids}) == 1
    assert await sizes(queue) == [3] * 4
    parent = pushed[0][0]
    child = await queue.push(Work(4), options=JobOptions(after=[parent]))
    assert queue.partition_of(job_id=child) is queue.partition_of(job_id=parent)
    batch = await queue.open_batch(Work(5))
    for number in range(8):
        member = await queue.push(Work(number), options=JobOptions(batch=batch))
        assert queue.partition_of(job_id=member) is queue.partition_of(job_id=batch)
    await queue.push_many([Work(number) for number in range(8)], options=JobOptions(batch=batch), atomic=False)
    assert await queue.close_batch(batch)
    assert not await queue.close_batch(batch)
    assert (await queue.counts())[JobStatus.WAITING] == 6


async def test_what_belongs_to_several_parts_is_no_flow() -> None:
    queue = make(4)
    first, second = [await queue.push(Work(number)) for number in range(2)]
    before = await sizes(queue)
    with pytest.raises(ValueError, match="a job is at the part of its parents and its batch"):
        await queue.push(Work(), options=JobOptions(after=[first, second]))
    own = next(each for each in iter(new_job_id, None) if queue.partition_of(job_id=each) is not queue.partitions[0])
    with pytest.raises(ValueError, match="a job is at the part of its parents and its batch"):
        await queue.push(Work(), options=JobOptions(after=[first], job_id=own))
    flow = Flow()
    flow.add(Work(), after=[first])
    flow.add(Work(), after=[second])
    with pytest.raises(ValueError, match="belong to 2 parts, and one step is at one of them: push without ids"):
        await queue.push_flow(flow)
    with pytest.raises(ValueError, match="are pushed in one step"):
        await queue.push_many([Work(), Push(Work(), JobOptions(after=[first]))], atomic=False)
    assert await sizes(queue) == before
