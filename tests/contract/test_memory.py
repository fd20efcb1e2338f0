"""The suite on the twin."""

from typing import ClassVar

from jobsvalkey_conformance import DriverConformance, Hook

from tests.support.harnesses import MemoryHarness


class TestMemory(DriverConformance):
    harness_type = MemoryHarness
    may_lack: ClassVar = frozenset({Hook.KILL_CONNECTIONS, Hook.RESTART_STORE, "one event loop"})
