"""How workers stop: every signal, sent to whom, at what time; and when something does not let them."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path

import pytest

from jobsvalkey.contract import JobName, JobStatus
from jobsvalkey.runtime import JobQueue
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.waiting import until
from tests.unit.cli.workers import REST, WRITE, Workers, done, ended, family, written

STOP_SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.mark.parametrize("number", STOP_SIGNALS)
@pytest.mark.parametrize("processes", ["1", "2"])
async def test_every_signal_that_stops_lets_jobs_end(
    workers: Workers, queue: JobQueue[ValkeyJobQueue], number: signal.Signals, processes: str
) -> None:
    file = workers.folder / "short"
    await queue.push(REST, str(file))
    async with workers.start("app:service", "--processes", processes) as process:
        await until(file.exists)
        process.send_signal(number)
        result = await ended(process)
    assert result.code == 0, result
    assert "stops, and waits up to 30 s for the running jobs (1)" in result.err
    assert done(file)


@pytest.mark.parametrize(
    ("number", "first"), [(signal.SIGTERM, "parent"), *((number, "children") for number in STOP_SIGNALS)]
)
async def test_a_signal_to_every_process_lets_jobs_end_as_a_signal_to_one_does(
    workers: Workers, queue: JobQueue[ValkeyJobQueue], number: signal.Signals, first: str
) -> None:
    files = [workers.folder / f"{each}.short" for each in range(2)]
    await queue.push_many([REST.with_parameters(str(file)) for file in files])
    async with workers.start("app:service", "--processes", "2") as process:
        await until(lambda: all(file.exists() for file in files))
        processes = family(process)
        assert len(processes) == 3
        for each in processes if first == "parent" else processes[::-1]:
            each.send_signal(number)
        result = await ended(process)
    assert result.code == 0, result
    assert all(done(file) for file in files)
    assert sum((await queue.counts()).values()) == 0


async def test_a_second_signal_to_every_process_gives_the_jobs_back(
    workers: Workers, queue: JobQueue[ValkeyJobQueue]
) -> None:
    file = workers.folder / "long"
    job_id = await queue.push(REST, str(file))
    async with workers.start("app:service", "--processes", "2") as process:
        await until(file.exists)
        for _ in range(2):
            for each in family(process)[::-1]:
                each.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.2)  # two signals at the same instant are one
        result = await ended(process)
    assert result.code == 0, result
    assert await queue.status(job_id) is JobStatus.PENDING


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_to_processes_that_do_not_listen_yet_ends_them_well(
    workers: Workers, number: signal.Signals
) -> None:
    """A service manager's signal may come while one of them is only starting."""
    async with workers.start("app:service", "--processes", "2") as process:
        await until(lambda: len(family(process)) == 3)
        for each in family(process):  # the parent first, so that it knows of the stop
            each.send_signal(number)
        result = await ended(process)
    assert result.code == 0, result


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_a_hangup_that_is_ignored_stays_so(
    workers: Workers, queue: JobQueue[ValkeyJobQueue], processes: str
) -> None:
    first, second = workers.folder / "1.short", workers.folder / "2.short"
    workers.before = partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    await queue.push(REST, str(first))
    async with workers.start("app:service", "--processes", processes) as process:
        await until(first.exists)
        process.send_signal(signal.SIGHUP)
        await queue.push(REST, str(second))
        await until(lambda: done(second))
        process.terminate()
        assert (await ended(process)).code == 0


SLOW = """
import pathlib, signal, threading, time
from app import service

def wait():
    pathlib.Path("loading").touch()
    time.sleep(600)

def wait_undisturbed():
    # As if the signal came just before the call, or to another thread: it interrupts nothing.
    threading.Thread(target=time.sleep, args=[600], daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    wait()

{}
"""


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize(
    "load",
    [
        "wait()",
        "wait_undisturbed()",
        "try:\n    wait()\nexcept Exception:\n    pass",
        "try:\n    wait()\nexcept:\n    pass",
        # Where Python swallows whatever is raised, and only says so.
        "class Going:\n    def __del__(self):\n        wait()\n\nGoing()\nwait()",
        "def make():\n    wait()",
        "async def make():\n    wait()",
    ],
)
async def test_a_signal_while_the_module_is_loaded_is_not_lost(
    workers: Workers, queue: JobQueue[ValkeyJobQueue], load: str, processes: str
) -> None:
    (workers.folder / "slow.py").write_text(SLOW.format(load))
    # As it is for the first process of a container: what has no handler is ignored.
    workers.before = partial(signal.signal, signal.SIGTERM, signal.SIG_IGN)
    job_id = await queue.push(REST, str(workers.folder / "never"))
    async with workers.start("slow:make" if "make" in load else "slow:service", "--processes", processes) as process:
        await until((workers.folder / "loading").exists)
        process.terminate()
        result = await ended(process)
    assert result.code == 0, result
    assert "Traceback" not in result.err
    assert await queue.status(job_id) is JobStatus.PENDING


async def test_a_process_that_a_job_forks_ends_by_a_signal_as_any(
    workers: Workers, queue: JobQueue[ValkeyJobQueue]
) -> None:
    forked, after = workers.folder / "forked", workers.folder / "after"
    async with workers.start("app:service") as process:
        await queue.push(JobName("fork", str), str(forked))
        await until(lambda: written(forked))
        assert int(forked.read_text()) == -signal.SIGTERM
        await queue.push(WRITE, str(after))
        await until(lambda: written(after))
        process.terminate()
        assert (await ended(process)).code == 0


@pytest.mark.parametrize(("job", "processes"), [("deaf", "1"), ("deaf", "2"), ("block", "2"), ("block_thread", "1")])
async def test_a_handler_that_does_not_end_keeps_no_process(
    workers: Workers, queue: JobQueue[ValkeyJobQueue], job: str, processes: str
) -> None:
    file = workers.folder / "started"
    await queue.push(JobName(job, str), str(file))
    async with workers.start("app:hasty", "--processes", processes) as process:
        await until(file.exists)
        process.terminate()
        result = await ended(process)
    if job == "deaf":
        assert result.code == 0, result
        assert "do not end" in result.err
    else:
        assert result.code == 1, result
        assert "ends by force" in result.err


async def test_a_process_that_hears_nothing_is_killed(workers: Workers, queue: JobQueue[ValkeyJobQueue]) -> None:
    files = [workers.folder / f"{number}" for number in range(2)]
    await queue.push_many([JobName("deaf", str).with_parameters(str(file)) for file in files])
    async with workers.start("app:hasty", "--processes", "2") as process:
        await until(lambda: all(file.exists() for file in files))
        for child in family(process)[1:]:
            child.suspend()
        process.terminate()
        result = await ended(process)
    assert result.code == 1, result
    assert "it is killed" in result.err


def test_a_program_of_its_own_ends_although_a_coroutine_swallows_its_cancellation(tmp_path: Path) -> None:
    program = """
        import asyncio
        from datetime import timedelta
        from jobsvalkey import JobName, JobService, ProcessorOptions
        from jobsvalkey_memory import MemoryJobQueue

        soon = timedelta(seconds=0.1)
        options = ProcessorOptions(graceful_shutdown_timeout=soon, cancel_grace=soon)
        service = JobService(MemoryJobQueue(), processor=options)
        DEAF = JobName("deaf", str)

        @service.job(DEAF)
        async def deaf(parameters, context):
            service.stop()
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    pass

        async def main():
            await service.push(DEAF, "")
            await service.run()
            print("left")

        asyncio.run(main())
        print("ended")
    """
    (tmp_path / "program.py").write_text(textwrap.dedent(program))
    words = [sys.executable, str(tmp_path / "program.py")]
    result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env={**os.environ})
    assert result.stdout == "left\nended\n", result
    assert result.returncode == 0
