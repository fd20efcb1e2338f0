"""The course of the demo: push, watch, kill one worker in the middle, count."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

from rich.console import Console
from valkey.asyncio import Valkey
from valkey.exceptions import ValkeyError

from jobsvalkey.cli.connection import check_server, make_client, remove_keys
from jobsvalkey.cli.demo.display import Display
from jobsvalkey.cli.demo.files import Found
from jobsvalkey.cli.demo.job import DescribeFile, Results, make_queue, runs_of_each
from jobsvalkey.cli.demo.process import WorkerProcess, worker_process
from jobsvalkey.cli.demo.report import Report
from jobsvalkey.cli.demo.worker import WORKERS
from jobsvalkey.cli.errors import CommandFailed
from jobsvalkey.contract import JobStatus
from jobsvalkey.runtime import JobQueue
from jobsvalkey.valkey import ValkeyJobQueue

PUSH_AT_ONCE = 2_000
LOOK_EVERY = 0.05
"""Seconds."""
SHORTEST = 3.0
"""Seconds that the jobs take at least, all in all: if there are few files, each job rests a little."""
LONGEST_PAUSE = 1.0


async def run_demo(url: str, found: Found, console: Console) -> Report:
    """Run it on the server at `url`, and leave nothing behind there.

    Raises:
        CommandFailed: the workers do not run. JobsError: the server does not answer.
    """
    queue_key = f"jobsvalkey-demo-{uuid4()}"
    async with make_client(url) as client, _nothing_left(client, queue_key):
        await check_server(url, queue_key)
        queue = make_queue(client, queue_key)
        async with queue.driver:
            return await _Demo(url, queue_key, queue, Results(client, queue_key), found, console).run()


class _Demo:
    def __init__(
        self,
        url: str,
        queue_key: str,
        queue: JobQueue[ValkeyJobQueue],
        results: Results,
        found: Found,
        console: Console,
    ) -> None:
        self._url = url
        self._queue_key = queue_key
        self._queue = queue
        self._results = results
        self._files = found.files
        self._total = len(found.files)
        self._display = Display(console, self._total)
        self._pushed: set[str] = set()

    async def run(self) -> Report:
        pause = min(LONGEST_PAUSE, SHORTEST * 2 * WORKERS / self._total)
        # If that is less than a job takes anyway, it would only be in the way.
        pause = pause if pause > 0.02 else 0.0
        now = asyncio.get_running_loop().time
        async with (
            worker_process(self._url, self._queue_key, 1, pause) as first,
            worker_process(self._url, self._queue_key, 2, pause) as second,
        ):
            with self._display:
                started = now()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._push())
                    watching = group.create_task(self._watch([first, second]))
                seconds = now() - started
            for worker in (first, second):
                if worker.lives:
                    await worker.stop()
        return await self._count(watching.result(), seconds)

    async def _push(self) -> None:
        for start in range(0, self._total, PUSH_AT_ONCE):
            jobs = [DescribeFile(path) for path in self._files[start : start + PUSH_AT_ONCE]]
            self._pushed.update(str(job_id) for job_id in await self._queue.push_many(jobs, atomic=False))
            self._display.pushed(len(self._pushed))

    async def _watch(self, workers: list[WorkerProcess]) -> set[str]:
        """Look on until all jobs have ended, and kill a worker half-way; the jobs that it held."""
        held: set[str] = set()
        while True:
            counts = await self._queue.counts()
            done, running = counts[JobStatus.COMPLETED] + counts[JobStatus.FAILED], counts[JobStatus.PROCESSING]
            self._display.done(done, running)
            if done >= self._total:
                return held
            if not held and 2 * (done + running) >= self._total:
                held = await self._kill_one(workers)
            if not any(worker.lives for worker in workers):
                raise CommandFailed("both worker processes have ended before their jobs: is the machine out of memory?")
            await asyncio.sleep(LOOK_EVERY)

    async def _kill_one(self, workers: list[WorkerProcess]) -> set[str]:
        """Kill a worker that has jobs in hand; their ids."""
        owners = {job.worker for job in await self._processing()}
        victim = next((worker for worker in reversed(workers) if worker.id in owners and worker.lives), None)
        if victim is None:
            return set()
        await victim.kill()
        held = {str(job.job_id) for job in await self._processing() if job.worker == victim.id}
        self._display.say(f"worker {victim.number} was killed (SIGKILL) with {len(held)} jobs in hand")
        return held

    async def _processing(self) -> list[Any]:
        return [job async for job in self._queue.driver.jobs(JobStatus.PROCESSING)]

    async def _count(self, held: set[str], seconds: float) -> Report:
        counts = await self._queue.counts()
        failed = {str(job.id) async for job in self._queue.jobs(JobStatus.FAILED)}
        results = await self._results.read()
        runs = runs_of_each(results)
        first = {each.job_id: each for each in reversed(results)}
        return Report(
            pushed=len(self._pushed),
            completed=counts[JobStatus.COMPLETED],
            unreadable=len(failed),
            taken_over=len(held & (runs.keys() | failed)),
            run_twice=sum(number > 1 for number in runs.values()),
            lost=len(self._pushed - runs.keys() - failed),
            seconds=seconds,
            waits=[each.waited for each in first.values()],
            size=sum(each.size for each in first.values()),
            lines=sum(each.lines for each in first.values()),
            inconsistencies=await self._queue.driver.validate(),
        )


@contextlib.asynccontextmanager
async def _nothing_left(client: Valkey, queue_key: str) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        # If the server is gone, so is what there was to remove.
        with contextlib.suppress(ValkeyError, OSError):
            await remove_keys(client, queue_key)
