"""The suite on the twin."""

from typing import ClassVar

from jobsvalkey_conformance import DriverConformance

from tests.support.harnesses import OF_LISTS, OF_SERVERS, MemoryHarness


class TestMemory(DriverConformance):
    harness_type = MemoryHarness
    may_lack: ClassVar = frozenset({*OF_SERVERS, *OF_LISTS, "one event loop"})
