"""Pushes of threads that wait: one of them at a time speaks with the server itself, over a socket of its own.

The event loop opens the connection, as it opens all, and then lets go of it. A step is tried once here. What is more
than that is done in the loop, under the step's number: repeating it, following a failover, explaining a refusal.
"""

import asyncio
import math
import select
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from valkey.exceptions import ConnectionError as ConnectionLost
from valkey.exceptions import NoScriptError, ValkeyError

from jobsvalkey.contract import NewJob, Pushed
from jobsvalkey.valkey.arguments import Argument, Reply
from jobsvalkey.valkey.channel import Channel
from jobsvalkey.valkey.connection import LONG, MISSING, make_reader, pack
from jobsvalkey.valkey.context import ScriptContext
from jobsvalkey.valkey.numbering import NumberedWriter
from jobsvalkey.valkey.pushing import Pusher
from jobsvalkey.valkey.scripting import PUSH
from jobsvalkey.valkey.wire import push_arguments, pushed

R = TypeVar("R")

AT_ONCE: Final = 65_536
"""Bytes that are received at once."""
LONGEST: Final = 86_400.0
"""Seconds that the system waits for at most: it cannot count many days."""
LEAST: Final = 0.001
"""Seconds that a step is given at least that was tried in vain."""


class Home(Protocol):
    """The event loop of the session, as threads reach it."""

    def wait(self, function: Callable[[], Awaitable[R]], /) -> R:
        """Return what `function` does there."""
        ...

    def begin(self, function: Callable[[], None], /) -> None:
        """Have `function` called there, and do not wait."""
        ...


class Link:
    """A connection in the hands of the thread that waits for its answer."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._socket.setblocking(False)
        self._replies: Any = make_reader()
        self._poll = select.poll()
        self._poll.register(opened, select.POLLIN)
        self._is_idle = True
        """Whether all that was asked has been answered; a thread may be interrupted anywhere in between."""

    @property
    def is_open(self) -> bool:
        """Whether a command can be sent. There is nothing to read then, not even that the server has closed it."""
        return self._is_idle and not self._poll.poll(0)

    @property
    def descriptor(self) -> int:
        """Of the socket; -1 if it was closed."""
        return self._socket.fileno()

    def ask(self, words: tuple[Argument, ...], silence: float) -> Reply:
        """Send a command; its reply, or the error of the server. `silence` is how many seconds without a byte it has.

        Raises:
            OSError, ConnectionLost: there was no reply.
        """
        self._is_idle = False
        command = pack(words)
        if self._socket.send(command) < len(command):
            raise ConnectionLost("The command did not leave at once.")
        replies = self._replies
        milliseconds = math.ceil(min(silence, LONGEST) * 1_000)
        while True:
            # The system's own timeout of a socket begins anew after each signal; this one does not.
            if not self._poll.poll(milliseconds):
                raise TimeoutError
            received = self._socket.recv(AT_ONCE)
            if not received:
                raise ConnectionLost("Connection closed by server.")
            replies.feed(received)
            reply = replies.gets()
            if reply is not MISSING:
                break
        self._is_idle = not replies.has_data()
        return reply

    def shut(self) -> None:
        """Have whoever waits find that it is closed. This may be another thread."""
        with suppress(OSError):  # it is closed
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it."""
        self._socket.close()


class DirectPushes:
    """The pushes of threads, for one session. One thread speaks with the server; those that come meanwhile wait for the
    loop, which stores all their jobs in one step.

    A thread may be interrupted at any point: the lock is free then, and a connection in the midst of a step is not
    idle, so the next thread takes another one.

    Args:
        channel: opens the connection, and goes on with a step that was tried here in vain.
        pusher: pushes what comes while a step is under way.
    """

    def __init__(self, channel: Channel, context: ScriptContext, patience: float, pusher: Pusher) -> None:
        self._channel = channel
        self._pusher = pusher
        self._numbers = NumberedWriter(channel, patience)
        self._context = context
        self._patience = patience
        self._lock = threading.Lock()
        self._opening = asyncio.Lock()
        self._link: Link | None = None
        self._is_possible = True
        self.is_closed: bool = False
        """Whether its session has ended: the driver has another one by now, or will make it."""

    @property
    def descriptor(self) -> int:
        """Of the socket; -1 if there is none."""
        link = self._link
        return -1 if link is None else link.descriptor

    def push(self, items: Sequence[NewJob], size: int, home: Home) -> list[Pushed]:
        """Store `items`, of `size` bytes, which need no confirmation.

        Raises:
            As the driver's `push` does.
        """
        # A signal handler never waits for what its own thread does; others wait for one step, if they come just now.
        is_alone = not (self._lock.locked() or self._pusher.is_busy)
        reply = None
        if is_alone and self._is_possible and not self.is_closed and size <= LONG:
            end = time.monotonic() + self._patience if self._patience else math.inf
            try:
                with self._lock:
                    reply = self._step([*self._numbers.next_number(), *push_arguments(items)], end, home)
            finally:
                if self.is_closed:
                    self._discard()
        return self._pusher.push_of_thread(items, size, home.begin) if reply is None else pushed(items, reply)

    def close(self) -> None:
        """End the connection; a thread that is using it does so itself."""
        self.is_closed = True
        link = self._link
        if link is not None:
            link.shut()
        if not self._lock.locked():
            self._discard()

    def _step(self, arguments: Sequence[Argument], end: float, home: Home) -> Reply:
        """Return the reply to a step; `None` if only the loop can use the connection."""
        link = self._link
        if link is None or not link.is_open:
            self._discard()
            link = home.wait(self._open)
            if link is None:
                return None
        silence = min(self._channel.silence, end - time.monotonic())
        if silence <= 0:
            raise self._channel.unavailable(None, False)
        was_sent = True
        try:
            reply = self._ask(link, arguments, silence)
            if not isinstance(reply, ValkeyError):
                return reply
            was_sent = False  # and was refused
        except (ValkeyError, OSError):
            pass
        self._discard()
        if self.is_closed:
            raise self._channel.unavailable(None, was_sent)
        left = max(end - time.monotonic(), LEAST) if self._patience else 0
        return home.wait(partial(self._channel.call, PUSH, arguments, patience=left, was_sent=was_sent))

    def _ask(self, link: Link, arguments: Sequence[Argument], silence: float) -> Reply:
        words = 1, self._context.queue_key, *self._context.arguments(), *arguments
        reply = link.ask(("EVALSHA", PUSH.digest, *words), silence)
        if isinstance(reply, NoScriptError):
            reply = link.ask(("EVAL", PUSH.text, *words), silence)
        return reply

    async def _open(self) -> Link | None:
        async with self._opening:  # a thread that was interrupted may have begun to
            if self._link is None:
                opened = await self._channel.detach(self._patience)
                if opened is None:
                    self._is_possible = False
                else:
                    self._link = Link(opened)
                    if self.is_closed:
                        self._discard()
            return self._link

    def _discard(self) -> None:
        if (link := self._link) is not None:
            link.close()  # who is interrupted in this leaves it to the next
            self._link = None
