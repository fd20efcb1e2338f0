"""Faults of servers that stand in for each other."""

import asyncio

from tests.chaos.kind import Scene, kind
from tests.chaos.stages import cluster
from tests.support.servers import Cluster


def cluster_of(scene: Scene) -> Cluster:
    group = scene.stage.group
    assert isinstance(group, Cluster)
    return group


@kind("a slot moves, key by key", "the queue stands still meanwhile; nothing is lost", stage=cluster, slow=True)
async def slot_moved(scene: Scene) -> None:
    group = cluster_of(scene)
    _, target = await asyncio.to_thread(group.begin_move, scene.queue_key)
    await scene.pause(0, 0.3)
    await asyncio.to_thread(group.move_keys, scene.queue_key)
    await asyncio.to_thread(group.end_move, scene.queue_key, target)
