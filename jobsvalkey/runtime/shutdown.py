"""The end of the handlers, and of their worker."""

import asyncio
import logging
from collections.abc import Mapping

from jobsvalkey.contract import JobsError
from jobsvalkey.runtime.in_flight import InFlight
from jobsvalkey.runtime.loops import wait_for
from jobsvalkey.runtime.workers import Worker

_LOGGER = logging.getLogger("jobsvalkey.worker")


async def end_handlers(jobs: InFlight, grace: float, fields: Mapping[str, object]) -> None:
    """Wait for the handlers, which were cancelled, and leave those behind that do not end within `grace` seconds."""
    if jobs.running:
        await wait_for(jobs.idle, grace)
    abandoned = [run for run in jobs.runs if run.in_thread]
    for run in abandoned:
        run.abandoned = True
        run.cancel()
    if left := jobs.running:
        _LOGGER.error(
            "%d handlers do not end: their jobs stay with this worker until its lock runs out, and are then "
            "recovered by another",
            left,
            extra=fields,
        )
    for run in jobs.runs:
        if run.task is not None and not run.in_thread:
            # A coroutine that swallows its cancellation cannot be ended. So that `asyncio.run` does not wait for it.
            asyncio._unregister_task(run.task)  # pyright: ignore[reportPrivateUsage] # noqa: SLF001 - documented
    # Their waiting for the threads ends, and the middleware is told.
    if waiting := [run.task for run in abandoned if run.task is not None]:
        await asyncio.wait(waiting, timeout=grace)


async def close(worker: Worker) -> bool:
    """Close a worker that holds nothing; whether that worked."""
    try:
        await worker.close()
    except (JobsError, OSError) as error:
        _LOGGER.warning("the worker could not be closed: %s", error, extra=worker.fields)
        return False
    return True
