"""A queue in parts that lie on several primaries, and a primary that is away with its replica."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

import pytest

from jobsvalkey import JobContext, JobQueue, PartitionedQueue, StoreUnavailable, ValkeyJobQueue
from tests.support.processors import run_in_background
from tests.support.servers import Cluster, Server
from tests.support.servers.group import ask, wait_for
from tests.support.waiting import until
from tests.support.work import Work
from tests.topologies.drivers import driver_of, worker_options

PARTS = 8


@pytest.fixture
async def queue(cluster: Cluster, queue_key: str) -> AsyncIterator[PartitionedQueue]:
    """Eight parts, on all primaries."""
    async with AsyncExitStack() as stack:
        keys = [queue_key.replace("}", f"-{part}}}") for part in range(PARTS)]
        drivers = [
            await stack.enter_async_context(driver_of(cluster, key, operation_timeout=timedelta(seconds=0.5)))
            for key in keys
        ]
        yield PartitionedQueue([JobQueue(driver) for driver in drivers])


def key_of(part: JobQueue[ValkeyJobQueue]) -> str:
    return part.driver.configuration.queue_key


def take_away(cluster: Cluster, victim: Server) -> Server:
    """Kill a primary whose replica cannot take its place; the replica."""
    (replica,) = cluster.replicas_of(victim)
    replica.freeze()
    victim.kill()
    others = [node for node in cluster.nodes if node not in (victim, replica)]

    def is_voted_down() -> bool:
        return all(b"cluster_slots_fail:0\r" not in ask(node, "CLUSTER", "INFO") for node in others)

    wait_for("it is voted down", is_voted_down)
    return replica


async def test_a_primary_that_is_away_stops_its_own_parts_only_and_they_go_on_with_its_replica(
    cluster: Cluster, queue: PartitionedQueue
) -> None:
    ran: set[int] = set()

    @queue.job(Work)
    async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        ran.add(parameters.number)

    primaries = {key_of(part): cluster.primary_of(key_of(part)) for part in queue.partitions}
    assert len(set(primaries.values())) > 1
    victim = primaries[key_of(queue.partitions[0])]
    away = [part for part in queue.partitions if primaries[key_of(part)] is victim]
    others = [part for part in queue.partitions if part not in away]
    async with run_in_background(queue.processor(worker_options())):
        for number, part in enumerate(queue.partitions):
            await part.push(Work(number))
        await until(lambda: len(ran) == PARTS)
        replica = await asyncio.to_thread(take_away, cluster, victim)
        for number, part in enumerate(others, PARTS):
            await part.push(Work(number))
        await until(lambda: len(ran) == PARTS + len(others))
        with pytest.raises(StoreUnavailable):
            await away[0].push(Work(100))
        await asyncio.to_thread(replica.thaw)
        await until(partial(_has_pushed, away[0], Work(101)))
        await until(lambda: 101 in ran)


async def _has_pushed(part: JobQueue[ValkeyJobQueue], work: Work) -> bool:
    try:
        await part.push(work)
    except StoreUnavailable:
        return False
    return True


async def test_with_full_coverage_one_primary_that_is_away_stops_all_queues(
    cluster: Cluster, queue: PartitionedQueue
) -> None:
    """Why the guide says `cluster-require-full-coverage no`."""
    victim = cluster.primary_of(key_of(queue.partitions[0]))
    other = next(part for part in queue.partitions if cluster.primary_of(key_of(part)) is not victim)
    for node in cluster.nodes:
        ask(node, "CONFIG", "SET", "cluster-require-full-coverage", "yes")
    await other.push(Work(1))
    await asyncio.to_thread(take_away, cluster, victim)
    with pytest.raises(StoreUnavailable, match="CLUSTERDOWN") as told:
        await other.push(Work(2))
    assert told.value.outcome == "not_done"
    ask(cluster.primary_of(key_of(other)), "CONFIG", "SET", "cluster-require-full-coverage", "no")
    await until(partial(_has_pushed, other, Work(3)))
