"""What a driver holds in one event loop of one process: connections, producers, background tasks."""

import asyncio
import contextlib
import os
import secrets
from typing import cast

from valkey.asyncio import Valkey
from valkey.exceptions import ResponseError

from jobsvalkey.contract import ConfigurationError
from jobsvalkey.valkey.configuration import ValkeyConfiguration
from jobsvalkey.valkey.faults import cluster_key, has_hash_tag
from jobsvalkey.valkey.line import Line, Reply
from jobsvalkey.valkey.producer import Producer
from jobsvalkey.valkey.pushing import Pusher
from jobsvalkey.valkey.tasks import TaskSet
from jobsvalkey.valkey.waiting import Waiter

LAYOUT = b"1"
"""The version of the layout of the keys."""


class Session:
    """Lines are made on first use; each serves one purpose, so that no call waits behind one of another kind."""

    def __init__(self, loop: asyncio.AbstractEventLoop, client: Valkey, configuration: ValkeyConfiguration) -> None:
        self.loop: asyncio.AbstractEventLoop = loop
        self.process: int = os.getpid()
        self._client = client
        self._configuration = configuration
        self._lines: dict[str, Line] = {}
        self.patience: float = configuration.operation_timeout.total_seconds()
        self._name = secrets.token_hex(8)
        self._calls = 0
        self.tasks: TaskSet = TaskSet()
        self.producer: Producer = Producer(self.line("control"), self.patience)
        self.pusher: Pusher = Pusher(
            Producer(self.line("push"), self.patience), self.tasks, configuration, self.patience
        )
        self.waiter: Waiter = Waiter(client, self.line("wait"), f"{configuration.queue_key}.metadata._wake", self.tasks)

    def new_call(self) -> str:
        """A name for one call, however often it is sent."""
        self._calls += 1
        return f"{self._name}{self._calls}"

    def line(self, purpose: str) -> Line:
        """The line for a purpose."""
        found = self._lines.get(purpose)
        if found is None:
            found = self._lines[purpose] = Line(self._client, self._configuration.queue_key, self._greet)
        return found

    async def close_line(self, purpose: str) -> None:
        """Close a line that is needed no more."""
        line = self._lines.pop(purpose, None)
        if line is not None:
            await line.close()

    async def aclose(self) -> None:
        """End tasks and connections."""
        await self.tasks.aclose()
        await asyncio.gather(*(line.close() for line in self._lines.values()))
        self._lines.clear()

    async def _greet(self, line: Line) -> None:
        if not has_hash_tag(self._configuration.queue_key):
            await self._refuse_cluster(line)
        await self._check_layout(line)

    async def _refuse_cluster(self, line: Line) -> None:
        """Before any script is sent: servers differ in what they make of one whose keys lie in several slots."""
        greeting: Reply = None
        with contextlib.suppress(ResponseError):
            greeting = await line.send("HELLO")
        if isinstance(greeting, list):  # a flat one in RESP2, a map in RESP3
            flat = cast("list[Reply]", greeting)
            greeting = dict(zip(flat[::2], flat[1::2], strict=True))
        if greeting is not None and greeting[b"mode"] == b"cluster":
            raise cluster_key(self._configuration.queue_key)

    async def _check_layout(self, line: Line) -> None:
        key = f"{self._configuration.queue_key}.metadata._layout"
        found = await line.send("GET", key)
        if found is None:
            # A full server refuses this, and so it does for a user who may only read: the next connection tries again.
            with contextlib.suppress(ResponseError):
                await line.send("SET", key, LAYOUT, "NX")
        elif found != LAYOUT:
            raise ConfigurationError(
                f"queue {self._configuration.queue_key!r} was written by a newer version of jobsvalkey (layout "
                f"{found.decode(errors='replace')}): upgrade this one"
            )
