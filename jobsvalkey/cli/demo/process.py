"""The worker processes of the demo, seen from outside."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator

from jobsvalkey.cli.errors import CommandFailed
from jobsvalkey.cli.options import URL_VARIABLE
from jobsvalkey.cli.stopping import SUPERVISED
from jobsvalkey.contract import WorkerID

START_TIMEOUT = 20.0
STOP_TIMEOUT = 10.0


class WorkerProcess:
    """One of them. `id` is the worker's in the store."""

    def __init__(self, number: int, process: asyncio.subprocess.Process, worker_id: WorkerID) -> None:
        self.number = number
        self.id = worker_id
        self._process = process

    @property
    def lives(self) -> bool:
        """Whether the process runs."""
        return self._process.returncode is None

    async def kill(self) -> None:
        """SIGKILL: it has no time for anything."""
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        """Send SIGTERM, and SIGKILL if that does not help."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await self._process.wait()
        except TimeoutError:
            await self.kill()


@contextlib.asynccontextmanager
async def worker_process(url: str, queue_key: str, number: int, pause: float) -> AsyncGenerator[WorkerProcess]:
    """A process that runs jobs, and is gone after the block.

    Raises:
        CommandFailed: it does not start.
    """
    arguments = [sys.executable, "-m", "jobsvalkey.cli.demo.worker", queue_key, str(number), str(pause)]
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            # The URL may have a password, and everybody can see the command line of a process.
            env={**os.environ, SUPERVISED: "1", URL_VARIABLE: url},
            process_group=0,
        )
        try:
            line = await _first_line(process)
            if not line:
                log.seek(0)
                reason = log.read().decode(errors="replace").strip().rpartition("\n")[2]
                raise CommandFailed(f"worker process {number} does not start: {reason or 'it says nothing'}")
            yield WorkerProcess(number, process, line.decode().strip())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _first_line(process: asyncio.subprocess.Process) -> bytes:
    """Return the first line that a process prints; nothing if it prints none in time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_TIMEOUT):
            return await process.stdout.readline() if process.stdout else b""
    return b""
