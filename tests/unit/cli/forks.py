"""Processes of the command line that start at once: they are forked from one that has imported it."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


class Forked:
    """A running process, as `asyncio.subprocess.Process` is one."""

    def __init__(self, pid: int, ends: socket.socket, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader):
        self.pid = pid
        self.stdout = stdout
        self.stderr = stderr
        self.returncode: int | None = None
        self._end = asyncio.create_task(self._watch(ends))

    async def _watch(self, ends: socket.socket) -> int:
        self.returncode = int(await asyncio.get_running_loop().sock_recv(ends, 100))
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        return await asyncio.shield(self._end)

    async def communicate(self) -> tuple[bytes, bytes]:
        out, err, _ = await asyncio.gather(self.stdout.read(), self.stderr.read(), self.wait())
        return out, err


class Forks:
    """Starts such processes."""

    def __init__(self, address: str) -> None:
        self._address = address

    @asynccontextmanager
    async def start(self, words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> AsyncGenerator[Forked]:
        """Start a command; at the end it is killed if it still runs."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.setblocking(False)
            await loop.sock_connect(connection, self._address)
            (out, child_out), (err, child_err), nothing = os.pipe(), os.pipe(), os.open(os.devnull, os.O_RDONLY)
            request = json.dumps([list(words), str(folder), dict(environment)]).encode()
            socket.send_fds(connection, [request], [nothing, child_out, child_err])
            for descriptor in (nothing, child_out, child_err):
                os.close(descriptor)
            async with reader_of(out) as stdout, reader_of(err) as stderr:
                process = Forked(int(await loop.sock_recv(connection, 100)), connection, stdout, stderr)
                try:
                    yield process
                finally:
                    process.kill()
                    await process.wait()


@asynccontextmanager
async def reader_of(pipe: int) -> AsyncGenerator[asyncio.StreamReader]:
    """Read what comes out of a pipe."""
    reader = asyncio.StreamReader()
    with os.fdopen(pipe, "rb") as file:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        try:
            yield reader
        finally:
            transport.close()


@contextmanager
def serve_forks() -> Generator[Forks]:
    """Run the process from which others are forked."""
    with TemporaryDirectory() as folder:
        address = str(Path(folder) / "forks")
        program = [sys.executable, str(Path(__file__).with_name("fork_server.py")), address]
        with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield Forks(address)
