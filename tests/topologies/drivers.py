"""Drivers of a cluster, and of the primary that Sentinels name."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

from valkey.asyncio import Valkey, ValkeyCluster
from valkey.asyncio.cluster import ClusterNode

from jobsvalkey import ActiveLock, ProcessorOptions, ValkeyConfiguration, ValkeyJobQueue
from tests.support.ports import HOST
from tests.support.retention import KEEP_ALL
from tests.support.servers import Cluster, SentinelGroup
from tests.support.servers.group import port_of

Servers = Cluster | SentinelGroup


def make_client(servers: Servers, **settings: Any) -> Valkey | ValkeyCluster:
    """A client, as a user makes it. It is for one test's event loop."""
    if isinstance(servers, SentinelGroup):
        return servers.client(**settings)
    # The client has no complete types.
    nodes = [ClusterNode(HOST, port_of(node)) for node in servers.nodes]
    return cast(Any, ValkeyCluster)(startup_nodes=nodes, **settings)


@asynccontextmanager
async def driver_of(servers: Servers, queue_key: str, **configuration: Any) -> AsyncGenerator[ValkeyJobQueue]:
    """A driver that keeps what has ended, and polls often. Nothing of it is left behind."""
    settings: dict[str, Any] = {"retention_policy": KEEP_ALL, "poll_time": timedelta(seconds=0.05), **configuration}
    # A server that is frozen is given up after a second.
    client = make_client(servers, socket_timeout=1.0)
    async with ValkeyJobQueue(client, ValkeyConfiguration(queue_key=queue_key, **settings)) as driver:
        yield driver


def worker_options(**changes: Any) -> ProcessorOptions:
    """A worker whose lock runs out soon."""
    lock = ActiveLock(every=timedelta(seconds=0.5), hold_for=timedelta(seconds=3))
    settings: dict[str, Any] = {"worker_active_lock": lock, "num_workers": 8, **changes}
    return ProcessorOptions(**settings)
