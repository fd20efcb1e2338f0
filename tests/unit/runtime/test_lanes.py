"""Priorities and lanes, as users push them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from jobsvalkey import (
    GIVEN,
    Flow,
    JobContext,
    JobID,
    JobName,
    JobOptions,
    JobQueue,
    JobSchedule,
    JobStatus,
    ProcessorOptions,
    Push,
    Schedule,
    UnsupportedOperation,
)
from jobsvalkey.contract import Capability
from jobsvalkey_memory import ManualClock, MemoryJobQueue

JOB = JobName("report", str)


class WithoutLanes(MemoryJobQueue[Any]):
    capabilities = MemoryJobQueue.capabilities - {Capability.LANES}


async def test_jobs_run_by_priority_and_lanes_take_turns() -> None:
    queue, made = JobQueue(MemoryJobQueue()), list[str]()

    @queue.job(JOB)
    async def make(text: str, context: JobContext) -> None:
        made.append(text)

    for lane in "ab":
        for number in (1, 2):
            await queue.push(JOB, f"{lane} {number}", options=JobOptions(lane=lane))
    await queue.push(JOB, "late", options=JobOptions(priority=-1))
    urgent = await queue.push(JOB, "urgent", options=JobOptions(priority=1, lane="a"))
    record = await queue.get(urgent)
    assert record is not None
    assert (record.priority, record.lane) == (1, "a")
    await queue.processor(ProcessorOptions(num_workers=1, burst=True)).run()
    assert made == ["urgent", "a 1", "b 1", "a 2", "b 2", "late"]


@pytest.mark.parametrize("given", [{"priority": 101}, {"priority": -101}, {"lane": ""}, {"lane": "a*"}])
def test_what_cannot_be_is_said_at_once(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"priority|lane"):
        JobOptions(**given)


@pytest.mark.parametrize("given", [{"priority": 1}, {"lane": "a"}])
async def test_a_driver_without_lanes_is_not_asked(given: dict[str, Any]) -> None:
    queue = JobQueue(WithoutLanes())
    with pytest.raises(UnsupportedOperation, match="lanes"):
        await queue.push(JOB, "report", options=JobOptions(**given))
    assert sum((await queue.counts()).values()) == 0


async def test_a_task_has_a_lane_or_a_function_of_its_arguments() -> None:
    queue = JobQueue(MemoryJobQueue())

    @queue.task(lane=lambda arguments: f"customer:{arguments.customer}" if arguments.customer else None)
    async def report(number: int, customer: str = "bob", *, context: JobContext = GIVEN) -> None: ...

    @queue.task(lane="mail")
    async def mail(to: str) -> None: ...

    async def lane_of(job_id: JobID) -> str | None:
        record = await queue.get(job_id)
        return record and record.lane

    assert await lane_of(await report.push(1, "ada")) == "customer:ada"
    assert await lane_of(await report.push(1)) == "customer:bob"
    assert await lane_of(await report.push(1, customer="")) is None
    assert await lane_of(await mail.push("ada")) == "mail"
    assert await lane_of(await mail.with_options(JobOptions(lane="other", priority=3)).push("ada")) == "other"
    several = await queue.push_many([report.with_parameters(2, "eve"), mail.with_parameters("ada")])
    assert [await lane_of(job_id) for job_id in several] == ["customer:eve", "mail"]
    with pytest.raises(ValueError, match="lane"):
        await report.push(1, "*")
    for wrong, error in (("a*", ValueError), (5, TypeError)):
        with pytest.raises(error, match="lane"):
            queue.task(lane=wrong, name="wrong")(mail.function)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Invoice:
    job_name: ClassVar[str] = "Invoice"
    job_priority: ClassVar[int] = 5
    customer: str

    @property
    def job_lane(self) -> str | None:
        return f"customer:{self.customer}" if self.customer else None


@dataclass(frozen=True, slots=True)
class Mail:
    job_name: ClassVar[str] = "Mail"
    job_lane: ClassVar[str] = "mail"
    to: str = "ada"


async def place_of(queue: JobQueue[Any], job_id: JobID) -> tuple[int, str | None]:
    record = await queue.get(job_id)
    assert record is not None
    return record.priority, record.lane


async def test_a_type_of_parameters_sets_a_lane_and_a_priority() -> None:
    """A class attribute or a property; what the options of a push set is theirs."""
    queue = JobQueue(MemoryJobQueue())
    assert await place_of(queue, await queue.push(Invoice("ada"))) == (5, "customer:ada")
    assert await place_of(queue, await queue.push(Invoice(""))) == (5, None)
    assert await place_of(queue, await queue.push(Mail())) == (0, "mail")
    options = JobOptions(lane="other", priority=-3)
    assert await place_of(queue, await queue.push(Invoice("ada"), options=options)) == (-3, "other")
    assert await place_of(queue, await queue.push(JobName("named", Mail), Mail())) == (0, "mail")
    several = await queue.push_many([Invoice("bob"), Push(Mail(), JobOptions(priority=1))])
    assert [await place_of(queue, job_id) for job_id in several] == [(5, "customer:bob"), (1, "mail")]
    flow = Flow()
    flow.add(Invoice("eve"))
    (in_flow,) = await queue.push_flow(flow)
    assert await place_of(queue, in_flow) == (5, "customer:eve")


@pytest.mark.parametrize(("wrong", "error"), [("a*", ValueError), ("", ValueError), (5, TypeError)])
async def test_a_lane_of_parameters_that_is_none_is_said_at_the_push(wrong: Any, error: type[Exception]) -> None:
    @dataclass
    class Wrong:
        job_name: ClassVar[str] = "Wrong"
        job_lane: ClassVar[Any] = wrong

    queue = JobQueue(MemoryJobQueue())
    with pytest.raises(error, match="lane"):
        await queue.push(Wrong())
    assert sum((await queue.counts()).values()) == 0


async def test_a_job_that_is_scheduled_has_the_lane_of_its_task_or_its_parameters() -> None:
    clock = ManualClock()
    queue, schedule = JobQueue(MemoryJobQueue(clock=clock)), JobSchedule()

    @queue.task(lane="reports", keep_result=timedelta(hours=1))
    async def report() -> None: ...

    schedule.add_job(report, Schedule.every_minute())
    schedule.add_job(Invoice("ada"), Schedule.every_minute())
    scheduler = schedule.scheduler(queue)
    await scheduler.trigger_due()
    clock.advance(timedelta(minutes=1))
    await scheduler.trigger_due()
    pushed = [(job.name, job.priority, job.lane) async for job in queue.jobs(JobStatus.PENDING)]
    assert sorted(pushed) == [("Invoice", 5, "customer:ada"), ("report", 0, "reports")]
