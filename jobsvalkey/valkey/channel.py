"""One connection with one command in flight, which repeats the command for as long as its reply is missing."""

import asyncio
import logging
import math
import random
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from valkey.exceptions import ConnectionError as ConnectionLost
from valkey.exceptions import NoScriptError, ResponseError, ValkeyError

from jobsvalkey.contract import JobsError, NotDurable, StoreUnavailable
from jobsvalkey.valkey.arguments import Argument, Reply
from jobsvalkey.valkey.connection import Connection, WithinProcess, connect
from jobsvalkey.valkey.context import ScriptContext
from jobsvalkey.valkey.faults import explain, without_login
from jobsvalkey.valkey.routes import Route
from jobsvalkey.valkey.scripting import Script

if TYPE_CHECKING:
    from jobsvalkey.valkey.confirming import Confirmation

_LOGGER = logging.getLogger(__name__)

FIRST_BACKOFF, LONGEST_BACKOFF = 0.01, 1.0
"""Seconds between attempts: doubled each time, with jitter."""
TELLS_AFTER = 1.0
"""Seconds of failed attempts after which the log says so, of a step that somebody waits for."""
LONGEST_SILENCE = 60.0
"""Seconds without a byte that an attempt is given at most, however many were given up before it."""


class Channel:
    """Sends commands over a connection of its own, one at a time, in the order of the calls."""

    def __init__(
        self, route: Route, context: ScriptContext, on_connect: Callable[["Channel"], Awaitable[None]] | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection: Connection | WithinProcess | None = None
        self._route = route
        self._context = context
        self.silence: float = route.read_timeout
        """Seconds without a byte that an attempt is given."""
        self._on_connect = on_connect
        self._lock = asyncio.Lock()
        self._closed = False
        self._timer: asyncio.Timeout | None = None
        """Of what is under way, if that is not a command: the opening of a connection, or the pause before it."""
        self._given = 0.0
        """Seconds without a byte after which a command of the attempt that is under way is given up."""
        self.tells: bool = False
        """Whether the log says that the server does not answer yet: somebody waits, and knows nothing of it."""

    @property
    def moving_until(self) -> float:
        """Until when, by the loop's time, the last bytes that moved are a reason to wait for more."""
        return -math.inf if self._connection is None else self._connection.moving_until

    def call(
        self,
        script: Script,
        arguments: Sequence[Argument],
        *,
        patience: float,
        silence: float | None = None,
        repeat: Callable[[], Sequence[Argument]] | None = None,
        confirmation: "Confirmation | None" = None,
        was_sent: bool = False,
    ) -> Awaitable[Reply]:
        """The reply of a script, repeated until there is one.

        `patience` is in seconds, 0 for once; it is not over while bytes arrive or leave. `silence` is how many seconds
        without a byte an attempt is given, if that is less than the client's read timeout. `repeat` makes the
        arguments for when it has been sent in vain, if they differ. With a `confirmation` the step is done when that
        has been asked, on the same connection: a step that was done there is repeated elsewhere, and confirmed there.
        `was_sent` says that it was sent before, in vain, by somebody else.

        Raises:
            StoreUnavailable: there was no reply in time. Other errors of ours: the server refused.
            NotDurable: it was done, and not confirmed.
        """
        context = self._context.arguments()
        silence = self.silence if silence is None else min(silence, self.silence)

        def attempt(again: bool) -> Awaitable[Reply]:
            return self.run(script, context, repeat() if again and repeat is not None else arguments)

        if confirmation is None:
            return self._persist(attempt, patience, silence, was_sent)
        return self._confirm(confirmation, attempt, patience, silence)

    def command(self, *words: Argument, patience: float, blocking: float = 0) -> Awaitable[Reply]:
        """The reply of a plain command that may be repeated; `blocking` is how many seconds it blocks by itself."""
        return self._persist(lambda _: self.send(*words), patience, self.silence + blocking)

    def detach(self, patience: float) -> Awaitable[socket.socket | None]:
        """Open a connection, and let go of it: its socket, or `None` if it can be used in the loop only.

        Raises:
            StoreUnavailable: there was none in time. Other errors of ours: the server refused.
        """

        async def let_go(_: bool) -> socket.socket | None:
            connection, self._connection = self._connection, None
            return None if connection is None else connection.detach()

        return self._persist(let_go, patience, self.silence)

    async def run(self, script: Script, context: Sequence[Argument], arguments: Sequence[Argument]) -> Reply:
        """One attempt of a script on the open connection."""
        key = self._context.queue_key
        try:
            return await self.send("EVALSHA", script.digest, 1, key, *context, *arguments)
        except NoScriptError:
            # A restart, a failover or a flush has made the server forget it; this runs it and loads it.
            return await self.send("EVAL", script.text, 1, key, *context, *arguments)

    def send(self, *words: Argument) -> Awaitable[Reply]:
        """One attempt of a command on the open connection."""
        if self._connection is None:
            raise ConnectionLost("the connection is closed")
        return self._connection.ask(words, self._given)

    async def close(self) -> None:
        """End the connection. A call that is in flight, or waits its turn, fails."""
        self._closed = True
        if self._timer is not None and not self._timer.expired():
            self._timer.reschedule(0)
        self._disconnect()
        async with self._lock:
            self._disconnect()

    def rest(self) -> bool:
        """Close the connection until the next call, if nothing is under way; whether it was closed."""
        if self._lock.locked():
            return False
        self._disconnect()
        return True

    def close_without_loop(self) -> None:
        """End the connection of a channel whose event loop has ended."""
        if self._connection is not None:
            self._connection.close_without_loop()

    async def _persist(
        self, attempt: Callable[[bool], Awaitable[Reply]], patience: float, silence: float, unanswered: bool = False
    ) -> Reply:
        clock = self._loop.time
        began = clock()
        end = began + patience
        followed = False
        tell_at = began + TELLS_AFTER if self.tells else math.inf
        told: Exception | None = None
        """The last error that says more than that time was up."""
        backoff = FIRST_BACKOFF
        async with self._lock:
            while True:
                now = clock()
                left = end - now if patience else math.inf
                if self._closed or left <= 0:
                    raise self.unavailable(told, unanswered) from told
                self._given = min(silence, left)
                sent = False
                try:
                    if self._connection is None or not self._connection.is_open:
                        await self._connect()
                    sent = True
                    return await attempt(unanswered)
                except (ValkeyError, OSError, TimeoutError) as error:
                    if not followed and self._route.moved(error):
                        # Nothing was done there, so that this was no attempt; once, for two nodes may disagree.
                        followed = True
                        self._disconnect()
                        continue
                    refusal = self._refusal(error)
                    if refusal is not None:
                        if not sent:
                            self._disconnect()  # else the next call would find it open, and not greet
                        raise refusal from error
                    self._disconnect()
                    self._route.lost()
                    unanswered = unanswered or (sent and not isinstance(error, ResponseError))
                    if isinstance(error, TimeoutError):
                        # If the answer takes longer than that, it would be lost again and again.
                        silence = min(2 * silence, LONGEST_SILENCE)
                    else:
                        told = error
                    if self._closed or clock() + backoff >= end:
                        raise self.unavailable(told, unanswered) from error
                    if clock() >= tell_at:
                        tell_at = math.inf
                        _LOGGER.warning("%s; goes on for %.1f s", self.unavailable(told, unanswered), end - clock())
                except BaseException:
                    # Cancelled between request and reply: the next reply on this connection would be another request's.
                    self._disconnect()
                    raise
                await self._pause(backoff * random.uniform(0.5, 1))
                backoff = min(backoff * 2, LONGEST_BACKOFF)

    async def _confirm(
        self, confirmation: "Confirmation", attempt: Callable[[bool], Awaitable[Reply]], patience: float, silence: float
    ) -> Reply:
        unmet: NotDurable | None = None

        async def confirmed(again: bool) -> Reply:
            nonlocal unmet
            reply = await attempt(again)
            self._given = self.silence + confirmation.seconds  # the server waits, and says nothing meanwhile
            unmet = await confirmation.ask(self, reply)
            return reply

        reply = await self._persist(confirmed, patience, silence)
        if unmet is not None:
            raise unmet
        return reply

    async def _connect(self) -> None:
        self._disconnect()
        try:
            async with asyncio.timeout(self._given) as self._timer:
                self._connection = await connect(self._route)
        finally:
            self._timer = None
        if self._closed:
            raise ConnectionLost("closed meanwhile")
        if self._on_connect is not None:
            await self._on_connect(self)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _refusal(self, error: Exception) -> JobsError | None:
        """The error that more attempts do not help with."""
        if not isinstance(error, ValkeyError) or self._route.moved(error):
            return None
        return explain(error, self._context.queue_key)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(None) as self._timer:
                await asyncio.sleep(seconds)
        except TimeoutError:
            pass  # closed meanwhile
        finally:
            self._timer = None

    def unavailable(self, error: Exception | None, unanswered: bool) -> StoreUnavailable:
        """Make the error of a call that had no answer."""
        reason = "the driver was closed" if self._closed else without_login(str(error or "")) or "no answer in time"
        if unanswered:
            return StoreUnavailable(f"the server did not answer ({reason}): it may have been done", outcome="unknown")
        return StoreUnavailable(f"the server cannot be reached ({reason}): nothing was done", outcome="not_done")
