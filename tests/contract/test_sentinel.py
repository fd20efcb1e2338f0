"""The suite on the Valkey driver with a client that Sentinels lead, with every hook."""

from collections.abc import Iterator
from typing import ClassVar

import pytest
from jobsvalkey_conformance import DriverConformance

from tests.support.harnesses import SentinelHarness
from tests.support.ports import free_port
from tests.support.servers import SentinelGroup


class TestBehindSentinel(DriverConformance):
    """The suite on one primary; a replica would replicate by way of the proxy, which only knows commands."""

    harness_type = SentinelHarness
    by_day: ClassVar[tuple[str, ...]] = ("fault", "race", "wait")
    """The areas that every run has; the others are the same scripts as elsewhere, and run with `-m night`."""


@pytest.fixture(scope="class", autouse=True)
def running() -> Iterator[None]:
    """The servers, for all tests; nobody is voted down while the proxy is away between two of them."""
    with SentinelGroup(replicas=0, announced=free_port(), appendonly=True, down_after=600_000) as group:
        SentinelHarness.group = group
        yield
