"""`jobsvalkey workers`, and the runs that `jobsvalkey jobs show` prints."""

import os
import socket
from datetime import timedelta

from jobsvalkey.contract import JobName
from jobsvalkey.runtime import JobContext, JobQueue, NoRetry, ProcessorOptions
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.processors import run_in_background
from tests.support.waiting import until
from tests.unit.cli.shell import Shell

NAME = JobName("Say", str)


async def test_lists_workers(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    assert (await shell("workers", "list")).out == "no workers\n"
    assert (await shell("workers", "list", "--json")).json == []
    async with run_in_background(queue.processor(ProcessorOptions(num_workers=3))):
        await until(queue.workers)
        (found,) = (await shell("workers", "list", "--json")).json
        assert (found["host"], found["process"], found["slots"], found["jobs"]) == (
            *(socket.gethostname(), os.getpid(), 3, 0),
        )
        _, row = (await shell("workers", "list")).out.splitlines()
        assert row.split()[:4] == [socket.gethostname(), str(os.getpid()), "3", "0"]
        assert row.split()[-1] == found["id"]


async def test_lists_what_a_stranger_says(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    about = b'{"host":"\\u001b[31mred","process":1,"version":"[bold]","slots":1}'
    await queue.driver.open_worker("a \x1b[31mworker", timedelta(minutes=1), about=about)
    shown = (await shell("workers", "list")).out
    assert "\x1b" not in shown
    assert "[bold]" in shown


async def test_shows_runs_of_a_job(shell: Shell, queue: JobQueue[ValkeyJobQueue]) -> None:
    async def handler(text: str, _context: JobContext) -> None:
        raise RuntimeError(text)

    queue.register_job(NAME, handler, retry_strategy=NoRetry())
    job_id = await queue.push(NAME, "once")
    await queue.processor(ProcessorOptions(burst=True)).run()
    await queue.rerun(job_id)
    await queue.processor(ProcessorOptions(burst=True)).run()
    shown = (await shell("jobs", "show", str(job_id))).out
    columns, *rows = shown.partition("latest first:\n")[2].partition("\n\n")[0].splitlines()
    assert columns.split() == ["time", "(UTC)", "worker", "error"]
    assert [row.split(maxsplit=3)[3] for row in rows] == ["RuntimeError: once"] * 2
    runs = (await shell("jobs", "show", str(job_id), "--json")).json["runs"]
    assert [run["error"] for run in runs] == ["RuntimeError: once"] * 2
