"""What a call is given of the wrong type is refused by a sentence about it, before anything is stored."""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import (
    InvalidParameters,
    JobContext,
    JobOptions,
    JobQueue,
    JobStatus,
    Push,
    ValkeyJobQueue,
)
from jobsvalkey.contract import Clock
from jobsvalkey_memory import MemoryJobQueue
from tests.support.work import Work

Q: TypeAlias = JobQueue[MemoryJobQueue[Clock]]
Call: TypeAlias = Callable[[Q], Any]


def _push_if(**wrong: Any) -> Call:
    given: dict[str, Any] = {"key": "k", "expected": None, "value": b"v", **wrong}
    return lambda queue: queue.push_if(Work(), **given)


async def _first(jobs: AsyncIterator[Any]) -> None:
    async for _ in jobs:
        break


def _any(value: Any) -> Any:
    return value


CALLS: list[tuple[Call, str]] = [
    (lambda queue: queue.push_many(_any(Work())), "push_many takes a list of jobs"),
    (lambda queue: queue.push_many(_any(None)), "push_many takes a list of jobs"),
    (lambda queue: queue.push_many(_any("text")), "push_many takes a list of jobs"),
    (lambda queue: queue.push_many(_any({"a": Work()})), "push_many takes a list of jobs"),
    (lambda queue: queue.push_many([], atomic=_any("no")), "atomic is True or False"),
    (_push_if(key=5), "key is text"),
    (_push_if(expected="text"), "expected is bytes or None"),
    (_push_if(value="text"), "value is bytes"),
    (lambda queue: _first(queue.jobs(JobStatus.FAILED, limit=-1)), "limit is a number of jobs"),
]


@pytest.mark.parametrize(("call", "words"), CALLS)
async def test_a_call_says_what_it_takes(call: Call, words: str) -> None:
    queue = JobQueue(MemoryJobQueue())
    with pytest.raises((TypeError, ValueError), match=words):
        await call(queue)
    assert sum((await queue.counts()).values()) == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: JobQueue(MemoryJobQueue()).runner(_any(None)), "options is a ProcessorOptions"),
        (lambda: Push(Work(), _any(None)), "options is a JobOptions"),
        (lambda: Push(Work(), _any({})), "options is a JobOptions"),
        (lambda: JobContext.for_test(_any(5)), "name is text"),
        (lambda: JobContext.for_test(attempt=_any("1")), "attempt is a whole number"),
        (lambda: JobContext.for_test(attempt=0), "attempt counts from 1"),
        (lambda: JobContext.for_test(queued_at=_any("now")), "queued_at is a datetime"),
        (lambda: MemoryJobQueue(_any({})), "configuration is a DriverConfiguration"),
        (lambda: MemoryJobQueue(store=_any(5)), "store is a MemoryStore"),
        (lambda: ValkeyJobQueue(Valkey(), _any({})), "configuration is a ValkeyConfiguration"),
        (lambda: ValkeyJobQueue(Valkey(), _any("mail")), "configuration is a ValkeyConfiguration"),
    ],
)
def test_what_is_made_says_what_it_takes(make: Callable[[], Any], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        make()


async def test_a_push_of_a_push_says_where_it_goes() -> None:
    queue = JobQueue(MemoryJobQueue())
    with pytest.raises(InvalidParameters, match="goes into push_many"):
        await queue.push(_any(Push(Work(), JobOptions())))
