"""A service with a lifespan, as worker processes."""

import signal
from pathlib import Path

import pytest

from jobsvalkey import JobName, JobQueue, ValkeyJobQueue
from tests.support.waiting import until
from tests.unit.cli.workers import Workers, ended

MODULE = """
import asyncio, contextlib, os, pathlib
from dataclasses import dataclass
from app import driver, options
from jobsvalkey import GIVEN, JobService

def note(word):
    with open("lifespan", "a") as file:
        file.write(f"{word} {os.getpid()}\\n")

@dataclass
class Connection:
    is_open: bool = True

@contextlib.asynccontextmanager
async def lifespan(service):
    note("enter")
    connection = Connection()
    yield connection
    connection.is_open = False
    note("leave")

service = JobService(driver(), processor=options, lifespan=lifespan)

@service.task
async def rest(file: str, *, connection: Connection = GIVEN) -> None:
    pathlib.Path(file).touch()
    while not pathlib.Path("go").exists():
        await asyncio.sleep(0.01)
    note("run" if connection.is_open else "closed")

@contextlib.asynccontextmanager
async def fails(service):
    raise ConnectionError("no images today")
    yield

broken = JobService(driver(), processor=options, lifespan=fails)
broken.task(rest.function)

lacking = JobService(driver(), processor=options)
lacking.task(rest.function)
"""
REST = JobName("rest", dict[str, str])


@pytest.fixture
def lifespan_file(workers: Workers) -> Path:
    (workers.folder / "spanned.py").write_text(MODULE)
    return workers.folder / "lifespan"


def noted(file: Path) -> list[list[str]]:
    return [line.split() for line in file.read_text().splitlines()]


@pytest.mark.parametrize("processes", [1, 2])
async def test_each_process_enters_once_and_leaves_after_its_last_job(
    workers: Workers, queue: JobQueue[ValkeyJobQueue], lifespan_file: Path, processes: int
) -> None:
    files = [workers.folder / f"{number}" for number in range(processes)]
    await queue.push_many([REST.with_parameters({"file": str(file)}) for file in files])
    async with workers.start("spanned:service", "--processes", str(processes)) as process:
        await until(lambda: all(file.exists() for file in files))
        process.send_signal(signal.SIGTERM)
        (workers.folder / "go").touch()
        result = await ended(process)
    assert result.code == 0, result
    lines = noted(lifespan_file)
    by_process = {pid: [word for word, each in lines if each == pid] for _, pid in lines}
    assert list(by_process.values()) == [["enter", "run", "leave"]] * processes
    assert sum((await queue.counts()).values()) == 0


@pytest.mark.parametrize(
    ("target", "why"),
    [("broken", "no images today"), ("lacking", "task 'rest' cannot be given 'connection'")],
)
async def test_a_worker_whose_lifespan_fails_says_why_and_claims_nothing(
    workers: Workers, queue: JobQueue[ValkeyJobQueue], lifespan_file: Path, target: str, why: str
) -> None:
    file = workers.folder / "file"
    await queue.push(REST, {"file": str(file)})
    result = await workers.run(f"spanned:{target}", "--burst")
    assert result.code == 1
    assert why in result.err
    assert not file.exists()
    assert sum((await queue.counts()).values()) == 1
