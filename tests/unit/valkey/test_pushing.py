"""Pushes that share a step which fails or does not begin, by a writer that the test holds in its hands."""

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Callable
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


class OtherTime(asyncio.SelectorEventLoop):
    """A loop whose time is not the machine's, as of one that skips pauses."""

    def time(self) -> float:
        return super().time() + 1_000_000


class Slow(Writer):
    """Answers the first step when it is let go, and the others after some turns of the loop."""

    async def run(self, *words: Any, patience: float | None = None) -> bytes:
        self.steps += 1
        if self.steps == 1:
            await self.is_let_go.wait()
        for _ in range(9):
            await asyncio.sleep(0)
        return b"1"


def test_the_time_of_a_push_is_that_of_its_loop() -> None:
    async def push() -> None:
        tasks, writer = TaskSet(), Slow(StoreFull("no room"))
        pusher = Pusher(cast(NumberedWriter, writer), tasks, ValkeyConfiguration(), 60.0)
        calls = [asyncio.ensure_future(pusher.push([NewJob(new_job_id(), b"")], 0)) for _ in range(2)]
        await asyncio.sleep(0)
        writer.is_let_go.set()
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*calls)
        assert writer.steps == 2
        await tasks.aclose()

    with asyncio.Runner(loop_factory=OtherTime) as runner:
        runner.run(push())


async def test_a_step_that_is_cancelled_before_it_begins_leaves_nobody_waiting() -> None:
    tasks, writer = TaskSet(), Silent(StoreFull("no room"))
    pusher = Pusher(cast(NumberedWriter, writer), tasks, ValkeyConfiguration(), 60.0)
    begun: asyncio.Queue[Callable[[], None]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def begin(function: Callable[[], None]) -> None:
        loop.call_soon_threadsafe(begun.put_nowait, function)

    errors: list[StoreUnavailable] = []

    def push() -> None:
        try:
            pusher.push_of_thread([NewJob(new_job_id(), b"")], 0, begin)
        except StoreUnavailable as error:
            errors.append(error)

    threading.Thread(target=push, daemon=True).start()
    async with asyncio.timeout(PATIENCE):
        (await begun.get())()
        await tasks.aclose()
        await until(lambda: errors)
    assert [error.outcome for error in errors] == ["not_done"]
    assert not pusher.is_busy
