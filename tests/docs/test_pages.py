"""Every Python block of the documentation runs, against a real server."""

import asyncio
import gc
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from valkey import Valkey
from valkey.asyncio import Valkey as AsyncValkey

from jobsvalkey import JobName, JobQueue, ValkeyJobQueue
from tests.support.pages import as_script, as_test_module, blocks, run_page
from tests.support.servers import Server, ServerOptions, default_kind, local_kind

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def pages_server() -> Iterator[Server]:
    kind = default_kind()
    # It is emptied, which somebody's own server must not be.
    with (local_kind() if kind.id == "url" else kind).make(ServerOptions()) as server:
        yield server


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A page may turn on what its reader would like to see; the tests that follow it would not."""
    loggers = [logging.getLogger(), logging.getLogger("jobsvalkey")]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.fixture
def url(pages_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    with cast(Any, Valkey).from_url(pages_server.url) as client:
        client.flushall()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBSVALKEY_URL", pages_server.url)
    return pages_server.url


# A page need not close what the end of a program closes.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_run(page: Path, url: str, tmp_path: Path) -> None:
    text = page.read_text()
    run_page(page, text, url)
    gc.collect()
    module = tmp_path / "test_page.py"
    if module.write_text(as_test_module(text, url)):
        # What the page does not tell its reader to set up is not there.
        settings = [block.text for block in blocks(text) if block.language == "toml"]
        (tmp_path / "pyproject.toml").write_text("\n".join(settings))
        ran = subprocess.run([sys.executable, "-m", "pytest", "-q", module], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr


async def test_the_guides_service_runs_as_a_script_until_it_is_terminated(url: str, tmp_path: Path) -> None:
    script = tmp_path / "service.py"
    script.write_text(as_script((ROOT / "docs/guide/service.md").read_text(), url))
    send_email = JobName("SendEmail", dict[str, str])
    async with ValkeyJobQueue(AsyncValkey.from_url(url)) as driver, asyncio.timeout(60):
        queue = JobQueue(driver)
        job_id = await queue.push(send_email, {"to": "ada@example.com", "subject": "Hello"})
        process = await asyncio.create_subprocess_exec(sys.executable, script, stderr=asyncio.subprocess.PIPE)
        try:
            # One that has completed is not kept.
            while process.returncode is None and await queue.status(job_id) is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            _, said = await process.communicate()
        assert (await queue.status(job_id), process.returncode, said) == (None, 0, b"")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_is_fenced_so_that_it_is_run(page: Path) -> None:
    languages = [block.language for block in blocks(page.read_text())]
    # In braces are directives, such as one that shows a file.
    fenced = [name for name in languages if not name.startswith("{")]
    assert [name for name in fenced if "py" in name.lower() and name != "python"] == []


def test_the_readme_has_the_two_commands_that_set_it_up() -> None:
    shell = [block.text for block in blocks((ROOT / "README.md").read_text()) if block.language in {"bash", "console"}]
    lines = [line for text in shell for line in text.splitlines()]
    assert "pip install -e '.[embedded]' && jobsvalkey demo" in lines
    assert "pip install -e '.[test]' && pytest" in lines
