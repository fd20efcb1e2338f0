"""Unique jobs, as users push them."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from jobsvalkey import (
    JobContext,
    JobFail,
    JobName,
    JobOptions,
    JobQueue,
    JobStatus,
    NoRetry,
    ProcessorOptions,
    Push,
    Pushed,
    PushedJob,
    StoreOutcome,
    Unique,
    UnsupportedOperation,
)
from jobsvalkey.contract import CAPABILITY_PROTOCOLS, Capability
from jobsvalkey.middleware import Middleware
from jobsvalkey_memory import ManualClock, MemoryJobQueue

JOB = JobName("reindex", int)
BURST = ProcessorOptions(burst=True)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def queue(clock: ManualClock) -> JobQueue[MemoryJobQueue[ManualClock]]:
    return JobQueue(MemoryJobQueue(clock=clock))


Queue = JobQueue[MemoryJobQueue[ManualClock]]


def options(until: Any = "end", otherwise: Any = "skip", **others: Any) -> JobOptions:
    return JobOptions(unique=Unique("customer:42", until, otherwise), **others)


async def test_push_returns_the_job_that_stands(queue: Queue) -> None:
    first = await queue.push(JOB, 1, options=options())
    assert await queue.push(JOB, 2, options=options()) == first
    assert await queue.push_unless_held(JOB, 3, options=options()) == Pushed(StoreOutcome.DUPLICATE, first)
    record = await queue.get(first)
    assert record is not None
    assert (record.parameters, record.unique) == ("1", Unique("customer:42"))
    replaced = await queue.push_unless_held(JOB, 4, options=options(otherwise="replace"))
    assert replaced == Pushed(StoreOutcome.REPLACED, first)
    record = await queue.get(first)
    assert record is not None
    assert record.parameters == "4"
    other = await queue.push_unless_held(JOB, 5)
    assert other.outcome is StoreOutcome.STORED
    assert await queue.push_unless_held(JOB, 6, options=JobOptions(job_id=other.job_id)) == Pushed(
        StoreOutcome.DUPLICATE, other.job_id
    )


async def test_one_at_a_time_until_it_ends(queue: Queue) -> None:
    """A push from the running job finds its own name held; one after its end does not."""
    answers: list[StoreOutcome] = []

    async def run(number: int, context: JobContext) -> None:
        answers.append((await queue.push_unless_held(JOB, number + 1, options=options())).outcome)

    queue.register_job(JOB, run)
    await queue.push(JOB, 1, options=options())
    await queue.processor(BURST).run()
    assert answers == [StoreOutcome.DUPLICATE]
    assert (await queue.push_unless_held(JOB, 1, options=options())).outcome is StoreOutcome.STORED


async def test_what_comes_while_it_runs_runs_after_it(queue: Queue) -> None:
    """`until="start"`: a push from the running job is stored, once."""
    runs: list[int] = []

    async def run(number: int, context: JobContext) -> None:
        runs.append(number)
        for _ in range(2 if number == 1 else 0):
            await queue.push(JOB, number + 1, options=options("start"))

    queue.register_job(JOB, run)
    await queue.push(JOB, 1, options=options("start"))
    await queue.processor(BURST).run()
    assert runs == [1, 2]


@pytest.mark.parametrize("until", ["end", "start", MINUTE])
async def test_a_retry_does_not_collide_with_its_own_name(queue: Queue, until: Any) -> None:
    attempts: list[int] = []

    async def run(_: int, context: JobContext) -> None:
        attempts.append(context.attempt)
        if context.attempt < 3:
            raise RuntimeError("again")

    queue = JobQueue(queue.driver, default_retry_strategy=Immediate())
    queue.register_job(JOB, run)
    await queue.push(JOB, 1, options=options(until))
    await queue.processor(BURST).run()
    assert attempts == [1, 2, 3]


class Immediate:
    def should_retry(self, attempt: int, error: BaseException | None) -> bool:
        return True

    def delay(self, attempt: int) -> timedelta:
        return timedelta(0)


@pytest.mark.parametrize("how", ["returns", "fails", "gives up", "unknown", "cannot be decoded"])
async def test_no_run_leaves_its_name_behind(queue: Queue, how: str) -> None:
    async def run(_: int, context: JobContext) -> None:
        if how == "fails":
            raise RuntimeError("failed")
        if how == "gives up":
            raise JobFail("failed")

    queue = JobQueue(queue.driver, default_retry_strategy=NoRetry())
    queue.register_job(JOB, run)
    job = {
        "unknown": JobName("another", int).with_parameters(1),
        "cannot be decoded": JobName("reindex", str).with_parameters("text"),
    }.get(how, JOB.with_parameters(1))
    await queue.push(job, options=options())
    await queue.processor(BURST).run()
    assert (await queue.push_unless_held(JOB, 2, options=options())).outcome is StoreOutcome.STORED


async def test_a_debounce(queue: Queue, clock: ManualClock) -> None:
    """Each push puts off the job; what runs is what was pushed last."""
    runs: list[int] = []

    async def run(number: int, context: JobContext) -> None:
        runs.append(number)

    queue.register_job(JOB, run)
    for number in (1, 2, 3):
        await queue.push(JOB, number, options=options("start", "replace", delay=MINUTE))
        clock.advance(MINUTE / 2)
        await queue.processor(BURST).run()
    assert runs == []
    clock.advance(MINUTE / 2)
    await queue.processor(BURST).run()
    assert runs == [3]


async def test_a_throttle(queue: Queue, clock: ManualClock) -> None:
    """One job in each span of time, however soon it ends."""
    runs: list[int] = []

    async def run(number: int, context: JobContext) -> None:
        runs.append(number)

    queue.register_job(JOB, run)
    for number in range(6):
        await queue.push(JOB, number, options=options(MINUTE))
        await queue.processor(BURST).run()
        clock.advance(MINUTE / 2)
    assert runs == [0, 2, 4]


async def test_many_jobs_have_names_of_their_own(queue: Queue) -> None:
    with pytest.raises(ValueError, match="one unique name is not for many jobs"):
        await queue.push_many([JOB.with_parameters(1), JOB.with_parameters(2)], options=options())
    jobs = [Push(JOB.with_parameters(number), options(otherwise=how)) for number, how in ((1, "skip"), (2, "replace"))]
    ids = await queue.push_many(jobs)
    assert ids[0] == ids[1]
    record = await queue.get(ids[0])
    assert record is not None
    assert record.parameters == "2"


async def test_a_task_is_pushed_with_a_name(queue: Queue) -> None:
    @queue.task
    async def resize(path: str) -> None: ...

    unique = resize.with_options(options())
    first = await unique.push("a.png")
    assert await unique.push("b.png") == first
    pushed = await queue.push_unless_held(resize.with_parameters("c.png"), options=options(otherwise="replace"))
    assert pushed == Pushed(StoreOutcome.REPLACED, first)


async def test_middleware_is_told_what_is_new(queue: Queue) -> None:
    told: list[bool] = []

    class Told(Middleware):
        async def on_pushed(self, job: PushedJob, stored: bool) -> None:
            told.append(stored)

    queue = JobQueue(queue.driver, middleware=[Told()])
    for otherwise in ("skip", "skip", "replace"):
        await queue.push(JOB, 1, options=options(otherwise=otherwise))
    assert told == [True, False, False]


async def test_a_driver_without_names_refuses_before_it_is_asked(clock: ManualClock) -> None:
    class Lacking(MemoryJobQueue[ManualClock]):
        capabilities: frozenset[Capability] = frozenset(CAPABILITY_PROTOCOLS) - {Capability.UNIQUE}

    queue = JobQueue(Lacking(clock=clock))
    with pytest.raises(UnsupportedOperation, match="unique"):
        await queue.push(JOB, 1, options=options())
    assert (await queue.counts())[JobStatus.PENDING] == 0


@pytest.mark.parametrize("unique", ["customer:42", ("a", "end"), 5])
def test_what_is_no_name_is_refused(unique: Any) -> None:
    with pytest.raises(TypeError, match="unique"):
        JobOptions(unique=unique)


async def test_a_name_is_held_through_a_pause(queue: Queue) -> None:
    first = await queue.push(JOB, 1, options=options())
    await queue.pause(first)
    assert await queue.push(JOB, 2, options=options()) == first
    replaced = await queue.push_unless_held(JOB, 3, options=options(otherwise="replace"))
    assert replaced == Pushed(StoreOutcome.REPLACED, first)
    assert await queue.status(first) is JobStatus.PAUSED


def test_a_record_shows_it_as_json() -> None:
    shown = msgspec.json.decode(msgspec.json.encode(Unique("a", MINUTE, "replace")))
    assert shown == {"key": "a", "until": "PT60S", "otherwise": "replace"}
