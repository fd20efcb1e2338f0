"""The way of a newcomer, by the tutorial: a job fails, the dashboard shows why, it is mended and run again."""

import asyncio
import sys
from pathlib import Path

import pytest
from playwright.async_api import expect

from jobsvalkey import JobQueue, JobStatus, ValkeyJobQueue
from tests.browser.visits import chromium, visit
from tests.support.dashboards import served
from tests.support.pages import READERS_SERVER, blocks
from tests.support.programs import program
from tests.support.servers import Server
from tests.support.waiting import PATIENCE, until

TUTORIAL = Path(__file__).parents[2] / "docs" / "guide" / "getting-started.md"


def piece(language: str, start: str) -> str:
    """The block of the tutorial that begins so."""
    (found,) = [
        block.text
        for block in blocks(TUTORIAL.read_text())
        if block.language == language and block.text.startswith(start)
    ]
    return found


@pytest.mark.slow
async def test_a_job_that_failed_is_mended_and_run_again(
    tmp_path: Path, default_server: Server, queue_key: str, direct: ValkeyJobQueue
) -> None:
    service, share = piece("python", "from valkey.asyncio"), piece("python", "@service.task\nasync def share")
    service = READERS_SERVER.sub(default_server.url, service).replace(
        "ValkeyJobQueue(Valkey",
        f"ValkeyJobQueue(configuration=ValkeyConfiguration(queue_key={queue_key!r}), client=Valkey",
    )
    module, queue = tmp_path / "mail.py", JobQueue(direct)
    module.write_text(f"from jobsvalkey import ValkeyConfiguration\n{service}\n\n{share}")
    command = [word.strip("'") for word in piece("bash", "jobsvalkey push").split(maxsplit=3)]
    arguments = ("--url", default_server.url, "--queue", queue_key)
    pushed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "jobsvalkey.cli", *command[1:3], command[3].strip().strip("'"), *arguments)
    )
    assert await pushed.wait() == 0

    async def has_failed() -> bool:
        return (await queue.counts())[JobStatus.FAILED] == 1

    async def is_gone() -> bool:
        return sum((await queue.counts()).values()) == 0

    worker = ("-m", "jobsvalkey.cli", "worker", "mail:service")
    async with program(tmp_path, *worker):
        await until(has_failed, within=PATIENCE * 2)
    async with (
        served(*arguments, JOBSVALKEY_DASHBOARD_USERS="ada:secret:operator") as address,
        chromium() as browser,
        visit(browser) as page,
    ):
        await page.goto(address)
        await page.get_by_role("link", name="failed 1").click()
        await page.get_by_role("link", name="share").click()
        await expect(page.get_by_label("Traceback")).to_contain_text("return euros / people")
        await expect(page.get_by_label("Traceback")).to_contain_text("ZeroDivisionError: division by zero")
        await expect(page.get_by_role("row").filter(has_text="ZeroDivisionError")).to_have_count(4)
        mended = share.replace("euros / people", "euros / max(people, 1)")
        assert "`euros / max(people, 1)`" in TUTORIAL.read_text()
        module.write_text(module.read_text().replace(share, mended))
        async with program(tmp_path, *worker):
            await page.get_by_role("button", name="Rerun…").click()
            await page.get_by_role("button", name="Rerun", exact=True).click()
            await until(is_gone)
