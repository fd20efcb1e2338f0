"""A connection of the driver's own."""

import asyncio
import fcntl
import math
import socket
import sys
import termios
from asyncio import StreamWriter
from collections.abc import Callable
from typing import Any, Final, cast

import libvalkey
from valkey.asyncio.connection import DefaultParser
from valkey.exceptions import ConnectionError as ConnectionLost
from valkey.exceptions import InvalidResponse, ValkeyError

from jobsvalkey.valkey.arguments import Argument, Reply
from jobsvalkey.valkey.routes import Route

LONG = 65_536
"""Bytes of a command that is watched while it is sent: what is shorter leaves at once."""
LOOK_EVERY = 0.05
"""Seconds between two looks at how much of a long command has left."""

MISSING: Final = object()
"""Given by a reader if the reply is not complete yet."""
_error_of = cast("Callable[[str], Exception]", DefaultParser.parse_error)  # pyright: ignore[reportUnknownMemberType]
_pack = cast("Callable[[tuple[bytes | str, ...]], bytes]", libvalkey.pack_command)  # pyright: ignore[reportUnknownMemberType]


def pack(words: tuple[Argument, ...]) -> bytes:
    """Return a command as it is sent."""
    # The packer crashes if a signal's handler raises while it writes a number.
    return _pack(tuple([str(word) if isinstance(word, int) else word for word in words]))


def make_reader() -> Any:
    """Return what makes replies of bytes."""
    return libvalkey.Reader(
        protocolError=InvalidResponse,
        replyError=_error_of,
        notEnoughData=MISSING,
        convertSetsToLists=True,
    )


async def connect(route: Route) -> "Connection | WithinProcess":
    """Open a connection, log in, choose the database.

    The route does, by the client's own class: that knows how to log in and how to use TLS. What follows is ours.
    """
    client: Any = await route.connect()
    if not isinstance(client._writer, StreamWriter):  # noqa: SLF001
        return WithinProcess(client)
    writer = client._writer  # noqa: SLF001
    client._reader = client._writer = None  # noqa: SLF001 - it would close them at its end
    return Connection(writer)


class Connection(asyncio.Protocol):
    """A connection to a server. One alarm lasts from call to call, since nearly all are answered long before."""

    def __init__(self, writer: StreamWriter) -> None:
        self._loop = asyncio.get_running_loop()
        self._writer = writer  # which would close the transport at its end
        self._transport = writer.transport
        self._transport.set_protocol(self)
        self._replies: Any = make_reader()
        self._asked: asyncio.Future[Reply] | None = None
        self._silence = 0.0
        self._give_up_at = math.inf
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = math.inf
        self._leaving = 0
        """Bytes of a long command that the other side had not acknowledged at the last look."""
        self.moving_until: float = -math.inf

    @property
    def is_open(self) -> bool:
        """Whether a command can be sent; not if the server has closed it meanwhile."""
        return not self._transport.is_closing()

    def ask(self, words: tuple[Argument, ...], silence: float) -> "asyncio.Future[Reply]":
        """Send a command, one at a time; its reply, or the error of the server, or a `TimeoutError`.

        `silence` is in seconds, from the last byte that has moved, in whichever direction.
        """
        command = pack(words)
        if self._transport.is_closing():
            raise ConnectionLost("the connection is closed")
        self._asked = asked = self._loop.create_future()
        self._transport.write(command)
        self._silence = silence
        self._give_up_at = self._loop.time() + silence
        self._leaving = self._count_leaving() if len(command) > LONG else 0
        if self._give_up_at < self._alarm_at or self._leaving:
            self._watch()
        return asked

    def close(self) -> None:
        """Close it at once: what is asked fails."""
        self._transport.abort()
        if self._alarm is not None:
            self._alarm.cancel()
        self._fail(ConnectionLost("the connection is closed"))

    def detach(self) -> socket.socket | None:
        """Close it, and return another socket of it that stays open; `None` for TLS, which has a state of its own."""
        opened = self._transport.get_extra_info("socket")
        try:
            return None if self._transport.get_extra_info("ssl_object") else opened.dup()
        finally:
            self.close()

    def close_without_loop(self) -> None:
        """Close the socket of a connection whose event loop has ended, and can close nothing any more."""
        transport: Any = self._transport
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

    def data_received(self, data: bytes) -> None:
        """Answer what is asked."""
        asked = self._asked
        if asked is None:
            self.close()  # the next one who asks would take it for an answer
            return
        try:
            self._replies.feed(data)
            reply = self._replies.gets()
        except ValkeyError as error:
            self._fail(error)
            return
        if reply is MISSING:
            self._moved()
            return
        self._asked = None
        if self._replies.has_data():
            self._transport.abort()
        if asked.done():
            return  # who asked was cancelled
        if isinstance(reply, ValkeyError):
            asked.set_exception(reply)
        else:
            asked.set_result(reply)

    def eof_received(self) -> None:
        """Wait for no answer of a server that says no more."""
        self.connection_lost(None)
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._fail(exc or ConnectionLost("Connection closed by server."))

    def _fail(self, error: Exception) -> None:
        asked, self._asked = self._asked, None
        if asked is not None and not asked.done():
            asked.set_exception(error)

    def _moved(self) -> None:
        """Bytes that move are an answer on its way."""
        self._give_up_at = self.moving_until = self._loop.time() + self._silence

    def _watch(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = self._give_up_at
        if self._leaving:
            self._alarm_at = min(self._alarm_at, self._loop.time() + LOOK_EVERY)
        self._alarm = self._loop.call_at(self._alarm_at, self._look)

    def _look(self) -> None:
        """Give up what has been silent for too long, or look again when that may be so."""
        self._alarm, self._alarm_at = None, math.inf
        if self._asked is None:
            return
        if self._leaving:
            before, self._leaving = self._leaving, self._count_leaving()
            if self._leaving < before:
                self._moved()
        if self._loop.time() >= self._give_up_at:
            self._fail(TimeoutError())
        else:
            self._watch()

    def _count_leaving(self) -> int:
        """Bytes that the other side has not acknowledged: those that we keep, and those that the system keeps."""
        kept = self._transport.get_write_buffer_size()
        try:
            system = fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        except OSError:
            return kept  # a system that does not tell
        return kept + int.from_bytes(system, sys.byteorder)


class WithinProcess:
    """A connection of the client's to a server that is a part of this process, as fakeredis is."""

    moving_until: float = -math.inf

    def __init__(self, client: Any) -> None:
        self._client = client
        self._timer: asyncio.Timeout | None = None

    @property
    def is_open(self) -> bool:
        """Whether a command can be sent."""
        return bool(self._client.is_connected)

    async def ask(self, words: tuple[Argument, ...], silence: float) -> Reply:
        """Send a command; its reply, or the error of the server, or a `TimeoutError`."""
        try:
            async with asyncio.timeout(silence) as self._timer:
                await self._client.send_command(*words)
                return await self._client.read_response()
        finally:
            self._timer = None

    def close(self) -> None:
        """Forget it: what is asked fails."""
        if self._timer is not None and not self._timer.expired():
            self._timer.reschedule(0)

    def detach(self) -> None:
        """Forget it: it has no socket to give away."""
        self.close()

    def close_without_loop(self) -> None:
        """Free nothing: it has no socket."""
