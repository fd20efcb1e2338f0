"""Waiting for ends, on a stream and with looks that the test holds in its hands."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest

from jobsvalkey.contract import ConfigurationError, JobID, StoredJob, StoreUnavailable, new_job_id
from jobsvalkey.valkey.channel import Channel
from jobsvalkey.valkey.ends import Ends
from jobsvalkey.valkey.tasks import TaskSet
from tests.support.waiting import PATIENCE, until

A, B = new_job_id(), new_job_id()


class Stream:
    """Answers in place of a channel: each read waits for news."""

    def __init__(self) -> None:
        self.read: list[tuple[Any, ...]] = []
        self.news = asyncio.Queue[list[JobID]]()
        self.foreign: list[tuple[bytes, ...]] = []
        """What comes before the first news."""
        self.newest: list[Any] = []
        self.stalls = False
        self.refuses: Exception | None = None

    async def command(self, *words: Any, patience: float, blocking: float = 0) -> Any:
        self.read.append(words)
        if self.stalls:
            await asyncio.Event().wait()
        if self.refuses is not None:
            raise self.refuses
        if words[0] == "XREVRANGE":
            return self.newest
        ended = await self.news.get()
        foreign, self.foreign = self.foreign, []
        entries = [*foreign, (b"id", " ".join(map(str, ended)).encode())]
        return [(b"key", [(b"2-0", entry) for entry in entries])]


class Jobs:
    """What looks find: those that are left wait, those that are not are absent."""

    def __init__(self) -> None:
        self.left = {A, B}
        self.looks: list[list[JobID]] = []
        self.fails_with: BaseException | None = None

    async def look(self, job_ids: Sequence[JobID]) -> list[StoredJob | None]:
        self.looks.append(list(job_ids))
        if self.fails_with is not None:
            raise self.fails_with
        return [cast(StoredJob, Unended) if job_id in self.left else None for job_id in job_ids]


class Unended:
    """A job that has not ended."""

    ended_at = None


@pytest.fixture
async def tasks() -> AsyncIterator[TaskSet]:
    tasks = TaskSet()
    yield tasks
    await tasks.aclose()


def ends_of(stream: Stream, tasks: TaskSet) -> Ends:
    """Nobody looks without news: the poll time is an hour."""
    return Ends(5.0, cast(Channel, stream), "key", 3600.0, tasks)


async def test_who_waits_looks_when_the_stream_names_its_job(tasks: TaskSet) -> None:
    stream, jobs = Stream(), Jobs()
    waiting = asyncio.ensure_future(ends_of(stream, tasks).wait([A], PATIENCE, jobs.look))
    await until(lambda: jobs.looks == [[A]])
    jobs.left = {B}
    stream.news.put_nowait([B])
    stream.news.put_nowait([A])
    assert await waiting == [None]
    assert jobs.looks == [[A], [A]]


async def test_an_entry_may_name_several_jobs(tasks: TaskSet) -> None:
    stream, jobs = Stream(), Jobs()
    ends = ends_of(stream, tasks)
    waiting = [asyncio.ensure_future(ends.wait([job_id], PATIENCE, jobs.look)) for job_id in (A, B)]
    await until(lambda: {job_id for look in jobs.looks for job_id in look} == {A, B})
    jobs.left = set()
    stream.news.put_nowait([A, B])
    assert await asyncio.gather(*waiting) == [[None], [None]]


async def test_foreign_entries_keep_nobody_from_the_news(tasks: TaskSet, caplog: pytest.LogCaptureFixture) -> None:
    stream, jobs = Stream(), Jobs()
    stream.foreign = [
        (b"id", b"no-id"),
        (b"id", b"\xff\x00"),
        (b"id", b""),
        (b"a", b"b", b"c", b"d"),
        (b"A" * 36, b"-" * 36),
    ]
    waiting = asyncio.ensure_future(ends_of(stream, tasks).wait([A], PATIENCE, jobs.look))
    await until(lambda: jobs.looks == [[A]])
    jobs.left.clear()
    stream.news.put_nowait([B])
    stream.news.put_nowait([A])
    assert await waiting == [None]
    assert jobs.looks == [[A], [A]]
    assert not caplog.records


async def test_one_task_polls_however_often_the_reading_ends(tasks: TaskSet) -> None:
    stream, jobs = Stream(), Jobs()
    ends = ends_of(stream, tasks)
    for round_ in range(1, 4):
        jobs.left = {A, B}
        waiting = asyncio.ensure_future(ends.wait([A], PATIENCE, jobs.look))
        await until(lambda: len(jobs.looks) % 2 == 1)
        jobs.left.clear()
        stream.news.put_nowait([A])
        await waiting
        stream.news.put_nowait([B])  # nobody waits: the reading ends
        await until(lambda: not any("Ends._read" in repr(task) for task in asyncio.all_tasks()))
        assert sum("Ends._poll" in repr(task) for task in asyncio.all_tasks()) == 1, round_


async def test_who_comes_while_the_last_read_still_blocks_is_polled_for(tasks: TaskSet) -> None:
    """Polling ends soon after the last one has left, and a read that blocks only when it is over."""
    stream, jobs = Stream(), Jobs()
    ends = Ends(5.0, cast(Channel, stream), "key", 0.01, tasks)
    await ends.wait([A], 0.001, jobs.look)
    await until(lambda: not any("Ends._poll" in repr(task) for task in asyncio.all_tasks()))
    assert any("Ends._read" in repr(task) for task in asyncio.all_tasks())
    waiting = asyncio.ensure_future(ends.wait([B], 3600.0, jobs.look))
    await until(lambda: jobs.looks[-1] == [B])
    jobs.left.remove(B)
    async with asyncio.timeout(PATIENCE):
        assert await waiting == [None]


async def test_a_stream_is_read_on_from_its_newest_entry_or_from_its_beginning(tasks: TaskSet) -> None:
    for newest, place in (([(b"7-1", ())], b"7-1"), ([], b"0-0")):
        stream, jobs = Stream(), Jobs()
        stream.newest = newest
        waiting = asyncio.ensure_future(ends_of(stream, tasks).wait([A], PATIENCE, jobs.look))
        await until(lambda read=stream.read: len(read) == 2)
        assert stream.read[1][-1] == place
        jobs.left.clear()
        stream.news.put_nowait([A])
        await waiting


@pytest.mark.parametrize(
    "error",
    [ConfigurationError("no right to read"), StoreUnavailable("away", outcome="not_done")],
    ids=["right", "away"],
)
async def test_a_stream_that_cannot_be_read_keeps_nobody_from_looking(tasks: TaskSet, error: Exception) -> None:
    stream, jobs = Stream(), Jobs()
    stream.refuses = error
    jobs.left.clear()
    async with asyncio.timeout(PATIENCE):
        assert await ends_of(stream, tasks).wait([A], 3600.0, jobs.look) == [None]


async def test_nothing_is_read_when_nobody_waits(tasks: TaskSet) -> None:
    stream, jobs = Stream(), Jobs()
    ends = ends_of(stream, tasks)
    waiting = asyncio.ensure_future(ends.wait([A], PATIENCE, jobs.look))
    await until(lambda: len(stream.read) == 2)
    jobs.left.clear()
    stream.news.put_nowait([A])
    assert await waiting == [None]
    await until(lambda: len(stream.read) == 3)  # it had begun before that
    stream.news.put_nowait([B])
    await until(stream.news.empty)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(stream.read) == 3


async def test_the_error_of_a_look_is_everybodys_who_has_asked_for_it(tasks: TaskSet) -> None:
    stream, jobs = Stream(), Jobs()
    jobs.fails_with = ConfigurationError("no right to look")
    ends = ends_of(stream, tasks)
    waiting = [ends.wait([job_id], 0, jobs.look) for job_id in (A, B)]
    async with asyncio.timeout(PATIENCE):
        found = await asyncio.gather(*waiting, return_exceptions=True)
    assert found == [jobs.fails_with] * 2
    jobs.fails_with = None
    assert len(await ends.wait([A], 0, jobs.look)) == 1


async def test_a_look_that_is_under_way_when_the_driver_is_closed(tasks: TaskSet) -> None:
    stream, jobs = Stream(), Jobs()
    jobs.fails_with = asyncio.CancelledError()
    ends = ends_of(stream, tasks)
    with pytest.raises(StoreUnavailable, match="the driver was closed") as raised:
        async with asyncio.timeout(PATIENCE):
            await ends.wait([A], 0, jobs.look)
    assert raised.value.outcome == "not_done"


async def test_closing_lets_look_who_waits_for_a_place_in_the_stream(tasks: TaskSet) -> None:
    stream, jobs = Stream(), Jobs()
    stream.stalls = True
    jobs.left.clear()
    ends = ends_of(stream, tasks)
    waiting = asyncio.ensure_future(ends.wait([A], 3600.0, jobs.look))
    await until(lambda: len(stream.read) == 1)
    assert jobs.looks == []
    ends.close()
    async with asyncio.timeout(PATIENCE):
        assert await waiting == [None]
