"""The suite on stores whose times are coarse: all that it asks of time, it asks in their steps."""

import subprocess
import sys
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from jobsvalkey_conformance import DriverConformance
from msgspec.structs import replace

from jobsvalkey.contract import Clock, DriverConfiguration, QueueDriver, StoredJob
from jobsvalkey_memory import ManualClock
from tests.support.harnesses import OF_LISTS, OF_SERVERS, AskingTwice, MemoryHarness

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CoarseClock(ManualClock):
    """Follows another clock in whole steps."""

    def __init__(self, clock: ManualClock, step: timedelta) -> None:
        super().__init__()
        self._clock, self._step = clock, step
        self._follow()
        clock.subscribe(self._follow)

    def _follow(self) -> None:
        now = self._clock.now()
        self.set(now - (now - EPOCH) % self._step)


class CoarseTwin(AskingTwice):
    """Keeps due times in whole steps, rounded up: no job may be early."""

    step: timedelta

    def _enter(self, job: StoredJob) -> None:
        assert job.due is not None
        super()._enter(replace(job, due=job.due + (EPOCH - job.due) % self.step))


class SecondHarness(MemoryHarness):
    """A store that keeps whole seconds."""

    time_precision = step = timedelta(seconds=1)
    has_own_clock = False

    def make_driver(
        self, configuration: DriverConfiguration, clock: Clock | None
    ) -> AbstractAsyncContextManager[QueueDriver]:
        assert isinstance(clock, ManualClock)
        twin = CoarseTwin(configuration, CoarseClock(clock, self.step), self.store, self.replies)
        twin.step = self.step
        return twin


class MillisecondHarness(SecondHarness):
    """A store that keeps milliseconds."""

    time_precision = step = timedelta(milliseconds=1)


class SilentHarness(SecondHarness):
    """Does not say how coarse its store is."""

    time_precision = MemoryHarness.time_precision


class TestSeconds(DriverConformance):
    harness_type = SecondHarness
    may_lack: ClassVar = frozenset({*OF_SERVERS, *OF_LISTS, "one event loop", "driver on"})
    slow_areas: ClassVar = ("combined", "sequences")


@pytest.mark.slow  # what is right in steps of a second is so in shorter ones, but for what counts the steps
class TestMilliseconds(TestSeconds):
    harness_type = MillisecondHarness


def test_a_store_that_is_coarser_than_its_harness_says_does_not_conform() -> None:
    command = [sys.executable, "-m", "jobsvalkey_conformance", f"{__name__}:SilentHarness", "-k", "smallest_step"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED order: test_order_order_to_the_smallest_step_of_time" in done.stdout
