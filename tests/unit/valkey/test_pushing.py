"""Pushes that share a step which fails, by a writer that the test holds in its hands."""

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from jobsvalkey.contract import NewJob, StoreFull, StoreUnavailable, new_job_id
from jobsvalkey.valkey import ValkeyConfiguration
from jobsvalkey.valkey.numbering import NumberedWriter
from jobsvalkey.valkey.pushing import Pusher
from jobsvalkey.valkey.tasks import TaskSet
from tests.support.waiting import PATIENCE, until


class Writer:
    """Answers the first step when it is let go, and fails the others."""

    moving_until = -math.inf

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.steps: int = 0
        self.is_let_go = asyncio.Event()

    async def run(self, *_: Any, patience: float | None = None) -> bytes:
        self.steps += 1
        if self.steps > 1:
            raise self.error
        await self.is_let_go.wait()
        return b"1"


@pytest.fixture
async def tasks() -> AsyncIterator[TaskSet]:
    tasks = TaskSet()
    yield tasks
    await tasks.aclose()


async def test_the_error_of_a_shared_step_is_each_callers_own(tasks: TaskSet) -> None:
    writer = Writer(StoreFull("no room"))
    writer.error.__cause__ = ValueError("why")
    pusher = Pusher(cast(NumberedWriter, writer), tasks, ValkeyConfiguration(), 60.0)
    calls = [asyncio.ensure_future(pusher.push([NewJob(new_job_id(), b"")], 0)) for _ in range(4)]
    await asyncio.sleep(0)
    writer.is_let_go.set()
    async with asyncio.timeout(PATIENCE):
        stored, *errors = await asyncio.gather(*calls, return_exceptions=True)
    assert not isinstance(stored, BaseException)
    assert writer.steps == 2
    assert [(type(error), str(error)) for error in cast("list[Exception]", errors)] == [(StoreFull, "no room")] * 3
    assert len({id(error) for error in errors}) == 3, "who raises one adds to its traceback"
    assert {id(cast(Exception, error).__cause__) for error in errors} == {id(writer.error.__cause__)}
    # The next push goes as any other.
    with pytest.raises(StoreFull, match="no room"):
        await pusher.push([NewJob(new_job_id(), b"")], 0)


class Silent(Writer):
    """Answers the first step when it is let go, and none of the others."""

    async def run(self, *words: Any, patience: float | None = None) -> bytes:
        self.steps += 1
        await (self.is_let_go if self.steps == 1 else asyncio.Event()).wait()
        return b"1"


async def test_a_push_that_was_sent_may_have_been_done_and_one_that_waits_was_not(tasks: TaskSet) -> None:
    writer = Silent(StoreFull("no room"))
    pusher = Pusher(cast(NumberedWriter, writer), tasks, ValkeyConfiguration(), 0.05)
    calls = [asyncio.ensure_future(pusher.push([NewJob(new_job_id(), b"")], 0)) for _ in range(3)]
    await asyncio.sleep(0)
    writer.is_let_go.set()
    async with asyncio.timeout(PATIENCE):
        await calls[0]
        await until(lambda: writer.steps == 2)
        calls.append(asyncio.ensure_future(pusher.push([NewJob(new_job_id(), b"")], 0)))
        errors = await asyncio.gather(*calls[1:], return_exceptions=True)
    assert [(type(error), getattr(error, "outcome", "")) for error in errors] == [
        (StoreUnavailable, "unknown"),
        (StoreUnavailable, "unknown"),
        (StoreUnavailable, "not_done"),
    ]
