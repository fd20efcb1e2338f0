"""Spans of pushes and runs, and what ties them together."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from jobsvalkey import (
    CompletedJob,
    JobContext,
    JobFail,
    JobName,
    JobOptions,
    JobOutcome,
    JobQueue,
    JobSleep,
    NoRetry,
    PoppedJob,
    TracingMiddleware,
    new_job_id,
)
from jobsvalkey.contract import StoreOutcome
from jobsvalkey.runtime.job_run import JobRun
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from tests.unit.middleware.jobs import CancelledBefore, Jobs, MemoryQueue

GREET = JobName("Greet", str)
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


class Traces:
    """Collects the spans that end."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def last(self, name: str) -> ReadableSpan:
        return [span for span in self.spans if span.name == name][-1]


@pytest.fixture
def traces() -> Iterator[Traces]:
    made = Traces()
    yield made
    made.provider.shutdown()


@pytest.fixture
def queue(traces: Traces) -> MemoryQueue:
    return JobQueue(MemoryJobQueue(clock=ManualClock()), middleware=[TracingMiddleware(traces.provider)])


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


async def nothing(parameters: str, context: JobContext) -> None:
    pass


async def test_a_push_makes_a_producer_span_whose_context_travels_as_the_w3c_says(
    queue: MemoryQueue, traces: Traces
) -> None:
    job_id = await queue.push(GREET, "Ada")
    (span,) = traces.spans
    assert (span.name, span.kind) == ("create Greet", SpanKind.PRODUCER)
    assert attributes(span) == {
        "messaging.system": "jobsvalkey",
        "messaging.operation.name": "create",
        "messaging.operation.type": "create",
        "messaging.destination.name": "Greet",
        "messaging.message.id": str(job_id),
    }
    stored = await queue.driver.get(job_id)
    assert stored is not None
    assert stored.request is not None
    context = span.get_span_context()
    assert context is not None
    traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    assert json.loads(stored.request)["Greet"]["t"] == {"traceparent": traceparent}


async def test_a_push_is_part_of_the_trace_around_it(queue: MemoryQueue, traces: Traces) -> None:
    with traces.provider.get_tracer("test").start_as_current_span("request") as outer:
        await queue.push(GREET, "Ada")
        assert trace.get_current_span() is outer
    parent = traces.last("create Greet").parent
    assert parent is not None
    assert parent.span_id == outer.get_span_context().span_id


async def test_a_run_is_a_consumer_span_that_is_current_in_the_handler_and_tied_to_the_push(
    queue: MemoryQueue, traces: Traces
) -> None:
    current: list[int] = []

    @queue.job(GREET)
    def greet(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        current.append(trace.get_current_span().get_span_context().span_id)  # in a thread

    job_id = await queue.push(GREET, "Ada")
    with traces.provider.get_tracer("test").start_as_current_span("the worker's own"):
        await Jobs(queue).run()
    create, process = traces.last("create Greet"), traces.last("process Greet")
    created, processed = create.get_span_context(), process.get_span_context()
    assert created is not None
    assert processed is not None
    assert process.parent is not None
    assert process.kind is SpanKind.CONSUMER
    assert current == [processed.span_id]
    assert process.parent.span_id == created.span_id
    assert processed.trace_id == created.trace_id
    assert [link.context.span_id for link in process.links] == [created.span_id]
    assert process.status.status_code is StatusCode.UNSET
    assert attributes(process) == {
        "messaging.system": "jobsvalkey",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "Greet",
        "messaging.message.id": str(job_id),
        "jobsvalkey.job.attempt": 1,
        "jobsvalkey.job.outcome": "succeeded",
    }


async def test_runs_may_have_traces_of_their_own_and_keep_the_link(traces: Traces) -> None:
    middleware = TracingMiddleware(traces.provider, separate_traces=True)
    queue = JobQueue(MemoryJobQueue(clock=ManualClock()), middleware=[middleware])
    queue.register_job(GREET, nothing)
    await queue.push(GREET, "Ada")
    await Jobs(queue).run()
    create, process = traces.last("create Greet"), traces.last("process Greet")
    created = create.get_span_context()
    assert created is not None
    assert process.parent is None
    assert [link.context.span_id for link in process.links] == [created.span_id]


async def test_a_job_that_came_without_a_context_starts_a_trace(queue: MemoryQueue, traces: Traces) -> None:
    untraced = JobQueue(queue.driver)
    queue.register_job(GREET, nothing)
    await untraced.push(GREET, "Ada")
    await Jobs(queue).run()
    (span,) = traces.spans
    assert (span.name, span.parent, span.links) == ("process Greet", None, ())


@pytest.mark.parametrize("error", [RuntimeError("no luck"), JobFail("no such person")])
async def test_a_failed_run_has_the_error(queue: MemoryQueue, traces: Traces, error: Exception) -> None:
    @queue.job(GREET, retry_strategy=NoRetry())
    async def greet(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        raise error

    await queue.push(GREET, "Ada")
    await Jobs(queue).run()
    span = traces.last("process Greet")
    name = type(error).__name__
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, f"{name}: {error}")
    assert attributes(span)["error.type"] == name
    assert attributes(span)["jobsvalkey.job.outcome"] == "failed"
    (event,) = span.events
    assert event.name == "exception"
    assert (event.attributes or {})["exception.message"] == str(error)


class NoText(Exception):
    """An error that has no text."""

    def __init__(self, raises: type[BaseException]) -> None:
        super().__init__()
        self._raises = raises

    def __str__(self) -> str:
        raise self._raises

    __repr__ = __str__


@pytest.mark.parametrize("raises", [ValueError, RecursionError, SystemExit, KeyboardInterrupt, GeneratorExit])
async def test_the_span_of_an_error_without_a_text_ends(traces: Traces, raises: type[BaseException]) -> None:
    tracing = TracingMiddleware(traces.provider)
    job_id = new_job_id()
    popped = PoppedJob(
        job_id=job_id,
        name="Greet",
        parameters="Ada",
        attempt=1,
        is_last_attempt=False,
        queued_at=NOON,
        scheduled_at=None,
        due=NOON,
        waited=0.0,
        trace={},
    )
    await tracing.on_pop(popped)
    await tracing.on_completed(
        CompletedJob(
            job_id=job_id,
            name="Greet",
            attempt=1,
            outcome=JobOutcome.FAILED,
            error=NoText(raises),
            duration=0.0,
            trace={},
        )
    )
    span = traces.last("process Greet")
    text = f"(its text cannot be had: {raises.__name__})"
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, f"NoText: {text}")
    assert (span.events[-1].attributes or {})["exception.message"] == text
    assert not trace.get_current_span().is_recording()


async def test_the_spans_of_a_scheduled_job_say_when_it_was_scheduled(queue: MemoryQueue, traces: Traces) -> None:
    queue.register_job(GREET, nothing)
    await queue.push_if(
        GREET.with_parameters("Ada"),
        key="key",
        expected=None,
        value=b"",
        options=JobOptions(delay_until=NOON),
        next_scheduled_at=NOON + timedelta(days=1),
    )
    await Jobs(queue).run()
    for name in ("create Greet", "process Greet"):
        assert attributes(traces.last(name))["jobsvalkey.job.scheduled_at"] == "2024-01-01T12:00:00+00:00"


async def test_each_attempt_is_a_span_below_the_same_push(queue: MemoryQueue, traces: Traces) -> None:
    @queue.job(GREET)
    async def greet(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        if context.attempt == 1:
            raise RuntimeError("no luck")

    await queue.push(GREET, "Ada")
    jobs = Jobs(queue)
    await jobs.run()
    queue.driver.clock.advance(timedelta(seconds=3))
    await jobs.run()
    first, second = (span for span in traces.spans if span.name == "process Greet")
    assert first.status.status_code is StatusCode.ERROR
    assert attributes(first)["jobsvalkey.job.outcome"] == "retried"
    assert second.status.status_code is StatusCode.UNSET
    assert attributes(second)["jobsvalkey.job.attempt"] == 2
    assert first.parent == second.parent


async def test_a_job_that_sleeps_has_not_failed(queue: MemoryQueue, traces: Traces) -> None:
    @queue.job(GREET)
    async def greet(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        raise JobSleep(for_=timedelta(minutes=1))

    await queue.push(GREET, "Ada")
    await Jobs(queue).run()
    span = traces.last("process Greet")
    assert attributes(span)["jobsvalkey.job.outcome"] == "slept"
    assert (span.status.status_code, span.events) == (StatusCode.UNSET, ())


async def test_a_job_that_is_cancelled_has_not_failed_and_its_span_ends(queue: MemoryQueue, traces: Traces) -> None:
    started = asyncio.Event()

    @queue.job(GREET)
    async def greet(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        started.set()
        await asyncio.Event().wait()

    await queue.push(GREET, "Ada")
    control = JobRun()
    control.task = asyncio.create_task(Jobs(queue).run(control=control))
    await started.wait()
    control.cancel()
    await control.task
    span = traces.last("process Greet")
    assert attributes(span)["jobsvalkey.job.outcome"] == "cancelled"
    assert span.status.status_code is StatusCode.UNSET


async def test_a_run_leaves_nothing_behind_in_its_task(queue: MemoryQueue, traces: Traces) -> None:
    queue.register_job(GREET, nothing)
    await queue.push(GREET, "Ada")
    jobs = Jobs(queue)
    with traces.provider.get_tracer("test").start_as_current_span("around") as around:
        await jobs.run()
        assert trace.get_current_span() is around
        await queue.push(JobName("Nobody knows", str), "")
        await jobs.run()  # is discarded, which ends no span of another job
    assert [span.name for span in traces.spans] == ["create Greet", "process Greet", "create Nobody knows", "around"]


async def test_two_tracers_and_jobs_within_jobs_do_not_get_in_each_others_way(traces: Traces) -> None:
    middleware = [TracingMiddleware(traces.provider), TracingMiddleware(traces.provider)]
    inner: MemoryQueue = JobQueue(MemoryJobQueue(clock=ManualClock()), middleware=[middleware[0]])
    inner.register_job(GREET, nothing)
    queue: MemoryQueue = JobQueue(MemoryJobQueue(clock=ManualClock()), middleware=middleware)

    @queue.job(JobName("Outer", str))
    async def run_another(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        await inner.push(GREET, "Ada")
        await inner.push(JobName("Nobody knows", str), "")
        jobs = Jobs(inner)
        await jobs.run()
        await jobs.run()

    await queue.push(JobName("Outer", str), "")
    await Jobs(queue).run()
    ended = [span.name for span in traces.spans if span.name.startswith("process")]
    assert ended == ["process Greet", "process Outer", "process Outer"]
    assert not trace.get_current_span().is_recording()


async def test_a_job_that_was_cancelled_before_its_span_began_ends_no_other(traces: Traces) -> None:
    tracing = TracingMiddleware(traces.provider)
    inner: MemoryQueue = JobQueue(MemoryJobQueue(clock=ManualClock()), middleware=[CancelledBefore(), tracing])
    inner.register_job(GREET, nothing)
    outer: MemoryQueue = JobQueue(MemoryJobQueue(clock=ManualClock()), middleware=[tracing])

    @outer.job(JobName("Outer", str))
    async def run_another(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        await inner.push(GREET, "Ada")
        control = JobRun()
        control.cancel()
        await Jobs(inner).run(control=control)
        assert trace.get_current_span().is_recording()

    await outer.push(JobName("Outer", str), "")
    await Jobs(outer).run()
    assert attributes(traces.last("process Outer"))["jobsvalkey.job.outcome"] == "succeeded"


async def test_a_push_that_stores_nothing_has_made_a_job_all_the_same(queue: MemoryQueue, traces: Traces) -> None:
    refused = await queue.push_if(GREET.with_parameters("Ada"), key="key", expected=b"else", value=b"")
    assert refused.outcome is StoreOutcome.UNEXPECTED
    assert [span.name for span in traces.spans] == ["create Greet"]
