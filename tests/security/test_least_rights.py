"""A user with the rights of the guide can run every command, and every page of the documentation."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import typer
from valkey import Valkey

from jobsvalkey import JobQueue
from jobsvalkey.cli import main
from jobsvalkey.dashboard import dashboard
from tests.security.conftest import QUEUE_KEY, SERVICE, Command
from tests.support.drivers import driver_at, open_worker
from tests.support.pages import run_page
from tests.support.servers import Server
from tests.support.work import Work

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOT_HERE = {"bench", "demo"}
"""Commands that make servers or keys of their own."""


@pytest.fixture(autouse=True)
def empty(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cast(Any, Valkey).from_url(server.url) as client:
        client.flushall()
    (tmp_path / "shop.py").write_text(SERVICE)
    monkeypatch.chdir(tmp_path)
    cast(Any, monkeypatch).syspath_prepend(tmp_path)


async def push(server: Server) -> dict[str, str]:
    """A job that is pending, one that is paused, and one that has ended; their ids by these words."""
    async with driver_at(server.url_for("me", "secret"), QUEUE_KEY) as driver:
        queue = JobQueue(driver)
        job, paused, ended = await queue.push_many([Work(number) for number in range(3)])
        assert await queue.pause(paused)
        assert await queue.cancel(ended)
        return {"JOB": str(job), "PAUSED": str(paused), "ENDED": str(ended)}


COMMANDS: dict[str, tuple[str, ...]] = {
    "info": ("info",),
    "validate": ("validate",),
    "jobs list": ("jobs", "list"),
    "jobs show": ("jobs", "show", "JOB"),
    "jobs pause": ("jobs", "pause", "JOB"),
    "jobs resume": ("jobs", "resume", "PAUSED"),
    "jobs abort": ("jobs", "abort", "JOB"),
    "jobs cancel": ("jobs", "cancel", "JOB"),
    "jobs rerun": ("jobs", "rerun", "ENDED"),
    "jobs remove": ("jobs", "remove", "JOB"),
    "queue pause": ("queue", "pause"),
    "queue resume": ("queue", "resume"),
    "queue load": ("queue", "load"),
    "lanes list": ("lanes", "list"),
    "lanes limit": ("lanes", "limit", "customer:*", "--concurrency", "3"),
    "workers list": ("workers", "list"),
    "flow show": ("flow", "show", "JOB"),
    "top": ("top",),
    "cleanup": ("cleanup", "--pending", "remove", "--cancelled", "rerun", "--recover"),
    "push": ("push", "Work", '{"number": 1}'),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_runs(name: str, command: Command, server: Server) -> None:
    ids = asyncio.run(push(server))
    command(*(ids.get(word, word) for word in COMMANDS[name]))


def test_no_command_is_left_out() -> None:
    def names(group: Any, before: str = "") -> set[str]:
        children = getattr(group, "commands", None)
        if children is None:
            return {before.strip()}
        return {name for key, each in children.items() for name in names(each, f"{before} {key}")}

    separate = {"worker", "dashboard", "schedule list", "schedule next", *NOT_HERE}
    assert names(typer.main.get_command(main.application(list(main.COMMANDS)))) == set(COMMANDS) | separate


async def test_the_pages_of_the_dashboard(server: Server) -> None:
    ids = await push(server)
    async with driver_at(server.url_for("me", "secret"), QUEUE_KEY, activity=True) as driver:
        await open_worker(driver)
        here = httpx.ASGITransport(dashboard(JobQueue(driver)), client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=here, base_url="http://127.0.0.1") as http:
            pages = ["jobs/pending", f"job/{ids['JOB']}", f"job/{ids['JOB']}.json", "workers", "lanes", "activity"]
            for path in ("/", *(f"/queue/{QUEUE_KEY}/{page}" for page in pages)):
                answer = await http.get(path)
                assert (path, answer.status_code) == (path, 200), answer.text


@pytest.mark.slow
def test_a_worker_and_its_schedule(server: Server) -> None:
    environment = {**os.environ, "JOBSVALKEY_URL": server.url_for("me", "secret"), "PYTHONPATH": "."}
    words = [
        ("worker", "shop:service", "--burst"),
        ("schedule", "list", "shop:service"),
        ("schedule", "next", "shop:service"),
    ]
    for each in words:
        command = [sys.executable, "-m", "jobsvalkey.cli", *each]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        assert "refuses" not in ran.stderr


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_runs(page: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server.url_for("all", "secret")
    monkeypatch.setenv("JOBSVALKEY_URL", url)
    run_page(page, page.read_text(), url)
