"""The suite on the Valkey driver with fakeredis in place of a server."""

from typing import ClassVar

from jobsvalkey_conformance import DriverConformance, Hook

from tests.support.harnesses import FakeServerHarness


class TestFakeredis(DriverConformance):
    harness_type = FakeServerHarness
    may_lack: ClassVar = frozenset({*Hook, "one event loop", "replicas"})
    # It runs each script in Python, some ten times as slowly as a server does.
    by_day: ClassVar = ("push", "claim", "settle", "fault", "wait", "results", "unique", "lanes", "flows")
    slow_areas: ClassVar = ("size",)
    stateful_examples = 3
    histories = 1
