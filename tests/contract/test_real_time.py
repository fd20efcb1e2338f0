"""What has to do with time, on the Valkey driver by the server's own clock and expiry, which no test can drive."""

import pytest
from jobsvalkey_conformance.areas.metadata import MetadataTests
from jobsvalkey_conformance.areas.order import OrderTests
from jobsvalkey_conformance.areas.push import PushTests
from jobsvalkey_conformance.areas.resume import ResumeTests
from jobsvalkey_conformance.areas.retention import RetentionTests
from jobsvalkey_conformance.areas.retry import RetryTests
from jobsvalkey_conformance.areas.workers import WorkerTests

from tests.support.harnesses import ValkeyHarness
from tests.support.servers import Server


class RealTimeHarness(ValkeyHarness):
    """Leaves time to the server."""

    drives_clock = False


@pytest.fixture(autouse=True)
def server_of_the_harness(default_server: Server) -> None:
    """The server that tests share."""
    RealTimeHarness.server = default_server


class TestRealTime(PushTests, OrderTests, RetryTests, WorkerTests, ResumeTests, MetadataTests, RetentionTests):
    harness_type = RealTimeHarness
