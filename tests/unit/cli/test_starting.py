"""What a worker says when it starts, what it runs, and when it starts afresh."""

import asyncio
import re
import signal
import sys

import pytest

from jobsvalkey.runtime import JobQueue
from jobsvalkey.valkey import ValkeyJobQueue
from tests.conftest import StartServer
from tests.support.servers import ServerOptions
from tests.support.waiting import until
from tests.unit.cli.shell import Shell
from tests.unit.cli.workers import REST, WRITE, Workers, done, ended


@pytest.mark.parametrize(("target", "slots"), [("app:service", 1), ("app:queue", 16), ("app:make_opened", 1)])
async def test_it_says_what_it_runs(workers: Workers, target: str, slots: int) -> None:
    result = await workers.run(target, "--burst")
    assert result.code == 0, result
    (line,) = [line for line in result.err.splitlines() if "runs queue" in line]
    key, url = workers.environment["QUEUE"], workers.environment["JOBSVALKEY_URL"].rpartition("//")[2].strip("/")
    assert re.search(rf"runs queue '{key}' of valkey://\S*{re.escape(url.rpartition('@')[2])}", line), line
    assert line.endswith(f"{slots} jobs at a time: write, rest, fork, count_frozen")


async def test_what_it_says_has_no_password(workers: Workers, start_server: StartServer) -> None:
    server = start_server(ServerOptions(password="hush-hush"))
    workers.environment["JOBSVALKEY_URL"] = server.url
    result = await workers.run("app:service", "--burst")
    assert result.code == 0, result
    assert "runs queue" in result.err
    assert "hush" not in result.err


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize("target", ["app:empty", "app:empty_queue"])
async def test_it_refuses_to_fail_every_job(workers: Workers, target: str, processes: str) -> None:
    result = await workers.run(target, "--processes", processes)
    result.assert_refused(1, f"{target} has no job registered", "@service.job")


LOGGING = {
    "handlers": "logging.basicConfig(format='MINE %(message)s', level='INFO')",
    "of the library": "ours.addHandler(handler)\nours.setLevel('INFO')",
    "dictConfig": (
        "import logging.config\nlogging.config.dictConfig({'version': 1, 'disable_existing_loggers': False,"
        "'formatters': {'f': {'format': 'MINE %(message)s'}},"
        "'handlers': {'h': {'class': 'logging.StreamHandler', 'formatter': 'f'}},"
        "'root': {'handlers': ['h'], 'level': 'INFO'}})"
    ),
}


@pytest.mark.parametrize("set_up", LOGGING.values(), ids=list(LOGGING))
async def test_logging_that_the_module_sets_up_is_neither_doubled_nor_ignored(workers: Workers, set_up: str) -> None:
    (workers.folder / "logs.py").write_text(
        "import logging\nhandler, ours = logging.StreamHandler(), logging.getLogger('jobsvalkey')\n"
        f"handler.setFormatter(logging.Formatter('MINE %(message)s'))\n{set_up}\nfrom app import service\n"
    )
    result = await workers.run("logs:service", "--burst")
    assert result.code == 0, result
    (line,) = [line for line in result.err.splitlines() if "runs queue" in line]
    assert line.startswith("MINE ")


async def test_a_level_that_the_module_sets_is_kept(workers: Workers) -> None:
    (workers.folder / "logs.py").write_text(
        "import logging\nlogging.getLogger().setLevel('ERROR')\nfrom app import service\n"
    )
    result = await workers.run("logs:service", "--burst")
    assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize("target", ["app:make_async", "app:make_opened"])
async def test_a_service_that_an_async_function_gives(
    workers: Workers, queue: JobQueue[ValkeyJobQueue], target: str, processes: str
) -> None:
    file = workers.folder / "short"
    await queue.push(REST, str(file))
    async with workers.start(target, "--processes", processes) as process:
        await until(file.exists)
        process.send_signal(signal.SIGTERM)
        result = await ended(process)
    assert result.code == 0, result
    assert done(file)
    assert "never awaited" not in result.err
    if target == "app:make_opened":
        # Of two processes, one may have been stopped before it came to that.
        assert result.out.count("opened") == result.out.count("closed") >= 1


@pytest.mark.parametrize(
    ("target", "code", "words"),
    [
        ("app:broken_async", 1, ["app:broken_async cannot be opened", "RuntimeError: no such luck, app.py, line"]),
        ("app:number_opened", 2, ["app:number_opened is an int", "an async context manager that gives one"]),
        ("app:unmarked", 2, ["app:unmarked is an async_generator"]),
    ],
)
async def test_an_async_function_that_gives_none(workers: Workers, target: str, code: int, words: list[str]) -> None:
    (await workers.run(target, "--burst")).assert_refused(code, *words)


async def test_schedules_of_a_service_that_an_async_function_gives(
    workers: Workers, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"asynchronous_{workers.folder.name.replace('-', '_')}"
    (workers.folder / f"{module}.py").write_text(
        "import contextlib\nfrom valkey.asyncio import Valkey\n"
        "from jobsvalkey import JobName, JobService, Schedule, ValkeyJobQueue\n"
        "async def make():\n    service = JobService(ValkeyJobQueue(Valkey()))\n"
        "    service.add_scheduled_job(JobName('tick', str), '', Schedule.daily())\n    return service\n"
        "@contextlib.asynccontextmanager\nasync def opened():\n    yield await make()\n"
    )
    monkeypatch.chdir(workers.folder)
    monkeypatch.setattr("sys.path", list(sys.path))  # the command puts the current folder there
    for name in ("make", "opened"):
        (row,) = (await shell("schedule", "list", f"{module}:{name}", "--json", queue=False)).json
        assert row["id"] == "tick"


@pytest.mark.parametrize("target", ["app:service", "app:queue", "app:make_async"])
async def test_a_worker_is_recycled(workers: Workers, queue: JobQueue[ValkeyJobQueue], target: str) -> None:
    files = [workers.folder / f"{number}" for number in range(5)]
    async with workers.start(target, "--recycle-after", "2") as process:
        pids = list[int]()
        for file in files:  # one after the other, so that a process runs no more than it should
            await queue.push(WRITE, str(file))
            await until(lambda file=file: file.exists() and file.read_text())
            pids.append(int(file.read_text()))
        process.terminate()
        result = await ended(process)
    assert result.code == 0, result
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4], pids
    assert "starts again" not in result.err


async def test_a_burst_is_recycled_until_nothing_is_due(workers: Workers, queue: JobQueue[ValkeyJobQueue]) -> None:
    files = [workers.folder / f"{number}" for number in range(4)]
    await queue.push_many([WRITE.with_parameters(str(file)) for file in files])
    async with asyncio.timeout(60):
        result = await workers.run("app:service", "--burst", "--recycle-after", "1")
    assert result.code == 0, result
    assert len({file.read_text() for file in files}) == 4
