"""How the suite gets our own drivers: the twin, the Valkey driver on each server, and the same on fakeredis."""

import asyncio
import dataclasses
import re
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import cycle
from typing import Any, ClassVar, cast

import fakeredis
from jobsvalkey_conformance import (
    GARBLED,
    Damage,
    DriverHarness,
    Hook,
    Observation,
)
from valkey.asyncio import Valkey, ValkeyCluster

from jobsvalkey.contract import Clock, DriverConfiguration, JobID, Operation, QueueDriver, SystemClock
from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue, scripting
from jobsvalkey_memory import MemoryJobQueue, MemoryStore
from tests.support.elsewhere import driver_elsewhere
from tests.support.late_requests import held_back
from tests.support.lost_replies import LostReplies
from tests.support.lost_stores import lost_store
from tests.support.observing import observed_keys, observed_store
from tests.support.proxy import Command, Proxy
from tests.support.server_errors import PASSING
from tests.support.servers import Cluster, SentinelGroup, Server
from tests.support.servers.group import port_of
from tests.support.waiting import PATIENCE, until

NUMBERED = {
    "push", "push_if", "cancel", "pause", "resume", "rerun", "remove", "cleanup_step", "set_metadata", "acquire_lock",
    "release_lock", "set_lane_limit",
}  # fmt: skip
"""The steps that an operation numbers."""
WRITING = NUMBERED | {"exchange", "open_worker", "renew", "close_worker", "recover"}


OF_SERVERS = frozenset(Hook) - {Hook.OBSERVE, Hook.FINGERPRINT, Hook.DAMAGE, Hook.DROP_REPLY}
"""What only a store can have that is a process beside ours."""
OF_LISTS = frozenset({f"a {Damage.STRAY_EXPIRY}", f"a {Damage.FOREIGN_LINE}"})
"""The damage that only a store can have which keeps such lists beside its jobs."""


class AskingTwice(MemoryJobQueue[Clock]):
    """The twin as it would be with a network in between: after a lost reply the step is asked for again."""

    def __init__(
        self, configuration: DriverConfiguration, clock: Clock, store: MemoryStore, replies: LostReplies
    ) -> None:
        super().__init__(configuration, clock, store)
        self.replies = replies

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return self._asked_for(name, found) if name in WRITING else found

    def _asked_for(self, name: str, step: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def asked(*args: Any, **kwargs: Any) -> Any:
            lost = self.replies.lose_one()
            if lost and name in NUMBERED and kwargs.get("operation") is None:
                kwargs["operation"] = Operation(secrets.token_hex(8), 1)
            if lost:
                await step(*args, **kwargs)
            return await step(*args, **kwargs)

        return asked


class MemoryHarness(DriverHarness):
    """The twin."""

    several_loops = False
    counts_replicas = False  # it takes every demand as met

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.replies = LostReplies()

    def make_driver(
        self, configuration: DriverConfiguration, clock: Clock | None
    ) -> AbstractAsyncContextManager[QueueDriver]:
        """A twin on the store of this harness."""
        return AskingTwice(configuration, clock or SystemClock(), self.store, self.replies)

    async def observe(self, configuration: DriverConfiguration) -> Observation:
        """The contents of the store."""
        return observed_store(self.store.queues[configuration.queue_key])

    async def fingerprint(self, configuration: DriverConfiguration) -> object:
        """Jobs, claims, producers and metadata; not what only serves to wake workers."""
        state = self.store.queues[configuration.queue_key]
        workers = {name: (each.expires, dict(each.claims), each.sequence) for name, each in state.workers.items()}
        return (
            dict(state.jobs),
            dict(state.saved),
            dict(state.remembered),
            dict(state.names),
            workers,
            dict(state.producers),
            dict(state.metadata),
            dict(state.lanes.limits),
            {lane: tuple(begun) for lane, begun in state.lanes.begun.items()},
            {minute: dict(tally) for minute, tally in state.activity.items()},
        )

    async def damage(self, configuration: DriverConfiguration, job_id: JobID, how: Damage) -> None:
        """Through the store's back door. It has no list of its own that could be wrong."""
        if how in (Damage.STRAY_EXPIRY, Damage.FOREIGN_LINE):
            raise NotImplementedError
        request = GARBLED if how is Damage.GARBLED_REQUEST else None
        self.store.damage(configuration.queue_key, job_id, request, wrong_type=how is Damage.WRONG_TYPE)

    @asynccontextmanager
    async def drop_reply(self) -> AsyncGenerator[None]:
        """The next step is made twice, as after a lost reply."""
        self.replies.armed = True
        try:
            yield
        finally:
            self.replies.armed = False


READING = (
    *(scripting.COUNTS, scripting.EXAMINE, scripting.GET_METADATA, scripting.IS_QUEUE_PAUSED, scripting.LANE_LIMITS),
    *(scripting.LANES, scripting.LOAD, scripting.PAGE, scripting.READ, scripting.RIGHTS),
)
READS = {script.digest for script in READING}


def writes(command: Command) -> bool:
    """Whether a command is a step that writes."""
    return command.digest is not None and command.digest not in READS


class KeysHarness(DriverHarness):
    """What is the same wherever the Valkey driver's keys lie."""

    client: Any
    """Looks at the keys without the driver; the client has no complete types."""

    def __init__(self) -> None:
        self._queue_keys: set[str] = set()
        self._resources = AsyncExitStack()

    def drivers_client(self) -> Valkey | ValkeyCluster:
        """The client that a driver is made with."""
        raise NotImplementedError

    def make_driver(
        self, configuration: DriverConfiguration, clock: Clock | None
    ) -> AbstractAsyncContextManager[QueueDriver]:
        """A driver with the client of this harness."""
        self._queue_keys.add(configuration.queue_key)
        settings = {field.name: getattr(configuration, field.name) for field in dataclasses.fields(DriverConfiguration)}
        return ValkeyJobQueue(self.drivers_client(), ValkeyConfiguration(**settings), clock=clock)

    async def stop(self) -> None:
        """Remove the keys, end the connections."""
        async with self._resources:
            for queue_key in self._queue_keys:
                pattern = re.sub(r"([*?\[\]\\])", r"\\\1", queue_key)
                keys = [key async for key in self.client.scan_iter(match=f"{pattern}*", count=1000)]
                if keys:
                    await self.client.unlink(*keys)

    async def observe(self, configuration: DriverConfiguration) -> Observation:
        """The contents of the keys."""
        return await observed_keys(self.client, configuration.queue_key)

    async def damage(self, configuration: DriverConfiguration, job_id: JobID, how: Damage) -> None:
        """Spoil the payload's key, or a list."""
        key, meta = f"{configuration.queue_key}/{job_id}", f"{configuration.queue_key}.metadata"
        if how is Damage.STRAY_EXPIRY:
            await self.client.zadd(f"{meta}._ends_at", {str(job_id): 1})
            return
        if how is Damage.FOREIGN_LINE:
            priority, lane = await self.client.hmget(f"{meta}._job.{job_id}", "priority", "lane")
            line = f"{meta}._line.{(priority or b'0').decode()}.{lane.decode()}"
            await self.client.delete(line)
            await self.client.set(line, b"something else")
            return
        await self.client.delete(key)
        if how is Damage.GARBLED_REQUEST:
            await self.client.set(key, GARBLED)
        elif how is Damage.WRONG_TYPE:
            await self.client.rpush(key, b"a list")


class ValkeyHarness(KeysHarness):
    """The Valkey driver on a real server, by way of a proxy that cuts connections and loses replies."""

    lines_of_a_step = 3  # each step is a script
    server: ClassVar[Server]

    def __init__(self) -> None:
        super().__init__()
        self._refusals = cycle(PASSING.values())

    async def start(self) -> None:
        """Start the proxy, open a way around it."""
        self.client = cast(Any, Valkey).from_url(self.server.url, socket_timeout=PATIENCE)
        self._resources.push_async_callback(self.client.aclose)
        self.proxy = await self._resources.enter_async_context(Proxy(self.server.url))
        self._drivers_client: Valkey = cast(Any, Valkey).from_url(self.proxy.url)
        self._resources.push_async_callback(cast(Any, self._drivers_client).aclose)

    def drivers_client(self) -> Valkey:
        """One whose connections go by way of the proxy."""
        return self._drivers_client

    async def fingerprint(self, configuration: DriverConfiguration) -> object:
        """The server's own count of changes."""
        return (await self.client.info("persistence"))["rdb_changes_since_last_save"]

    async def kill_connections(self) -> None:
        """Cut all that the drivers have."""
        self.proxy.cut()

    async def restart_store(self) -> None:
        """Stop the server and start it again."""
        await asyncio.to_thread(self.server.restart)

    @asynccontextmanager
    async def drop_reply(self) -> AsyncGenerator[None]:
        """Lose the reply of the next script that writes."""
        self.proxy.swallow_reply(writes)
        try:
            yield
        finally:
            self.proxy.clear()

    def delay_request(self) -> AbstractAsyncContextManager[Callable[[], Awaitable[object]]]:
        """Hold the next script that writes back in the proxy."""
        return held_back(self.proxy, writes, "hang")

    def overtake_request(self) -> AbstractAsyncContextManager[Callable[[], Awaitable[object]]]:
        """Hold the next script that writes back in the proxy, and cut its connection."""
        return held_back(self.proxy, writes, "cut")

    @asynccontextmanager
    async def refuse_for_a_while(self) -> AsyncGenerator[None]:
        """Answer three scripts that write as a server does that cannot take them just now, each in another way."""
        for number in range(1, 4):
            self.proxy.refuse_command(next(self._refusals), writes, nth=number)
        try:
            yield
        finally:
            self.proxy.clear()

    def lose_store(self, *, refuses: bool) -> AbstractAsyncContextManager[Callable[[], Awaitable[object]]]:
        """Lose the reply of the next script that writes, then refuse those that follow, or all connections."""
        return lost_store(self.proxy, writes, next(self._refusals) if refuses else None)

    async def kill_store(self) -> None:
        """Kill the server, start it again."""
        await asyncio.to_thread(self.server.kill)
        await asyncio.to_thread(self.server.start)

    @asynccontextmanager
    async def forgetful_store(self) -> AsyncGenerator[None]:
        """Turn the append-only file off."""
        before = (await self.client.config_get("appendonly"))["appendonly"]
        await self.client.config_set("appendonly", "no")
        try:
            yield
        finally:
            await self.client.config_set("appendonly", before)
            await until(self._has_rewritten)

    def driver_elsewhere(
        self, configuration: DriverConfiguration
    ) -> Callable[[], AbstractAsyncContextManager[QueueDriver]]:
        """One that goes to the server itself."""
        return partial(driver_elsewhere, Valkey, self.server.url, configuration)

    async def _has_rewritten(self) -> bool:
        return not (await self.client.info("persistence"))["aof_rewrite_in_progress"]

    async def open_connections(self) -> int:
        """Count those by way of the proxy, but for what the harness's own pool keeps."""
        pool = cast(Any, self._drivers_client).connection_pool
        return self.proxy.connections - len(pool._available_connections)

    @property
    def hooks(self) -> frozenset[Hook]:
        """All, but for restarts of a server that is not ours."""
        of_ours = {Hook.RESTART_STORE, Hook.KILL_STORE, Hook.FORGETFUL_STORE}
        return super().hooks - (frozenset() if self.server.controllable else of_ours)


class SentinelHarness(ValkeyHarness):
    """The Valkey driver with a client that Sentinels lead; they tell the port of a proxy."""

    group: ClassVar[SentinelGroup]

    async def start(self) -> None:
        """Start the proxy, open a way around it."""
        type(self).server = self.group.servers[0]
        self.client = cast(Any, Valkey).from_url(self.server.url, socket_timeout=PATIENCE)
        self._resources.push_async_callback(self.client.aclose)
        self.proxy = await self._resources.enter_async_context(Proxy(self.server.url, self.group.announced))
        self._drivers_client = self.group.client()
        self._resources.push_async_callback(cast(Any, self._drivers_client).aclose)
        for sentinel in self.group.sentinels:
            sentinel.thaw()

    async def stop(self) -> None:
        """Remove the keys, end the connections; the Sentinels stand still, else they would connect to the last."""
        for sentinel in self.group.sentinels:
            sentinel.freeze()
        await super().stop()


class ClusterHarness(KeysHarness):
    """The Valkey driver on a cluster whose nodes announce the ports of proxies, so that MOVED does not pass them by."""

    cluster: ClassVar[Cluster]

    async def start(self) -> None:
        """Start the proxies, open a way around them."""
        ports = dict(zip(self.cluster.announced, map(port_of, self.cluster.nodes), strict=True))
        url = self.cluster.url

        def around(place: tuple[str, int]) -> tuple[str, int]:
            return place[0], ports.get(place[1], place[1])

        self.client = cast(Any, ValkeyCluster).from_url(url, address_remap=around)
        self._resources.push_async_callback(self.client.aclose)
        self.proxies = [
            await self._resources.enter_async_context(Proxy(node.url, port))
            for node, port in zip(self.cluster.nodes, self.cluster.announced, strict=True)
        ]
        self._drivers_client = cast(Any, ValkeyCluster).from_url(self.proxies[0].url)
        self._resources.push_async_callback(self._drivers_client.aclose)

    def drivers_client(self) -> ValkeyCluster:
        """One that knows the proxies only."""
        return cast(ValkeyCluster, self._drivers_client)

    async def fingerprint(self, configuration: DriverConfiguration) -> object:
        """The count of changes of all nodes."""
        told = await self.client.info("persistence", target_nodes=ValkeyCluster.PRIMARIES)
        return {node: each["rdb_changes_since_last_save"] for node, each in told.items()}

    async def kill_connections(self) -> None:
        """Cut all that the drivers have."""
        for proxy in self.proxies:
            proxy.cut()

    async def restart_store(self) -> None:
        """Stop all nodes and start them again."""
        async with asyncio.TaskGroup() as group:
            for node in self.cluster.nodes:
                group.create_task(asyncio.to_thread(node.restart))
        await asyncio.to_thread(self.cluster.wait_until_whole)

    def driver_elsewhere(
        self, configuration: DriverConfiguration
    ) -> Callable[[], AbstractAsyncContextManager[QueueDriver]]:
        """One that begins with any node, by way of its proxy."""
        return partial(driver_elsewhere, ValkeyCluster, self.proxies[0].url, configuration)

    @asynccontextmanager
    async def drop_reply(self) -> AsyncGenerator[None]:
        """Lose the reply of the next script that writes: all of a queue's go by way of one proxy."""
        for proxy in self.proxies:
            proxy.swallow_reply(writes)
        try:
            yield
        finally:
            for proxy in self.proxies:
                proxy.clear()


class FakeServerHarness(KeysHarness):
    """The Valkey driver on fakeredis, which has no replicas and no `WAIT`."""

    several_loops = False
    counts_replicas = False

    async def start(self) -> None:
        """Make a server of its own."""
        self._server = fakeredis.FakeServer(server_type="valkey")
        self.client = fakeredis.FakeAsyncValkey(server=self._server)
        self._resources.push_async_callback(self.client.aclose)

    def drivers_client(self) -> Valkey:
        """One of the same server."""
        return cast(Valkey, fakeredis.FakeAsyncValkey(server=self._server))
