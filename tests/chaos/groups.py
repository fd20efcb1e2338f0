"""Faults of servers that stand in for each other."""

import asyncio
from contextlib import suppress

from valkey.crc import key_slot

from tests.chaos.kind import Scene, kind
from tests.chaos.stages import cluster, sentinels
from tests.support.servers import Cluster, SentinelGroup
from tests.support.servers.failing_over import fail_over, until_promoted
from tests.support.servers.group import ask
from tests.support.waiting import until

CUT_OFF = "half a second after its replicas were cut off"
KEPT = "nothing is lost or doubled that `Durability(replicas=1)` has let pass"
CONTROL = "none: jobs are lost, or run again"


def group_of(scene: Scene) -> Cluster | SentinelGroup:
    assert scene.stage.group is not None
    return scene.stage.group


def cluster_of(scene: Scene) -> Cluster:
    group = group_of(scene)
    assert isinstance(group, Cluster)
    return group


@kind(f"a primary behind Sentinel is killed, {CUT_OFF}", KEPT, stage=sentinels, durable=True, slow=True)
async def sentinel_failover(scene: Scene) -> None:
    await fail_over(group_of(scene), scene.queue_key)


@kind("the same, without `Durability`", CONTROL, stage=sentinels, control=True, slow=True)
async def sentinel_failover_without(scene: Scene) -> None:
    await sentinel_failover(scene)


@kind(f"a primary in a cluster is killed, {CUT_OFF}", KEPT, stage=cluster, durable=True, slow=True)
async def cluster_failover(scene: Scene) -> None:
    victim = await fail_over(group_of(scene), scene.queue_key)
    # As whatever watches over processes does; without a replica, no demand for one is met.
    await asyncio.to_thread(victim.start)


@kind("the same, without `Durability`", CONTROL, stage=cluster, control=True, slow=True)
async def cluster_failover_without(scene: Scene) -> None:
    await cluster_failover(scene)


@kind(
    "a primary in a cluster is frozen (SIGSTOP), and comes back when another has taken its place",
    KEPT,
    stage=cluster,
    durable=True,
    slow=True,
)
async def cluster_frozen(scene: Scene) -> None:
    group = group_of(scene)
    victim = group.primary_of(scene.queue_key)
    replicas = group.replicas_of(victim)
    victim.freeze()
    await until_promoted(replicas)
    await scene.pause(0, 1)
    victim.thaw()


@kind("a slot moves, key by key", "the queue stands still meanwhile; nothing is lost", stage=cluster, slow=True)
async def slot_moved(scene: Scene) -> None:
    group = cluster_of(scene)
    _, target = await asyncio.to_thread(group.begin_move, scene.queue_key)
    await scene.pause(0, 0.3)
    await asyncio.to_thread(group.move_keys, scene.queue_key)
    await asyncio.to_thread(group.end_move, scene.queue_key, target)


@kind("a slot moves at once (`CLUSTER MIGRATESLOTS`)", "nothing is lost", stage=cluster, slow=True)
async def slot_migrated(scene: Scene) -> None:
    group = cluster_of(scene)
    slot, source = key_slot(scene.queue_key.encode()), group.primary_of(scene.queue_key)
    target = scene.chance.choice([node for node in group.primaries if node is not source])
    ask(source, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", group.name(target))

    async def has_moved() -> bool:
        with suppress(LookupError):  # for a moment nobody says that it has it
            return await asyncio.to_thread(group.primary_of, scene.queue_key) is target
        return False

    await until(has_moved)
