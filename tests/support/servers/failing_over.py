"""A failover that loses what it can."""

import asyncio

from valkey.exceptions import ValkeyError

from tests.support.servers.cluster import Cluster
from tests.support.servers.group import ask
from tests.support.servers.sentinel import SentinelGroup
from tests.support.servers.server import Server
from tests.support.waiting import until

CUT = 0.5
"""Seconds for which the replicas get nothing before their primary is killed: else it loses nothing worth the name."""


async def fail_over(servers: Cluster | SentinelGroup, queue_key: str, *, cut: float = CUT) -> Server:
    """Cut the replicas off, kill the primary, and wait for the promotion; the server that was killed."""
    victim = servers.primary_of(queue_key)
    replicas = servers.replicas_of(victim)
    for replica in replicas:
        ask(replica, "CONFIG", "SET", "masterauth", "wrong")
    ask(victim, "CLIENT", "KILL", "TYPE", "replica")
    await asyncio.sleep(cut)
    await asyncio.to_thread(victim.kill)
    for replica in replicas:
        ask(replica, "CONFIG", "SET", "masterauth", "")
    await until_promoted(replicas)
    return victim


async def until_promoted(replicas: list[Server]) -> None:
    """Wait until one of them is a primary."""

    def has_promoted() -> bool:
        try:
            return any(ask(replica, "ROLE")[0] == b"master" for replica in replicas)
        except (ValkeyError, OSError):
            return False  # Sentinels end a server's connections when they give it another role

    async def is_promoted() -> bool:
        return await asyncio.to_thread(has_promoted)

    await until(is_promoted, within=60)
