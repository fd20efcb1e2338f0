"""Flows and batches, as users push them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from jobsvalkey import (
    BatchCounts,
    ConfigurationError,
    Flow,
    JobContext,
    JobFail,
    JobID,
    JobInput,
    JobName,
    JobOptions,
    JobQueue,
    JobStatus,
    ProcessorOptions,
    Push,
    Unique,
    UnknownParent,
    UnsupportedOperation,
    new_job_id,
)
from jobsvalkey.contract import Capability
from jobsvalkey.middleware import Middleware, PushedJob
from jobsvalkey_memory import MemoryJobQueue

HOUR = timedelta(hours=1)
KEPT = JobOptions(keep_for=HOUR)
BURST = ProcessorOptions(num_workers=1, burst=True)
REPORT = JobName("report", str)


@dataclass(frozen=True)
class Work:
    job_name: ClassVar[str] = "Work"
    number: int = 0


class WithoutFlows(MemoryJobQueue[Any]):
    capabilities = MemoryJobQueue.capabilities - {Capability.FLOWS}


class Ran:
    """A queue whose jobs note what they are told."""

    def __init__(self, **options: Any) -> None:
        self.queue = JobQueue(MemoryJobQueue(), **options)
        self.told: dict[int, tuple[JobInput, ...]] = {}
        self.reports: list[tuple[str, BatchCounts | None]] = []

        @self.queue.job(Work)
        async def work(parameters: Work, context: JobContext) -> dict[str, int]:
            self.told[parameters.number] = context.inputs
            if parameters.number < 0:
                raise JobFail("no")
            return {"number": parameters.number}

        @self.queue.job(REPORT)
        async def report(text: str, context: JobContext) -> None:
            self.reports.append((text, context.members))

    async def run(self) -> None:
        await self.queue.processor(BURST).run()


async def test_a_flow_runs_in_its_order_and_results_reach_those_that_wait() -> None:
    ran = Ran()
    flow = Flow()
    last = [flow.add(Work(number)) for number in (1, 2)]
    middle = flow.add(Work(3), after=last)
    flow.add(Push(Work(4), JobOptions(delay=HOUR)), after=[middle, last[0]])
    ids = await ran.queue.push_flow(flow)
    assert len(ids) == len(set(ids)) == len(flow) == 4
    assert [await ran.queue.status(each) for each in ids] == ["pending", "pending", "waiting", "waiting"]
    waiting = await ran.queue.get(ids[2])
    assert waiting is not None
    assert (waiting.after, waiting.if_failed, waiting.ended_parents) == (tuple(ids[:2]), "cancel", {})
    await ran.run()
    assert list(ran.told) == [1, 2, 3]
    assert [(each.job_id, each.status, each.value) for each in ran.told[3]] == [
        (ids[0], JobStatus.COMPLETED, {"number": 1}),
        (ids[1], JobStatus.COMPLETED, {"number": 2}),
    ]
    # Only those that others wait for are kept; nobody asked for the third, whose child has not run.
    last_one = await ran.queue.get(ids[3])
    assert last_one is not None
    assert (last_one.status, last_one.keep_for) == (JobStatus.PENDING, None)
    assert last_one.ended_parents == {ids[2]: JobStatus.COMPLETED, ids[0]: JobStatus.COMPLETED}


async def test_how_long_a_parent_is_kept_is_what_was_asked_for() -> None:
    queue = JobQueue(MemoryJobQueue())

    @queue.task(keep_result=2 * HOUR)
    async def extract(number: int) -> int:
        return number

    flow = Flow()
    parents = [flow.add(extract.with_parameters(1)), flow.add(Work(2), options=KEPT), flow.add(Work(3))]
    flow.add(Work(4), after=parents)
    records = [await queue.get(each) for each in await queue.push_flow(flow)]
    assert [each and each.keep_for for each in records] == [2 * HOUR, HOUR, timedelta(minutes=5), None]


@pytest.mark.parametrize(("if_failed", "status"), [("cancel", None), ("run", JobStatus.FAILED)])
async def test_a_parent_that_fails_cancels_the_others_unless_they_are_to_run(if_failed: Any, status: Any) -> None:
    ran = Ran()
    flow = Flow()
    parent = flow.add(Work(-1))
    flow.add(Work(1), after=[parent], options=JobOptions(if_failed=if_failed, keep_for=HOUR))
    _, child = await ran.queue.push_flow(flow)
    await ran.run()
    assert await ran.queue.status(child) == ("cancelled" if if_failed == "cancel" else "completed")
    assert [each.status for each in ran.told.get(1, ())] == ([] if status is None else [status])
    for told in ran.told.get(1, ()):
        assert told.value is None
        with pytest.raises(ConfigurationError, match="has no value: it is failed"):
            told.read(dict)


async def test_a_job_comes_after_others_that_are_there() -> None:
    ran = Ran()
    first = await ran.queue.push(Work(1), options=KEPT)
    second = await ran.queue.push(Work(2), options=JobOptions(after=[str(first)]))
    flow = Flow()
    flow.add(Work(3), after=[first], options=JobOptions(if_failed="run"))
    (third,) = await ran.queue.push_flow(flow)
    assert [await ran.queue.status(each) for each in (first, second, third)] == ["pending", "waiting", "waiting"]
    await ran.run()
    assert sorted(ran.told) == [1, 2, 3]
    assert [each.read(dict[str, int]) for each in ran.told[2]] == [{"number": 1}]
    with pytest.raises(ConfigurationError, match="cannot be read as int"):
        ran.told[2][0].read(int)


async def test_a_parent_that_cannot_be_is_said_at_once_and_nothing_is_stored() -> None:
    queue = JobQueue(MemoryJobQueue())
    flow = Flow()
    flow.add(Work(1))
    flow.add(Work(2), after=[new_job_id()])
    with pytest.raises(UnknownParent, match="which is not there: push that one before"):
        await queue.push_flow(flow)
    with pytest.raises(UnknownParent, match="is to join the batch"):
        await queue.push(Work(), options=JobOptions(batch=new_job_id()))
    assert sum((await queue.counts()).values()) == 0
    unkept = await queue.push(Work(1))
    with pytest.raises(ConfigurationError, match="give that one keep_for"):
        await queue.push(Work(2), options=JobOptions(after=[unkept]))
    assert sum((await queue.counts()).values()) == 1


async def test_jobs_that_come_after_others_are_one_step() -> None:
    queue = JobQueue(MemoryJobQueue())
    first = await queue.push(Work(1), options=KEPT)
    jobs = [Work(2), Push(Work(3), JobOptions(after=[first]))]
    with pytest.raises(ValueError, match="are pushed in one step: leave out atomic=False"):
        await queue.push_many(jobs, atomic=False)
    assert sum((await queue.counts()).values()) == 1
    assert len(await queue.push_many(jobs)) == 2


async def test_a_batch_ends_with_one_job_that_knows_what_has_become_of_the_others() -> None:
    ran = Ran()
    batch = await ran.queue.open_batch(REPORT, "done", options=JobOptions(keep_for=HOUR))
    for number in (1, 2, -3):
        await ran.queue.push(Work(number), options=JobOptions(batch=str(batch)))
    cancelled = await ran.queue.push(Work(4), options=JobOptions(batch=batch, delay=HOUR))
    assert await ran.queue.cancel(cancelled)
    await ran.run()
    assert not ran.reports
    record = await ran.queue.get(batch)
    assert record is not None
    assert (record.status, record.batch) == (JobStatus.WAITING, batch)
    assert await ran.queue.close_batch(str(batch))
    assert not await ran.queue.close_batch(batch)
    await ran.run()
    counts = BatchCounts(completed=2, failed=1, cancelled=1)
    assert ran.reports == [("done", counts)]
    record = await ran.queue.get(batch)
    assert record is not None
    assert record.members == counts
    with pytest.raises(ConfigurationError, match="whose callback is no longer waiting"):
        await ran.queue.push(Work(5), options=JobOptions(batch=batch))


async def test_an_empty_batch_runs_when_it_is_closed_and_an_empty_flow_stores_nothing() -> None:
    ran = Ran()
    assert await ran.queue.push_flow(Flow()) == []
    assert await ran.queue.close_batch(await ran.queue.open_batch(REPORT.with_parameters("none")))
    await ran.run()
    assert ran.reports == [("none", BatchCounts())]
    assert not await ran.queue.close_batch(new_job_id())


async def test_the_ids_of_flows_and_batches_are_not_remembered_unless_they_are_given() -> None:
    queue = JobQueue(MemoryJobQueue())
    flow = Flow()
    flow.add(Work(2), after=[flow.add(Work(1))])
    (first, _), batch = await queue.push_flow(flow), await queue.open_batch(Work(3))
    for each in (first, batch):
        assert await queue.remove(each)
        assert await queue.push(Work(), options=JobOptions(job_id=each)) == each
        assert await queue.status(each) == JobStatus.PENDING
    own = new_job_id()
    assert await queue.open_batch(Work(4), options=JobOptions(job_id=own)) == own
    assert await queue.remove(own)
    await queue.push(Work(5), options=JobOptions(job_id=own))
    assert await queue.status(own) is None


async def test_a_duplicate_in_a_flow_stands_for_the_job_that_is_there() -> None:
    ran = Ran()
    unique = Unique("one")
    there = await ran.queue.push(Work(1), options=JobOptions(unique=unique, keep_for=HOUR))
    flow = Flow()
    flow.add(Work(3), after=[flow.add(Work(2), options=JobOptions(unique=unique))])
    ids = await ran.queue.push_flow(flow)
    assert ids[0] == there
    await ran.run()
    assert list(ran.told) == [1, 3]
    assert [each.job_id for each in ran.told[3]] == [there]


async def test_middleware_is_told_of_each_job_of_a_flow() -> None:
    class Noting(Middleware):
        def __init__(self) -> None:
            self.pushed = list[JobID]()

        async def on_push(self, job: PushedJob) -> None:
            self.pushed.append(job.job_id)

    noting = Noting()
    ran = Ran(middleware=[noting])
    flow = Flow()
    flow.add(Work(2), after=[flow.add(Work(1))])
    ids = await ran.queue.push_flow(flow)
    batch = await ran.queue.open_batch(REPORT, "done")
    assert noting.pushed == [*ids, batch]
    await ran.run()
    assert [each.value for each in ran.told[2]] == [{"number": 1}]


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"after": "0195f3a0-5c1e-7d5a-9d8e-0a1b2c3d4e5f"}, TypeError, "after is a list"),
        ({"after": ["x"]}, ValueError, "x"),
        ({"after": 1}, TypeError, "after"),
        ({"if_failed": "fail"}, ValueError, 'if_failed is "cancel" or "run"'),
        ({"batch": "x"}, ValueError, "x"),
        ({"batch": 1}, TypeError, "batch"),
    ],
)
def test_options_that_cannot_be_are_refused(given: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        JobOptions(**given)


async def test_what_cannot_be_in_a_flow_or_a_batch_is_refused() -> None:
    queue = JobQueue(MemoryJobQueue())
    other = Flow().add(Work())
    flow: Any = Flow()
    with pytest.raises(ValueError, match="is of another flow"):
        flow.add(Work(), after=[other])
    with pytest.raises(TypeError, match="after is a list"):
        flow.add(Work(), after=other)
    with pytest.raises(ValueError, match="give after as well"):
        flow.add(Work(), options=JobOptions(if_failed="run"))
    with pytest.raises(Exception, match="names no job"):
        flow.add(object())
    assert len(flow) == 0
    with pytest.raises(ValueError, match="give after as well"):
        await queue.push(Work(), options=JobOptions(if_failed="run", priority=1))
    with pytest.raises(ValueError, match="leave out after and batch"):
        await queue.open_batch(Work(), options=JobOptions(batch=new_job_id()))
    with pytest.raises(TypeError, match="flow is a Flow"):
        await queue.push_flow([Work()])  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert sum((await queue.counts()).values()) == 0


async def test_a_driver_without_flows_is_not_asked() -> None:
    queue = JobQueue(WithoutFlows())
    flow = Flow()
    flow.add(Work())
    for push in (
        lambda: queue.push_flow(flow),
        lambda: queue.open_batch(Work()),
        lambda: queue.close_batch(new_job_id()),
        lambda: queue.push(Work(), options=JobOptions(after=[new_job_id()])),
        lambda: queue.push(Work(), options=JobOptions(batch=new_job_id())),
    ):
        with pytest.raises(UnsupportedOperation, match="flows"):
            await push()
    assert sum((await queue.counts()).values()) == 0


async def test_a_handler_is_tested_with_inputs_and_members() -> None:
    context = JobContext.for_test(inputs=[{"number": 1}, 2], members=BatchCounts(completed=3))
    assert [each.value for each in context.inputs] == [{"number": 1}, 2]
    assert context.inputs[1].read(int) == 2
    assert context.members == BatchCounts(completed=3)
    assert (JobContext.for_test().inputs, JobContext.for_test().members) == ((), None)
