"""`jobsvalkey worker`, as processes."""

import asyncio
import os
import re
import signal
from functools import partial

import pytest

from jobsvalkey.contract import JobStatus
from jobsvalkey.runtime import JobQueue
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.waiting import until
from tests.unit.cli.workers import COUNT_FROZEN, REST, WRITE, Workers, done, ended, written


@pytest.mark.parametrize("target", ["app:service", "app:queue", "app:make"])
async def test_burst_runs_what_is_due(workers: Workers, queue: JobQueue[ValkeyJobQueue], target: str) -> None:
    file = workers.folder / "written"
    await queue.push(WRITE, str(file))
    result = await workers.run(target, "--burst")
    assert result.code == 0, result
    assert int(file.read_text()) > 0
    assert sum((await queue.counts()).values()) == 0


async def test_the_garbage_collector_passes_over_the_code(workers: Workers, queue: JobQueue[ValkeyJobQueue]) -> None:
    """Else it holds up the event loop, for the longer the more is imported."""
    file = workers.folder / "frozen"
    await queue.push(COUNT_FROZEN, str(file))
    result = await workers.run("app:queue", "--burst")
    assert result.code == 0, result
    assert int(file.read_text()) > 20_000


async def test_processes_share_a_burst(workers: Workers, queue: JobQueue[ValkeyJobQueue]) -> None:
    files = [workers.folder / f"{number}.short" for number in range(3)]
    await queue.push_many([REST.with_parameters(str(file)) for file in files])
    result = await workers.run("app:service", "--burst", "--processes", "3")
    assert result.code == 0, result
    assert all(done(file) for file in files)


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("processes", ["1", "2"])
async def test_a_signal_lets_jobs_end(
    workers: Workers, queue: JobQueue[ValkeyJobQueue], signal_number: signal.Signals, processes: str
) -> None:
    file = workers.folder / "short"
    await queue.push(REST, str(file))
    async with workers.start("app:service", "--processes", processes) as process:
        await until(file.exists)
        process.send_signal(signal_number)
        result = await ended(process)
    assert result.code == 0, result
    assert done(file)
    assert sum((await queue.counts()).values()) == 0


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_a_second_signal_gives_the_job_back(
    workers: Workers, queue: JobQueue[ValkeyJobQueue], processes: str
) -> None:
    file = workers.folder / "long"
    job_id = await queue.push(REST, str(file))
    async with workers.start("app:service", "--processes", processes) as process:
        await until(file.exists)
        process.terminate()
        await asyncio.sleep(0.2)  # two signals at the same instant are one
        process.terminate()
        result = await ended(process)
    assert result.code == 0, result
    assert await queue.status(job_id) is JobStatus.PENDING


def is_gone(process: int) -> bool:
    """Whether its parent knows that it has ended."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


async def test_a_process_that_dies_is_started_again(workers: Workers, queue: JobQueue[ValkeyJobQueue]) -> None:
    first, second = workers.folder / "first", workers.folder / "second"
    await queue.push(WRITE, str(first))
    async with workers.start("app:service", "--processes", "2") as process:
        victims: set[int] = set()
        # Every process that takes a job dies, so that the last job has to be run by a new one.
        for number in range(3):
            file = workers.folder / f"{number}"
            await queue.push(WRITE, str(file))
            await until(partial(written, file))
            victims.add(victim := int(file.read_text()))
            os.kill(victim, signal.SIGKILL)
            await until(partial(is_gone, victim))  # else it might seem to have died of the signal that ends them all
        await queue.push(WRITE, str(second))
        await until(partial(written, second))
        assert int(second.read_text()) not in victims
        process.terminate()
        result = await ended(process)
    assert result.code == 0, result
    assert "ended (SIGKILL), starts again in 0.5 s" in result.err


async def test_processes_leave_with_their_supervisor(workers: Workers, queue: JobQueue[ValkeyJobQueue]) -> None:
    file = workers.folder / "pid"
    await queue.push(WRITE, str(file))
    async with workers.start("app:service", "--processes", "2") as process:
        await until(partial(written, file))
        process.kill()
        # The standard error of both is ours: it ends with the last of them.
        assert (await ended(process)).code == -signal.SIGKILL


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize(
    ("target", "code", "words"),
    [
        ("app", 2, ["'app' is not MODULE:SERVICE", "myapp.jobs:service"]),
        ("gone:service", 2, ["there is no module 'gone'", "in the folder that has it"]),
        ("app.gone:service", 2, ["there is no module 'app.gone'"]),
        ("app.py:service", 2, ["there is no module 'app.py'", "leave out the .py"]),
        ("tasks:greet", 2, ["tasks:greet is a Task", "a JobService or a JobQueue"]),
        ("app:gone", 2, ["module 'app' has no 'gone'"]),
        ("app:number", 2, ["app:number is an int", "a JobService or a JobQueue"]),
        ("app:broken", 1, ["app:broken cannot be called", "RuntimeError: no such luck, app.py, line"]),
        ("wrong:service", 1, ["'wrong' cannot be imported", "SyntaxError", "wrong.py, line 2"]),
        ("needy:service", 1, ["'needy' cannot be imported", "No module named 'nobody_has_this'"]),
    ],
)
async def test_refuses_what_it_cannot_run(
    workers: Workers, target: str, code: int, words: list[str], processes: str
) -> None:
    (workers.folder / "wrong.py").write_text("x = 1\nif\n")
    (workers.folder / "tasks.py").write_text(
        "from app import service\n@service.task\nasync def greet(name: str) -> None: ...\n"
    )
    (workers.folder / "needy.py").write_text("import nobody_has_this\n")
    (await workers.run(target, "--processes", processes)).assert_refused(code, *words)


@pytest.mark.parametrize("target", ["app:service", "app:queue"])
async def test_waits_for_its_server(workers: Workers, target: str) -> None:
    workers.environment["JOBSVALKEY_URL"] = "valkey://127.0.0.1:1"
    async with workers.start(target) as process:
        assert process.stderr is not None
        async with asyncio.timeout(20):
            for said in b"runs no job yet: the server does not answer", b"the store does not answer":
                while said not in await process.stderr.readline():
                    pass
        process.terminate()
        result = await ended(process)
    assert "Traceback" not in result.err


@pytest.mark.parametrize("debug", ["", "1"])
@pytest.mark.parametrize("where", ["at once", "in a function"])
async def test_the_url_of_a_service_shows_no_piece_of_its_password(workers: Workers, where: str, debug: str) -> None:
    line = "Valkey.from_url(os.environ['ITS_URL'])"
    body = f"service = {line}" if where == "at once" else f"def service():\n    return {line}"
    (workers.folder / "wrong.py").write_text(f"import os\nfrom valkey.asyncio import Valkey\n{body}\n")
    workers.environment |= {"JOBSVALKEY_DEBUG": debug, "ITS_URL": "valkey://me:red#blue@localhost"}
    result = await workers.run("wrong:service")
    assert result.code == 1
    assert "percent-encode user and password" in result.err
    assert "wrong.py, line" in result.err
    assert not re.search(r"\bred\b|blue", result.err), result
