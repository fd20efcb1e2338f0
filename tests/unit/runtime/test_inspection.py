"""Pages of jobs, by name and by text; the load of a queue."""

import time
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import JobName, JobOptions, JobQueue, JobStatus, Load, RecordPage
from jobsvalkey.contract import JobPage
from jobsvalkey.runtime import inspection
from jobsvalkey_memory import MemoryJobQueue
from tests.support.drivers import record_of
from tests.support.work import Work
from tests.unit.runtime.support import Queue, make_queue

TEXT = JobName("Print String", str)


@pytest.fixture
def queue() -> Queue:
    return make_queue()


async def numbers(queue: Queue, **filters: str) -> list[str | None]:
    """The parameters of all pages that follow each other."""
    found = list[str | None]()
    page = await queue.page(JobStatus.PENDING, limit=3, **filters)
    while True:
        found += [record.parameters for record in page.records]
        if page.cursor is None:
            return found
        page = await queue.page(JobStatus.PENDING, cursor=page.cursor, limit=3, **filters)


async def test_pages_follow_each_other(queue: Queue) -> None:
    ids = await queue.push_many([Work(number) for number in range(8)])
    first = await queue.page(JobStatus.PENDING, limit=3)
    assert first.records == [await record_of(queue, job_id) for job_id in ids[:3]]
    assert first.looked_at == 3
    assert await numbers(queue) == [f'{{"number":{number}}}' for number in range(8)]


async def test_a_page_of_one_name(queue: Queue) -> None:
    for number in range(8):
        await queue.push(Work(number))
        await queue.push(TEXT, f"text {number}")
    assert await numbers(queue, name="Print String") == [f'"text {number}"' for number in range(8)]
    assert await numbers(queue, name="Print") == []


async def test_a_page_of_one_text_in_upper_or_lower_case(queue: Queue) -> None:
    for text in ("Ada", "Grace", "ADAM", "Straße", "Alan"):
        await queue.push(TEXT, text)
    assert await numbers(queue, contains="ada") == ['"Ada"', '"ADAM"']
    assert await numbers(queue, contains="STRASSE") == ['"Straße"']
    assert await numbers(queue, contains="ada", name="Work") == []


async def test_a_page_of_one_lane(queue: Queue) -> None:
    for number in range(8):
        await queue.push(Work(number), options=JobOptions(lane="ada" if number % 2 else "grace"))
        await queue.push(Work(100 + number))
    assert await numbers(queue, lane="ada") == [f'{{"number":{number}}}' for number in (1, 3, 5, 7)]
    assert await numbers(queue, lane="ad") == []


class Slow(MemoryJobQueue[Any]):
    """Each page takes its time, as on a server that is busy, or of jobs that are large."""

    asked = 0

    async def page(self, status: JobStatus, cursor: str | None = None, *, limit: int = 50) -> JobPage:
        self.asked += 1
        until = time.monotonic() + 0.06
        while time.monotonic() < until:
            pass
        return await super().page(status, cursor, limit=limit)


async def test_a_page_of_some_does_not_look_for_long() -> None:
    queue = JobQueue(Slow())
    await queue.push_many([*(Work(number) for number in range(150)), TEXT.with_parameters("last")])
    first = await queue.page(JobStatus.PENDING, name="Print String")
    assert queue.driver.asked <= 2
    assert (first.records, first.looked_at) == ([], 16 * queue.driver.asked)
    found, cursor, pages = first.records, first.cursor, 1
    while cursor is not None:
        page = await queue.page(JobStatus.PENDING, name="Print String", cursor=cursor)
        found, cursor, pages = found + page.records, page.cursor, pages + 1
    assert ([record.parameters for record in found], pages >= 2) == (['"last"'], True)


async def test_a_page_of_some_looks_at_a_thousand_jobs_at_most(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "_LOOKS_FOR", 300)
    await queue.push_many([Work(number) for number in range(2500)], atomic=False)
    last = await queue.push(TEXT, "last")
    first = await queue.page(JobStatus.PENDING, name="Print String")
    assert (first.records, first.looked_at) == ([], 1000)
    second = await queue.page(JobStatus.PENDING, name="Print String", cursor=first.cursor)
    assert (second.records, second.looked_at) == ([], 1000)
    third = await queue.page(JobStatus.PENDING, name="Print String", cursor=second.cursor)
    assert third == RecordPage([await record_of(queue, last)], None, 501)


async def test_a_page_that_is_full_with_the_last_job_is_the_last(queue: Queue) -> None:
    await queue.push_many([Work(number) for number in range(4)])
    assert (await queue.page(JobStatus.PENDING, limit=4)).cursor is None
    assert (await queue.page(JobStatus.PENDING, limit=4, name="Work")).cursor is None
    assert (await queue.page(JobStatus.PENDING, limit=3, name="Work")).cursor is not None


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_a_page_has_from_one_to_a_thousand_jobs(queue: Queue, limit: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 1,000"):
        await queue.page(JobStatus.PENDING, limit=limit)


async def test_the_load_of_a_queue(queue: Queue) -> None:
    await queue.push(Work(1))
    await queue.push(Work(2), options=JobOptions(delay=timedelta(hours=1)))
    queue.driver.clock.advance(timedelta(seconds=5))
    expected = Load(due=1, delayed=1, processing=0, oldest_due=timedelta(seconds=5), workers=0, is_paused=False)
    assert await queue.load() == expected
