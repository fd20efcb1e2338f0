"""What was pushed, and what should have come of it: each assertion holds, fails, and says what there was instead."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, cast

import msgspec
import pytest

from jobsvalkey import GIVEN, ConfigurationError, JobContext, JobFail, JobName, JobOptions, JobQueue, Push, new_job_id
from jobsvalkey.contract import NewJob
from jobsvalkey_memory import (
    ManualClock,
    MemoryJobQueue,
    TwinQueue,
    assert_cancelled,
    assert_completed,
    assert_failed,
    assert_not_pushed,
    assert_pushed,
    pushed,
    run_until_idle,
)
from tests.unit.memory.jobs import App, SendEmail, Welcome, print_string

SECOND = timedelta(seconds=1)


async def test_pushed_lists_parameters_whatever_became_of_them(job_queue: TwinQueue) -> None:
    App(job_queue)
    cancelled = await job_queue.push(SendEmail("bob"))
    await job_queue.cancel(cancelled)
    await job_queue.push(Welcome("ada"))
    await job_queue.push(print_string, "text")
    await run_until_idle(job_queue)
    await job_queue.push(SendEmail("eve"), options=JobOptions(delay=SECOND))
    assert pushed(job_queue, SendEmail) == [SendEmail("bob"), SendEmail("ada"), SendEmail("eve")]
    assert pushed(job_queue, print_string) == ["text"]
    assert pushed(job_queue, JobName("Other", int)) == []
    with pytest.raises(ConfigurationError, match="names no job"):
        pushed(job_queue, str)


async def test_pushed_needs_no_registration_and_counts_no_duplicates_or_retries(job_queue: TwinQueue) -> None:
    options = JobOptions(job_id="00000000-0000-7000-8000-000000000001")
    for _ in range(2):
        await job_queue.push(SendEmail("flaky"), options=options)
    assert pushed(job_queue, SendEmail) == [SendEmail("flaky")]
    App(job_queue)
    await run_until_idle(job_queue)
    assert pushed(job_queue, SendEmail) == [SendEmail("flaky")]


async def test_pushed_reads_dates_as_the_queue_writes_them() -> None:
    queue = JobQueue(MemoryJobQueue(clock=ManualClock()), values="swift")
    when, moment = JobName("When", datetime), datetime(2025, 1, 1, tzinfo=UTC)
    await queue.push(when, moment)
    assert pushed(queue, when) == [moment]
    assert_pushed(queue, when.with_parameters(moment))


async def test_assert_pushed(job_queue: TwinQueue) -> None:
    await job_queue.push(SendEmail("ada"))
    await job_queue.push(SendEmail("bob"), options=JobOptions(delay=SECOND))
    until = job_queue.driver.clock.now() + 2 * SECOND
    await job_queue.push(print_string, "text", options=JobOptions(delay_until=until))
    job_queue.driver.clock.advance(timedelta(days=1))
    assert_pushed(job_queue, SendEmail)
    assert_pushed(job_queue, SendEmail, count=2)
    assert_pushed(job_queue, SendEmail("ada"), count=1, delay=timedelta(0))
    assert_pushed(job_queue, SendEmail("bob"), delay=SECOND)
    assert_pushed(job_queue, print_string, delay=2 * SECOND)
    assert_pushed(job_queue, print_string.with_parameters("text"))
    assert_not_pushed(job_queue, SendEmail("eve"))
    assert_not_pushed(job_queue, Welcome)


@dataclass(frozen=True)
class Tags:
    job_name: ClassVar[str] = "Tags"
    names: frozenset[int] = frozenset()
    notes: dict[str, int] = field(default_factory=dict[str, int])
    by: "Plain | None" = None


class Plain(msgspec.Struct, eq=False):
    name: str


async def test_jobs_are_the_same_where_their_parameters_are_equal(job_queue: TwinQueue) -> None:
    await job_queue.push(Tags(frozenset([1, 9]), {"a": 1, "b": 2}))
    same = Tags(frozenset([9, 1]), {"b": 2, "a": 1})
    assert_pushed(job_queue, same)
    with pytest.raises(AssertionError, match="not at all; found 1"):
        assert_not_pushed(job_queue, same)
    assert_not_pushed(job_queue, Tags(frozenset([1, 9]), {"a": 1, "b": 3}))


async def test_parameters_that_are_never_equal_are_the_same_where_they_are_stored_alike(job_queue: TwinQueue) -> None:
    await job_queue.push(Tags(by=Plain("ada")))
    assert_pushed(job_queue, Tags(by=Plain("ada")))
    assert_not_pushed(job_queue, Tags(by=Plain("bob")))


async def test_parameters_of_another_type_are_not_the_same(job_queue: TwinQueue) -> None:
    await job_queue.push(JobName("Number", str), "one")
    assert_not_pushed(job_queue, JobName("Number", int).with_parameters(1))


async def test_a_task_is_found_with_any_arguments_or_with_these(job_queue: TwinQueue) -> None:
    @job_queue.task
    async def resize(path: str, width: int = 100, *, context: JobContext = GIVEN) -> None:
        if width == 0:
            raise JobFail(path)

    with pytest.raises(AssertionError, match="expected: resize was pushed; found 0"):
        assert_pushed(job_queue, resize)
    cancelled = await resize.push("c.png")
    await job_queue.cancel(cancelled)
    await resize.with_options(JobOptions(delay=SECOND)).push("a.png")
    await resize.push("b.png", width=0)
    assert [(each.path, each.width) for each in pushed(job_queue, resize)] == [
        ("c.png", 100),
        ("a.png", 100),
        ("b.png", 0),
    ]
    assert_pushed(job_queue, resize, count=3)
    assert_pushed(job_queue, resize.with_parameters("a.png", 100), count=1, delay=SECOND)
    assert_not_pushed(job_queue, resize.with_parameters("a.png", 101))
    assert_cancelled(job_queue, resize.with_parameters("c.png"), count=1)
    job_queue.driver.clock.advance(SECOND)
    await run_until_idle(job_queue)
    assert_completed(job_queue, resize.with_parameters("a.png"))
    assert_failed(job_queue, resize, count=1, error="b.png")
    with pytest.raises(AssertionError, match=r'resize {"path":"d.png","width":100} was pushed; found 0'):
        assert_pushed(job_queue, resize.with_parameters("d.png"))


async def test_what_is_no_job_is_told_what_to_use_instead(job_queue: TwinQueue) -> None:
    anything: Any = job_queue
    with pytest.raises(TypeError, match=r"a JobName or a task, not SendEmail\(to='ada'\): for one"):
        pushed(anything, cast("Any", SendEmail("ada")))
    with pytest.raises(TypeError, match="not NamedParameters"):
        pushed(anything, cast("Any", print_string.with_parameters("text")))
    with pytest.raises(TypeError, match=r"the parameters of a Push, not the Push.*delay="):
        assert_pushed(anything, Push(SendEmail("ada"), JobOptions(delay=SECOND)))


async def test_assert_pushed_says_what_there_was(job_queue: TwinQueue) -> None:
    with pytest.raises(AssertionError, match="Nothing was pushed"):
        assert_pushed(job_queue, SendEmail)
    await job_queue.push(SendEmail("ada"), options=JobOptions(delay=120 * SECOND))
    with pytest.raises(AssertionError) as raised:
        assert_pushed(job_queue, SendEmail("bob"))
    assert str(raised.value) == (
        'expected: SendEmail {"to":"bob"} was pushed; found 0\n'
        "What was pushed:\n"
        '  SendEmail {"to":"ada"}, delay 0:02:00 -> pending, due in 0:02:00'
    )
    with pytest.raises(AssertionError, match="SendEmail was pushed 2 times; found 1"):
        assert_pushed(job_queue, SendEmail, count=2)
    with pytest.raises(AssertionError, match="with a delay of 0:00:01"):
        assert_pushed(job_queue, SendEmail("ada"), delay=SECOND)
    with pytest.raises(AssertionError, match="not at all; found 1"):
        assert_not_pushed(job_queue, SendEmail)


async def test_assert_completed(job_queue: TwinQueue) -> None:
    App(job_queue)
    await job_queue.push(SendEmail("ada"))
    with pytest.raises(AssertionError, match=r'SendEmail {"to":"ada"} -> pending'):
        assert_completed(job_queue, SendEmail)
    await run_until_idle(job_queue)
    assert_completed(job_queue, SendEmail, count=1)
    assert_completed(job_queue, SendEmail("ada"))
    with pytest.raises(AssertionError, match=r'SendEmail {"to":"ada"} -> completed'):
        assert_failed(job_queue, SendEmail)


async def test_assert_failed(job_queue: TwinQueue, job_clock: ManualClock) -> None:
    App(job_queue)
    await job_queue.push(SendEmail("flaky"))
    await job_queue.push(SendEmail("hopeless"))
    await run_until_idle(job_queue)
    assert_failed(job_queue, SendEmail("hopeless"), error="JobFail: no such address")
    with pytest.raises(AssertionError, match="failed with 'no server'") as raised:
        assert_failed(job_queue, SendEmail, error="no server")
    assert '"flaky"} -> pending, due in 0:00:02, ConnectionError: no server' in str(raised.value)
    assert '"hopeless"} -> failed, jobsvalkey.runtime.job.JobFail: no such address' in str(raised.value)


async def test_assert_cancelled_and_removed_jobs(job_queue: TwinQueue) -> None:
    first, second = [await job_queue.push(SendEmail(name)) for name in ("ada", "bob")]
    await job_queue.cancel(first)
    await job_queue.remove(second)
    assert_cancelled(job_queue, SendEmail("ada"), count=1)
    with pytest.raises(AssertionError, match='"bob"} -> removed'):
        assert_cancelled(job_queue, SendEmail("bob"))


async def test_a_request_that_is_not_ours_is_passed_over(job_queue: TwinQueue) -> None:
    await job_queue.driver.push([NewJob(new_job_id(), b"\xff")])
    await job_queue.push(SendEmail("ada"))
    assert pushed(job_queue, SendEmail) == [SendEmail("ada")]
    assert_pushed(job_queue, SendEmail)
