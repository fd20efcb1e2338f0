import functools
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from jobsvalkey import (
    ActiveLock,
    ConfigurationError,
    InvalidParameters,
    JobContext,
    JobDefinition,
    JobID,
    JobName,
    JobOptions,
    JobQueue,
    JobSleep,
    ProcessorOptions,
)
from jobsvalkey.runtime.job import unpack_job
from jobsvalkey_memory import MemoryJobQueue

NAIVE = datetime(2025, 1, 1)  # noqa: DTZ001


@dataclass
class Work:
    job_name: ClassVar[str] = "Work"


async def handler(parameters: Work, context: JobContext) -> None: ...


def test_options_take_any_form_of_an_id() -> None:
    own = uuid4()
    for given in (own, str(own), str(own).upper(), JobID.parse(own)):
        assert JobOptions(job_id=given).job_id == JobID.parse(own)
        assert isinstance(JobOptions(job_id=given).job_id, JobID)


def test_options_say_when() -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert JobOptions().due is None
    assert JobOptions(delay=timedelta(seconds=5)).due == timedelta(seconds=5)
    assert JobOptions(delay_until=tomorrow).due == tomorrow


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"delay_until": NAIVE}, "datetime.now\\(UTC\\)"),
        ({"delay": timedelta(1), "delay_until": datetime.now(UTC)}, "not both"),
        ({"delay": timedelta(seconds=-1)}, "delay is .* for a time in the past, use a datetime"),
        ({"delay": timedelta.max}, r"delay is .* queue\.pause"),
        ({"delay_until": datetime.max.replace(tzinfo=UTC)}, r"delay_until is .* queue\.pause"),
        ({"job_id": "no-uuid"}, "a job id is a UUID"),
    ],
)
def test_wrong_options_say_what_to_do(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        JobOptions(**options)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"until": datetime.now(UTC), "for_": timedelta(1)},
        {"until": NAIVE},
        {"until": datetime.max.replace(tzinfo=UTC)},
        {"for_": timedelta(-1)},
        {"for_": timedelta.max},
        {"for_": timedelta(1), "attempts": "forget"},
    ],
)
def test_a_wrong_sleep_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        JobSleep(**arguments)


def test_a_definition_knows_its_name_and_type() -> None:
    assert (JobDefinition(Work, handler).name, JobDefinition(Work, handler).parameters) == ("Work", Work)
    named = JobDefinition(JobName("other", Work), handler)
    assert (named.name, named.parameters) == ("other", Work)
    assert JobDefinition[Work](Work, handler).handler is handler


def no_context(parameters: Work) -> None: ...
def too_many(parameters: Work, context: JobContext, more: int) -> None: ...
def keyword_only(parameters: Work, *, context: JobContext) -> None: ...


@pytest.mark.parametrize("wrong", [no_context, too_many, keyword_only, lambda: None, "text", None])
def test_a_handler_with_another_signature_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="handler of job 'Work'"):
        JobDefinition(Work, wrong)


class Callable_:  # noqa: N801
    async def __call__(self, parameters: Work, context: JobContext) -> None: ...

    def method(self, parameters: Work, context: JobContext, more: int = 1) -> None: ...


def anything(*_: Any) -> None: ...


HANDLERS: list[Any] = [
    handler,
    anything,
    Callable_(),
    Callable_().method,
    functools.partial(Callable_().method, more=2),
]


@pytest.mark.parametrize("right", HANDLERS)
def test_anything_that_takes_both_is_a_handler(right: Any) -> None:
    JobDefinition(Work, right)


async def yields(parameters: Work, context: JobContext) -> AsyncGenerator[None]:
    yield


def yields_in_a_thread(parameters: Work, context: JobContext) -> Generator[None]:
    yield


class Yielding:
    async def __call__(self, parameters: Work, context: JobContext) -> AsyncGenerator[None]:
        yield

    def method(self, parameters: Work, context: JobContext) -> Generator[None]:
        yield


GENERATORS: list[Any] = [yields, yields_in_a_thread, Yielding(), Yielding().method]


@pytest.mark.parametrize("wrong", [*GENERATORS, *map(functools.partial, GENERATORS)])
def test_a_generator_is_refused_since_its_body_would_not_run(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"handler of job 'Work' is a generator .* `yield`"):
        JobDefinition(Work, wrong)


def test_a_type_without_a_name_is_refused() -> None:
    nameless: Any = int
    with pytest.raises(ConfigurationError, match=r'use JobName\("...", int\)'):
        _ = JobDefinition(nameless, handler).name
    with pytest.raises(InvalidParameters, match="int names no job"):
        unpack_job(1)


def test_a_timeout_is_above_zero() -> None:
    with pytest.raises(ValueError, match="timeout"):
        JobDefinition(Work, handler, timeout=timedelta(0))


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_workers": 0},
        {"graceful_shutdown_timeout": timedelta(seconds=-1)},
        {"cancel_grace": timedelta(seconds=-1)},
        {"max_recoveries": -1},
    ],
)
def test_wrong_processor_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ProcessorOptions(**wrong)


def test_a_lock_is_renewed_before_it_runs_out() -> None:
    with pytest.raises(ValueError, match="hold_for"):
        ActiveLock(every=timedelta(seconds=5), hold_for=timedelta(seconds=5))


def test_by_default_a_dead_workers_jobs_are_back_within_a_minute() -> None:
    lock = ProcessorOptions().worker_active_lock
    assert lock.every + lock.hold_for <= timedelta(seconds=60)


def work_a_little(parameters: Work, context: JobContext) -> None: ...


@dataclass
class Handling:
    """A class that can be made of (parameters, context): a call of it runs nothing."""

    parameters: Any
    context: Any


WRONG_JOBS: list[tuple[Any, str]] = [
    (work_a_little, r"write @queue\.job\(TYPE\)"),
    (functools.partial(work_a_little), r"write @queue\.job\(TYPE\)"),
    (Callable_().method, r"write @queue\.job\(TYPE\)"),
    (print, r"write @queue\.job\(TYPE\)"),
    ("Mail", r"'Mail' is a name without a type .* JobName\('Mail', TYPE\)"),
    (Work(), "a job is a type of parameters .*, not .*Work"),
    (JobName("x", int).with_parameters(1), "a job is a type of parameters"),
    (None, "a job is a type of parameters .*, not None"),
    (5, "a job is a type of parameters .*, not 5"),
    (int, "int names no job"),
    (list[int], r"list\[int\] names no job"),
]


@pytest.mark.parametrize(("wrong", "why"), WRONG_JOBS)
def test_what_names_no_job_is_refused_wherever_a_job_is_registered(wrong: Any, why: str) -> None:
    queue: Any = JobQueue(MemoryJobQueue())
    with pytest.raises(ConfigurationError, match=why):
        queue.job(wrong)
    with pytest.raises(ConfigurationError, match=why):
        queue.register_job(wrong, work_a_little)
    with pytest.raises(ConfigurationError, match=why):
        JobDefinition(wrong, work_a_little)
    assert [name for name in queue.registered_jobs if not name.startswith("_")] == []


def test_a_decorator_without_parentheses_leaves_the_function_as_it_was() -> None:
    queue: Any = JobQueue(MemoryJobQueue())
    with pytest.raises(ConfigurationError, match=r"@queue\.job\(TYPE\)"):

        @queue.job
        async def work(parameters: Work, context: JobContext) -> None: ...


def test_a_class_is_no_handler() -> None:
    handling: Any = Handling
    with pytest.raises(ConfigurationError, match=r"is the class Handling, .* only makes an object"):
        JobDefinition(Work, handling)


@pytest.mark.parametrize("wrong", [Work, int, JobContext])
async def test_a_class_that_is_pushed_is_told_from_a_value(wrong: Any) -> None:
    with pytest.raises(InvalidParameters, match=rf"{wrong.__name__} is a type: push a value of it"):
        await JobQueue(MemoryJobQueue()).push(wrong)
    with pytest.raises(InvalidParameters, match=rf"{wrong.__name__} is a type: push a value of it"):
        await JobQueue(MemoryJobQueue()).push_many([wrong])
