"""A link to a server that carries so many bytes a second, in either direction."""

import asyncio
import socket
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from tests.support.ports import HOST

TICKS = 50
"""Pieces that the link carries in a second."""


class SlowLink:
    """Listens on a port of its own and passes on to the server at `url`; `async with` starts and ends it.

    `down` and `up` are bytes a second, from the server and to it; all connections of one direction share them.
    """

    def __init__(self, url: str, *, down: float = 1e9, up: float = 1e9) -> None:
        self._parts = urlsplit(url)
        self._up, self._down = _Direction(up), _Direction(down)
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._port = 0
        self.accepted = 0
        """How many connections there were."""

    @property
    def url(self) -> str:
        """The URL of the server, by way of the link."""
        user, at, _ = self._parts.netloc.rpartition("@")
        return urlunsplit(self._parts._replace(netloc=f"{user}{at}{HOST}:{self._port}"))

    @property
    def carried_down(self) -> int:
        """Bytes from the server so far."""
        return self._down.carried

    async def __aenter__(self) -> Self:
        # A link holds little back: what is on its way has to be told from what waits at the sender.
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        listener.bind((HOST, 0))
        self._port = listener.getsockname()[1]
        self._listener = await asyncio.start_server(self._connected, sock=listener, limit=8192)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._listener is not None:
            self._listener.close()
        while tasks := list(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        try:
            async with asyncio.TaskGroup() as group:
                pumps = [
                    group.create_task(self._up.carry(reader, to_server)),
                    group.create_task(self._down.carry(from_server, writer)),
                ]
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                for pump in pumps:
                    pump.cancel()
        finally:
            to_server.transport.abort()


class _Direction:
    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._turn = asyncio.Lock()
        self.carried = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(max(int(self._rate / TICKS), 1)):
                async with self._turn:
                    await asyncio.sleep(len(piece) / self._rate)
                self.carried += len(piece)
                writer.write(piece)
                await writer.drain()
