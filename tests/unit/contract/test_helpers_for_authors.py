"""What the contract ships to authors of drivers: numbers, digests, hints, times."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from jobsvalkey.contract import (
    RETAIN,
    CallNames,
    Hints,
    JobStatus,
    NewJob,
    Numbering,
    Operation,
    OperationRefused,
    RetentionPolicy,
    StoreUnavailable,
    digest_of,
    new_job_id,
    resolve_due,
    retain_for,
    retain_last,
)
from tests.support.waiting import until

JOB = NewJob(new_job_id(), b"{}", timedelta(seconds=1), True)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_digest_is_the_same_for_a_repeat_alone() -> None:
    assert digest_of("push", [JOB]) == digest_of("push", (JOB,))
    others: list[tuple[Any, ...]] = [
        ("push_if", [JOB]),
        ("push", [JOB, JOB]),
        ("push", [NewJob(JOB.job_id, b"{}")]),
        ("push",),
        ("push", []),
    ]
    digests = {digest_of(*other) for other in others} | {digest_of("push", [JOB])}
    assert len(digests) == len(others) + 1
    assert digest_of("set", "key", b"12") != digest_of("set", "key1", b"2")
    assert {len(digest) for digest in digests} == {32}


def test_due_times_are_resolved_by_the_stores_clock() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=2)))
    assert [resolve_due(due, NOW) for due in (None, timedelta(seconds=5), there)] == [
        NOW,
        NOW + timedelta(seconds=5),
        NOW,
    ]
    assert resolve_due(there, NOW).tzinfo is UTC


def test_the_retention_of_each_end() -> None:
    policy = RetentionPolicy(completed_jobs=retain_last(3), cancelled_jobs=retain_for(timedelta(days=1)))
    ends = [policy.of(status) for status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)]
    assert ends == [retain_last(3), RETAIN, retain_for(timedelta(days=1))]


async def test_a_step_is_sent_again_under_its_number_until_it_is_answered() -> None:
    asked: list[Operation] = []

    async def step(operation: Operation) -> str:
        asked.append(operation)
        if len(asked) < 3:
            raise StoreUnavailable("gone", outcome="unknown")
        return "answer"

    numbering = Numbering(timedelta(seconds=10))
    assert await numbering.run(step) == "answer"
    assert asked == [Operation(numbering.producer, 1)] * 3
    assert await numbering.run(step) == "answer"
    assert asked[-1] == Operation(numbering.producer, 2)


@pytest.mark.parametrize("outcomes", [["not_done"], ["not_done", "unknown"]])
async def test_a_step_that_is_not_answered_says_whether_it_may_have_been_done(outcomes: list[str]) -> None:
    left = list(outcomes)

    async def step(operation: Operation) -> None:
        outcome = left.pop(0) if left else "not_done"
        raise StoreUnavailable("gone", outcome="unknown" if outcome == "unknown" else "not_done")

    with pytest.raises(StoreUnavailable) as failure:
        await Numbering(timedelta(seconds=0.2)).run(step)
    assert failure.value.outcome == outcomes[-1]


async def test_another_error_is_an_answer_and_steps_go_in_turn() -> None:
    order: list[int] = []

    async def step(operation: Operation) -> None:
        await asyncio.sleep(0)
        order.append(operation.sequence)
        if operation.sequence == 2:
            raise OperationRefused("no")

    numbering = Numbering(timedelta(seconds=1))
    answers = await asyncio.gather(*(numbering.run(step) for _ in range(4)), return_exceptions=True)
    assert order == [1, 2, 3, 4]
    assert [type(answer) for answer in answers].count(OperationRefused) == 1


async def test_a_call_that_was_cancelled_has_used_its_number() -> None:
    seen: list[int] = []

    async def step(operation: Operation) -> None:
        seen.append(operation.sequence)
        await asyncio.sleep(60 if operation.sequence == 1 else 0)

    numbering = Numbering(timedelta(seconds=1))
    given_up = asyncio.create_task(numbering.run(step))
    await asyncio.sleep(0.01)
    given_up.cancel()
    await asyncio.wait([given_up])
    await numbering.run(step)
    assert seen == [1, 2]


def test_names_of_calls_tell_what_is_late() -> None:
    names, others = CallNames(), CallNames()
    first, second, other = names.new(), names.new(), others.new()
    assert CallNames.is_late(first, second)
    assert CallNames.is_late(second, second)
    assert not CallNames.is_late(second, first)
    assert not CallNames.is_late(other, second)


class Store:
    """Sends what is put in, and loses connections."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[bool] = asyncio.Queue()
        self.connections = 0

    async def listen(self) -> AsyncIterator[object]:
        self.connections += 1
        while await self.sent.get():
            yield None
        raise OSError("cut")


async def test_a_hint_wakes_one_and_a_lost_connection_all() -> None:
    store = Store()
    hints = Hints(store.listen)
    waiting = [asyncio.create_task(hints.wait(30)) for _ in range(3)]
    await asyncio.sleep(0.01)
    store.sent.put_nowait(True)
    await asyncio.wait(waiting, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    assert [task.done() for task in waiting] == [True, False, False]
    store.sent.put_nowait(False)
    async with asyncio.timeout(10):
        await asyncio.gather(*waiting)
        again = asyncio.create_task(hints.wait(30))
        await until(lambda: store.connections == 2)
        store.sent.put_nowait(True)
        await again
    await hints.aclose()


async def test_a_hint_that_came_before_the_wait_is_not_lost_and_a_timeout_ends_it() -> None:
    store = Store()
    hints = Hints(store.listen)
    await hints.wait(0.01)
    store.sent.put_nowait(True)
    await until(store.sent.empty)
    async with asyncio.timeout(10):
        await hints.wait(30)
    await hints.wait(0.01)
    await hints.aclose()


async def test_a_worker_that_gives_up_leaves_its_hint_to_another() -> None:
    hints = Hints(Store().listen)
    first, second = asyncio.create_task(hints.wait(30)), asyncio.create_task(hints.wait(30))
    await asyncio.sleep(0.01)
    hints.wake()
    first.cancel()
    async with asyncio.timeout(10):
        await second
    await hints.aclose()
