"""Whatever somebody has put into a queue, or a browser sends: the pages are there, and say what it is."""

from typing import Any

import httpx
import pytest

from jobsvalkey import JobName, JobQueue
from jobsvalkey.contract import NewJob, new_job_id
from jobsvalkey.dashboard import Authentication, dashboard
from jobsvalkey_memory import MemoryJobQueue
from tests.unit.dashboard.conftest import BROWSER
from tests.unit.dashboard.forms import post

PARAMETERS = {
    "half of a character": rb'"\ud800"',
    "more than a float": b"1e999",
    "not a number": b"NaN",
    "not UTF-8": b'"\xff\xfe"',
    "nested": b"[" * 900 + b"]" * 900,
    "nested without end": b"[" * 100_000,
    "many digits": b"9" * 10_000,
    "large": b'"' + b"<" * 1_000_000 + b'"',
}
REQUESTS = {name: b'{"N":{"p":%s,"q":786468273.1,"a":1}}' % value for name, value in PARAMETERS.items()} | {
    "a name that is half of a character": rb'{"\ud800":{"p":1,"q":786468273.1,"a":1}}',
    "a name that is not UTF-8": b'{"\xff":{"p":1,"q":786468273.1,"a":1}}',
    "a time out of range": b'{"N":{"p":1,"q":1e300,"a":1}}',
    "a time in the year 1": b'{"N":{"p":1,"q":-63e9,"a":1}}',
    "an attempt out of range": b'{"N":{"p":1,"q":786468273.1,"a":99999999999999999999}}',
    "nothing": b"",
    "no job": b"[1]",
}


def client(queue: JobQueue[Any], auth: Authentication | None = None) -> httpx.AsyncClient:
    transport: Any = httpx.ASGITransport(dashboard(queue, auth=auth), client=BROWSER)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", auth=("ada", "secret"))


@pytest.mark.parametrize("kind", REQUESTS)
async def test_a_job_of_anybody_hides_no_other(kind: str) -> None:
    queue = JobQueue(MemoryJobQueue())
    good = await queue.push(JobName("Good", str), "x")
    bad = new_job_id()
    await queue.driver.push([NewJob(bad, REQUESTS[kind])])
    async with client(queue) as http:
        for path in ("jobs/pending", "jobs/pending?contains=x&name=Good", f"job/{bad}", f"job/{bad}.json"):
            page = await http.get(f"/queue/jobQueue/{path}")
            assert page.status_code == 200
            if "/pending" in path:
                assert str(good) in page.text
            if ".json" in path:
                assert page.json()["id"] == str(bad)


@pytest.mark.parametrize("auth", [None, Authentication(operators={"ada": "secret"})], ids=["local", "users"])
@pytest.mark.parametrize(
    "header", ["host", "origin", "authorization", "cookie", "sec-fetch-site", "x-jobsvalkey-token"]
)
async def test_headers_of_anybody_are_answered(auth: Authentication | None, header: str) -> None:
    queue = JobQueue(MemoryJobQueue())
    async with client(queue, auth) as http:
        await http.get("/")
        for value in (b"[", b"http://[::1", b"\xff\xfe", b"a b", b"localhost:x", b"", b"null"):
            headers: Any = {header: value}
            looked = await http.get("/", headers=headers)
            assert looked.status_code in (200, 400, 401, 403)
            sent: Any = {header.replace("-", "_"): value}
            assert (await post(http, "/queue/jobQueue/pause", **sent)).status_code in (303, 400, 401, 403)
    if header in ("origin", "sec-fetch-site"):
        assert not await queue.is_queue_paused()


@pytest.mark.parametrize(
    "path",
    [
        "%ED%A0%80",
        "queue/%FF/jobs/failed",
        "queue/jobQueue/jobs/failed?name=%ED%A0%80&contains=%00",
        "static/%2e%2e/site.py",
    ],
)
async def test_paths_of_anybody_are_answered(path: str) -> None:
    async with client(JobQueue(MemoryJobQueue())) as http:
        assert (await http.get(f"/{path}")).status_code in (200, 404)
