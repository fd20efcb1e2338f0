"""The dashboard in Chromium: every page and every action, for two roles, in the dark, and on a small screen."""

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from jobsvalkey import JobStatus, LaneLimit
from tests.browser.conftest import LANE, REPORT, Queue
from tests.browser.visits import accessible, chromium, fits, visit
from tests.conftest import StartServer
from tests.support.dashboards import served
from tests.support.waiting import until

PICTURES = Path(__file__).parents[2] / "docs" / "guide"
SHOWN = {
    *(("overview", "light"), ("failed", "dark"), ("job", "light"), ("failed", "small")),
    *(("activity", "dark"), ("lanes", "light"), ("child", "dark")),
}
"""The pictures in the documentation, which JOBSVALKEY_PICTURES=1 makes anew."""
HIDE = (
    "path => document.querySelectorAll('pre bdi').forEach(e => e.textContent = e.textContent.replaceAll(path, '/app'))"
)
"""Pictures do not show where they were made."""
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1000, "height": 760}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1000, "height": 760}, "color_scheme": "dark"},
    "small": {"viewport": {"width": 360, "height": 740}, "color_scheme": "light"},
}


async def pages(page: Page, address: str, queue_key: str) -> AsyncIterator[str]:
    """Go from page to page, and name each."""
    await page.goto(address)
    yield "overview"
    for status in JobStatus:
        await page.goto(f"{address}queue/{queue_key}/jobs/{status}")
        await expect(page.get_by_role("heading", level=1)).to_contain_text(status.capitalize())
        yield status.value
    await page.goto(f"{address}queue/{queue_key}/jobs/failed")
    await page.get_by_role("link", name="SendEmail").first.click()
    await expect(page.get_by_text("the mail server does not answer").first).to_be_visible()
    await expect(page.get_by_role("row").filter(has_text="ConnectionError")).to_have_count(1)
    yield "job"
    await page.go_back()
    await page.get_by_role("link", name="<script>").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("<script>alert(1)</script>")
    yield "hostile"
    await page.goto(f"{address}queue/{queue_key}/jobs/pending?contains=nothing")
    yield "none"
    await page.goto(f"{address}queue/{queue_key}/jobs/waiting")
    await page.get_by_role("link", name="Summary").click()
    await expect(page.get_by_text(LANE)).to_be_visible()
    await expect(page.get_by_role("list", name="Flow").get_by_role("listitem")).to_have_count(6)
    await expect(page.get_by_role("heading", name="Runs after")).to_be_visible()
    yield "child"
    await page.goto(address)
    await page.get_by_role("link", name="Lanes").click()
    await expect(page.get_by_role("row").filter(has_text="customer:ada")).to_contain_text("3")
    await expect(page.get_by_role("link", name=LANE)).to_be_visible()
    yield "lanes"
    await page.goto(address)
    await page.get_by_role("link", name="Workers").click()
    await expect(page.get_by_role("row").filter(has_text="<b>web</b>-1.example.com")).to_contain_text("4711")
    yield "workers"
    await page.goto(address)
    await page.get_by_role("link", name="Activity").click()
    await expect(page.get_by_role("img", name="Completed, over time: ")).to_be_visible()
    yield "activity"
    await page.get_by_text("As a table").click()
    yield "table"
    await page.get_by_role("link", name="last 24 hours").click()
    await expect(page.get_by_role("img", name=" in 15 minutes")).to_have_count(2)
    yield "day"


@pytest.mark.parametrize(("user", "look"), [*(("ada", look) for look in LOOKS), ("bob", "light")])
async def test_every_page_can_be_read_by_everybody(address: str, queue_key: str, user: str, look: str) -> None:
    async with chromium() as browser, visit(browser, user, **LOOKS[look]) as page:
        async for name in pages(page, address, queue_key):
            await accessible(page)
            await fits(page)
            if user == "ada" and (name, look) in SHOWN and os.environ.get("JOBSVALKEY_PICTURES"):
                if name == "failed":
                    await page.goto(f"{page.url}?name=SendEmail")
                await page.evaluate(HIDE, str(PICTURES.parents[1]))
                await page.screenshot(path=PICTURES / f"dashboard-{name}-{look}.png")


async def test_a_viewer_has_no_buttons(address: str, queue_key: str) -> None:
    async with chromium() as browser, visit(browser, "bob") as page:
        async for _ in pages(page, address, queue_key):
            for name in ("Rerun…", "Cancel…", "Abort…", "Remove…", "Pause the queue", "Limit", "Change"):
                await expect(page.get_by_role("button", name=name)).to_have_count(0)


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("Rerun", JobStatus.FAILED, JobStatus.PENDING),
        ("Remove", JobStatus.COMPLETED, None),
        ("Cancel", JobStatus.PENDING, JobStatus.CANCELLED),
        ("Pause", JobStatus.PENDING, JobStatus.PAUSED),
        ("Resume", JobStatus.PAUSED, JobStatus.PENDING),
    ],
)
async def test_an_action_on_a_selected_job(
    address: str, queue_key: str, jobs: Queue, action: str, before: JobStatus, after: JobStatus | None
) -> None:
    record = await anext(jobs.jobs(before))
    async with chromium() as browser, visit(browser) as page:
        await page.goto(f"{address}queue/{queue_key}/jobs/{before}")
        await page.locator(f"input[value='{record.id}']").check()
        await page.get_by_role("button", name=f"{action}…").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(f"{action} 1 job?")
        await accessible(page)
        await page.get_by_role("button", name=action, exact=True).click()
        await expect(page.get_by_role("status")).to_have_text(f"{action.lower()}: 1 of 1")
    assert await jobs.status(record.id) is after


async def test_a_job_that_runs_is_aborted_from_its_page(address: str, queue_key: str, jobs: Queue) -> None:
    record = await anext(jobs.jobs(JobStatus.PROCESSING))
    async with chromium() as browser, visit(browser) as page:
        await page.goto(f"{address}queue/{queue_key}/job/{record.id}")
        await page.get_by_role("button", name="Abort…").click()
        await page.get_by_role("button", name="Abort", exact=True).click()
        await expect(page.get_by_role("status")).to_have_text("abort: 1 of 1")
    exchanged = await jobs.driver.exchange("worker", 2)
    assert len(exchanged.aborts) == 1


async def test_the_limit_of_lanes_is_set_changed_and_taken_away(address: str, queue_key: str, jobs: Queue) -> None:
    async with chromium() as browser, visit(browser) as page:
        await page.goto(f"{address}queue/{queue_key}/lanes")
        await page.get_by_label("At a time, of customer:*").fill("7")
        await page.get_by_role("button", name="Change").click()
        await expect(page.get_by_role("row").filter(has_text="customer:ada")).to_contain_text("7")
        await page.get_by_label("Lane, or the beginning of names and *").fill("customer:ada")
        await page.get_by_label("Begin, number").fill("100")
        await page.get_by_label("In seconds").fill("60")
        await page.get_by_role("button", name="Limit", exact=True).click()
        await expect(page.get_by_label("Number of the rate, of customer:ada")).to_have_value("100")
        expected = {"customer:*": LaneLimit(7), "customer:ada": LaneLimit(rate=(100, timedelta(minutes=1)))}
        assert await jobs.lane_limits() == expected
        for pattern in expected:
            row = page.get_by_role("row").filter(has=page.get_by_label(f"At a time, of {pattern}"))
            await row.get_by_role("button", name="Take it away").click()
            await expect(row).to_have_count(0)
    assert await jobs.lane_limits() == {}


async def test_all_on_a_page_are_selected_by_one_box(address: str, queue_key: str) -> None:
    async with chromium() as browser, visit(browser) as page:
        await page.goto(f"{address}queue/{queue_key}/jobs/failed")
        box = page.get_by_role("checkbox", name="Select all on this page")
        await box.check()
        assert await page.locator("input[name=id]:checked").count() == 3
        await page.locator("input[name=id]").first.uncheck()
        await expect(box).not_to_be_checked()


async def test_all_that_match_are_done_with_their_number(address: str, queue_key: str, jobs: Queue) -> None:
    await jobs.push_many([REPORT.with_parameters(number) for number in range(3000, 3600)])
    async with chromium() as browser, visit(browser) as page:
        await page.goto(f"{address}queue/{queue_key}/jobs/pending?contains=3")
        await page.get_by_role("radio", name="that match the filter").check()
        await page.get_by_role("button", name="Cancel…").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("jobs?")
        await page.get_by_role("button", name="Cancel", exact=True).click()
        await expect(page.locator("#progress")).to_contain_text("Done: ", timeout=60_000)
    left = [record.parameters async for record in jobs.jobs(JobStatus.PENDING)]
    assert left
    assert not [parameters for parameters in left if "3" in (parameters or "")]


async def test_steps_that_get_no_answer_end_with_their_number(address: str, queue_key: str) -> None:
    async with chromium() as browser, visit(browser) as page:
        await page.goto(f"{address}queue/{queue_key}/jobs/pending")
        await page.get_by_role("radio", name="of this state").check()
        await page.get_by_role("button", name="Cancel…").click()
        await page.evaluate("void (window.fetch = () => Promise.reject(new TypeError('away')))")
        await page.get_by_role("button", name="Cancel", exact=True).click()
        await expect(page.locator("#progress")).to_have_text(
            "It stopped after 0 jobs, or a few more: the dashboard does not answer."
        )


async def test_a_page_that_nobody_sees_does_not_listen(address: str) -> None:
    """Each browser has six connections to a server: more pages than that would wait for each other."""
    see = "document.dispatchEvent(new Event('visibilitychange'))"
    hide = "Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})"
    async with chromium() as browser, visit(browser) as page:
        listening = list[str]()
        page.on("request", lambda request: listening.append("begins") if request.url.endswith("/live") else None)
        page.on("requestfailed", lambda request: listening.append("ends") if request.url.endswith("/live") else None)
        await page.goto(address)
        await until(lambda: listening == ["begins"])
        await page.evaluate(f"{hide}; {see}")
        await until(lambda: listening == ["begins", "ends"])
        await page.evaluate(f"delete document.visibilityState; {see}")
        await until(lambda: listening == ["begins", "ends", "begins"])


async def test_numbers_are_live_in_two_browsers_at_once(address: str, jobs: Queue) -> None:
    async with chromium() as browser, visit(browser) as one, visit(browser, "bob") as other:
        for page in (one, other):
            await page.goto(address)
            await expect(page.locator("[data-number=paused]")).to_have_text("1")
        await jobs.pause(await jobs.push(REPORT, 1))
        for page in (one, other):
            await expect(page.locator("[data-number=paused]")).to_have_text("2", timeout=30_000)
        await one.get_by_role("button", name="Pause the queue").click()
        await expect(one.get_by_role("button", name="Resume the queue")).to_be_visible()
        await expect(other.get_by_text("paused", exact=True).first).to_be_visible(timeout=30_000)
        await until(jobs.is_queue_paused)


async def test_a_server_that_goes_away_and_comes_back(start_server: StartServer) -> None:
    server = start_server()
    async with (
        served("--url", server.url, JOBSVALKEY_DASHBOARD_USERS="ada:secret:operator") as address,
        chromium() as browser,
        visit(browser) as page,
    ):
        await page.goto(address)
        away = page.get_by_text("The server does not answer.")
        await expect(away).not_to_be_visible()
        server.kill()
        await expect(away).to_be_visible(timeout=30_000)
        server.restart()
        await expect(away).not_to_be_visible(timeout=30_000)
