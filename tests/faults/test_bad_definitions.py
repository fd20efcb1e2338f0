"""Jobs that cannot run: refused where they are registered, or failed with a reason where they are claimed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest

from jobsvalkey import (
    ActiveLock,
    CleanupParameters,
    ConfigurationError,
    DuplicateJob,
    ExclusiveLock,
    ExponentialJitter,
    JobCleanup,
    JobDefinition,
    JobName,
    JobStatus,
    ProcessorOptions,
    Schedule,
    ValkeyConfiguration,
    retain_for,
    retain_last,
)
from tests.faults.conftest import QueueOnValkey, Unchanged
from tests.support.processors import options
from tests.support.work import Work

ZERO, BEFORE = timedelta(0), timedelta(seconds=-1)


def nothing() -> None: ...


def one(_parameters: Any) -> None: ...


def three(_parameters: Any, _context: Any, _more: Any) -> None: ...


def keyword(_parameters: Any, _context: Any, *, more: Any) -> None: ...


async def coroutine_of_one(_parameters: Any) -> None: ...


@pytest.mark.parametrize("handler", [nothing, one, three, keyword, coroutine_of_one])
async def test_a_handler_with_a_wrong_signature(
    queue: QueueOnValkey, unchanged: Unchanged, handler: Callable[..., Any]
) -> None:
    names = queue.registered_jobs
    text = r"handler of job 'Work' is called with \(parameters, context\), but takes \("
    async with unchanged():
        for register in (
            lambda: queue.register_job(Work, handler),
            lambda: queue.register_job(JobDefinition(Work, handler)),
            lambda: queue.job(Work)(handler),
        ):
            with pytest.raises(ConfigurationError, match=text):
                register()
    assert queue.registered_jobs == names


async def test_a_handler_that_is_none(queue: QueueOnValkey) -> None:
    anything: Any = "send_email"
    with pytest.raises(ConfigurationError, match="handler of job 'Work' is not callable: 'send_email'"):
        queue.register_job(Work, anything)


async def test_a_type_that_names_no_job(queue: QueueOnValkey) -> None:
    anything: Any = int
    with pytest.raises(ConfigurationError, match=r'int names no job: .* or use JobName\("...", int\)'):
        queue.register_job(anything, lambda _parameters, _context: None)  # pyright: ignore[reportUnknownLambdaType]


async def test_a_name_that_is_taken(queue: QueueOnValkey) -> None:
    async def handler(parameters: Work, context: object) -> None: ...

    queue.register_job(Work, handler)
    with pytest.raises(DuplicateJob, match="'Work'"):
        queue.register_job(Work, handler)
    with pytest.raises(DuplicateJob, match="_Jobs_ValkeyCleanup_"):
        queue.register_job(queue.driver.cleanup_job, lambda _parameters, _context: None)


async def test_a_job_that_is_not_registered_where_it_is_claimed(queue: QueueOnValkey) -> None:
    job_id = await queue.push(JobName("Elsewhere", int), 1)
    await queue.processor(options(burst=True)).run()
    record = await queue.get(job_id)
    assert record is not None
    assert record.error is not None
    assert (record.status, record.name) == (JobStatus.FAILED, "Elsewhere")
    assert "UnknownJob" in record.error.type
    assert "no job named 'Elsewhere' is registered" in record.error.message


async def test_parameters_that_do_not_fit_where_they_are_claimed(queue: QueueOnValkey) -> None:
    ran: list[int] = []
    queue.register_job(JobName("Number", int), lambda number, _context: ran.append(number))
    job_id = await queue.push(JobName("Number", str), "text")
    await queue.processor(options(burst=True)).run()
    record = await queue.get(job_id)
    assert record is not None
    assert record.error is not None
    assert (record.status, ran) == (JobStatus.FAILED, [])
    assert "InvalidParameters" in record.error.type
    assert "request of job 'Number' does not fit its parameters" in record.error.message


SETTINGS: dict[str, tuple[Callable[[], object], str]] = {
    "no queue key": (lambda: ValkeyConfiguration(queue_key=""), "queue_key is a name"),
    "white space": (lambda: ValkeyConfiguration(queue_key=" mail"), "queue_key is a name without white space"),
    "poll time": (lambda: ValkeyConfiguration(poll_time=ZERO), "poll_time is a time above zero"),
    "window": (lambda: ValkeyConfiguration(idempotency_window=BEFORE), "idempotency_window is a time above zero"),
    "payload": (lambda: ValkeyConfiguration(max_payload=0), "max_payload is at least 1"),
    "push": (lambda: ValkeyConfiguration(max_atomic_push=0), "max_atomic_push is at least 1"),
    "push size": (lambda: ValkeyConfiguration(max_atomic_push_bytes=-1), "max_atomic_push_bytes is at least 1"),
    "patience": (lambda: ValkeyConfiguration(operation_timeout=BEFORE), "operation_timeout is not a time below zero"),
    "grace": (lambda: ValkeyConfiguration(unowned_grace=BEFORE), "unowned_grace is not a time below zero"),
    "retain for": (lambda: retain_for(ZERO), "to keep nothing, use DO_NOT_RETAIN"),
    "retain last": (lambda: retain_last(-1), "retain_last takes a number from 0"),
    "cleanup": (lambda: CleanupParameters(pending_jobs=JobCleanup.RERUN), "pending jobs cannot be rerun"),
    "cleanup's action": (lambda: JobCleanup(cast("Any", "delete")), '"rerun" or "remove", not \'delete\''),
    "cleanup's age": (lambda: JobCleanup.remove(max_age=BEFORE), "leave it out for all jobs"),
    "workers": (lambda: ProcessorOptions(num_workers=0), "num_workers is at least 1"),
    "shutdown": (lambda: ProcessorOptions(graceful_shutdown_timeout=BEFORE), "graceful_shutdown_timeout is not neg"),
    "cancel grace": (lambda: ProcessorOptions(cancel_grace=BEFORE), "cancel_grace is not negative"),
    "recoveries": (lambda: ProcessorOptions(max_recoveries=-1), "max_recoveries is not negative"),
    "lock": (lambda: ActiveLock(every=timedelta(1), hold_for=timedelta(1)), "a lock is renewed before it runs out"),
    "scheduler's lock": (lambda: ExclusiveLock(every=timedelta(1), hold_for=timedelta(1)), "below hold_for"),
    "attempts": (lambda: ExponentialJitter(max_attempts=0), "max_attempts is at least 1"),
    "jitter": (lambda: ExponentialJitter(min_jitter=0.5, max_jitter=0), "min_jitter first"),
    "timeout": (lambda: JobDefinition(Work, print, timeout=ZERO), "timeout of job 'Work' is a time above zero"),
    "name": (lambda: JobName("", int), "a job's name is not empty"),
    "crontab": (lambda: Schedule.crontab("61 * * * *"), "61"),
}


@pytest.mark.parametrize(("make", "text"), SETTINGS.values(), ids=SETTINGS)
def test_bad_settings(make: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()
