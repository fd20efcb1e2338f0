"""A drain by several processes: how much more they run, until the server has no more to give.

As a program, it is one of them: `python -m jobsvalkey.cli.benchmarks.several QUEUE_KEY WORKERS LOOP`. The URL comes by
a line of standard input, since it may hold a password. It begins at the next line, or ends with its input.
"""

import asyncio
import importlib
import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

from jobsvalkey.cli.benchmarks import rates
from jobsvalkey.cli.benchmarks.store import NoOp, Store
from jobsvalkey.cli.benchmarks.watch import Rate
from jobsvalkey.cli.collecting import loaded_for_good
from jobsvalkey.cli.connection import make_client
from jobsvalkey.cli.errors import CommandFailed
from jobsvalkey.runtime import JobContext, JobQueue, ProcessorOptions
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue


async def drain_of_two(store: Store) -> Rate:
    """Two processes with 100 workers each, from a full queue to an empty one."""
    return await _drain(store, 2)


async def drain_of_four(store: Store) -> Rate:
    """The same by four processes."""
    return await _drain(store, 4)


async def _drain(store: Store, number: int) -> Rate:
    async with store.queue() as queue:
        await rates.fill_with_jobs(queue)
        processes = list[asyncio.subprocess.Process]()
        try:
            for _ in range(number):
                processes.append(await _start(store.url, queue.driver.configuration.queue_key))
            for process in processes:
                await _line(process)  # it is ready
            async with store.watch() as watch:
                for process in processes:
                    _tell(process, "")
                told = [json.loads(await _line(process)) for process in processes]
        finally:
            for process in processes:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
    ran = sum(jobs for jobs, *_ in told)
    if ran != rates.MANY:
        raise CommandFailed(f"{ran:,} jobs ran of {rates.MANY:,}: these numbers would say nothing")
    seconds = max(ended for _, _, ended, _ in told) - min(begun for _, begun, _, _ in told)
    return watch.rate(ran, seconds, sum(spent for *_, spent in told))


async def _start(url: str, queue_key: str) -> asyncio.subprocess.Process:
    loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__, queue_key, str(rates.WORKERS), loop),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the command alone, which ends them
    )
    _tell(process, url)
    return process


def _tell(process: asyncio.subprocess.Process, line: str) -> None:
    cast(asyncio.StreamWriter, process.stdin).write(f"{line}\n".encode())


async def _line(process: asyncio.subprocess.Process) -> bytes:
    line = await cast(asyncio.StreamReader, process.stdout).readline()
    if not line:
        raise CommandFailed(f"python -m {__name__} ended with {await process.wait()}")
    return line


async def _work(url: str, queue_key: str, workers: int) -> Sequence[float]:
    """Run jobs when told to: how many, when it began and ran the last one, and the processor time that it took."""
    done, ended = 0, 0.0

    async def note(_parameters: NoOp, _context: JobContext) -> None:
        nonlocal done, ended
        done, ended = done + 1, time.monotonic()

    async with (
        make_client(url) as client,
        ValkeyJobQueue(client, ValkeyConfiguration(queue_key=queue_key)) as driver,
    ):
        queue = JobQueue(driver)
        queue.register_job(NoOp, note)
        await driver.counts()  # which connects
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        if not await asyncio.to_thread(sys.stdin.readline):
            return (0, 0.0, 0.0, 0.0)
        begun, spent = time.monotonic(), time.process_time()
        await queue.processor(ProcessorOptions(num_workers=workers, burst=True)).run()
        return (done, begun, max(begun, ended), time.process_time() - spent)


def main(queue_key: str, workers: str, loop: str) -> None:
    """Be one of the processes."""
    run = importlib.import_module(loop).run if loop == "uvloop" else asyncio.run
    url = sys.stdin.readline().strip()
    with loaded_for_good():
        sys.stdout.write(json.dumps(run(_work(url, queue_key, int(workers)))) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
