"""Plots over time of what workers did."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from jobsvalkey import JobName, JobQueue, ProcessorOptions
from jobsvalkey.contract import Activity, Capability, DriverConfiguration
from jobsvalkey.dashboard import dashboard
from jobsvalkey.dashboard.activity import SPANS, doings
from jobsvalkey.runtime import JobContext, JobFail, NoRetry
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from tests.unit.dashboard.conftest import Open

NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NUMBER = JobName("N", int)


def counted(minute: datetime, started: int = 0, waited: float = 0, **counts: int) -> Activity:
    none = dict.fromkeys(("completed", "failed", "retried", "cancelled"), 0)
    return Activity(minute=minute, started=started, waited=timedelta(seconds=waited), **(none | counts))


@asynccontextmanager
async def looked_at(queue: JobQueue[Any]) -> AsyncGenerator[httpx.AsyncClient]:
    transport: Any = httpx.ASGITransport(dashboard({"q": queue}), client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        yield http


@pytest.mark.parametrize("hours", SPANS)
def test_steps_have_no_gaps_and_end_now(hours: int) -> None:
    now = NOON + timedelta(minutes=47, seconds=11)
    done = doings([counted(NOON + 47 * MINUTE, completed=3)], now, hours)
    step = timedelta(minutes=SPANS[hours])
    starts = [each.minute for each in done.steps]
    assert {later - earlier for earlier, later in pairwise(starts)} == {step}
    assert starts[-1] <= now < starts[-1] + step
    assert len(starts) * step == timedelta(hours=hours)
    assert done.steps[-1].completed == 3


def test_minutes_of_a_step_are_summed() -> None:
    minutes = [
        counted(NOON + 5 * MINUTE, started=2, waited=3, completed=1, failed=1),
        counted(NOON + 9 * MINUTE, started=1, waited=6, completed=4, retried=2, cancelled=1),
        counted(NOON + 10 * MINUTE, completed=9),
    ]
    done = doings(minutes, NOON + 12 * MINUTE, 6)
    expected = counted(NOON + 5 * MINUTE, started=3, waited=9, completed=5, failed=1, retried=2, cancelled=1)
    assert done.steps[-2:] == [expected, minutes[-1]]
    completed, failed, waits = done.plots
    assert completed.text == "14, up to 9 in 5 minutes"
    assert failed.text == "1, up to 1 in 5 minutes"
    assert waits.text == "up to 3.00 s"


def test_the_highest_bar_fills_the_plot_and_the_lowest_is_seen() -> None:
    done = doings([counted(NOON, completed=1), counted(NOON + MINUTE, completed=10_000)], NOON + MINUTE, 1)
    completed, failed, waits = done.plots
    assert [(bar.x, bar.y, bar.height) for bar in completed.bars] == [(58, 98.0, 2.0), (59, 0.0, 100.0)]
    assert failed.bars == waits.bars == []
    assert failed.text == "0, up to 0 a minute"


async def test_bars_say_their_whole_number() -> None:
    class Busy(MemoryJobQueue[Any]):
        async def activity(self, since: datetime | None = None) -> list[Activity]:
            return [counted(self.now().replace(second=0, microsecond=0), completed=1_234_567)]

    async with looked_at(JobQueue(Busy(DriverConfiguration(activity=True)))) as http:
        page = (await http.get("/queue/q/activity")).text
    assert ": 1234567</title>" in page


def test_a_store_whose_clock_is_ahead_is_shown() -> None:
    ahead = counted(NOON + 2 * MINUTE, failed=1)
    assert doings([ahead], NOON, 1).steps[-1] == ahead


def test_minutes_before_the_first_step_are_left_out() -> None:
    done = doings([counted(NOON - timedelta(hours=1), failed=1), counted(NOON, failed=1)], NOON, 1)
    assert sum(each.failed for each in done.steps) == 1


async def test_the_page_shows_what_was_done() -> None:
    clock = ManualClock(NOON)
    queue = JobQueue(MemoryJobQueue(DriverConfiguration(activity=True), clock=clock))

    async def fail_at_odd_ones(number: int, _context: JobContext) -> None:
        if number % 2:
            raise JobFail("odd")

    queue.register_job(NUMBER, fail_at_odd_ones, retry_strategy=NoRetry())
    for number in (2, 3, 4):
        await queue.push(NUMBER, number)
        clock.advance(MINUTE)
        await queue.processor(ProcessorOptions(burst=True)).run()
    async with looked_at(queue) as http:
        page = (await http.get("/queue/q/activity")).text
        overview = (await http.get("/")).text
        day = (await http.get("/queue/q/activity?hours=24")).text
    for shown in (page, overview):
        assert 'aria-label="Completed, over time: 2, up to 1 a minute"' in shown
        assert 'aria-label="Failed, over time: 1, up to 1 a minute"' in shown
        assert 'aria-label="Mean wait, over time: up to 60.00 s"' in shown
        assert len(re.findall('<rect class="completed"[^>]*height="100', shown)) == 2
        assert "<span>11:04</span><span>12:03 UTC</span>" in shown
    rows = re.findall(r'<th scope="row">([^<]*)</th>', page)
    assert rows == ["2025-01-01 12:03", "2025-01-01 12:02", "2025-01-01 12:01"]
    assert page.count('data-label="Mean wait">1 min<') == 3
    assert 'aria-label="Completed, over time: 2, up to 2 in 15 minutes"' in day
    assert 'href="?hours=24" aria-current="page">last 24 hours<' in day


async def test_the_overview_tells_of_the_day_as_well() -> None:
    class Busy(MemoryJobQueue[Any]):
        async def activity(self, since: datetime | None = None) -> list[Activity]:
            this = self.now().replace(second=0, microsecond=0)
            before = counted(this - timedelta(hours=2), started=1200, waited=240, completed=1100, failed=100)
            return [before, counted(this, started=800, waited=600, completed=790, failed=10)]

    async with looked_at(JobQueue(Busy(DriverConfiguration(activity=True)))) as http:
        overview = (await http.get("/")).text
    assert 'aria-label="Completed, over time: 790, up to 790 a minute"' in overview
    assert "Last 24 hours: 1,890 completed, 110 failed, mean wait 420 ms<" in overview


async def test_without_activity_the_page_says_how_to_have_it(browser: Open, queue_key: str) -> None:
    async with browser() as http:
        page = await http.get(f"/queue/{queue_key}/activity")
        overview = (await http.get("/")).text
    assert "ValkeyConfiguration(activity=True)" in page.text
    assert "<figure" not in page.text + overview
    assert f'href="/queue/{queue_key}/activity"' in overview


async def test_a_driver_that_does_not_count_has_no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    able = MemoryJobQueue.capabilities - {Capability.ACTIVITY}
    monkeypatch.setattr(MemoryJobQueue, "capabilities", able)
    async with looked_at(JobQueue(MemoryJobQueue())) as http:
        assert (await http.get("/")).status_code == 200
        assert "ValkeyConfiguration(activity=True)" in (await http.get("/queue/q/activity")).text


@pytest.mark.parametrize("hours", ["", "0", "2", "-1", "x", "1e0", "<i>"])
async def test_other_spans_are_refused(browser: Open, queue_key: str, hours: str) -> None:
    async with browser() as http:
        page = await http.get(f"/queue/{queue_key}/activity", params={"hours": hours})
    assert page.status_code == 400
    assert "1, 6, 24" in page.text
