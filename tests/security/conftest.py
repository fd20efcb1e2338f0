"""A server whose user has the rights that the guide names, and no others."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from jobsvalkey.cli.main import main
from tests.support.pages import blocks
from tests.support.servers import Server, ServerOptions, local_kind

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "the-queue-on-valkey.md"
QUEUE_KEY = "MyJobQueue"
DURABILITY = "+wait +waitaof +config|get"
"""What `Durability` needs beside; a page shows it."""
SERVICE = """
from jobsvalkey import JobContext, JobService, Schedule
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from valkey.asyncio import Valkey
import os

driver = ValkeyJobQueue(Valkey.from_url(os.environ["JOBSVALKEY_URL"]), ValkeyConfiguration(queue_key="MyJobQueue"))
service = JobService(driver)

@service.task
async def greet(name: str) -> str:
    return name

service.add_scheduled_job(greet.with_parameters("ada"), Schedule.every_minute())
"""
Command: TypeAlias = Callable[..., str]


def rights() -> str:
    """The rules in the guide."""
    (rules,) = (block.text for block in blocks(GUIDE.read_text("utf-8")) if block.text.startswith(f"~{QUEUE_KEY}"))
    return " ".join(rules.split())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with the user `me`, of exactly these rights, and with `all`, who has them and a few for all keys."""
    commands = " ".join(word for word in rights().split() if word.startswith("+"))
    users = {"me": f"on >secret {rights()}", "all": f"on >secret ~* &* {commands} {DURABILITY}"}
    with local_kind().make(ServerOptions(users=users)) as server:
        yield server


@pytest.fixture
def command(server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command as that user; what it prints."""
    monkeypatch.setenv("JOBSVALKEY_URL", server.url_for("me", "secret"))

    def run(*words: str) -> str:
        capsys.readouterr()
        code = main([*words, "--queue", QUEUE_KEY])
        printed = capsys.readouterr()
        assert (code, printed.err) == (0, ""), (words, code, printed.err)
        return printed.out

    return run
