"""A process that forks, and uses its driver in both: `python -m tests.faults.fork_process URL QUEUE_KEY`."""

import asyncio
import os
import sys
import warnings
from contextlib import suppress
from datetime import timedelta

from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.drivers import HOUR, driver_at, new_job
from tests.support.pushes import STORED, outcomes

PUSHES = 10


async def push(driver: ValkeyJobQueue) -> None:
    for _ in range(PUSHES):
        assert outcomes(await driver.push([new_job()])) == [STORED]


async def be_child(driver: ValkeyJobQueue) -> None:
    """With the parent's driver, in a loop of its own."""
    await push(driver)
    assert await driver.set_metadata("child", b"was here") is None
    await driver.aclose()


async def main(url: str, queue_key: str) -> int:
    async with driver_at(url, queue_key) as driver:
        await push(driver)
        await driver.open_worker("parent", HOUR)
        waiting = asyncio.create_task(driver.wait("parent", HOUR))
        await asyncio.sleep(0)
        child = os.fork()
        if child == 0:
            code = 1
            with suppress(Exception):
                asyncio.run(be_child(driver))
                code = 0
            os._exit(code)
        await push(driver)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        await push(driver)
        waiting.cancel()
        await asyncio.wait([waiting], timeout=timedelta(seconds=5).total_seconds())
        return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # that there are threads: there is none yet
    sys.exit(asyncio.run(main(*sys.argv[1:])))
