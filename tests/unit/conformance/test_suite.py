"""The suite as a whole: that it holds what its areas hold."""

import inspect

import pytest
from jobsvalkey_conformance import DriverConformance, Hook
from jobsvalkey_conformance.case import Suite
from jobsvalkey_conformance.marks import NOT_RUN

from tests.unit.conformance.faulty_drivers import TwinHarness

AREAS = [area for area in DriverConformance.__mro__ if issubclass(area, Suite) and area is not DriverConformance]
TESTS = {name: test for name, test in inspect.getmembers(DriverConformance) if name.startswith("test_")}


def test_no_area_hides_a_test_of_another() -> None:
    for area in AREAS:
        for name, test in vars(area).items():
            assert not name.startswith("test_") or TESTS[name] is test


def test_every_test_says_what_it_holds_a_driver_to() -> None:
    assert len(TESTS) > 200
    for name, test in TESTS.items():
        assert (inspect.getdoc(test) or "").rstrip().endswith("."), name


def test_every_test_is_counted_under_a_capability() -> None:
    for name, test in TESTS.items():
        assert hasattr(test, "conformance_case"), name


def test_hooks_are_the_methods_that_are_overridden() -> None:
    class Watching(TwinHarness):
        async def kill_connections(self) -> None: ...

    assert TwinHarness().hooks == frozenset()
    assert Watching().hooks == {Hook.KILL_CONNECTIONS}
    assert all(callable(getattr(TwinHarness, hook)) for hook in Hook)


async def test_a_store_that_is_not_durable_is_not_held_to_its_restarts() -> None:
    class Restarting(TwinHarness):
        async def restart_store(self) -> None: ...

    class Volatile(DriverConformance):
        harness_type = Restarting

    with pytest.raises(pytest.skip.Exception, match=f"{NOT_RUN}the store is not durable"):
        await Volatile().test_fault_the_store_restarts()


def test_searches_come_last() -> None:
    # Pytest collects the tests of a class from its last base to its first.
    order = [area.__name__ for area in reversed(AREAS)]
    assert order[-2:] == ["StatefulArea", "HistoryArea"]
    assert order.index("CapabilityTests") < order.index("SizeTests") < order.index("StatefulArea")
