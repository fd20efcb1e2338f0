"""The suite on the Valkey driver in a cluster, with most hooks: the nodes announce the ports of proxies."""

from collections.abc import Iterator
from typing import ClassVar

import pytest
from jobsvalkey_conformance import DriverConformance, Hook

from tests.support.harnesses import OF_SERVERS, ClusterHarness
from tests.support.ports import free_port
from tests.support.servers import Cluster
from tests.support.servers.cluster import PRIMARIES


class TestInACluster(DriverConformance):
    """The suite on three primaries; replicas would replicate by way of the proxies, which only know commands."""

    harness_type = ClusterHarness
    may_lack: ClassVar = OF_SERVERS - {Hook.KILL_CONNECTIONS, Hook.RESTART_STORE, Hook.DRIVER_ELSEWHERE}
    by_day: ClassVar[tuple[str, ...]] = ("fault", "race", "wait")
    """The areas that every run has; the others are the same scripts as elsewhere, and run with `-m night`."""


@pytest.fixture(scope="class", autouse=True)
def running() -> Iterator[None]:
    """The cluster, for all tests."""
    with Cluster(replicas=0, announced=[free_port() for _ in range(PRIMARIES)], appendonly=True) as cluster:
        ClusterHarness.cluster = cluster
        yield
