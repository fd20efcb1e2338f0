"""What a queue in parts costs its primaries, in their processors' time: wall time says little on two cores."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import count

import pytest

from jobsvalkey import JobContext, JobQueue, PartitionedQueue, RetentionPolicy
from tests.support.servers import Cluster, Server
from tests.support.servers.group import ask
from tests.support.work import Work
from tests.topologies.drivers import driver_of, worker_options

JOBS = 20_000
PARTS = 8
SLOTS = 100
"""Of the processor, for each part."""


def seconds_of(node: Server) -> float:
    """Processor time that a server has used."""
    lines = ask(node, "INFO", "cpu").decode().splitlines()
    told = dict(line.split(":", 1) for line in lines if ":" in line)
    return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


async def drain(cluster: Cluster, keys: Sequence[str]) -> dict[Server, float]:
    """The time of each primary while the jobs are run."""
    async with AsyncExitStack() as stack:
        parts = [
            JobQueue(await stack.enter_async_context(driver_of(cluster, key, retention_policy=RetentionPolicy())))
            for key in keys
        ]
        queue = PartitionedQueue(parts)

        @queue.job(Work)
        async def handler(parameters: Work, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
            """Do nothing."""

        await queue.push_many([Work(number) for number in range(JOBS)], atomic=False)
        before = {node: seconds_of(node) for node in cluster.primaries}
        await queue.processor(worker_options(burst=True, num_workers=SLOTS * len(keys))).run()
        assert sum((await queue.counts()).values()) == 0
        return {node: seconds_of(node) - before[node] for node in cluster.primaries}


@pytest.mark.night  # it measures
async def test_parts_cost_little_more_than_one_queue_and_share_the_work() -> None:
    with Cluster(replicas=0) as cluster:
        keys: list[str] = []
        room = dict.fromkeys(cluster.primaries, 3)
        for number in count():  # no primary has more than three of the eight
            key = f"{{mail-{number}}}"
            if room[node := cluster.primary_of(key)]:
                room[node] -= 1
                keys.append(key)
            if len(keys) == PARTS:
                break
        ratios: list[float] = []
        for _ in range(3):
            alone = sum((await drain(cluster, keys[:1])).values())
            shared = await drain(cluster, keys)
            ratios.append(sum(shared.values()) / alone)
            assert max(shared.values()) <= 0.45 * sum(shared.values()), shared
        assert min(ratios) <= 1.3, ratios
