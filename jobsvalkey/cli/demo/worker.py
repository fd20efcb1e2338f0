"""A worker process of the demo: `python -m jobsvalkey.cli.demo.worker QUEUE NUMBER PAUSE`; the URL is a variable."""

import asyncio
import logging
import os
import sys
from datetime import timedelta

from jobsvalkey.cli.connection import make_client
from jobsvalkey.cli.demo.job import DescribeFile, Results, make_handler, make_queue
from jobsvalkey.cli.options import URL_VARIABLE
from jobsvalkey.cli.supervisor import leave_with_supervisor
from jobsvalkey.runtime import ActiveLock, ProcessorOptions

WORKERS = 16
"""Jobs that run at once in one process."""
LOCK = ActiveLock(every=timedelta(seconds=0.5), hold_for=timedelta(seconds=2))
"""Short, since somebody watches: by default a dead worker's jobs wait a minute."""


async def run(url: str, queue_key: str, number: int, pause: float) -> None:
    """Run jobs until SIGTERM. The first line of the output is the worker's id in the store."""
    async with make_client(url) as client:
        queue = make_queue(client, queue_key)
        queue.register_job(DescribeFile, make_handler(Results(client, queue_key), number, pause))
        options = ProcessorOptions(num_workers=WORKERS, worker_active_lock=LOCK, handle_signals=True)
        async with queue.driver, asyncio.TaskGroup() as group:
            processor = queue.processor(options)
            group.create_task(processor.run())
            await asyncio.sleep(0)  # it begins
            if processor.state is not None:
                print(processor.state.worker, flush=True)  # noqa: T201


if __name__ == "__main__":
    # Files that cannot be read are counted; nobody wants their tracebacks.
    logging.getLogger("jobsvalkey.worker").setLevel(logging.CRITICAL)
    leave_with_supervisor()
    asyncio.run(run(os.environ[URL_VARIABLE], sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
