"""What is counted and measured, and the dashboard that shows it."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, generate_latest

from jobsvalkey import (
    ExponentialJitter,
    JobContext,
    JobFail,
    JobName,
    JobOptions,
    JobOutcome,
    JobQueue,
    JobSleep,
    JobStatus,
    MetricsMiddleware,
)
from jobsvalkey.middleware.metrics import (
    DURATION,
    MOST_NAMES,
    OTHER,
    PROCESSING,
    QUEUED,
    RUNS,
    UNKNOWN,
    UNREADABLE,
    WAIT,
)
from jobsvalkey.runtime.job_run import JobRun
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from tests.unit.middleware.jobs import CancelledBefore, Jobs, MemoryQueue

GREET = JobName("Greet", str)
DOCS = Path(__file__).parents[3] / "docs"


async def nothing(parameters: str, context: JobContext) -> None:
    pass


class Metrics:
    """Reads what was measured."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader])

    def points(self, name: str) -> dict[tuple[str, ...], Any]:
        """The points of one instrument, by the values of their attributes."""
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            tuple(str(value) for value in (point.attributes or {}).values()): point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        }

    def values(self, name: str) -> dict[tuple[str, ...], int]:
        return {attributes: point.value for attributes, point in self.points(name).items()}


@pytest.fixture
def measured() -> Iterator[Metrics]:
    made = Metrics()
    yield made
    made.provider.shutdown()


@pytest.fixture
def queue(measured: Metrics) -> MemoryQueue:
    return JobQueue(MemoryJobQueue(clock=ManualClock()), middleware=[MetricsMiddleware(measured.provider)])


async def test_jobs_that_were_stored_are_counted_and_duplicates_are_not(queue: MemoryQueue, measured: Metrics) -> None:
    own = JobOptions(job_id="0195F3A0-0000-7000-8000-000000000001")
    await queue.push(GREET, "Ada", options=own)
    await queue.push(GREET, "Ada", options=own)
    await queue.push_many([GREET.with_parameters("Grace"), JobName("Other", str).with_parameters("")])
    assert measured.values(QUEUED) == {("Greet",): 2, ("Other",): 1}


async def test_a_run_is_counted_while_it_runs_and_by_its_outcome(queue: MemoryQueue, measured: Metrics) -> None:
    seen: list[dict[tuple[str, ...], int]] = []

    @queue.job(GREET)
    async def greet(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        seen.append(measured.values(PROCESSING))
        match parameters:
            case "fail":
                raise JobFail("no")
            case "retry":
                raise RuntimeError("no luck")
            case "sleep":
                raise JobSleep(for_=timedelta(hours=1))
            case _:
                pass

    jobs = Jobs(queue)
    for parameters in ("succeed", "succeed", "fail", "retry", "sleep"):
        await queue.push(GREET, parameters)
        await jobs.run()
    assert seen == [{("Greet",): 1}] * 5
    assert measured.values(PROCESSING) == {("Greet",): 0}
    runs = {("Greet", "succeeded"): 2, ("Greet", "failed"): 1, ("Greet", "retried"): 1, ("Greet", "slept"): 1}
    assert measured.values(RUNS) == runs
    assert {attributes: point.count for attributes, point in measured.points(DURATION).items()} == runs


async def test_a_job_that_cannot_run_is_discarded_and_never_ran(queue: MemoryQueue, measured: Metrics) -> None:
    jobs = Jobs(queue)
    await queue.push(JobName("Unknown", str), "")
    await jobs.run()
    job_id = await queue.push(GREET, "Ada")
    queue.driver.store.damage(queue.driver.configuration.queue_key, job_id, b"no JSON")
    await jobs.run()
    assert measured.values(RUNS) == {(UNKNOWN, "discarded"): 1, (UNREADABLE, "discarded"): 1}
    assert measured.values(PROCESSING) == {}
    assert measured.points(DURATION) == {}


async def test_a_run_that_was_cancelled_before_it_was_counted_is_not_counted_down(measured: Metrics) -> None:
    metrics = MetricsMiddleware(measured.provider)
    inner: MemoryQueue = JobQueue(MemoryJobQueue(clock=ManualClock()), middleware=[CancelledBefore(), metrics])
    inner.register_job(GREET, nothing)
    outer: MemoryQueue = JobQueue(MemoryJobQueue(clock=ManualClock()), middleware=[metrics])

    @outer.job(JobName("Outer", str))
    async def run_another(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        await inner.push(GREET, "Ada")
        control = JobRun()
        control.cancel()
        await Jobs(inner).run(control=control)
        assert measured.values(PROCESSING) == {("Outer",): 1}

    await outer.push(JobName("Outer", str), "")
    await Jobs(outer).run()
    assert measured.values(PROCESSING) == {("Outer",): 0}
    assert measured.values(RUNS) == {("Greet", "cancelled"): 1, ("Outer", "succeeded"): 1}
    assert set(measured.points(DURATION)) == {("Outer", "succeeded")}


async def test_names_fill_no_memory_whoever_makes_them_up(queue: MemoryQueue, measured: Metrics) -> None:
    jobs = Jobs(queue)
    for number in range(20):
        await JobQueue(queue.driver).push(JobName(f"made up {number}", str), "")
        await jobs.run()
    assert measured.values(RUNS) == {(UNKNOWN, "discarded"): 20}
    for number in range(MOST_NAMES + 20):
        await queue.push(JobName(f"pushed {number}", str), "")
    queued = measured.values(QUEUED)
    assert len(queued) == MOST_NAMES + 1
    assert queued[(OTHER,)] == 20


async def test_the_wait_of_a_scheduled_job_is_from_its_trigger_or_from_when_it_was_due_again(
    queue: MemoryQueue, measured: Metrics
) -> None:
    @queue.job(GREET, retry_strategy=ExponentialJitter(min_jitter=0, max_jitter=0))
    async def greet(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        if context.attempt == 1:
            raise RuntimeError("no luck")

    trigger = queue.driver.clock.now() - timedelta(hours=1)
    await queue.push_if(
        GREET.with_parameters("Ada"),
        key="key",
        expected=None,
        value=b"",
        options=JobOptions(delay_until=trigger),
        next_scheduled_at=trigger + timedelta(days=1),
    )
    jobs = Jobs(queue)
    await jobs.run()
    assert measured.points(WAIT)[("Greet",)].sum == 3600.0
    (again,) = [job async for job in queue.driver.jobs(JobStatus.PENDING)]
    assert again.due is not None
    queue.driver.clock.set(again.due + timedelta(seconds=5))
    await jobs.run()
    assert measured.points(WAIT)[("Greet",)].sum == 3605.0


async def test_the_wait_is_from_the_due_time_to_the_start(queue: MemoryQueue, measured: Metrics) -> None:
    @queue.job(GREET)
    async def greet(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        pass

    await queue.push(GREET, "Ada", options=JobOptions(delay=timedelta(minutes=10)))
    queue.driver.clock.advance(timedelta(minutes=10, seconds=7))
    await Jobs(queue).run()
    point = measured.points(WAIT)[("Greet",)]
    assert (point.count, point.sum) == (1, 7.0)
    assert 10 in point.explicit_bounds
    assert 3600 in point.explicit_bounds


async def prometheus_names() -> set[str]:
    """The names that the Prometheus exporter makes of a queue's metrics."""
    registry = CollectorRegistry()
    provider = MeterProvider([PrometheusMetricReader(registry=registry)])
    try:
        queue: MemoryQueue = JobQueue(MemoryJobQueue(clock=ManualClock()), middleware=[MetricsMiddleware(provider)])

        @queue.job(GREET)
        async def greet(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
            pass

        await queue.push(GREET, "Ada")
        await Jobs(queue).run()
        text = generate_latest(registry).decode()
    finally:
        provider.shutdown()
    return set(re.findall(r"^(jobsvalkey_\w+?)\{", text, re.MULTILINE))


def expressions(dashboard: Any) -> Iterator[str]:
    """All that a dashboard asks Prometheus."""
    if isinstance(dashboard, dict):
        for key, value in cast("dict[str, Any]", dashboard).items():
            if key in ("expr", "query") and isinstance(value, str):
                yield value
            yield from expressions(value)
    elif isinstance(dashboard, list):
        for value in cast("list[Any]", dashboard):
            yield from expressions(value)


async def test_the_dashboard_asks_for_metrics_that_are_there_and_for_each_of_them() -> None:
    dashboard = json.loads((DOCS / "observability" / "grafana-dashboard.json").read_text())
    asked = "\n".join(expressions(dashboard))
    names = await prometheus_names()
    used = set(re.findall(r"jobsvalkey_\w+", asked))
    assert used - names == set()
    stems = {re.sub(r"_(total|bucket|count|sum|created)$", "", name) for name in names}
    assert {stem for stem in stems if not any(name.startswith(stem) for name in used)} == set()
    outcomes = re.findall(r'job_outcome=~?"([^"]+)"', asked)
    assert {each for outcome in outcomes for each in outcome.split("|")} <= set(JobOutcome)
    groups = {label for group in re.findall(r"by \(([^)]+)\)", asked) for label in group.split(", ")}
    assert groups | set(re.findall(r'(\w+)=~?"', asked)) == {"job_name", "job_outcome", "le"}


@pytest.mark.parametrize("name", [QUEUED, PROCESSING, RUNS, DURATION, WAIT])
async def test_the_guide_names_each_metric_as_it_is_and_as_prometheus_has_it(name: str) -> None:
    guide = (DOCS / "guide" / "observability.md").read_text()
    assert f"`{name}`" in guide
    stem = name.replace(".", "_")
    exported = {each for each in await prometheus_names() if each.startswith(stem)}
    shown = {re.sub(r"_(bucket|count|sum|created)$", "", each) for each in exported}
    assert all(f"`{each}`" in guide for each in shown), shown
