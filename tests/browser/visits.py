"""A visit to the dashboard: a browser window that notes whatever goes wrong in it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, async_playwright, expect

from tests.support.dashboards import CHROMIUM
from tests.support.waiting import PATIENCE

expect.set_options(timeout=PATIENCE * 1000)  # by default five seconds, which a busy machine may need for a page


@asynccontextmanager
async def chromium() -> AsyncGenerator[Any]:
    """A running browser."""
    async with async_playwright() as playwright:
        # Tests may run as root, in a container, where Chromium's own sandbox cannot.
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visit(browser: Any, user: str = "ada", **options: Any) -> AsyncGenerator[Page]:
    """A window of its own, as one user; at its end nothing has gone wrong in it."""
    credentials = {"username": user, "password": "secret"}
    context = await browser.new_context(http_credentials=credentials, **options)
    page: Page = await context.new_page()
    troubles = list[str]()
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("dialog", lambda dialog: troubles.append(f"dialog: {dialog.message}"))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    try:
        yield page
        assert troubles == []
    finally:
        await context.close()


async def accessible(page: Page) -> None:
    """Check a page for what keeps people out."""
    await page.wait_for_load_state()  # with its style sheet: without one its colours are the browser's
    axe: Any = Axe()
    found = await axe.run(page)
    assert found.violations_count == 0, found.generate_report()


async def fits(page: Page) -> None:
    """Check that nothing sticks out of the window."""
    width: int = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 0
