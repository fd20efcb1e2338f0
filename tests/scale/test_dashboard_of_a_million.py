"""Each page of the dashboard is there at once, however many jobs there are."""

import html
import logging
import statistics
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import psutil
import pytest

from jobsvalkey import (
    JobContext,
    JobFail,
    JobName,
    JobOptions,
    JobQueue,
    JobStatus,
    LaneLimit,
    NoRetry,
    ProcessorOptions,
    Push,
    ValkeyConfiguration,
)
from jobsvalkey.valkey import ValkeyJobQueue
from tests.conftest import StartServer
from tests.scale.support import opened
from tests.support.dashboards import served
from tests.support.processors import run_in_background
from tests.support.retention import KEEP_ALL
from tests.support.servers import Server
from tests.support.waiting import until

_LOGGER = logging.getLogger(__name__)
REPORT = JobName("Report", dict[str, str])
MILLISECONDS = 200


async def fill(queue: JobQueue[ValkeyJobQueue], number: int) -> None:
    """Push jobs, a tenth of them in a thousand lanes, and run some of them, of which each tenth fails."""

    @queue.job(REPORT, retry_strategy=NoRetry())
    async def report(parameters: dict[str, str], context: JobContext) -> None:
        if parameters["number"].endswith("7"):
            raise JobFail("a seven")

    for start in range(0, number, 10_000):
        numbers = range(start, min(start + 10_000, number))
        jobs = [REPORT.with_parameters({"number": str(each), "to": f"user{each}@example.com"}) for each in numbers]
        lanes = [None if each % 10 else f"customer:{each // 10 % 1000}" for each in numbers]
        options = [JobOptions(lane=lane) for lane in lanes]
        await queue.push_many(list(map(Push, jobs, options)), atomic=False)
    await queue.set_lane_limit("customer:*", LaneLimit(concurrency=2, rate=(100, timedelta(minutes=1))))

    async def has_failures() -> bool:
        return (await queue.counts())[JobStatus.FAILED] >= number / 500

    async with run_in_background(queue.processor(ProcessorOptions(num_workers=50))):
        await until(has_failures, within=300)
    await queue.driver.open_worker("worker", timedelta(minutes=30))
    await queue.driver.exchange("worker", 1, limit=100)


def worked() -> float:
    """The milliseconds that the dashboard and the server have had on a processor: all that this process has started."""
    processes = [process.pid for process in psutil.Process().children(recursive=True)]
    threads = [thread for process in processes for thread in Path(f"/proc/{process}/task").glob("*/schedstat")]
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e6


@dataclass(frozen=True)
class Looks:
    """Milliseconds that looks at a page took, in order."""

    by_clock: list[float] = field(default_factory=list[float])
    worked: list[float] = field(default_factory=list[float])


async def check(server: Server, number: int, looks: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, Looks]:
    """Look at all pages so many times, and return what each took."""
    monkeypatch.setattr(logging.getLogger("jobsvalkey.worker"), "disabled", True)  # thousands fail
    async with opened(server, KEEP_ALL) as (client, _):
        async with ValkeyJobQueue(client, ValkeyConfiguration(retention_policy=KEEP_ALL, activity=True)) as driver:
            queue = JobQueue(driver)
            await fill(queue, number)
            failed = await anext(queue.jobs(JobStatus.FAILED))
        async with served("--url", server.url) as address, httpx.AsyncClient(timeout=60) as http:
            of_queue = f"{address}queue/jobQueue/"
            first = (await http.get(f"{of_queue}jobs/pending")).text
            following = html.unescape(first.partition('rel="next" href="')[2].partition('"')[0])
            paths = [
                *(f"jobs/{status}" for status in JobStatus),
                f"jobs/pending{following}",
                *("jobs/pending?name=nothing", "jobs/pending?contains=nothing", "jobs/failed?contains=nothing"),
                *("jobs/pending?lane=nothing", "jobs/pending?lane=customer:7", "lanes"),
                *(f"job/{failed.id}", f"job/{failed.id}.json", "workers", "activity", "activity?hours=24"),
            ]
            took = dict[str, Looks]()
            for page in (address, *(f"{of_queue}{path}" for path in paths)):
                times = took[page.removeprefix(of_queue)] = Looks()
                for _ in range(looks):
                    before, began = worked(), time.perf_counter()
                    answer = await http.get(page)
                    times.by_clock.append((time.perf_counter() - began) * 1e3)
                    times.worked.append(worked() - before)
                    assert answer.status_code == 200
    for page, times in took.items():
        for what, each in (("worked", times.worked), ("by the clock", times.by_clock)):
            _LOGGER.info("%s: %s, median %.1f ms, longest %.1f ms", page, what, statistics.median(each), max(each))
    return took


async def test_pages_of_many_jobs(start_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(await check(start_server(), 1_000, 1, monkeypatch)) == 20


@pytest.mark.night
@pytest.mark.timeout(900)
async def test_each_page_of_a_million_jobs_is_there_at_once(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    took = await check(start_server(), 1_000_000, 21, monkeypatch)
    assert [page for page, times in took.items() if max(times.worked) > MILLISECONDS] == []
    # By the clock the quickest look of each: the others have waited for what else the machine does.
    assert [page for page, times in took.items() if min(times.by_clock) > MILLISECONDS] == []
