"""What operators do by the dashboard: asked first, then done to exactly the jobs that were meant, and logged."""

import logging
import re
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import JobName, JobOptions, JobQueue, JobStatus, ProcessorOptions, ValkeyJobQueue
from tests.unit.dashboard.conftest import FAILING, TEXT, Open
from tests.unit.dashboard.forms import post

Queue = JobQueue[ValkeyJobQueue]
BURST = ProcessorOptions(burst=True)


async def put(queue: Queue, status: JobStatus) -> str:
    """A job in a state that an operator finds it in."""
    if status is JobStatus.FAILED:
        job_id = await queue.push(FAILING, {})
        await queue.processor(BURST).run()
    elif status is JobStatus.COMPLETED:
        job_id = await queue.push(TEXT, "x")
        await queue.processor(BURST).run()
    else:
        job_id = await queue.push(TEXT, "x")
        if status is JobStatus.PAUSED:
            await queue.pause(job_id)
        if status is JobStatus.CANCELLED:
            await queue.cancel(job_id)
    assert await queue.status(job_id) is status
    return str(job_id)


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("cancel", JobStatus.PENDING, JobStatus.CANCELLED),
        ("pause", JobStatus.PENDING, JobStatus.PAUSED),
        ("remove", JobStatus.PENDING, None),
        ("resume", JobStatus.PAUSED, JobStatus.PENDING),
        ("cancel", JobStatus.PAUSED, JobStatus.CANCELLED),
        ("rerun", JobStatus.FAILED, JobStatus.PENDING),
        ("rerun", JobStatus.COMPLETED, JobStatus.PENDING),
        ("remove", JobStatus.CANCELLED, None),
    ],
)
async def test_each_action_is_asked_for_done_and_logged(
    browser: Open,
    queue: Queue,
    queue_key: str,
    caplog: pytest.LogCaptureFixture,
    action: str,
    before: JobStatus,
    after: JobStatus | None,
) -> None:
    job_id = await put(queue, before)
    fields = {"status": before.value, "action": action, "id": job_id}
    caplog.set_level(logging.INFO, "jobsvalkey.dashboard")
    async with browser() as http:
        asked = await post(http, f"/queue/{queue_key}/confirm", fields)
        assert f"{action.capitalize()} 1 job?" in asked.text
        assert await queue.status(job_id) is before
        done = await post(http, f"/queue/{queue_key}/act", fields)
        assert done.status_code == 303
        assert f"{action}: 1 of 1" in (await http.get(done.headers["location"])).text
    assert await queue.status(job_id) is after
    assert f"local: {action} job {job_id} of queue {queue_key}" in caplog.text


async def test_a_running_job_is_aborted(browser: Open, queue: Queue, queue_key: str) -> None:
    job_id = await queue.push(TEXT, "x")
    await queue.driver.open_worker("worker", timedelta(minutes=1))
    await queue.driver.exchange("worker", 1, limit=1)
    async with browser() as http:
        fields = {"status": "processing", "action": "abort", "id": str(job_id)}
        assert (await post(http, f"/queue/{queue_key}/act", fields)).status_code == 303
    renewed = await queue.driver.renew("worker", timedelta(minutes=1))
    assert renewed.aborts == renewed.tokens != frozenset()


async def test_only_those_that_are_selected_are_meant(browser: Open, queue: Queue, queue_key: str) -> None:
    ids = await queue.push_many([TEXT.with_parameters(f"{number}") for number in range(5)])
    fields = [("status", "pending"), ("action", "cancel"), ("id", str(ids[1])), ("id", str(ids[3]))]
    async with browser() as http:
        asked = (await post(http, f"/queue/{queue_key}/confirm", fields)).text
        assert "Cancel 2 jobs?" in asked
        assert str(ids[1]) in asked
        assert str(ids[0]) not in asked
        await post(http, f"/queue/{queue_key}/act", fields)
    statuses = [await queue.status(job_id) for job_id in ids]
    pending, cancelled = JobStatus.PENDING, JobStatus.CANCELLED
    assert statuses == [pending, cancelled, pending, cancelled, pending]


async def test_jobs_that_have_moved_on_are_counted_apart(browser: Open, queue: Queue, queue_key: str) -> None:
    gone, there = await queue.push_many([TEXT.with_parameters("1"), TEXT.with_parameters("2")])
    await queue.cancel(gone)
    fields = [("status", "pending"), ("action", "cancel"), ("id", str(gone)), ("id", str(there))]
    async with browser() as http:
        done = await post(http, f"/queue/{queue_key}/act", fields)
        assert "1 of 2; the others are in another state" in (await http.get(done.headers["location"])).text


async def test_all_that_match_are_done_in_steps(browser: Open, queue: Queue, queue_key: str) -> None:
    await queue.push_many([JobName("N", int).with_parameters(number) for number in range(1500)], atomic=False)
    others = await queue.push_many([TEXT.with_parameters(f"{number}") for number in range(20)])
    fields: dict[str, Any] = {"status": "pending", "action": "cancel", "of": "all", "name": "N"}
    async with browser() as http:
        asked = (await post(http, f"/queue/{queue_key}/confirm", fields)).text
        assert re.search("Cancel at least (1,000|[0-9]+) jobs[?]", asked)  # as many as a tenth of a second finds
        steps, cursor = 0, ""
        while True:
            answer = (await post(http, f"/queue/{queue_key}/act-on-matching", {**fields, "cursor": cursor})).json()
            assert answer["done"] == answer["found"] <= 100
            steps += 1
            if answer["cursor"] is None:
                break
            cursor = answer["cursor"]
    assert steps >= 15
    counts = await queue.counts()
    assert (counts[JobStatus.PENDING], counts[JobStatus.CANCELLED]) == (len(others), 1500)


async def test_all_of_a_state_are_counted(browser: Open, queue: Queue, queue_key: str) -> None:
    await queue.push_many([TEXT.with_parameters(f"{number}") for number in range(1234)], atomic=False)
    async with browser() as http:
        asked = await post(http, f"/queue/{queue_key}/confirm", {"status": "pending", "action": "cancel", "of": "all"})
    assert "Cancel 1,234 jobs?" in asked.text


async def test_what_a_page_says_after_an_action_is_nobody_elses_text(
    browser: Open, queue: Queue, queue_key: str
) -> None:
    path = f"/queue/{queue_key}/jobs/failed"
    async with browser() as http:
        for query in (
            "notice=Call+0900",
            "action=Call+0900&done=1&of=1",
            "action=rerun&done=Call&of=1",
            "action=rerun&done=1",
        ):
            page = (await http.get(f"{path}?{query}")).text
            assert ("Call" not in page, 'class="notice"' in page) == (True, False)
        assert (
            "rerun: 1 of 2; the others are in another state"
            in (await http.get(f"{path}?action=rerun&done=1&of=2")).text
        )


async def test_a_rerun_of_all_that_failed_reruns_each_once(browser: Open, queue: Queue, queue_key: str) -> None:
    await queue.push_many([FAILING.with_parameters({}) for _ in range(30)])
    await queue.processor(BURST).run()
    fields = {"status": "failed", "action": "rerun", "of": "all"}
    async with browser() as http:
        answer = (await post(http, f"/queue/{queue_key}/act-on-matching", fields)).json()
    assert answer == {"done": 30, "found": 30, "cursor": None}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"status": "failed", "action": "cancel"}, 400),
        ({"status": "failed", "action": "__init__"}, 400),
        ({"status": "failed", "action": "driver"}, 400),
        ({"status": "burning", "action": "cancel"}, 404),
        ({"action": "cancel"}, 404),
        ({"status": "pending", "action": "cancel", "id": "x"}, 404),
        ({"status": "pending", "action": "cancel", "note": "x" * 300_000}, 413),
    ],
)
@pytest.mark.parametrize("path", ["confirm", "act"])
async def test_forms_that_make_no_sense_do_nothing(
    browser: Open, queue_key: str, path: str, fields: dict[str, str], code: int
) -> None:
    async with browser() as http:
        assert (await post(http, f"/queue/{queue_key}/{path}", fields)).status_code == code


async def test_more_than_a_thousand_jobs_at_once_are_refused(browser: Open, queue_key: str, queue: Queue) -> None:
    job_id = await queue.push(TEXT, "x", options=JobOptions(delay=timedelta(hours=1)))
    fields = [("status", "pending"), ("action", "cancel"), *[("id", str(job_id))] * 1001]
    async with browser() as http:
        assert (await post(http, f"/queue/{queue_key}/act", fields)).status_code == 400
    assert await queue.status(job_id) is JobStatus.PENDING


async def test_a_queue_is_paused_and_resumed(browser: Open, queue: Queue, queue_key: str) -> None:
    async with browser() as http:
        assert (await post(http, f"/queue/{queue_key}/pause")).status_code == 303
        assert await queue.is_queue_paused()
        assert 'data-shown-if="is_paused" >' in (await http.get("/")).text
        assert (await post(http, f"/queue/{queue_key}/resume")).status_code == 303
    assert not await queue.is_queue_paused()
