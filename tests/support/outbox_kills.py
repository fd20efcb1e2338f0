"""Holds jobs against committed rows, when writers and relays were killed."""

import asyncio
import sys
from pathlib import Path

from jobsvalkey import JobQueue, JobStatus, ValkeyJobQueue
from tests.support.servers import Server

ROOT = Path(__file__).parents[2]


async def run_program(module: str, server: Server, queue_key: str, database: str, folder: Path, *numbers: int) -> None:
    """Make so many transactions, with a seed, and relay them; see that something was killed."""
    arguments = [server.url, queue_key, database, str(folder), *map(str, numbers)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    assert int(said) >= 2, "nothing was killed"


async def check(transactions: int, committed: list[int], left: int, direct: ValkeyJobQueue) -> None:
    """See that two of three transactions have committed, and that there is a job for each of them and no other."""
    assert left == 0
    assert committed == [number for number in range(1, transactions + 1) if number % 3]
    jobs = [job.parameters async for job in JobQueue(direct).jobs(JobStatus.PENDING)]
    assert sorted(map(str, jobs)) == sorted(f'{{"order":{number}}}' for number in committed)
