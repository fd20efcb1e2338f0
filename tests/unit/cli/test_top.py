"""`jobsvalkey top`: once into a pipe, again and again in a terminal; its picture in the documentation is made here."""

import asyncio
import os
import pty
import re
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from jobsvalkey.cli.commands.top import Look, picture
from jobsvalkey.contract import Activity, JobName, JobStatus, Load
from jobsvalkey.runtime import JobOptions, JobQueue, ProcessorOptions
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from tests.conftest import StartServer
from tests.support.waiting import until
from tests.unit.cli.shell import Shell

NAME = JobName("N", int)
ZERO = timedelta(0)
PICTURE = Path(__file__).parents[3] / "docs" / "guide" / "top.svg"


async def test_into_a_pipe_it_prints_once(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    await queue.push_many([NAME.with_parameters(number) for number in range(1200)], atomic=False)
    await queue.push(NAME, 1, options=JobOptions(delay=timedelta(hours=1)))
    printed = (await shell("top")).out
    assert shell.queue_key in printed
    assert "due 1,200  delayed 1 " in printed
    assert max(map(len, printed.splitlines())) < 100
    assert next(line.split()[:2] for line in printed.splitlines() if "pending" in line) == ["pending", "1,201"]


async def test_what_is_counted_is_told(shell: Shell, queue: JobQueue[ValkeyJobQueue], valkey_client: Any) -> None:
    assert "last hour" not in (await shell("top")).out
    configuration = ValkeyConfiguration(queue_key=shell.queue_key, activity=True)
    async with ValkeyJobQueue(valkey_client, configuration) as driver:
        counting = JobQueue(driver)
        counting.register_job(NAME, lambda number, context: None)
        await counting.push_many([NAME.with_parameters(number) for number in range(3)])
        await counting.processor(ProcessorOptions(burst=True)).run()
    assert "last hour: completed 3  failed 0\n" in (await shell("top")).out


@pytest.mark.parametrize("every", ["50ms", "soon"])
async def test_it_looks_at_most_ten_times_a_second(shell: Shell, every: str) -> None:
    (await shell("top", "--every", every)).assert_refused(2, "10" if every == "50ms" else "soon")


async def test_in_a_terminal_it_goes_on_through_an_outage_and_ends_by_ctrl_c(start_server: StartServer) -> None:
    server = start_server()
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "jobsvalkey.cli", "top", "--every", "100ms", "--url", server.url),
        *("--queue", "\x1b[31mred"),
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = bytearray()
    loop = asyncio.get_running_loop()

    def read() -> None:
        try:
            seen.extend(os.read(ours, 65536))
        except OSError:  # the other end is closed
            loop.remove_reader(ours)

    loop.add_reader(ours, read)
    try:
        await until(lambda: b"workers 0" in seen)
        server.kill()
        await until(lambda: b"does not answer" in seen)
        server.restart()
        seen.clear()
        await until(lambda: b"workers 0" in seen and b"does not answer" not in seen[-500:])
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            code = await process.wait()
        assert code == 0, seen
        assert b"Traceback" not in seen, seen
        assert b"\x1b[31mred" not in seen
        assert b"\\x1b[31mred" in seen
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        loop.remove_reader(ours)
        os.close(ours)


def test_the_picture_in_the_documentation_is_as_it_is_drawn() -> None:
    counts = dict(zip(JobStatus, (1840, 3, 7, 16, 12_300, 42, 0), strict=True))
    mail = Load(due=1800, delayed=40, processing=16, oldest_due=timedelta(seconds=2.3), workers=4, is_paused=False)
    reports = Load(due=0, delayed=2, processing=0, oldest_due=None, workers=1, is_paused=True)
    few = dict(zip(JobStatus, (2, 0, 0, 0, 9, 1, 0), strict=True))
    minute = Activity(
        minute=datetime(2025, 1, 1, tzinfo=UTC),
        started=0,
        completed=5500,
        failed=9,
        retried=0,
        cancelled=0,
        waited=ZERO,
    )
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=80, file=nowhere, force_terminal=True, color_system="standard")
        console.print(picture({"mail": Look(counts, mail, [minute, minute]), "reports": Look(few, reports)}))
        drawn = console.export_svg(title="jobsvalkey top --queue mail --queue reports", unique_id="top")
    drawn = re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL)  # the documentation loads nothing from elsewhere
    if os.environ.get("JOBSVALKEY_PICTURES"):
        PICTURE.write_text(drawn)
    # The words, not how this version of rich draws them.
    words = re.compile(r"<text[^>]*>([^<]+)</text>")
    assert words.findall(PICTURE.read_text()) == words.findall(drawn) != []
