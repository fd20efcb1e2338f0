"""The page of the workers, and what the page of a job tells of its runs, its place and those that it waits for."""

import re
import uuid
from datetime import timedelta
from typing import Any

import httpx

from jobsvalkey import JobID, JobName, JobOptions, JobQueue, JobStatus, ProcessorOptions, Unique, ValkeyJobQueue
from jobsvalkey.contract import NewJob, StoreOutcome
from jobsvalkey.dashboard import dashboard
from jobsvalkey.runtime import JobContext
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from tests.support.waiting import until
from tests.unit.dashboard.conftest import FAILING, TEXT, Open

Queue = JobQueue[ValkeyJobQueue]
BURST = ProcessorOptions(burst=True)
HOSTILE = "<img src=x onerror=alert(1)>"
ITEM = re.compile(r"<[^>]*>|\b(pending|waiting)\b")
ESCAPED = "&lt;img src=x onerror=alert(1)&gt;"


async def push(queue: JobQueue[Any], *names: str, **options: Any) -> list[JobID]:
    """Push jobs with fields that a driver takes."""
    items = [
        NewJob(JobID.parse(uuid.uuid4()), b'{"%b":{"p":1,"q":1,"a":1}}' % name.encode(), None, **options)
        for name in names
    ]
    pushed = await queue.driver.push(items)
    assert {each.outcome for each in pushed} == {StoreOutcome.STORED}
    return [item.job_id for item in items]


async def test_without_workers_the_page_says_so(browser: Open, queue_key: str) -> None:
    async with browser() as http:
        assert "No worker serves this queue." in (await http.get(f"/queue/{queue_key}/workers")).text


async def test_workers_are_listed_whatever_they_say_of_themselves(browser: Open, queue: Queue, queue_key: str) -> None:
    about = b'{"host":"%b","process":4711,"version":"<i>","slots":1200}' % HOSTILE.encode()
    await queue.driver.open_worker(HOSTILE, timedelta(minutes=1), about=about)
    await queue.driver.open_worker("a stranger", timedelta(minutes=1), about=b"\xff<i>")
    await queue.push_many([TEXT.with_parameters("x")] * 3)
    await queue.driver.exchange(HOSTILE, 1, limit=3)
    async with browser() as http:
        page = (await http.get(f"/queue/{queue_key}/workers")).text
        assert f'href="/queue/{queue_key}/workers"' in (await http.get("/")).text
    assert page.count(ESCAPED) == 2  # its host, its id
    for raw in (HOSTILE, "<i>"):
        assert raw not in page
    for cell in ('"Process">4711<', '"Slots">1,200<', '"Jobs">3<', '"Jobs">0<', "(unknown)", "a stranger"):
        assert cell in page
    assert "dead" not in page


async def test_a_dead_worker_is_marked() -> None:
    clock = ManualClock()
    queue = JobQueue(MemoryJobQueue(clock=clock))
    await queue.driver.open_worker("w", timedelta(minutes=1))
    await push(queue, "A")
    await queue.driver.exchange("w", 1, limit=1)
    clock.advance(timedelta(minutes=2))
    transport: Any = httpx.ASGITransport(dashboard(queue), client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        page = (await http.get("/queue/jobQueue/workers")).text
    assert '1 min ago</time> <span class="badge failed">dead</span>' in page


async def test_a_job_shows_its_runs(browser: Open, queue: Queue, queue_key: str) -> None:
    job_id = await queue.push(FAILING, {})
    for _ in range(3):
        await queue.processor(BURST).run()
        await queue.rerun(job_id)
    async with browser() as http:
        page = (await http.get(f"/queue/{queue_key}/job/{job_id}")).text
        runs = (await http.get(f"/queue/{queue_key}/job/{job_id}.json")).json()["runs"]
    assert page.count('data-label="Error"><bdi>jobsvalkey.runtime.job.JobFail: &lt;/pre&gt;&lt;img') == 3
    assert "<img" not in page
    assert [run["error"] for run in runs] == ["jobsvalkey.runtime.job.JobFail: </pre><img src=x onerror=alert(1)>"] * 3
    assert all(run["worker"] in page for run in runs)


async def test_a_job_shows_its_place(browser: Open, queue: Queue, queue_key: str) -> None:
    unique = Unique(HOSTILE, until=timedelta(seconds=90))
    job_id = await queue.push(TEXT, "x", options=JobOptions(unique=unique, expires_in=timedelta(hours=1)))
    (in_lane,) = await push(queue, "L", lane=HOSTILE, priority=-7)
    async with browser() as http:
        page = (await http.get(f"/queue/{queue_key}/job/{job_id}")).text
        other = (await http.get(f"/queue/{queue_key}/job/{in_lane}")).text
        raw = (await http.get(f"/queue/{queue_key}/job/{job_id}.json")).json()
        assert (await http.get(f"/queue/{queue_key}/job/{in_lane}.json")).json()["lane"] == HOSTILE
    assert f"<dt>unique name</dt><dd><bdi>{ESCAPED}</bdi>" in page
    assert "<dt>expires</dt>" in page
    assert raw["unique"] == {"key": HOSTILE, "until": 90.0, "otherwise": "skip"}
    assert f"<dt>lane</dt><dd><bdi>{ESCAPED}</bdi>" in other
    assert "<dt>priority</dt><dd>-7</dd>" in other
    assert HOSTILE not in page + other


async def test_a_running_job_shows_its_progress(browser: Open, queue: Queue, queue_key: str) -> None:
    name, pages = JobName("Watch", str), dict[str, str]()

    async def has_progress() -> bool:
        (job,) = [job async for job in queue.jobs(JobStatus.PROCESSING)]
        return job.progress is not None

    async def watch(parameters: str, context: JobContext) -> None:
        context.progress(2, 5, text=HOSTILE)
        await until(has_progress)
        async with browser() as http:
            for kind in ("", ".json"):
                pages[kind] = (await http.get(f"/queue/{queue_key}/job/{context.job_id}{kind}")).text

    queue.register_job(name, watch)
    await queue.push(name, "x")
    await queue.processor(BURST).run()
    assert f"2/5 {ESCAPED}" in pages[""]
    assert '"done":2' in pages[".json"]


async def test_a_job_shows_those_that_it_waits_for(browser: Open, queue: Queue, queue_key: str) -> None:
    first = await push(queue, *(f"P{number}" for number in range(60)))
    parents = [
        *await push(queue, HOSTILE, after=tuple(first[:2])),
        *await push(queue, "Q", after=(first[0],)),
        *first[3:],
    ]
    (child,) = await push(queue, "C", after=tuple(parents), if_failed="run")
    await queue.remove(first[1])
    async with browser() as http:
        page = (await http.get(f"/queue/{queue_key}/job/{child}")).text
        waiting = (await http.get(f"/queue/{queue_key}/jobs/waiting")).text
        assert (await http.get(f"/queue/{queue_key}/job/{first[0]}")).text.count("Runs after") == 0
        raw = (await http.get(f"/queue/{queue_key}/job/{child}.json")).json()
    assert (raw["id"], raw["after"][0], raw["if_failed"]) == (str(child), str(parents[0]), "run")
    assert str(child) in waiting
    tree = page.partition('<ul class="tree"')[2].partition("</ul>")[0]
    assert [ITEM.sub(" ", line).split() for line in tree.splitlines() if line.startswith("<li>")][:6] == [
        ["this", "job"],
        ["├─", *ESCAPED.split()],
        ["│", "├─", "P0"],
        ["│", "└─", str(first[1]), "(removed)"],
        ["├─", "Q"],
        ["│", "└─", "P0", "(as", "above)"],
    ]
    assert (tree.count("(as above)"), tree.count("(removed)"), tree.count("(gone)")) == (1, 1, 0)
    assert f'href="/queue/{queue_key}/job/{parents[0]}"' in page
    assert "There are more" not in page
    assert "this job runs all the same" in page


async def test_of_a_large_flow_the_closest_are_shown(browser: Open, queue: Queue, queue_key: str) -> None:
    below = await push(queue, *(f"P{number}" for number in range(150)))
    (parent,) = await push(queue, "Q", after=tuple(below))
    (child,) = await push(queue, "C", after=(parent,))
    async with browser() as http:
        page = (await http.get(f"/queue/{queue_key}/job/{child}")).text
    assert (page.count('badge pending">pending'), page.count('badge waiting">waiting')) == (98, 3)
    assert "There are more, which are not shown here." in page


async def test_a_member_of_a_batch_and_its_callback_show_it(browser: Open, queue: Queue, queue_key: str) -> None:
    callback = JobID.parse(uuid.uuid4())
    await queue.driver.push([NewJob(callback, b'{"Callback":{}}', None, batch=callback)])
    members = await push(queue, "A", "B", batch=callback)
    await queue.cancel(members[0])
    async with browser() as http:
        page = (await http.get(f"/queue/{queue_key}/job/{callback}")).text
        member = (await http.get(f"/queue/{queue_key}/job/{members[1]}")).text
    assert "0 completed, 0 failed, 1 cancelled" in page
    assert "in the batch of" not in page
    assert f'<dt>in the batch of</dt><dd><a href="/queue/{queue_key}/job/{callback}">' in member


async def test_a_job_shows_how_those_ended_that_are_gone(browser: Open, queue: Queue, queue_key: str) -> None:
    parent = await queue.push(TEXT, "x")
    child = await queue.push(TEXT, "y", options=JobOptions(after=[parent]))
    await queue.processor(BURST).run()
    await queue.remove(parent)
    async with browser() as http:
        page = (await http.get(f"/queue/{queue_key}/job/{child}")).text
        raw = (await http.get(f"/queue/{queue_key}/job/{child}.json")).json()
    assert f'>{parent}</a> <span class="badge completed">completed</span> (gone)' in " ".join(page.split())
    assert "this job is cancelled" in page
    assert raw["ended_parents"] == {str(parent): "completed"}
