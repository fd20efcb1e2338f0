"""Fixtures of the tests of the command line."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from valkey.asyncio import Valkey

from jobsvalkey.cli.connection import EVERYTHING
from jobsvalkey.cli.options import URL_VARIABLE
from jobsvalkey.runtime import JobQueue
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from tests.support.servers import Server
from tests.unit.cli.forks import Forks, serve_forks
from tests.unit.cli.shell import Shell
from tests.unit.cli.workers import Workers


@pytest.fixture
def shell(
    default_server: Server, queue_key: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    """Runs commands on a queue of its own on the default server."""
    monkeypatch.setenv(URL_VARIABLE, default_server.url)
    monkeypatch.delenv("JOBSVALKEY_DEBUG", raising=False)
    return Shell(capsys, queue_key)


@pytest.fixture
async def queue(valkey_client: Valkey, queue_key: str) -> AsyncIterator[JobQueue[ValkeyJobQueue]]:
    """The queue that the shell's commands are about; it keeps everything."""
    configuration = ValkeyConfiguration(queue_key=queue_key, retention_policy=EVERYTHING)
    async with ValkeyJobQueue(valkey_client, configuration) as driver:
        yield JobQueue(driver)


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Starts processes of the command line."""
    with serve_forks() as forks:
        yield forks


@pytest.fixture
def workers(shell: Shell, tmp_path: Path, queue: JobQueue[ValkeyJobQueue], forks: Forks) -> Workers:
    """Workers of the shell's queue."""
    return Workers(tmp_path, queue.driver.configuration.queue_key, forks)
