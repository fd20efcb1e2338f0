"""A connection of the driver's own."""

import asyncio
import fcntl
import sys
import termios
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from typing import Any, cast

import libvalkey
from valkey.asyncio.connection import DefaultParser
from valkey.exceptions import ConnectionError as ConnectionLost
from valkey.exceptions import InvalidResponse, ValkeyError

from jobsvalkey.valkey.arguments import Argument, Reply
from jobsvalkey.valkey.routes import Route

SLICE = 65_536
"""Bytes that are received at once. What is longer is watched while it is sent."""
LOOK_EVERY = 0.05
"""Seconds between two looks at how much of a long command has left."""

_MISSING = object()
_error_of = cast("Callable[[str], Exception]", DefaultParser.parse_error)  # pyright: ignore[reportUnknownMemberType]
_pack = cast("Callable[[tuple[Argument, ...]], bytes]", libvalkey.pack_command)  # pyright: ignore[reportUnknownMemberType]


class Connection:
    """A connection that gives bytes, and leaves timeouts and repetition to its caller.

    The route opens it, by the client's own class: that knows how to log in and how to use TLS. What follows is ours,
    as the client would count the time of a reply from the request, not from the last byte that arrived.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._streams: tuple[StreamReader, StreamWriter] | None = None
        self._replies: Any = None
        self._within_process: Any = None
        """The client's connection, if there are no streams: the server is a part of this process, as fakeredis is."""

    @property
    def is_open(self) -> bool:
        """Whether a command can be sent; not if the server has closed it meanwhile."""
        if self._within_process is not None:
            return bool(self._within_process.is_connected)
        if self._streams is None:
            return False
        reader, writer = self._streams
        return not (reader.at_eof() or writer.is_closing())

    async def open(self) -> None:
        """Open it, log in, choose the database."""
        self.close()
        connection = await self._route.connect()
        if not isinstance(connection._writer, StreamWriter):  # noqa: SLF001
            self._within_process = connection
            return
        # The client's connection keeps its streams to itself, and would close them at its end.
        reader, writer = connection._reader, connection._writer  # noqa: SLF001
        connection._reader = connection._writer = None  # noqa: SLF001
        self._streams = reader, writer
        self._replies = libvalkey.Reader(
            protocolError=InvalidResponse,
            replyError=_error_of,
            notEnoughData=_MISSING,
            convertSetsToLists=True,
        )

    async def ask(self, words: tuple[Argument, ...], moved: Callable[[], None]) -> Reply:
        """The reply of one command; an error of the server is raised.

        `moved` is called whenever something has been sent or received, and more is to come.
        """
        if self._within_process is not None:
            await self._within_process.send_command(*words)
            return await self._within_process.read_response()
        if self._streams is None:
            raise ConnectionLost("the connection is closed")
        reader, writer = self._streams
        command = _pack(words)
        writer.write(command)
        outgoing = _Outgoing(writer, moved) if len(command) > SLICE else None
        try:
            if outgoing is not None:  # what is shorter does not fill the writer, which is empty before
                await writer.drain()
            reply = self._replies.gets()
            while reply is _MISSING:
                received = await reader.read(SLICE)
                if not received:
                    raise ConnectionLost("Connection closed by server.")
                self._replies.feed(received)
                reply = self._replies.gets()
                if reply is _MISSING:
                    moved()
        finally:
            if outgoing is not None:
                outgoing.stop()
        if isinstance(reply, ValkeyError):
            raise reply
        return reply

    def close(self) -> None:
        """Close it at once, whatever is under way."""
        self._within_process = None
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    def close_without_loop(self) -> None:
        """Close the socket of a connection whose event loop has ended, and can close nothing any more."""
        if self._streams is None:
            return
        transport: Any = self._streams[1].transport
        layers: list[Any] = [transport]
        if (tls := getattr(transport, "_ssl_protocol", None)) is not None:
            layers.append(tls._transport)  # noqa: SLF001
        for layer in layers:
            # There is no public way. Another kind of loop closes the sockets that are left when it is closed itself.
            state = cast("dict[str, Any]", getattr(layer, "__dict__", {}))
            opened: Any = state.get("_sock")
            state.update(_closed=True, _closing=True, _sock=None)
            if opened is not None:
                opened.close()
        self._streams = None


class _Outgoing:
    """Tells whenever a part of a long command has left for the other side, until all of it has."""

    def __init__(self, writer: StreamWriter, moved: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = writer.transport
        self._moved = moved
        self._left = self._count()
        self._alarm = self._loop.call_later(LOOK_EVERY, self._look)

    def stop(self) -> None:
        self._alarm.cancel()

    def _look(self) -> None:
        before, self._left = self._left, self._count()
        if self._left < before:
            self._moved()
        if self._left:
            self._alarm = self._loop.call_later(LOOK_EVERY, self._look)

    def _count(self) -> int:
        """Bytes that the other side has not acknowledged: those that we keep, and those that the system keeps."""
        kept = self._transport.get_write_buffer_size()
        try:
            system = fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        except OSError:
            return kept  # a system that does not tell
        return kept + int.from_bytes(system, sys.byteorder)
