"""A driver's state in one event loop of one process: connections, numbers, background tasks."""

import asyncio
import contextlib
import math
import secrets
from collections.abc import Sequence
from functools import partial
from string import ascii_letters
from typing import Final, NamedTuple, cast
from weakref import WeakSet

from valkey.exceptions import ResponseError

from jobsvalkey.contract import Durability, WorkerID
from jobsvalkey.valkey.arguments import Reply
from jobsvalkey.valkey.channel import Channel
from jobsvalkey.valkey.configuration import ValkeyConfiguration
from jobsvalkey.valkey.confirming import Confirmation, Insistence
from jobsvalkey.valkey.context import ScriptContext
from jobsvalkey.valkey.direct import DirectPushes
from jobsvalkey.valkey.ends import Ends
from jobsvalkey.valkey.exchanges import ExchangeChannel
from jobsvalkey.valkey.faults import cluster_key, has_hash_tag, newer_layout, no_rights
from jobsvalkey.valkey.numbering import NumberedWriter
from jobsvalkey.valkey.pushing import Pusher
from jobsvalkey.valkey.routes import Route
from jobsvalkey.valkey.scripting import (
    ABORT,
    ACQUIRE_LOCK,
    CANCEL,
    CHANGE,
    CLEANUP,
    CLOSE_BATCH,
    CLOSE_WORKER,
    EXCHANGE,
    PAUSE,
    PAUSE_QUEUE,
    PUSH,
    PUSH_IF,
    RECOVER,
    RELEASE_LOCK,
    RENEW,
    RESUME,
    RIGHTS,
    SET_LANE_LIMIT,
    SET_METADATA,
    SWEEP_LANES,
    Script,
)
from jobsvalkey.valkey.tasks import TaskSet
from jobsvalkey.valkey.waiting import Waiter, WaitKeys

CONTROL: Final = (
    *(ABORT, ACQUIRE_LOCK, CANCEL, CHANGE, CLEANUP, CLOSE_BATCH, PAUSE, PAUSE_QUEUE, PUSH, PUSH_IF),
    *(RECOVER, RELEASE_LOCK, RESUME, SET_LANE_LIMIT, SET_METADATA, SWEEP_LANES),
)
"""The scripts that go over the channel of numbered steps."""
SEEN_FOR: Final = 1.0
"""Seconds for which what a connection has seen of the server counts for those that are opened beside it."""
LAYOUT = b"1"
"""The version of the layout of the keys."""


class DurablePushes(NamedTuple):
    """A connection for pushes that wait for a demand."""

    channel: Channel
    writer: NumberedWriter
    pusher: Pusher


class Session:
    """Each channel serves one purpose, so that no call waits behind one of another kind; it connects on first use."""

    def __init__(self, route: Route, configuration: ValkeyConfiguration, context: ScriptContext) -> None:
        self.patience: float = configuration.operation_timeout.total_seconds()
        self._route = route
        self._context = context
        self.name: str = secrets.token_hex(8)
        """Names this driver in this event loop."""
        self._calls = 0
        self._tasks = TaskSet()
        self._greeted: WeakSet[Channel] = WeakSet()
        self._seen_until = -math.inf
        """Until when, by the loop's time, what a connection has seen of the server counts for others."""

        self.control: Channel = self._channel(*CONTROL)
        """For numbered steps of users, and recovery."""
        self.reads: Channel = self._channel()
        self.upkeep: Channel = self._channel(RENEW, CLOSE_WORKER)
        """For the locks of workers."""
        self._pushes = self._channel(PUSH)
        self._configuration = configuration
        self._durable: dict[Durability, DurablePushes] = {}
        self._waits = self._channel()
        self._news = self._channel()
        self._ends = self._channel()
        self._exchanges: dict[WorkerID, ExchangeChannel] = {}
        self.control_writer: NumberedWriter = NumberedWriter(self.control, self.patience)
        self.pusher: Pusher = Pusher(
            NumberedWriter(self._pushes, self.patience), self._tasks, configuration, self.patience
        )
        self._direct = self._channel(PUSH)
        self.direct: DirectPushes = DirectPushes(self._direct, context, self.patience, self.pusher)
        """For threads that wait."""
        keys = WaitKeys(f"{context.queue_key}.metadata._wake", f"{context.queue_key}.metadata._news.{self.name}")
        self.waiter: Waiter = Waiter(route.read_timeout, keys, self._waits, self._news, self._tasks)
        self.ends: Ends = Ends(
            *(route.read_timeout, self._ends, f"{context.queue_key}.metadata._ended"),
            *(configuration.poll_time.total_seconds(), self._tasks),
        )

    def pusher_for(self, demand: Durability | None) -> Pusher:
        """The pusher of steps that are to be confirmed, or need not be."""
        return self.pusher if demand is None else self._durable_pushes(demand).pusher

    def writer_for(self, demand: Durability | None) -> NumberedWriter:
        """The same for steps that share no round trips."""
        return self.control_writer if demand is None else self._durable_pushes(demand).writer

    def _durable_pushes(self, demand: Durability) -> DurablePushes:
        """They go over a connection of their own, so that no others wait."""
        found = self._durable.get(demand)
        if found is None:
            confirmation = Confirmation(demand)
            channel = self._channel(PUSH, PUSH_IF, confirmation=confirmation)
            patience = self.patience and self.patience + confirmation.seconds
            writer = NumberedWriter(channel, patience, confirmation)
            found = DurablePushes(channel, writer, Pusher(writer, self._tasks, self._configuration, patience))
            self._durable[demand] = found
        return found

    def new_call(self) -> str:
        """A name for one call, however often it is sent."""
        self._calls += 1
        return f"{self.name}{self._calls}"

    def exchanges(self, worker: WorkerID) -> ExchangeChannel:
        """The channel for a worker's exchanges."""
        found = self._exchanges.get(worker)
        if found is None:
            demand = self._configuration.exchange_durability
            confirmation = Insistence(demand) if demand else None
            patience = self.patience and self.patience + (confirmation.seconds if confirmation else 0)
            channel = self._channel(EXCHANGE, confirmation=confirmation)
            found = self._exchanges[worker] = ExchangeChannel(channel, patience, confirmation)
        return found

    async def end_exchanges(self, worker: WorkerID) -> None:
        """Close the channel of a worker that needs it no more."""
        channel = self._exchanges.pop(worker, None)
        if channel is not None:
            await channel.close()

    async def aclose(self) -> None:
        """End tasks and connections. Calls that are under way fail; whoever waits returns."""
        self.waiter.close()
        self.ends.close()
        self.direct.close()
        exchanges, self._exchanges = list(self._exchanges.values()), {}
        await asyncio.gather(*(channel.close() for channel in (*self._channels, *exchanges)))
        await self._tasks.aclose()

    def close_without_loop(self) -> None:
        """Free the connections of an event loop that has ended."""
        self.direct.close()
        for channel in (*self._channels, *self._exchanges.values()):
            channel.close_without_loop()

    @property
    def _channels(self) -> tuple[Channel, ...]:
        durable = (pushes.channel for pushes in self._durable.values())
        shared = self.control, self.reads, self.upkeep, self._pushes, self._direct, self._waits, self._news, self._ends
        return *shared, *durable

    def _channel(self, *writing: Script, confirmation: Confirmation | None = None) -> Channel:
        return Channel(self._route, self._context, partial(self._greet, writing, confirmation))

    async def _greet(self, writing: Sequence[Script], confirmation: Confirmation | None, channel: Channel) -> None:
        """Look at the server before a connection is used, but for what another connection has just seen.

        Each asks for its rights: they may be taken away at any time, and a script would be refused in its middle.
        """
        now = asyncio.get_running_loop().time()
        if now >= self._seen_until or channel in self._greeted:
            # A connection that was lost may come back to another server.
            self._seen_until = -math.inf
            if not has_hash_tag(self._context.queue_key):
                await self._refuse_cluster(channel)
            await self._check_layout(channel)
            self._seen_until = now + SEEN_FOR
        self._greeted.add(channel)
        if writing:
            await self._check_rights(channel, sorted(frozenset[str]().union(*(script.commands for script in writing))))
        if confirmation is not None:
            await confirmation.check(channel)

    async def _refuse_cluster(self, channel: Channel) -> None:
        """Before any script is sent: servers differ in what they make of one whose keys lie in several slots."""
        greeting: Reply = None
        with contextlib.suppress(ResponseError):
            greeting = await channel.send("HELLO")
        if isinstance(greeting, list):  # a flat one in RESP2, a map in RESP3
            flat = cast("list[Reply]", greeting)
            greeting = dict(zip(flat[::2], flat[1::2], strict=True))
        if greeting is not None and greeting[b"mode"] == b"cluster":
            raise cluster_key(self._context.queue_key)

    async def _check_rights(self, channel: Channel, commands: Sequence[str]) -> None:
        """Before a script is refused in its middle: what it has done by then is not undone."""
        denied: list[bytes] = await channel.run(RIGHTS, self._context.arguments(), commands)
        if denied:
            raise no_rights("no right to " + b" ".join(denied).decode(errors="replace"))

    async def _check_layout(self, channel: Channel) -> None:
        """Scripts look at the letters that follow the version, since those can be added at any time."""
        queue_key = self._context.queue_key
        key = f"{queue_key}.metadata._layout"
        found = await channel.send("GET", key)
        if found is None:
            # A full server refuses this, and so it does for a user who may only read: the next connection tries again.
            with contextlib.suppress(ResponseError):
                await channel.send("SET", key, LAYOUT, "NX")
        elif found.rstrip(ascii_letters.encode()) != LAYOUT:
            raise newer_layout(queue_key, found.decode(errors="replace"))
