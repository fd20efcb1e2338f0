"""One connection with one command in flight, which repeats the command for as long as its reply is missing."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import libvalkey
from valkey.asyncio import Valkey
from valkey.exceptions import NoScriptError, ResponseError, ValkeyError

from jobsvalkey.contract import StoreUnavailable
from jobsvalkey.valkey.arguments import Argument, Reply
from jobsvalkey.valkey.connection import new_connection, read_timeout
from jobsvalkey.valkey.context import ScriptContext
from jobsvalkey.valkey.faults import explain
from jobsvalkey.valkey.scripting import Script

_logger = logging.getLogger(__name__)

FIRST_BACKOFF, LONGEST_BACKOFF = 0.01, 1.0
"""Seconds between attempts: doubled each time, with jitter."""

_pack = cast("Callable[[tuple[Argument, ...]], bytes]", libvalkey.pack_command)  # pyright: ignore[reportUnknownMemberType]


class Channel:
    """Sends commands over a connection of its own, one at a time, in the order of the calls."""

    def __init__(
        self, client: Valkey, context: ScriptContext, on_connect: Callable[["Channel"], Awaitable[None]] | None = None
    ) -> None:
        self._connection = new_connection(client)
        self._context = context
        self._timeout = read_timeout(client)
        self._on_connect = on_connect
        self._lock = asyncio.Lock()
        self._closed = False

    async def call(
        self,
        script: Script,
        arguments: Sequence[Argument],
        *,
        patience: float | None,
        repeat: Sequence[Argument] | None = None,
    ) -> Reply:
        """The reply of a script, repeated until there is one.

        `patience` is in seconds, 0 for once, `None` for as long as it takes. `repeat` are the arguments for
        when it has been sent in vain, where they differ.

        Raises:
            StoreUnavailable: there was no reply in time. Other errors of ours: the server refused.
        """

        key, context = self._context.queue_key, self._context.arguments()

        async def attempt(again: bool) -> Reply:
            words = repeat if again and repeat is not None else arguments
            try:
                return await self.send("EVALSHA", script.digest, 1, key, *context, *words)
            except NoScriptError:
                # A restart, a failover or a flush has made the server forget it; this runs it and loads it.
                return await self.send("EVAL", script.text, 1, key, *context, *words)

        return await self._persist(attempt, patience, self._timeout)

    async def command(self, *words: Argument, patience: float | None, blocking: float = 0) -> Reply:
        """The reply of a plain command that may be repeated; `blocking` is how many seconds it blocks by itself."""

        async def attempt(again: bool) -> Reply:
            return await self.send(*words)

        return await self._persist(attempt, patience, self._timeout + blocking)

    async def send(self, *words: Argument) -> Reply:
        """One attempt of a command on the open connection."""
        await self._connection.send_packed_command([_pack(words)])
        return await self._connection.read_response()

    async def close(self) -> None:
        """End the connection; a call that is in flight fails."""
        self._closed = True
        await self._connection.disconnect(nowait=True)

    async def _persist(
        self, attempt: Callable[[bool], Awaitable[Reply]], patience: float | None, limit: float
    ) -> Reply:
        clock = asyncio.get_running_loop().time
        end = None if patience is None else clock() + patience
        unanswered = False
        backoff = FIRST_BACKOFF
        async with self._lock:
            while True:
                if self._closed:
                    raise self._unavailable(None, unanswered)
                sent = False
                try:
                    async with asyncio.timeout(min(limit, end - clock()) if end is not None and patience else limit):
                        if not self._connection.is_connected:
                            await self._connection.connect()
                            if self._on_connect is not None:
                                await self._on_connect(self)
                        sent = True
                        return await attempt(unanswered)
                except (ValkeyError, OSError, TimeoutError) as error:
                    refusal = explain(error, self._context.queue_key) if isinstance(error, ValkeyError) else None
                    if refusal is not None:
                        if not sent:
                            await self._drop()  # else the next call would find it open, and not greet
                        raise refusal from error
                    await self._drop()
                    unanswered = unanswered or (sent and not isinstance(error, ResponseError))
                    if self._closed or (end is not None and clock() + backoff >= end):
                        raise self._unavailable(error, unanswered) from error
                    if patience is None and backoff == 8 * FIRST_BACKOFF:
                        _logger.warning("no answer from the server, trying again until there is one: %s", error)
                except BaseException:
                    # Cancelled between request and reply: the next reply on this connection would be another request's.
                    await self._drop()
                    raise
                await asyncio.sleep(backoff * random.uniform(0.5, 1))
                backoff = min(backoff * 2, LONGEST_BACKOFF)

    async def _drop(self) -> None:
        await self._connection.disconnect(nowait=True)

    def _unavailable(self, error: Exception | None, unanswered: bool) -> StoreUnavailable:
        reason = "the driver was closed" if self._closed else str(error) or "no answer in time"
        if unanswered:
            return StoreUnavailable(f"the server did not answer ({reason}): it may have been done", outcome="unknown")
        return StoreUnavailable(f"the server cannot be reached ({reason}): nothing was done", outcome="not_done")
