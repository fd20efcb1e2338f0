"""Times of starts: of the command line, and of a worker, to its first job.

As a program, it is that worker: `python -m jobsvalkey.cli.benchmarks.starting QUEUE_KEY`. The URL comes by standard
input, since it may hold a password.
"""

import asyncio
import sys
import time

from jobsvalkey.cli.benchmarks.store import NoOp, Store
from jobsvalkey.cli.connection import make_client
from jobsvalkey.cli.errors import CommandFailed
from jobsvalkey.runtime import JobContext, JobQueue, ProcessorOptions
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue


async def help_of_command() -> float:
    """Seconds until `jobsvalkey --help` has ended."""
    began = time.monotonic()
    await _run("jobsvalkey.cli", "--help")
    return time.monotonic() - began


async def first_job(store: Store) -> float:
    """Seconds from the start of a process to that of the job that its worker finds."""
    async with store.queue() as queue:
        await queue.push(NoOp(0))
        began = time.monotonic()
        said = await _run(__name__, queue.driver.configuration.queue_key, told=store.url)
    return float(said) - began


async def _run(module: str, *words: str, told: str = "") -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *words), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate(told.encode())
    if process.returncode:
        raise CommandFailed(f"python -m {module} ended with {process.returncode}")
    return said


async def _work(url: str, queue_key: str) -> float:
    started = 0.0

    async def note(_parameters: NoOp, _context: JobContext) -> None:
        nonlocal started
        started = time.monotonic()

    async with (
        make_client(url) as client,
        ValkeyJobQueue(client, ValkeyConfiguration(queue_key=queue_key)) as driver,
    ):
        queue = JobQueue(driver)
        queue.register_job(NoOp, note)
        await queue.processor(ProcessorOptions(burst=True)).run()
    return started


if __name__ == "__main__":
    sys.stdout.write(str(asyncio.run(_work(sys.stdin.read(), sys.argv[1]))))
