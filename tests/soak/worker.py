"""A worker of a soak, in a process of its own: `python -m tests.soak.worker URL`."""

import asyncio
import logging
import os
import sys
from contextlib import suppress
from datetime import timedelta

from valkey.exceptions import ValkeyError

from jobsvalkey import ActiveLock, ExponentialJitter, JobContext, JobFail, JobQueue, ProcessorOptions
from tests.soak.work import CONFIGURATION, DONE, QUEUE_KEY, TASKS, Failing, Returning, Soaked
from tests.support.drivers import client_of, driver_at

QUICK = ExponentialJitter(max_attempts=4, max_backoff=timedelta(seconds=0.2))


async def main(url: str) -> None:
    logging.disable(logging.CRITICAL)  # of what is planned, and of the faults
    client = client_of(url)

    async def mark(number: int) -> None:
        while True:
            with suppress(ValkeyError):
                await client.setbit(DONE, number, 1)
                return
            await asyncio.sleep(0.05)

    async def tell() -> None:
        while True:
            with suppress(ValkeyError):
                await client.hset(TASKS, str(os.getpid()), len(asyncio.all_tasks()))
            await asyncio.sleep(1)

    async with driver_at(url, QUEUE_KEY, **CONFIGURATION) as driver:
        queue = JobQueue(driver, default_retry_strategy=QUICK)

        @queue.job(Soaked)
        async def soak(parameters: Soaked, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
            if parameters.saves:
                context.progress(1, 2, "half")
                async with context.step("once", type=int) as step:
                    if not step.done:
                        await step.finish(parameters.number)
            if context.attempt <= parameters.fails:
                raise ValueError("as planned")
            if parameters.seconds:
                await asyncio.sleep(parameters.seconds)
            await mark(parameters.number)

        @queue.job(Returning, keep_result=timedelta(seconds=10))
        async def answer(parameters: Returning, context: JobContext) -> int:  # pyright: ignore[reportUnusedFunction]
            await mark(parameters.number)
            return parameters.number

        @queue.job(Failing)
        async def fail(parameters: Failing, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
            await mark(parameters.number)
            raise JobFail("as planned")

        lock = ActiveLock(every=timedelta(seconds=1), hold_for=timedelta(seconds=4))
        options = ProcessorOptions(num_workers=50, worker_active_lock=lock, max_recoveries=None, handle_signals=True)
        telling = asyncio.create_task(tell())
        await queue.processor(options).run()
        telling.cancel()
    await client.hdel(TASKS, str(os.getpid()))
    await client.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
