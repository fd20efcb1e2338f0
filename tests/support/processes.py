"""Worker processes as their tests see them."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.waiting import PATIENCE, until

ROOT = Path(__file__).parents[2]


class WorkerProcess:
    """One of them, from outside."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        """What it has said so far, but for its id."""
        self.id = ""
        """The worker's, once it runs."""

    async def listen(self) -> None:
        """Note what it says, to its end."""
        assert self.process.stdout is not None
        self.id = (await self.process.stdout.readline()).decode().strip()
        async for line in self.process.stdout:
            self.lines.append(line.decode().strip())

    async def said(self, line: str) -> None:
        """Wait until it has said so."""

        def has_said() -> bool:
            assert line in self.lines or self.process.returncode is None, f"it ended and said {self.lines}"
            return line in self.lines

        await until(has_said, PATIENCE)

    async def runs(self) -> None:
        """Wait until its processor runs."""
        await until(lambda: self.id, PATIENCE)

    async def ended(self) -> int:
        """Wait for its end; its exit code."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    async def kill(self) -> None:
        """SIGKILL."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def worker_process(url: str, queue_key: str, **options: Any) -> AsyncGenerator[WorkerProcess]:
    """A process that runs jobs; it is gone after the block."""
    arguments = ["-m", "tests.support.worker_process", url, queue_key, json.dumps(options)]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    worker = WorkerProcess(process)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(worker.listen())
            try:
                yield worker
            finally:
                await worker.kill()
    finally:
        await worker.kill()
