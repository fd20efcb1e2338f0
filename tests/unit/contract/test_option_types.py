"""An option of the wrong type, or a misspelled one, is one sentence that says what to write."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import (
    ActiveLock,
    CleanupOptions,
    CleanupParameters,
    Day,
    ExclusiveLock,
    ExponentialJitter,
    JobCleanup,
    JobDefinition,
    JobName,
    JobOptions,
    JobQueue,
    JobService,
    JobSleep,
    JobStatus,
    MetricsMiddleware,
    ProcessorOptions,
    RetentionPolicy,
    Schedule,
    SchedulerOptions,
    ValkeyConfiguration,
    ValkeyJobQueue,
    retain_for,
    retain_last,
)
from jobsvalkey.contract import DriverConfiguration
from jobsvalkey_memory import MemoryJobQueue

TIME = r"a timedelta, such as timedelta\(seconds=5\)"


async def handler(parameters: str, context: Any) -> None: ...


@pytest.mark.parametrize(
    ("make", "wrong", "why"),
    [
        (JobOptions, {"delay": 5}, f"delay is {TIME} or None, not 5"),
        (JobOptions, {"delay_until": 5.5}, "delay_until is a datetime with a time zone, .* not 5.5"),
        (JobOptions, {"delay_until": "tomorrow"}, "delay_until is a datetime"),
        (JobOptions, {"job_id": 5}, "job_id is .*not 5"),
        (ProcessorOptions, {"num_workers": "4"}, "num_workers is a whole number, not '4'"),
        (ProcessorOptions, {"num_workers": 1.5}, "num_workers is a whole number, not 1.5"),
        (ProcessorOptions, {"num_workers": True}, "num_workers is a whole number, not True"),
        (ProcessorOptions, {"graceful_shutdown_timeout": 30}, f"graceful_shutdown_timeout is {TIME}, not 30"),
        (ProcessorOptions, {"worker_active_lock": timedelta(1)}, "worker_active_lock is an ActiveLock"),
        (ProcessorOptions, {"worker_active_lock": ActiveLock}, "not the class ActiveLock"),
        (ProcessorOptions, {"unknown_job": "Retry"}, 'unknown_job is "fail" or "retry", not \'Retry\''),
        (ProcessorOptions, {"unknown_job": None}, 'unknown_job is "fail" or "retry", not None'),
        (ProcessorOptions, {"burst": "yes"}, "burst is True or False, not 'yes'"),
        (ActiveLock, {"every": 5}, f"every is {TIME}, not 5"),
        (DriverConfiguration, {"poll_time": 1}, f"poll_time is {TIME}, not 1"),
        (ValkeyConfiguration, {"poll_time": 1}, f"poll_time is {TIME}, not 1"),
        (ValkeyConfiguration, {"operation_timeout": 1}, f"operation_timeout is {TIME}, not 1"),
        (ValkeyConfiguration, {"queue_key": b"mail"}, "queue_key is text, not b'mail'"),
        (ValkeyConfiguration, {"max_payload": "1 MB"}, "max_payload is a whole number"),
        (ValkeyConfiguration, {"retention_policy": timedelta(1)}, "retention_policy is a RetentionPolicy"),
        (RetentionPolicy, {"failed_jobs": 5}, "failed_jobs is a Retention, not 5"),
        (ExponentialJitter, {"max_attempts": "3"}, "max_attempts is a whole number"),
        (ExponentialJitter, {"max_backoff": 60}, f"max_backoff is {TIME}"),
        (ExponentialJitter, {"min_jitter": "0"}, "min_jitter is a number"),
        (SchedulerOptions, {"batch_size": "5"}, "batch_size is a whole number"),
        (SchedulerOptions, {"lock": ActiveLock()}, "lock is an ExclusiveLock"),
        (ExclusiveLock, {"every": 5}, f"every is {TIME}"),
        (CleanupOptions, {"parameters": JobCleanup.RERUN}, "parameters is a CleanupParameters"),
        (CleanupOptions, {"parameters": CleanupParameters(), "schedule": "@daily"}, "schedule is a Schedule"),
        (CleanupParameters, {"failed_jobs": "remove"}, "failed_jobs is a JobCleanup, not 'remove'"),
        (CleanupParameters, {"only_orphans": 1}, "only_orphans is True or False"),
        (JobCleanup, {"action": "Remove"}, "action is .*not 'Remove'"),
        (JobCleanup, {"action": "remove", "max_age": 5}, f"max_age is {TIME}"),
        (JobSleep, {"for_": 5}, f"for_ is {TIME}"),
        (JobSleep, {"until": "5"}, "until is a datetime"),
        (JobSleep, {"for_": timedelta(1), "attempts": "Keep"}, 'attempts is "keep" or'),
        (retain_for, {"age": 5}, f"max_age is {TIME}"),
        (retain_last, {"count": "5"}, "max_count is a whole number"),
        (JobName, {"name": 5, "parameters": int}, "name is text, not 5"),
        (Schedule.weekly, {"day": "sunday"}, "day is a Day, such as Day.SUNDAY, not 'sunday'"),
        (Schedule.on_days, {"days": ["sunday"]}, "day is a Day, such as Day.SUNDAY, not 'sunday'"),
        (Schedule.on_days, {"days": "sunday"}, "day is a Day, such as Day.SUNDAY, not 'sunday'"),
        (Schedule.yearly, {"month": "may"}, "month is a Month, such as Month.JANUARY, not 'may'"),
        (Schedule.on_months, {"months": ["may"]}, "month is a Month"),
        (Schedule.daily, {"hour": "7"}, "hour is a whole number, not '7'"),
        (Schedule.daily, {"hour": 7.5}, "hour is a whole number, not 7.5"),
        (Schedule.daily, {"time_zone": 1}, "time_zone is a time zone, .* or text, not 1"),
        (Schedule.crontab, {"expression": 5}, "expression is text"),
        (Schedule, {"expression": "* * * * *", "time_zone": "UTC"}, "time_zone is a time zone, such as ZoneInfo"),
    ],
)
def test_an_option_of_the_wrong_type_says_what_to_write(make: Any, wrong: dict[str, Any], why: str) -> None:
    with pytest.raises((TypeError, ValueError), match=why):
        make(**wrong)


def test_whole_numbers_are_numbers_and_days_may_be_numbers() -> None:
    assert ExponentialJitter(min_jitter=0, max_jitter=1).max_jitter == 1
    assert Schedule.weekly(Day.MONDAY) == Schedule.weekly(1)  # type: ignore[arg-type]


QUEUE: Any = JobQueue
SERVICE: Any = JobService
DRIVER: Any = MemoryJobQueue()
DEFINITION: Any = JobDefinition
STRING = JobName("job", str)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: QUEUE(Valkey()), r"takes a driver, such as ValkeyJobQueue\(.*client"),
        (lambda: QUEUE(ValkeyJobQueue), "takes a driver"),
        (lambda: QUEUE("valkey://localhost"), "takes a driver"),
        (lambda: QUEUE(DRIVER, values="iso"), 'values is "plain" or "swift", not \'iso\''),
        (lambda: QUEUE(DRIVER, values=None), "values is"),
        (lambda: QUEUE(DRIVER, middleware=MetricsMiddleware()), "middleware is a list"),
        (lambda: QUEUE(DRIVER, middleware=[MetricsMiddleware]), "each middleware is an object"),
        (lambda: QUEUE(DRIVER, default_retry_strategy=3), "default_retry_strategy is a retry strategy"),
        (lambda: QUEUE(DRIVER, default_retry_strategy=ExponentialJitter), "default_retry_strategy is a retry strategy"),
        (lambda: QUEUE(DRIVER).processor(SchedulerOptions()), "options is a ProcessorOptions"),
        (lambda: SERVICE(DRIVER, processor=4), "processor is a ProcessorOptions"),
        (lambda: SERVICE(DRIVER, scheduler=4), "scheduler is a SchedulerOptions"),
        (lambda: SERVICE(DRIVER, cleanup=JobCleanup.RERUN), "cleanup is a CleanupOptions"),
        (lambda: DEFINITION(STRING, handler, timeout=5), f"timeout is {TIME}"),
        (lambda: DEFINITION(STRING, handler, retry_strategy=5), "retry_strategy is a retry strategy"),
    ],
)
def test_a_queue_made_of_the_wrong_things_says_what_it_takes(make: Any, why: str) -> None:
    with pytest.raises((TypeError, ValueError), match=why):
        make()


@pytest.mark.parametrize("wrong", [None, 5, 5.5, ["a"], object(), b"\xff"])
@pytest.mark.parametrize("call", ["cancel", "pause", "resume", "rerun", "remove", "get", "status"])
async def test_a_job_id_of_the_wrong_type_says_what_one_is(call: str, wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="a job id is a"):
        await getattr(JobQueue(MemoryJobQueue()), call)(wrong)


async def test_a_call_with_the_wrong_options_says_what_it_takes() -> None:
    queue: Any = JobQueue(MemoryJobQueue())
    for wrong in (JobOptions, {"delay": timedelta(1)}, None, timedelta(1)):
        with pytest.raises(TypeError, match="options is a JobOptions"):
            await queue.push(STRING, "text", options=wrong)
        with pytest.raises(TypeError, match="options is a JobOptions"):
            await queue.push_many([STRING.with_parameters("text")], options=wrong)
    with pytest.raises(TypeError, match="status is a JobStatus, not 'failed'"):
        _ = [job async for job in queue.jobs("failed")]
    with pytest.raises(TypeError, match="limit is a whole number"):
        _ = [job async for job in queue.jobs(JobStatus.FAILED, limit="5")]
    assert await queue.push(STRING, "text", options=JobOptions(delay_until=datetime.now(UTC)))
