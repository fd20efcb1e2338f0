"""Processors of tests."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from jobsvalkey import ActiveLock, JobQueue, Processor, ProcessorOptions
from jobsvalkey.runtime.processor import BaseProcessor
from tests.support.waiting import PATIENCE

QUICK_LOCK = ActiveLock(every=timedelta(milliseconds=10), hold_for=timedelta(seconds=30))


def options(**changes: Any) -> ProcessorOptions:
    """Options of a processor that renews and recovers all the time."""
    settings: dict[str, Any] = {"worker_active_lock": QUICK_LOCK, **changes}
    return ProcessorOptions(**settings)


def start(queue: JobQueue[Any], **changes: Any) -> "tuple[Processor, asyncio.Task[bool]]":
    """A processor that runs, to be stopped by the test."""
    processor = queue.processor(options(**changes))
    return processor, asyncio.create_task(processor.run())


@asynccontextmanager
async def run_in_background(processor: BaseProcessor) -> AsyncGenerator["asyncio.Task[bool]"]:
    """Run a processor beside the block, and stop it at the end."""
    task = asyncio.create_task(processor.run())
    try:
        yield task
    finally:
        processor.stop()
        async with asyncio.timeout(PATIENCE):
            await task
