"""Each page of the dashboard is there at once, however many jobs there are."""

import html
import logging
import statistics
import time
from datetime import timedelta

import httpx
import pytest

from jobsvalkey import JobContext, JobFail, JobName, JobQueue, JobStatus, NoRetry, ProcessorOptions, ValkeyConfiguration
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
    """Push jobs, and run some of them, of which each tenth fails."""

    @queue.job(REPORT, retry_strategy=NoRetry())
    async def report(parameters: dict[str, str], context: JobContext) -> None:
        if parameters["number"].endswith("7"):
            raise JobFail("a seven")

    for start in range(0, number, 10_000):
        numbers = range(start, min(start + 10_000, number))
        jobs = [REPORT.with_parameters({"number": str(each), "to": f"user{each}@example.com"}) for each in numbers]
        await queue.push_many(jobs, atomic=False)

    async def has_failures() -> bool:
        return (await queue.counts())[JobStatus.FAILED] >= number / 500

    async with run_in_background(queue.processor(ProcessorOptions(num_workers=50))):
        await until(has_failures, within=300)
    await queue.driver.open_worker("worker", timedelta(minutes=30))
    await queue.driver.exchange("worker", 1, limit=100)


async def check(server: Server, number: int, looks: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[float]]:
    """Look at all pages so many times, and return the milliseconds of each."""
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
                *(f"job/{failed.id}", f"job/{failed.id}.json", "workers", "activity", "activity?hours=24"),
            ]
            took = dict[str, list[float]]()
            for page in (address, *(f"{of_queue}{path}" for path in paths)):
                times = took[page.removeprefix(of_queue)] = []
                for _ in range(looks):
                    before = time.perf_counter()
                    answer = await http.get(page)
                    times.append((time.perf_counter() - before) * 1e3)
                    assert answer.status_code == 200
    for page, times in took.items():
        _LOGGER.info("%s: median %.1f ms, longest %.1f ms", page, statistics.median(times), max(times))
    return took


async def test_pages_of_many_jobs(start_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(await check(start_server(), 1_000, 1, monkeypatch)) == 17


@pytest.mark.night
@pytest.mark.timeout(900)
async def test_each_page_of_a_million_jobs_is_there_at_once(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    took = await check(start_server(), 1_000_000, 21, monkeypatch)
    # The quickest looks: the others have waited for what else the machine does.
    assert [page for page, times in took.items() if min(times) > MILLISECONDS] == []
