"""A worker in a process of its own: `python -m tests.support.worker_process URL QUEUE_KEY OPTIONS`.

It prints a line for whatever its tests wait for, the worker's id first. OPTIONS are the processor's, as JSON, times in
seconds.
"""

import asyncio
import json
import os
import signal
import sys
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

from jobsvalkey import ActiveLock, JobContext, JobFail, JobQueue, NoRetry, Processor, ProcessorOptions
from tests.support.drivers import driver_at
from tests.support.tasks import Blocking, Deaf, Gathering, Killer, Long, Stepping, Woven
from tests.support.work import Work


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 - its tests read it


def options_from(text: str) -> ProcessorOptions:
    given: dict[str, Any] = json.loads(text)
    lock = ActiveLock(
        every=timedelta(seconds=given.pop("every", 0.2)), hold_for=timedelta(seconds=given.pop("hold_for", 1.0))
    )
    for name in ("graceful_shutdown_timeout", "cancel_grace"):
        if name in given:
            given[name] = timedelta(seconds=given[name])
    return ProcessorOptions(worker_active_lock=lock, handle_signals=True, **given)


def register(queue: JobQueue[Any]) -> None:
    @queue.job(Work)
    async def work(parameters: Work, context: JobContext) -> None:
        await asyncio.sleep(0.001 * (parameters.number % 4))

    @queue.job(Killer)
    async def kill(parameters: Killer, context: JobContext) -> None:
        await asyncio.sleep(parameters.seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    @queue.job(Stepping, keep_result=timedelta(hours=1))
    async def step_and_die(parameters: Stepping, context: JobContext) -> list[int]:
        async with context.step("charge", type=int) as step:
            if not step.done:
                await step.finish(os.getpid())
                os.kill(os.getpid(), signal.SIGKILL)
        return [step.value, os.getpid()]

    @queue.job(Woven, retry_strategy=NoRetry())
    async def weave(parameters: Woven, context: JobContext) -> int:
        told = [each.value for each in context.inputs]
        assert told == list(parameters.parents), f"{parameters} was told {told}"
        await asyncio.sleep(0.002 * (parameters.number % 4))
        if parameters.fails:
            raise JobFail("it was to fail")
        return parameters.number

    @queue.job(Gathering)
    async def gather(parameters: Gathering, context: JobContext) -> dict[str, int]:
        return Counter(str(each.status) for each in context.inputs)

    @queue.job(Long, retry_strategy=NoRetry())
    async def run_long(parameters: Long, context: JobContext) -> None:
        say("started", context.attempt)
        try:
            await asyncio.sleep(parameters.seconds)
        except asyncio.CancelledError:
            say("cancelled")
            raise

    @queue.job(Deaf)
    async def be_deaf(parameters: Deaf, context: JobContext) -> None:
        say("started", context.attempt)
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                say("cancelled")

    @queue.job(Blocking)
    def block(parameters: Blocking, context: JobContext) -> None:
        say("started", context.attempt)
        threading.Event().wait(parameters.seconds)
        say("ended")


async def say_who(processor: Processor) -> None:
    while processor.state is None:  # noqa: ASYNC110 - there is nothing to wait for
        await asyncio.sleep(0.001)
    say(processor.state.worker)


async def main(url: str, queue_key: str, options: str) -> None:
    async with driver_at(url, queue_key) as driver:
        queue = JobQueue(driver)
        register(queue)
        processor = queue.processor(options_from(options))
        async with asyncio.TaskGroup() as group:
            group.create_task(say_who(processor))
            await processor.run()
    say("left")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
