"""`jobsvalkey worker --watch`, as a process: it runs the code that is there, and no job is lost meanwhile."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jobsvalkey.cli import reloading
from jobsvalkey.cli.errors import CommandFailed
from jobsvalkey.contract import JobName
from jobsvalkey.runtime import JobQueue
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.stopwatch import Stopwatch
from tests.support.waiting import until
from tests.unit.cli.workers import REST, Workers, done, ended, family

NOTE = JobName("note", str)
MODULE = """
from app import *
VERSION = {version}
noting = JobService(driver(), processor=ProcessorOptions(num_workers=4, worker_active_lock=lock))
async def note(text, context):
    with open("noted", "a") as file:
        file.write(f"{{text}} {{VERSION}}\\n")
    await asyncio.sleep(0.01)
noting.register_job(JobName("note", str), note)
noting.register_job(JobName("rest", str), rest)
"""


def noted(folder: Path) -> list[tuple[str, str]]:
    file = folder / "noted"
    return [(text, version) for text, version in map(str.split, file.read_text().splitlines())] if file.exists() else []


async def test_changes_are_taken_up_and_no_job_is_lost(workers: Workers, queue: JobQueue[ValkeyJobQueue]) -> None:
    module = workers.folder / "noting.py"
    module.write_text(MODULE.format(version=0))
    short = workers.folder / "short"
    pushed = list[str]()

    async def push(text: str) -> None:
        pushed.append(text)
        await queue.push(NOTE, text)

    def runs(version: object) -> bool:
        return any(found == str(version) for _, found in noted(workers.folder))

    async with workers.start("noting:noting", "--watch") as process:
        await push("first")
        await until(lambda: runs(0))
        await queue.push(REST, str(short))  # it takes a second, across a change
        await until(short.exists)
        times = list[float]()
        for version in (1, 2, 3):
            module.write_text(MODULE.format(version=version))
            watch = Stopwatch(lambda: [each.pid for each in family(process)])
            async with asyncio.timeout(60):
                while not runs(version):
                    await push(f"{version}-{len(pushed)}")
                    await asyncio.sleep(0.02)
            times.append(watch.seconds())
        await until(lambda: done(short))
        await until(lambda: len({text for text, _ in noted(workers.folder)}) == len(pushed))
        module.write_text("this is no Python\n")
        await asyncio.sleep(0)
        module.write_text(MODULE.format(version=4))
        async with asyncio.timeout(60):
            while not runs(4):
                await push(f"last-{len(pushed)}")
                await asyncio.sleep(0.02)
        await until(lambda: len({text for text, _ in noted(workers.folder)}) == len(pushed))
        process.terminate()
        result = await ended(process)
    assert result.code == 0, result
    assert "noting.py changed: the workers restart" in result.err
    assert sum((await queue.counts()).values()) == 0
    # The quickest of some: what the machine does beside is not what is asked for.
    assert min(times) < 1, times


async def test_a_change_is_noticed_well_within_a_second(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    changes = reloading.changes_in(tmp_path)
    noticed = asyncio.ensure_future(anext(changes))
    file = tmp_path / "code.py"
    (tmp_path / "data.txt").write_text("of no interest")
    while not noticed.done():  # it takes a moment until it listens
        started = loop.time()
        file.write_text(str(started))
        await asyncio.wait([noticed], timeout=1)
    assert noticed.result() == ["code.py"]
    assert (reloading.DEBOUNCE + reloading.STEP) / 1000 < 0.5


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(CommandFailed, match=r"pip install 'jobsvalkey\[watch\]'"):
        reloading.check_watching()


async def test_a_watch_that_fails_ends_the_workers() -> None:
    class Idle(reloading.Supervisor):
        def __init__(self) -> None:
            super().__init__([], 0, burst=False)
            self.stopped = asyncio.Event()

        async def run_until_stopped(self) -> bool:
            await self.stopped.wait()
            return True

        def stop(self) -> None:
            self.stopped.set()

    async def fail() -> AsyncIterator[list[str]]:
        raise OSError("too many files are watched")
        yield []

    made = list[Idle]()

    def make() -> Idle:
        made.append(Idle())
        return made[-1]

    with pytest.raises(CommandFailed, match="changes cannot be noticed: too many files"):
        await reloading.Reloader(make, fail()).run()
    assert made[0].stopped.is_set()
