"""Priorities and lanes, as users push them."""

from typing import Any

import pytest

from jobsvalkey import GIVEN, JobContext, JobID, JobName, JobOptions, JobQueue, ProcessorOptions, UnsupportedOperation
from jobsvalkey.contract import Capability
from jobsvalkey_memory import MemoryJobQueue

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
