"""Failovers and resharding under load: nothing is lost that was acknowledged under a demand."""

from collections.abc import Iterator

import pytest

from tests.support.servers import Cluster, SentinelGroup
from tests.topologies.load import run

SEED = 1


@pytest.fixture
def with_two_replicas() -> Iterator[SentinelGroup]:
    """One of them is left when the other one is promoted."""
    with SentinelGroup(replicas=2) as group:
        group.wait_until_whole()
        yield group


async def test_behind_sentinel_nothing_is_lost_that_a_replica_had(
    with_two_replicas: SentinelGroup, queue_key: str
) -> None:
    outcome = await run(with_two_replicas, queue_key, "failover", SEED, durable=True)
    assert (outcome.lost, outcome.stuck) == (0, 0), outcome


async def test_in_a_cluster_nothing_is_lost_that_a_replica_had(cluster: Cluster, queue_key: str) -> None:
    outcome = await run(cluster, queue_key, "failover", SEED, durable=True)
    assert (outcome.lost, outcome.stuck) == (0, 0), outcome


async def test_without_a_demand_acknowledged_jobs_are_lost(cluster: Cluster, queue_key: str) -> None:
    """The control: else the tests above prove nothing."""
    outcome = await run(cluster, queue_key, "failover", SEED, durable=False)
    assert outcome.lost > 0, outcome
    assert outcome.stuck == 0, outcome


async def test_resharding_loses_nothing_and_runs_nothing_again(cluster: Cluster, queue_key: str) -> None:
    outcome = await run(cluster, queue_key, "resharding", SEED, durable=False)
    assert (outcome.lost, outcome.again, outcome.stuck) == (0, 0, 0), outcome
