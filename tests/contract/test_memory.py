"""The suite on the twin."""

from jobsvalkey_conformance import DriverConformance
from tests.contract.harnesses import MemoryHarness


class TestMemory(DriverConformance):
    harness_type = MemoryHarness
