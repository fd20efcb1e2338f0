"""The pages of the dashboard: they show jobs as they are, whatever is in them."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from jobsvalkey import (
    ConfigurationError,
    JobName,
    JobOptions,
    JobQueue,
    JobRecord,
    JobService,
    JobStatus,
    ProcessorOptions,
    Schedule,
    ValkeyConfiguration,
    ValkeyJobQueue,
)
from jobsvalkey.contract import DriverConfiguration, new_job_id
from jobsvalkey.dashboard import dashboard
from jobsvalkey.dashboard.formats import ago, duration
from jobsvalkey_memory import MemoryJobQueue
from tests.conftest import StartServer
from tests.unit.dashboard.conftest import FAILING, TEXT, Open
from tests.unit.dashboard.forms import post

Queue = JobQueue[ValkeyJobQueue]
BURST = ProcessorOptions(burst=True)
NUMBER = JobName("N", int)


async def test_the_overview_counts(browser: Open, queue: Queue) -> None:
    await queue.push_many([TEXT.with_parameters("x")] * 3)
    await queue.push(TEXT, "later", options=JobOptions(delay=timedelta(hours=1)))
    async with browser() as http:
        page = (await http.get("/")).text
    assert 'data-number="pending">4<' in page
    assert 'data-number="due">3<' in page
    assert 'data-number="delayed">1<' in page
    assert 'data-shown-if="is_paused" hidden>' in page


async def test_live_numbers_go_on_until_the_browser_leaves(queue: Queue, queue_key: str) -> None:
    await queue.push(TEXT, "x")
    app: Any = dashboard(queue)
    received: list[dict[str, Any]] = []
    leave = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await leave.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message.get("body"):
            received.append(json.loads(message["body"].decode().removeprefix("data: ")))
            leave.set()

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/live",
        "headers": [(b"host", b"localhost")],
        "query_string": b"",
    }
    async with asyncio.timeout(20):
        await app({**scope, "client": ("127.0.0.1", 1), "scheme": "http", "server": ("localhost", 80)}, receive, send)
    assert received[0][queue_key]["pending"] == 1


@pytest.mark.parametrize("status", list(JobStatus))
async def test_each_state_has_a_list(browser: Open, queue_key: str, status: JobStatus) -> None:
    async with browser() as http:
        page = await http.get(f"/queue/{queue_key}/jobs/{status}")
    assert page.status_code == 200
    assert "There are none." in page.text


async def test_a_failed_job_is_shown_with_its_traceback_and_runs_no_script(
    browser: Open, queue: Queue, queue_key: str
) -> None:
    job_id = await queue.push(FAILING, {"<b>": "</code><script>alert(2)</script>"})
    await queue.processor(BURST).run()
    async with browser() as http:
        listed = (await http.get(f"/queue/{queue_key}/jobs/failed")).text
        shown = (await http.get(f"/queue/{queue_key}/job/{job_id}")).text
        raw = (await http.get(f"/queue/{queue_key}/job/{job_id}.json")).json()
    for page in (listed, shown):
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "&lt;script&gt;alert(2)" in page
    assert "Traceback (most recent call last)" in shown
    assert (raw["name"], raw["status"]) == (FAILING.name, "failed")
    assert raw["parameters"] == {"<b>": "</code><script>alert(2)</script>"}
    assert raw["error"]["message"] == "</pre><img src=x onerror=alert(1)>"


async def test_pages_follow_each_other(browser: Open, queue: Queue, queue_key: str) -> None:
    ids = await queue.push_many([TEXT.with_parameters(f"number {number}") for number in range(120)])
    is_more, seen, path = "", list[str](), f"/queue/{queue_key}/jobs/pending"
    async with browser() as http:
        for _ in range(3):
            page = (await http.get(path)).text
            seen += [job_id for job_id in map(str, ids) if f"/job/{job_id}" in page]
            _, is_more, rest = page.partition('rel="next" href="')
            path = f"/queue/{queue_key}/jobs/pending" + rest.partition('"')[0].replace("&amp;", "&")
        assert not is_more
    assert seen == [str(job_id) for job_id in ids]


async def test_lists_are_filtered_by_name_and_by_text(browser: Open, queue: Queue, queue_key: str) -> None:
    await queue.push_many([TEXT.with_parameters("Ada"), TEXT.with_parameters("Grace"), NUMBER.with_parameters(1)])
    path = f"/queue/{queue_key}/jobs/pending"
    async with browser() as http:
        named = (await http.get(path, params={"name": TEXT.name})).text
        found = (await http.get(path, params={"name": TEXT.name, "contains": "ada"})).text
        none = (await http.get(path, params={"name": "<i>"})).text
    assert "Found 2 among 3 jobs looked at" in named
    assert "Found 1 among 3 jobs looked at" in found
    assert "There are none that match." in none
    assert "<i>" not in none


async def test_lists_are_filtered_by_lane(browser: Open, queue: Queue, queue_key: str) -> None:
    for lane in ("ada", "grace", "<i>"):
        await queue.push(TEXT, f"of {lane}", options=JobOptions(lane=lane))
    async with browser() as http:
        page = (await http.get(f"/queue/{queue_key}/jobs/pending", params={"lane": "<i>"})).text
        asked = await post(
            http, f"/queue/{queue_key}/confirm", {"status": "pending", "action": "cancel", "of": "all", "lane": "<i>"}
        )
    assert "Found 1 among 3 jobs looked at" in page
    assert ("of ada" in page, "of &lt;i&gt;" in page, "<i>" in page) == (False, True, False)
    assert "of the lane <b><bdi>&lt;i&gt;</bdi></b>" in asked.text
    assert "Cancel 1 job?" in asked.text


async def test_a_job_is_found_by_its_id(browser: Open, queue: Queue, queue_key: str) -> None:
    job_id = await queue.push(TEXT, "x")
    async with browser() as http:
        for text in (f" {job_id} ", str(job_id).lower()):
            found = await http.get(f"/queue/{queue_key}/jobs/failed", params={"job": text})
            assert (found.status_code, found.headers["location"]) == (303, f"/queue/{queue_key}/job/{job_id}")
        assert (await http.get(f"/queue/{queue_key}/jobs/failed", params={"job": "x"})).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/queue/other/jobs/failed",
        "/queue/{}/jobs/burning",
        "/queue/{}/job/x",
        "/queue/{}/job/0195F3A0-5C1E-7D5A-9D8E-0A1B2C3D4E5F",
        "/queue/{}/schedules",
    ],
)
async def test_what_is_not_there_is_said_so(browser: Open, queue_key: str, path: str) -> None:
    async with browser() as http:
        page = await http.get(path.format(queue_key))
    assert page.status_code == 404
    assert "To the queues" in page.text


async def test_a_cursor_of_nobody_is_said_so(browser: Open, queue_key: str) -> None:
    async with browser() as http:
        page = await http.get(f"/queue/{queue_key}/jobs/pending", params={"cursor": "x"})
    assert page.status_code == 400


async def test_parameters_may_be_hidden(browser: Open, queue: Queue, queue_key: str) -> None:
    job_id = await queue.push(TEXT, "my password")
    async with browser(parameters="hide") as http:
        for path in ("jobs/pending", f"job/{job_id}", f"job/{job_id}.json", "jobs/pending?contains=password"):
            page = (await http.get(f"/queue/{queue_key}/{path}")).text
            assert "my password" not in page
            assert "(hidden)" in page  # a text is not looked for: the answer would tell


async def test_parameters_may_be_shown_in_part(browser: Open, queue: Queue, queue_key: str) -> None:
    def redacted(record: JobRecord) -> str:
        return (record.parameters or "").replace("password", "***")

    job_id = await queue.push(TEXT, "my password")
    async with browser(parameters=redacted) as http:
        page = (await http.get(f"/queue/{queue_key}/job/{job_id}")).text
    assert "my ***" in page
    assert "password" not in page


async def test_a_service_shows_its_schedules(queue: Queue, queue_key: str) -> None:
    service = JobService(queue.driver)
    service.register_job(TEXT, lambda parameters, context: None)
    service.add_scheduled_job(TEXT, "x", Schedule.daily(hour=4))
    transport: Any = httpx.ASGITransport(dashboard(service), client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        page = (await http.get(f"/queue/{queue_key}/schedules")).text
    assert TEXT.name in page
    assert "At 04:00" in page


@pytest.mark.parametrize("name", ["a b", "mail/new", "{tag}", "per cent %2F", "ü?#&", "<i>"])
async def test_queues_of_any_name_have_pages(name: str) -> None:
    queue = JobQueue(MemoryJobQueue(DriverConfiguration(queue_key="q")))
    job_id = await queue.push(TEXT, "x")
    transport: Any = httpx.ASGITransport(dashboard({name: queue}), client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        overview = (await http.get("/")).text
        path = overview.partition('<li><a href="')[2].partition('"')[0]
        assert path == f"/queue/{quote(name, safe='')}/jobs/pending"
        listed = await http.get(path)
        assert listed.status_code == 200
        assert (await http.get(f"/queue/{quote(name, safe='')}/job/{job_id}")).status_code == 200
        assert "<i>" not in listed.text


async def test_a_server_that_is_away_is_said_so(start_server: StartServer) -> None:
    from valkey.asyncio import Valkey

    server = start_server()
    configuration = ValkeyConfiguration(operation_timeout=timedelta(0))
    async with Valkey.from_url(server.url) as client, ValkeyJobQueue(client, configuration) as driver:
        transport: Any = httpx.ASGITransport(dashboard(JobQueue(driver)), client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            assert (await http.get("/")).status_code == 200
            server.kill()
            for path in ("/", "/queue/jobQueue/jobs/failed"):
                page = await http.get(path)
                assert page.status_code == 503
                assert 'http-equiv="refresh"' in page.text
            # A page that is the answer to a form cannot be loaded again.
            fields = {"status": "failed", "action": "rerun", "id": str(new_job_id())}
            page = await post(http, "/queue/jobQueue/act", fields)
            assert (page.status_code, "may have been done" in page.text) == (503, True)
            assert "refresh" not in page.text


@pytest.mark.parametrize("queues", [[], {}])
def test_a_dashboard_has_at_least_one_queue(queues: Any) -> None:
    with pytest.raises(ConfigurationError, match="at least one"):
        dashboard(queues)


def test_two_queues_of_one_key_have_names() -> None:
    one, other = (JobQueue(MemoryJobQueue()) for _ in range(2))
    with pytest.raises(ConfigurationError, match="name them"):
        dashboard([one, other])
    dashboard({"one": one, "other": other})


def test_parameters_are_shown_hidden_or_made_by_a_function() -> None:
    odd: Any = "some"
    with pytest.raises(ValueError, match="'some'"):
        dashboard(JobQueue(MemoryJobQueue()), parameters=odd)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.25, "250 ms"), (1, "1 s"), (61, "1 min 1 s"), (3600, "1 h"), (90061, "1 d 1 h"), (-5, "-5 s")],
)
def test_time_spans_are_short(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text


def test_moments_are_seen_from_now() -> None:
    now = datetime(2025, 1, 1, tzinfo=UTC)
    assert ago(now - timedelta(minutes=3), now) == "3 min ago"
    assert ago(now + timedelta(hours=2), now) == "in 2 h"
