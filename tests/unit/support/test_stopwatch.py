"""A stopwatch counts time that passes, and not that in which no processor was free."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.stopwatch import Stopwatch

BURN = "while True: pass"
CROWD = 5


async def test_time_that_passes_is_counted() -> None:
    started, watch = time.monotonic(), Stopwatch()
    await asyncio.sleep(0.1)
    passed = watch.seconds()
    assert 0 < passed <= time.monotonic() - started


if sys.platform == "linux":

    @pytest.fixture
    def crowd() -> Iterator[None]:
        """Other programs that want the processor that this one is on."""
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(allowed)})
        with ExitStack() as stack:
            stack.callback(os.sched_setaffinity, 0, allowed)
            for _ in range(CROWD):
                process = stack.enter_context(subprocess.Popen([sys.executable, "-c", BURN]))
                stack.callback(process.kill)
            yield

    @pytest.mark.usefixtures("crowd")
    def test_waiting_for_a_processor_is_not() -> None:
        watch, started, worked = Stopwatch(), time.monotonic(), time.process_time()
        while time.process_time() - worked < 0.3:
            pass
        assert watch.seconds() < 2 / CROWD * (time.monotonic() - started)

    @pytest.mark.usefixtures("crowd")
    def test_nor_is_that_of_the_other_processes() -> None:
        with subprocess.Popen([sys.executable, "-c", BURN]) as other:
            watch, started = Stopwatch(lambda: [other.pid]), time.monotonic()
            while time.monotonic() - started < 0.5:
                time.sleep(0.01)
            passed, elapsed = watch.seconds(), time.monotonic() - started
            other.kill()
        assert passed < 2 / CROWD * elapsed
        assert watch.seconds() > 0, "one that has ended is no error"
