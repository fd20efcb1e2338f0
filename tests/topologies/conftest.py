"""A cluster and Sentinels that tests share: each is started once in a process, and healed between tests."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.support.servers import Cluster, SentinelGroup


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[Cluster]:
    """Ask for `cluster` instead."""
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Cluster:
    """Three primaries and three replicas. Nodes may be killed, and slots moved."""
    shared_cluster.heal()
    return shared_cluster


@pytest.fixture(scope="session")
def shared_sentinels() -> Iterator[SentinelGroup]:
    """Ask for `sentinels` instead."""
    with SentinelGroup() as group:
        yield group


@pytest.fixture
def sentinels(shared_sentinels: SentinelGroup) -> SentinelGroup:
    """A primary and a replica that three Sentinels watch. The Sentinels may be killed, the servers must not be."""
    shared_sentinels.heal()
    return shared_sentinels


@pytest.fixture
def own_sentinels() -> Iterator[SentinelGroup]:
    """The same, for one test: after a failover it takes half a minute until the Sentinels would make another."""
    with SentinelGroup() as group:
        group.wait_until_whole()
        yield group


@pytest.fixture
def queue_key() -> str:
    """A queue key that no other test uses, with a hash tag."""
    return f"{{test-{uuid4()}}}"
