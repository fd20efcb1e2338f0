"""Calls from threads: each gets its answer, or its error, and they share round trips."""

import asyncio
import contextvars
import traceback
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from jobsvalkey import (
    BlockingJobQueue,
    ConfigurationError,
    InvalidParameters,
    JobContext,
    JobGone,
    JobName,
    JobOptions,
    JobQueue,
    JobStatus,
    Middleware,
    ProcessorOptions,
    PushedJob,
    PushIncomplete,
    StoreUnavailable,
    TracingMiddleware,
    UnsupportedOperation,
    ValkeyConfiguration,
    ValkeyJobQueue,
    new_job_id,
)
from jobsvalkey.contract import Capability
from jobsvalkey_memory import MemoryJobQueue
from tests.support.drivers import HOUR, driver_at
from tests.support.processors import run_in_background
from tests.support.work import Work
from tests.unit.blocking.support import Gate, in_threads, looking_at

TEXT = JobName("text", str)


def test_every_method_does_what_the_queue_does(jobs: BlockingJobQueue[ValkeyJobQueue]) -> None:
    first = jobs.push(Work(1))
    text = jobs.push(TEXT, "hello", options=JobOptions(delay=timedelta(hours=1)))
    many = jobs.push_many([Work(number) for number in range(2, 5)])
    record = jobs.get(text)
    assert record is not None
    assert (record.name, record.parameters) == ("text", '"hello"')
    assert jobs.status(first) is JobStatus.PENDING
    assert jobs.pause(first)
    assert jobs.resume(first)
    assert jobs.cancel(first)
    assert jobs.rerun(first)
    assert [record.id for record in jobs.jobs(JobStatus.PENDING, limit=3)] == many
    assert {record.id for record in jobs.jobs(JobStatus.PENDING)} == {first, text, *many}
    assert jobs.remove(first)
    assert jobs.get(first) is None
    assert jobs.counts()[JobStatus.PENDING] == 4
    pushed = jobs.push_if(Work(9), key="last", expected=None, value=b"1")
    assert jobs.status(pushed.job_id) is JobStatus.PENDING


def test_an_iteration_is_complete_ordered_and_may_be_left(jobs: BlockingJobQueue[ValkeyJobQueue]) -> None:
    ids = jobs.push_many([Work(number) for number in range(350)])
    assert [record.id for record in jobs.jobs(JobStatus.PENDING)] == ids
    assert [record.id for record in jobs.jobs(JobStatus.PENDING, limit=200)] == ids[:200]
    assert list(jobs.jobs(JobStatus.FAILED)) == []
    records = jobs.jobs(JobStatus.PENDING)
    assert next(records).id == ids[0]
    del records
    assert jobs.counts()[JobStatus.PENDING] == 350


def test_threads_share_round_trips(jobs: BlockingJobQueue[ValkeyJobQueue], url: str) -> None:
    jobs.push(Work())

    def scripts(client: Any) -> int:
        return client.info("commandstats")["cmdstat_evalsha"]["calls"]

    with looking_at(url) as client:
        before = scripts(client)
        in_threads(8, lambda thread: [jobs.push(Work(number)) for number in range(1000)])
        taken = scripts(client) - before
    assert jobs.counts()[JobStatus.PENDING] == 8001
    assert taken < 8000 / 2


def test_errors_are_those_of_the_queue_and_show_where_the_call_stands(jobs: BlockingJobQueue[ValkeyJobQueue]) -> None:
    with pytest.raises(InvalidParameters) as caught:
        jobs.push(JobName("odd", object), object())  # the line that is shown
    shown = traceback.extract_tb(caught.value.__traceback__)
    assert (shown[0].filename, shown[0].line) == (
        __file__,
        'jobs.push(JobName("odd", object), object())  # the line that is shown',
    )
    with pytest.raises(ValueError, match="job_id is not for many"):
        jobs.push_many([Work()], options=JobOptions(job_id=new_job_id()))
    with pytest.raises(TypeError):
        list(jobs.jobs("failed"))  # type: ignore[arg-type]


def test_an_error_that_several_pushes_share_shows_each_thread_its_own_line(url: str, queue_key: str) -> None:
    """`Pusher` sends what comes meanwhile in one step, and that one fails for all of them."""
    configuration = ValkeyConfiguration(queue_key=queue_key, operation_timeout=timedelta(seconds=0.3))
    dead = "valkey://127.0.0.1:1"
    lines: dict[int, set[str]] = {}
    with BlockingJobQueue.from_url(dead, configuration=configuration) as jobs:

        def first() -> None:
            jobs.push(Work(0))

        def second() -> None:
            jobs.push(Work(1))

        def third() -> None:
            jobs.push(Work(2))

        def fail(index: int) -> None:
            try:
                (first, second, third)[index]()
            except StoreUnavailable as error:
                lines[index] = {frame.name for frame in traceback.extract_tb(error.__traceback__)}

        in_threads(3, fail)
    names = ("first", "second", "third")
    assert [lines[index] & set(names) for index in range(3)] == [{name} for name in names]


def test_a_store_that_is_away_is_an_error_in_time(queue_key: str) -> None:
    configuration = ValkeyConfiguration(queue_key=queue_key, operation_timeout=timedelta(seconds=0.2))
    with BlockingJobQueue.from_url("valkey://127.0.0.1:1", configuration=configuration) as jobs:
        with pytest.raises(StoreUnavailable) as caught:
            jobs.push(Work())
        assert caught.value.outcome == "not_done"
        with pytest.raises(PushIncomplete):
            jobs.push_many([Work()], atomic=False)


def test_what_the_driver_cannot_do_is_refused() -> None:
    driver = MemoryJobQueue()
    driver.capabilities -= {Capability.INSPECTION}
    with BlockingJobQueue(lambda: driver) as jobs:
        with pytest.raises(UnsupportedOperation):
            jobs.counts()
        with pytest.raises(UnsupportedOperation):
            list(jobs.jobs(JobStatus.PENDING))


async def test_a_thread_with_a_running_loop_may_call(jobs: BlockingJobQueue[ValkeyJobQueue]) -> None:
    assert jobs.status(jobs.push(Work())) is JobStatus.PENDING


async def test_results_are_waited_for(jobs: BlockingJobQueue[ValkeyJobQueue], url: str, queue_key: str) -> None:
    async def double(parameters: Work, context: JobContext) -> int:
        return 2 * parameters.number

    async with driver_at(url, queue_key) as driver:
        queue = JobQueue(driver)
        queue.register_job(Work, double)

        def wait() -> None:
            job_id = jobs.push(Work(4))
            assert jobs.result(job_id, timeout=HOUR, type=int) == 8
            ids = jobs.push_many([Work(number) for number in range(5)])
            done = {each.job_id: each.value for each in jobs.results(ids, timeout=HOUR)}
            assert done == {each: 2 * number for number, each in enumerate(ids)}
            later = jobs.push(Work(), options=JobOptions(delay=HOUR))
            with pytest.raises(TimeoutError):
                jobs.result(later, timeout=timedelta(seconds=0.05))
            with pytest.raises(TimeoutError):
                list(jobs.results([later], timeout=timedelta(seconds=0.05)))
            with pytest.raises(JobGone):
                jobs.result(new_job_id())

        async with run_in_background(queue.processor(ProcessorOptions())):
            await asyncio.to_thread(wait)


def test_threads_of_an_event_loop_may_call(jobs: BlockingJobQueue[ValkeyJobQueue]) -> None:
    async def main() -> None:
        await asyncio.gather(*(asyncio.to_thread(jobs.push, Work(number)) for number in range(20)))

    asyncio.run(main())
    assert jobs.counts()[JobStatus.PENDING] == 20


WHO = contextvars.ContextVar[str]("WHO", default="nobody")


class Noting(Middleware):
    def __init__(self) -> None:
        self.noted: list[str] = []

    async def on_push(self, job: PushedJob) -> None:
        self.noted.append(WHO.get())


def test_context_variables_of_the_caller_reach_middleware(url: str, queue_key: str) -> None:
    noting = Noting()
    with BlockingJobQueue.from_url(url, queue_key=queue_key, middleware=[noting]) as jobs:

        def push(index: int) -> None:
            WHO.set(f"thread {index}")
            jobs.push(Work())

        in_threads(3, push)
        jobs.push(Work())
    assert sorted(noting.noted) == ["nobody", "thread 0", "thread 1", "thread 2"]


def test_the_span_of_the_calling_thread_is_the_parent(url: str, queue_key: str) -> None:
    exported = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    tracer = provider.get_tracer("test")
    with BlockingJobQueue.from_url(url, queue_key=queue_key, middleware=[TracingMiddleware(provider)]) as jobs:

        def push(index: int) -> None:
            with tracer.start_as_current_span(f"request {index}"):
                jobs.push(Work(index))
                jobs.push_many([Work(index)])

        in_threads(4, push)
    spans = exported.get_finished_spans()
    requests = {span.context.span_id: span.name for span in spans if span.name.startswith("request") and span.context}
    parents = [requests[span.parent.span_id] for span in spans if span.name == "create Work" and span.parent]
    assert sorted(parents) == sorted(2 * [f"request {index}" for index in range(4)])


def test_the_queue_is_made_outside_of_the_first_callers_context() -> None:
    seen: list[str] = []

    async def make() -> MemoryJobQueue[Any]:
        seen.append(WHO.get())
        return MemoryJobQueue()

    with BlockingJobQueue(make) as jobs:
        contextvars.copy_context().run(lambda: (WHO.set("first"), jobs.push(Work())))
    assert seen == ["nobody"]


def test_it_is_made_once_however_many_threads_call_first() -> None:
    made: list[int] = []

    async def make() -> JobQueue[MemoryJobQueue[Any]]:
        made.append(1)
        await asyncio.sleep(0.05)
        return JobQueue(MemoryJobQueue(), values="swift")

    with BlockingJobQueue(make) as jobs:
        in_threads(8, lambda index: jobs.push(Work(index)))
        assert jobs.counts()[JobStatus.PENDING] == 8
    assert made == [1]


def test_one_that_cannot_be_made_says_so_to_each_and_is_tried_again() -> None:
    attempts: list[int] = []
    caught: list[BaseException] = []

    def make() -> MemoryJobQueue[Any]:
        attempts.append(1)
        if len(attempts) <= 3:
            raise RuntimeError("no settings yet")
        return MemoryJobQueue()

    with BlockingJobQueue(make) as jobs:

        def push(index: int) -> None:
            try:
                jobs.push(Work())
            except RuntimeError as error:
                caught.append(error)

        in_threads(3, push)
        assert len({id(error) for error in caught}) == 3
        jobs.push(Work())


@pytest.mark.parametrize("wrong", [5, "valkey://localhost", MemoryJobQueue(), JobQueue(MemoryJobQueue()), None])
def test_what_makes_no_queue_is_refused_at_once(wrong: Any) -> None:
    with pytest.raises(TypeError, match="takes a function that makes the queue"):
        BlockingJobQueue(wrong)


def test_what_was_made_has_to_be_a_queue_or_a_driver() -> None:
    make: Any = lambda: 5  # noqa: E731
    with BlockingJobQueue(make) as jobs, pytest.raises(TypeError, match="takes a driver"):
        jobs.push(Work())


@pytest.mark.parametrize("url", ["localhost", "http://u:secret@host", "valkey://u:secret@host:port", 5, None])
def test_a_wrong_url_is_refused_at_once_and_not_shown(url: Any) -> None:
    with pytest.raises(ConfigurationError, match="write valkey://HOST:PORT") as caught:
        BlockingJobQueue.from_url(url)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_settings_are_checked_at_once() -> None:
    with pytest.raises(ValueError, match="queue_key"):
        BlockingJobQueue.from_url("valkey://localhost", queue_key="")
    with pytest.raises(TypeError, match="middleware"):
        BlockingJobQueue.from_url("valkey://localhost", middleware="tracing")  # type: ignore[arg-type]


class CallsItself(Middleware):
    jobs: BlockingJobQueue[Any]

    async def on_push(self, job: PushedJob) -> None:
        self.jobs.push(Work())


def test_a_call_from_within_is_refused_and_does_not_wait_for_itself(url: str, queue_key: str) -> None:
    middleware = CallsItself()
    with BlockingJobQueue.from_url(url, queue_key=queue_key, middleware=[middleware]) as jobs:
        middleware.jobs = jobs
        with pytest.raises(ConfigurationError, match="in its own event loop"):
            jobs.push(Work())
        assert jobs.counts()[JobStatus.PENDING] == 0


class Exiting(Middleware):
    def __init__(self, error: BaseException) -> None:
        self.error: BaseException | None = error

    async def on_push(self, job: PushedJob) -> None:
        if self.error is not None:
            error, self.error = self.error, None
            raise error


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), OSError("odd")], ids=repr)
def test_whatever_middleware_raises_reaches_the_caller_alone(error: BaseException, url: str, queue_key: str) -> None:
    gate = Gate()
    with (
        BlockingJobQueue.from_url(url, queue_key=queue_key, middleware=[gate]) as other,
        BlockingJobQueue.from_url(url, queue_key=queue_key, middleware=[Exiting(error)]) as jobs,
    ):

        def fail(index: int) -> None:
            if index == 0:
                other.push(Work())
                return
            gate.came.wait()
            with pytest.raises(type(error)) as caught:
                jobs.push(Work())
            assert caught.value is error
            gate.opened.set()

        in_threads(2, fail)
        jobs.push(Work())
        assert jobs.counts()[JobStatus.PENDING] == 2


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_whatever_makes_the_queue_may_exit(error: BaseException) -> None:
    def make() -> MemoryJobQueue[Any]:
        raise error

    with BlockingJobQueue(make) as jobs, pytest.raises(type(error)):
        jobs.push(Work())
