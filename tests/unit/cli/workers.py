"""Worker processes of the command line, and the jobs that they run."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import psutil

from jobsvalkey.contract import JobName
from tests.unit.cli.forks import Forked, Forks
from tests.unit.cli.shell import Result

Process: TypeAlias = asyncio.subprocess.Process | Forked

MODULE = """
import asyncio, contextlib, gc, logging, multiprocessing, os, pathlib, time
from datetime import timedelta
from valkey.asyncio import Valkey
from jobsvalkey.contract import JobName
from jobsvalkey.runtime import ActiveLock, JobQueue, ProcessorOptions
from jobsvalkey.service import JobService
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue

def driver():
    client = Valkey.from_url(os.environ["JOBSVALKEY_URL"])
    return ValkeyJobQueue(client, ValkeyConfiguration(queue_key=os.environ["QUEUE"]))

async def write(text, context):
    pathlib.Path(text).write_text(str(os.getpid()))

async def count_frozen(text, context):
    pathlib.Path(text).write_text(str(gc.get_freeze_count()))

async def deaf(text, context):
    pathlib.Path(text).touch()
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

async def block(text, context):
    pathlib.Path(text).touch()
    time.sleep(600)

async def block_thread(text, context):
    pathlib.Path(text).touch()
    await asyncio.to_thread(time.sleep, 600)

def doze(text):
    pathlib.Path(text).touch()
    time.sleep(600)

async def fork(text, context):
    child = multiprocessing.get_context("fork").Process(target=doze, args=[text + ".child"])
    child.start()
    while not pathlib.Path(text + ".child").exists():
        await asyncio.sleep(0.01)
    child.terminate()
    await asyncio.to_thread(child.join)
    pathlib.Path(text).write_text(str(child.exitcode))

async def rest(text, context):
    pathlib.Path(text).touch()
    await asyncio.sleep(1 if text.endswith("short") else 60)
    pathlib.Path(text + ".done").touch()

lock = ActiveLock(every=timedelta(seconds=0.1), hold_for=timedelta(seconds=1))
options = ProcessorOptions(num_workers=1, worker_active_lock=lock)
service, queue = JobService(driver(), processor=options), JobQueue(driver())
for each in (service, queue):
    each.register_job(JobName("write", str), write)
    each.register_job(JobName("rest", str), rest)
    each.register_job(JobName("fork", str), fork)
    each.register_job(JobName("count_frozen", str), count_frozen)

hasty = JobService(driver(), processor=ProcessorOptions(
    num_workers=1, worker_active_lock=lock,
    graceful_shutdown_timeout=timedelta(seconds=0.1), cancel_grace=timedelta(seconds=0.1)
))
for job in (deaf, block, block_thread):
    hasty.register_job(JobName(job.__name__, str), job)

empty, empty_queue = JobService(driver()), JobQueue(driver())

async def make_async():
    await asyncio.sleep(0)
    return service

@contextlib.asynccontextmanager
async def make_opened():
    print("opened", flush=True)
    try:
        yield service
    finally:  # a worker may be stopped before it runs
        print("closed", flush=True)

async def broken_async():
    raise RuntimeError("no such luck")

@contextlib.asynccontextmanager
async def number_opened():
    yield 5

async def unmarked():
    yield service

def make():
    return service

def broken():
    raise RuntimeError("no such luck")

number = 5
"""
WRITE, REST, COUNT_FROZEN = JobName("write", str), JobName("rest", str), JobName("count_frozen", str)


def done(file: Path) -> bool:
    """Whether the job that rests came to its end."""
    return file.with_name(f"{file.name}.done").exists()


def written(file: Path) -> bool:
    """Whether a job has written the id of its process."""
    return file.exists() and bool(file.read_text())


async def ended(process: Process) -> Result:
    """Wait for its end; one that does not end is killed, and shows what it said."""
    async with asyncio.TaskGroup() as group:
        said = group.create_task(process.communicate())
        await asyncio.wait([said], timeout=60)
        if not said.done():
            process.kill()
    assert process.returncode is not None
    out, err = said.result()
    return Result(process.returncode, out.decode(), err.decode())


def family(process: Process) -> list[psutil.Process]:
    """The process and its children."""
    parent = psutil.Process(process.pid)
    return [parent, *parent.children()]


class Workers:
    """Starts `jobsvalkey worker` in a folder with the module `app`."""

    def __init__(self, folder: Path, queue_key: str, forks: Forks) -> None:
        (folder / "app.py").write_text(MODULE)
        self.folder = folder
        self.before: Callable[[], Any] | None = None
        """Runs in the process before the command, which is no forked one then."""
        self.environment = {**os.environ, "QUEUE": queue_key}
        self._forks = forks

    @asynccontextmanager
    async def start(self, *arguments: str) -> AsyncGenerator[Process]:
        """Start one, forked from a process that has imported the command line."""
        if self.before is None:
            async with self._forks.start(["worker", *arguments], self.folder, self.environment) as process:
                yield process
        else:
            async with self.start_program(*arguments) as process:
                yield process

    @asynccontextmanager
    async def start_program(self, *arguments: str) -> AsyncGenerator[asyncio.subprocess.Process]:
        """Start one as a shell does."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "jobsvalkey.cli", "worker", *arguments),
            cwd=self.folder,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=self.before,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def run(self, *arguments: str) -> Result:
        async with self.start(*arguments) as process:
            return await ended(process)
