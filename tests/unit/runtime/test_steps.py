"""Steps and saved values: their names, their errors, and contexts for tests."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import (
    GIVEN,
    ActiveLock,
    ClaimLost,
    ConfigurationError,
    JobContext,
    JobQueue,
    JobSleep,
    NoRetry,
    PayloadTooLarge,
    Progress,
)
from jobsvalkey.contract import (
    DriverConfiguration,
)
from jobsvalkey_memory import ManualClock, MemoryJobQueue, run_until_idle

HOUR = timedelta(hours=1)
SELDOM = ActiveLock(every=HOUR, hold_for=2 * HOUR)
AT_ONCE = timedelta(0)


@dataclass(frozen=True)
class Receipt:
    number: int
    paid: bool = True


async def shown(queue: JobQueue[Any], job_id: Any) -> Progress | None:
    record = await queue.get(job_id)
    assert record is not None
    return record.progress


async def test_what_cannot_be_saved_is_told_and_the_last_value_stays() -> None:
    queue = JobQueue(MemoryJobQueue(DriverConfiguration(max_payload=1000)))

    @queue.task(retry_strategy=NoRetry())
    async def work(*, context: JobContext = GIVEN) -> None:
        await context.save("first")
        with pytest.raises(PayloadTooLarge, match="save a reference, or raise max_payload"):
            await context.save("x" * 1001)
        with pytest.raises(TypeError, match="cannot be saved as"):
            await context.save(object())
        async with context.step("large", type=str) as step:
            with pytest.raises(PayloadTooLarge):
                await step.finish("x" * 1001)
            with pytest.raises(TypeError, match="value of the step 'large'"):
                await step.finish(7)  # pyright: ignore[reportArgumentType]
            assert not step.done
            with pytest.raises(RuntimeError, match="has no value yet"):
                assert step.value
            assert await step.finish("small") == "small"
            with pytest.raises(RuntimeError, match="finishes once"):
                await step.finish("again")
        assert context.saved(str) == "first"
        ended.append(True)

    ended: list[bool] = []
    await work.push()
    await run_until_idle(queue)
    assert ended == [True]


async def test_steps_have_names_of_their_own() -> None:
    context = JobContext.for_test("pay")
    async with context.step("outer") as outer:
        with pytest.raises(ValueError, match="'outer' was entered before"):
            async with context.step("outer"):
                raise AssertionError
        async with context.step("inner") as inner:
            await inner.finish(1)
        await outer.finish(2)
    with pytest.raises(ValueError, match="in a loop with a number in it"):
        async with context.step("inner"):
            raise AssertionError
    with pytest.raises(ValueError, match="has a name"):
        context.step("")
    with pytest.raises(TypeError, match="the name of a step"):
        context.step(3)  # pyright: ignore[reportArgumentType, reportCallIssue]
    with pytest.raises(RuntimeError, match="was not entered"):
        await context.step("never").finish(1)


async def test_a_step_without_an_end_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    context = JobContext.for_test()
    async with context.step("forgotten"):
        pass
    assert ["'forgotten' ends without step.finish" in record.getMessage() for record in caplog.records] == [True]
    caplog.clear()
    with pytest.raises(KeyError):
        async with context.step("failed"):
            raise KeyError
    assert not caplog.records


async def test_a_context_for_tests_has_it_all() -> None:
    context = JobContext.for_test(saved={"page": 3}, steps={"charge": Receipt(5)})
    assert context.saved(dict[str, int]) == {"page": 3}
    async with context.step("charge", type=Receipt) as step:
        assert (step.done, step.value) == (True, Receipt(5))
    with context.blocking.step("mail", type=str) as mail:
        assert mail.finish("sent") == "sent"
    await context.save({"page": 4})
    context.blocking.save({"page": 5})
    assert context.saved(dict[str, int]) == {"page": 5}
    assert context.last_progress is None
    context.progress(1, 2, "x" * 5000)
    assert context.last_progress == Progress(1, 2, "x" * 5000)
    assert JobContext.for_test().saved(int) is None


@pytest.mark.parametrize(
    "wrong", [(float("nan"),), (float("inf"),), (1 << 60,), (1, float("inf")), (1, -(1 << 60))], ids=str
)
def test_numbers_that_no_store_holds_are_refused(wrong: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="give numbers up to"):
        JobContext.for_test().progress(*wrong)


@pytest.mark.parametrize("wrong", [("1",), (None,), (True,), (1, "2"), (1, 2, 3), (1, 2, None)], ids=str)
def test_what_is_no_progress_is_refused(wrong: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        JobContext.for_test().progress(*wrong)


async def test_a_saved_value_of_another_type_is_told() -> None:
    context = JobContext.for_test(saved="text", steps={"a": 1})
    with pytest.raises(ConfigurationError, match="cannot be read as int"):
        context.saved(int)
    with pytest.raises(ConfigurationError, match="its step 'a' cannot be read as str"):
        async with context.step("a", type=str):
            raise AssertionError


async def test_a_run_that_has_ended_saves_nothing_more() -> None:
    queue = JobQueue(MemoryJobQueue(clock=ManualClock()))
    contexts: list[JobContext] = []

    @queue.task
    async def work(*, context: JobContext = GIVEN) -> None:
        await context.save(1)
        contexts.append(context)
        raise JobSleep(for_=HOUR)

    job_id = await work.push()
    await run_until_idle(queue)
    with pytest.raises(ClaimLost, match="has ended"):
        await contexts[0].save(2)
    contexts[0].progress(5)
    assert await shown(queue, job_id) is None
