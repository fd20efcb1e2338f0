"""A worker leaves within bounds, whatever its store does."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import JobQueue
from jobsvalkey.contract import DriverConfiguration, Exchanged, Renewed, Report, Settlement
from jobsvalkey.runtime import queue_run
from jobsvalkey_memory import MemoryJobQueue
from tests.support.processors import start
from tests.support.retention import KEEP_ALL
from tests.support.virtual_time import VirtualLoop, run_virtually
from tests.support.work import Handler, Work

NOTHING = timedelta(0)


class Hanging(MemoryJobQueue[Any]):
    """Answers no step any more once it hangs, nor any of those in `never`."""

    def __init__(self, *never: str) -> None:
        super().__init__(DriverConfiguration(retention_policy=KEEP_ALL, poll_time=timedelta(milliseconds=20)))
        self.never = never
        self.hangs = False

    async def _pass(self, step: str) -> None:
        if self.hangs or step in self.never:
            await asyncio.Event().wait()

    async def open_worker(self, worker: str, hold_for: timedelta, *, about: bytes = b"") -> None:
        await self._pass("open_worker")
        await super().open_worker(worker, hold_for, about=about)

    async def exchange(
        self,
        worker: str,
        sequence: int,
        settlements: Sequence[Settlement] = (),
        limit: int = 0,
        *,
        reports: Sequence[Report] = (),
    ) -> Exchanged:
        await self._pass("exchange")
        return await super().exchange(worker, sequence, settlements, limit, reports=reports)

    async def renew(self, worker: str, hold_for: timedelta, *, leaving: bool = False) -> Renewed:
        await self._pass("renew")
        return await super().renew(worker, hold_for, leaving=leaving)

    async def close_worker(self, worker: str) -> None:
        await self._pass("close_worker")
        await super().close_worker(worker)


@pytest.mark.parametrize("never", [(), ("exchange",), ("renew",), ("close_worker",), ("open_worker",)])
@pytest.mark.parametrize("hangs", [True, False])
def test_a_store_that_does_not_answer_holds_a_stop_up_for_a_bounded_time(never: tuple[str, ...], hangs: bool) -> None:
    async def stopped(loop: VirtualLoop) -> float:
        driver = Hanging(*never)
        queue = JobQueue(driver)
        handler = Handler(queue)
        await queue.push(Work(1))  # it does not listen to its cancellation
        processor, task = start(queue, graceful_shutdown_timeout=NOTHING, cancel_grace=NOTHING)
        await asyncio.sleep(1)
        driver.hangs = hangs
        began = loop.now
        processor.stop()
        await task
        handler.go_on.set()
        await asyncio.sleep(0.1)
        return loop.now - began

    assert run_virtually(stopped) <= queue_run.LEAVE_WITHIN + 0.2
