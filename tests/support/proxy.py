"""A TCP proxy between a client and a server that loses, delays and cuts what passes, command by command."""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from tests.support.ports import HOST, free_port
from tests.support.resp import read_reply, read_request

After: TypeAlias = Literal["cut", "hang"]
"""What becomes of a connection whose request or reply was lost: it is cut, or nothing moves on it any more."""
_UNNUMBERED = {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR"}
"""After these a connection gets messages that are no replies."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command as a client sent it."""

    connection: int
    """Counts the proxy's connections from 0."""
    name: str
    """In upper case."""
    arguments: tuple[bytes, ...]
    """What follows the name."""

    @property
    def digest(self) -> str | None:
        """The SHA-1 of the script that it runs, if it runs one."""
        if self.name in {"EVALSHA", "EVALSHA_RO"}:
            return self.arguments[0].decode().lower()
        if self.name in {"EVAL", "EVAL_RO"}:
            return hashlib.sha1(self.arguments[0], usedforsecurity=False).hexdigest()
        return None


Matches: TypeAlias = Callable[[Command], bool]


def any_command(command: Command) -> bool:
    """Matches every command, those of a connection's greeting too."""
    return True


def named(*names: str) -> Matches:
    """Matches the commands of these names."""
    wanted = {name.upper() for name in names}
    return lambda command: command.name in wanted


def script(*digests: str) -> Matches:
    """Matches the calls of these scripts, by digest or by text."""
    return lambda command: command.digest in digests


@dataclass(eq=False)
class Fault:
    """Something that the proxy is to do to the `nth` command that matches, and to `times` - 1 further ones."""

    action: Literal["swallow", "shorten", "drop", "delay", "hold", "refuse"]
    matches: Matches
    nth: int = 1
    times: int = 1
    after: After = "cut"
    seconds: float = 0.0
    error: str = ""
    """What a refused command is answered with."""
    hit: list[Command] = field(default_factory=list[Command])
    """The commands to which it was done."""
    happened: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it was done for the first time: for a swallowed reply, when the server has given it."""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the test: lets a command through that is held back."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server has answered a command that was held back."""
    _seen: int = 0

    def takes(self, command: Command) -> bool:
        """Whether this is one of the commands to do it to; counts it."""
        if not self.matches(command):
            return False
        self._seen += 1
        return self.nth <= self._seen < self.nth + self.times

    def done(self, command: Command) -> None:
        """Note that it was done."""
        self.hit.append(command)
        self.happened.set()


class _Connection:
    """One client's connection and the one to the server that it stands for."""

    def __init__(self, number: int, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.number = number
        self.client = client
        self.server = server
        self.unanswered: deque[tuple[Command, Fault | None]] = deque()
        """What the server has got and not answered yet, with the fault that takes its reply."""
        self.unnumbered = False
        """Whether it has subscribed: what comes from the server are not replies any more."""
        self.hangs = False

    def cut(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()

    def lose(self, after: After) -> None:
        if after == "cut":
            self.cut()
        self.hangs = True


class Proxy:
    """Listens on a port, of its own or the one given, and passes on to the server at `url`.

    `async with` starts and ends it. TLS and Unix sockets are not understood. The replies of a connection that has
    subscribed are passed on as they come.
    """

    def __init__(self, url: str, port: int | None = None) -> None:
        self._parts = urlsplit(url)
        self._port = port or free_port()
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._running = asyncio.Event()
        self._running.set()
        self._count = 0
        self.turns_away: str | None = None
        """The error that new connections are told before they are closed; `None` to take them."""
        self.accepted = 0
        """How many connections clients have opened."""
        self.faults: list[Fault] = []
        """What is still to be done; `clear()` forgets it."""
        self.commands: list[Command] = []
        """All that clients have sent."""

    @property
    def url(self) -> str:
        """The URL of the server, by way of the proxy."""
        user, at, _ = self._parts.netloc.rpartition("@")
        return urlunsplit(self._parts._replace(netloc=f"{user}{at}{HOST}:{self._port}"))

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def has_closed(self, number: int) -> bool:
        """Whether a connection is closed, by its number."""
        return all(connection.number != number for connection in self._connections)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.refuse()
        self.thaw()
        await _until_all_are_connections()
        self.cut()
        # What is left waits for a delay.
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(kind, error, traceback)

    # Faults of single commands

    def swallow_reply(
        self, matches: Matches = any_command, *, nth: int = 1, times: int = 1, after: After = "cut"
    ) -> Fault:
        """The server carries the command out, and the client never gets the reply."""
        return self._add(Fault("swallow", matches, nth, times, after))

    def shorten_reply(self, matches: Matches = any_command, *, nth: int = 1, times: int = 1) -> Fault:
        """The server carries the command out, and the client gets half of the reply before the connection is cut."""
        return self._add(Fault("shorten", matches, nth, times))

    def drop_request(
        self, matches: Matches = any_command, *, nth: int = 1, times: int = 1, after: After = "cut"
    ) -> Fault:
        """The server never gets the command."""
        return self._add(Fault("drop", matches, nth, times, after))

    def delay(self, seconds: float, matches: Matches = any_command, *, nth: int = 1, times: int = 1) -> Fault:
        """The command, and what follows it on its connection, reaches the server `seconds` later."""
        return self._add(Fault("delay", matches, nth, times, seconds=seconds))

    def hold(self, matches: Matches = any_command, *, after: After = "hang") -> Fault:
        """The command, and what follows it on its connection, reaches the server when the test says so.

        If its connection is cut `after` that, the client sends it again, and that overtakes it.
        """
        return self._add(Fault("hold", matches, after=after))

    def refuse_command(self, error: str, matches: Matches = any_command, *, nth: int = 1, times: int = 1) -> Fault:
        """The server never gets the command, and the client gets an error in place of a reply."""
        return self._add(Fault("refuse", matches, nth, times, error=error))

    def clear(self) -> None:
        """Do none of what is still to be done."""
        self.faults.clear()

    def _add(self, fault: Fault) -> Fault:
        self.faults.append(fault)
        return fault

    # Faults of the network

    def cut(self) -> None:
        """Cut all connections; new ones are taken."""
        for connection in tuple(self._connections):
            connection.cut()

    def cut_those(self, matches: Matches) -> None:
        """Cut the connections on which such a command has come."""
        numbers = {command.connection for command in self.commands if matches(command)}
        for connection in tuple(self._connections):
            if connection.number in numbers:
                connection.cut()

    def refuse(self) -> None:
        """Take no new connections until `accept`: they are refused. Those that are open stay."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def accept(self) -> None:
        """Take connections (again), at the same port."""
        if self._listener is None:
            self._listener = await asyncio.start_server(self._connected, HOST, self._port)

    @asynccontextmanager
    async def away(self) -> AsyncGenerator[None]:
        """The server is away: all connections are cut, and new ones refused, within the block."""
        self.refuse()
        self.cut()
        try:
            yield
        finally:
            await self.accept()

    def freeze(self) -> None:
        """Pass nothing on until `thaw`: connections are taken and stay, and nothing is answered."""
        self._running.clear()

    def thaw(self) -> None:
        """Pass on what was held back by `freeze`, and all that follows."""
        self._running.set()

    # What passes

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.turns_away is not None:
            writer.write(f"-{self.turns_away}\r\n".encode())
            writer.close()
            return
        if self._listener is None:
            writer.transport.abort()
            return
        task = self._group.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # However it ends: also cancelled before it began, or while it waited for the server to take the connection.
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        except OSError:
            return
        connection = _Connection(self._count, writer, server_writer)
        self._count += 1
        self._connections.add(connection)
        try:
            async with asyncio.TaskGroup() as pumps:
                for pump in (self._requests(reader, connection), self._replies(server_reader, connection)):
                    pumps.create_task(self._until_cut(pump, connection))
        finally:
            self._connections.discard(connection)

    @staticmethod
    async def _until_cut(pump: Coroutine[Any, Any, None], connection: _Connection) -> None:
        try:
            await pump
        except (OSError, EOFError):
            pass
        finally:
            connection.cut()

    async def _requests(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        while True:
            raw, (name, *arguments) = await read_request(reader)
            command = Command(connection.number, name.decode().upper(), tuple(arguments))
            self.commands.append(command)
            await self._running.wait()
            taker = refused = None
            for fault in [fault for fault in self.faults if fault.takes(command)]:
                if fault.action in {"swallow", "shorten"}:
                    taker = fault
                    continue
                fault.done(command)
                if fault.action == "drop":
                    connection.lose(fault.after)
                elif fault.action == "refuse":
                    refused = fault
                elif fault.action == "hold":
                    if fault.after == "cut":
                        connection.client.transport.abort()
                    await fault.released.wait()
                    taker = fault
                else:
                    await asyncio.sleep(fault.seconds)
            if connection.hangs:
                continue
            if refused is not None:
                connection.client.write(f"-{refused.error}\r\n".encode())
                await connection.client.drain()
                continue
            if command.name in _UNNUMBERED:
                connection.unnumbered = True
            else:
                connection.unanswered.append((command, taker))
            connection.server.write(raw)
            await connection.server.drain()
            if taker is not None and taker.action == "hold":
                # Its client may have gone by now, at which the server would be left as well.
                await taker.answered.wait()

    async def _replies(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        while True:
            raw = await read_reply(reader)
            await self._running.wait()
            if not raw.startswith(b">") and not connection.unnumbered:
                command, taker = connection.unanswered.popleft()
                if taker is not None and taker.action == "hold":
                    taker.answered.set()
                elif taker is not None:
                    if taker.action == "shorten":
                        connection.client.write(raw[: len(raw) // 2])  # has left before the cut: nothing else waits
                    connection.lose(taker.after)
                    taker.done(command)
            if not connection.hangs:
                connection.client.write(raw)
                await connection.client.drain()


async def _until_all_are_connections() -> None:
    """Let the event loop make connections of all sockets that it has accepted: nobody else would close them."""
    turns = 3
    while turns:
        names = (getattr(task.get_coro(), "__name__", "") for task in asyncio.all_tasks())
        turns = 3 if "_accept_connection2" in names else turns - 1
        await asyncio.sleep(0)
