"""A test in real time is not failed for a machine that is slow: its moments grow."""

import time
from datetime import timedelta

import pytest
from jobsvalkey_conformance.case import MOMENTS, Suite, conformance_test
from jobsvalkey_conformance.context import SuiteContext

from tests.support.harnesses import MemoryHarness

FIRST, SECOND, _ = MOMENTS


class RealTimeHarness(MemoryHarness):
    drives_clock = False


class Timed(Suite):
    harness_type = RealTimeHarness

    def __init__(self) -> None:
        self.moments: list[timedelta] = []

    @conformance_test()
    async def late(self, kit: SuiteContext) -> None:
        self.moments.append(kit.unit)
        time.sleep(0.8 * FIRST.total_seconds())  # noqa: ASYNC251 - as on a busy machine
        assert kit.unit > FIRST

    @conformance_test()
    async def wrong(self, kit: SuiteContext) -> None:
        self.moments.append(kit.unit)
        await kit.advance(kit.unit)
        raise AssertionError("the driver is wrong")


async def test_a_test_whose_steps_took_too_long_is_made_again_with_longer_moments() -> None:
    timed = Timed()
    await timed.late()
    assert timed.moments == [FIRST, SECOND]


async def test_any_other_failure_is_one() -> None:
    timed = Timed()
    with pytest.raises(AssertionError, match="the driver is wrong"):
        await timed.wrong()
    assert timed.moments == [FIRST]
