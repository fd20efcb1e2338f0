"""The suite on the Valkey driver with fakeredis in place of a server."""

from typing import ClassVar

from jobsvalkey_conformance import DriverConformance, Hook

from tests.support.harnesses import FakeServerHarness


class TestFakeredis(DriverConformance):
    harness_type = FakeServerHarness
    may_lack: ClassVar = frozenset(Hook)
