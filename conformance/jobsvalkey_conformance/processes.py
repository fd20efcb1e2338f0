"""Drivers in several processes on one store: nothing but the store keeps their steps apart."""

import asyncio
import multiprocessing
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, ExitStack
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from threading import BrokenBarrierError
from typing import TypeAlias, TypeVar, cast

from jobsvalkey.contract import QueueDriver
from jobsvalkey_conformance.context import SuiteContext
from jobsvalkey_conformance.harness import AnyDriver

T = TypeVar("T")
PROCESSES = 2
LONGEST_START = 60.0
"""Seconds that a process waits for the others."""
Together: TypeAlias = Callable[[], object]
"""Waits for the other processes. It blocks: a process has nothing else to do."""
Part: TypeAlias = Callable[[AnyDriver, int, Together], Awaitable[T]]
"""The work of a process with its driver, with its number, and with what waits for the others: of a module."""


async def in_processes(kit: SuiteContext, part: Part[T], count: int = PROCESSES) -> list[T]:
    """Return the result of each of some processes, which all have a driver."""
    make = kit.harness.driver_elsewhere(kit.configuration)
    # Not forked: one of this process would have the half of its threads and connections.
    spawning = multiprocessing.get_context("spawn")
    barrier = spawning.Barrier(count)
    receivers: list[Connection] = []
    with ExitStack() as ended:
        for number in range(count):
            receiver, sender = spawning.Pipe(duplex=False)
            arguments = (make, part, number, barrier, sender)
            process = spawning.Process(target=_run, args=arguments, daemon=True)
            process.start()
            ended.callback(process.join)
            ended.callback(process.kill)
            sender.close()
            receivers.append(receiver)
        answers = await asyncio.gather(*(asyncio.to_thread(_answer, receiver) for receiver in receivers))
    failures = [failure for _, failure in answers if failure]
    assert not failures, f"in another process:\n{failures[0]}"
    return [cast(T, result) for result, _ in answers]


def _answer(receiver: Connection) -> tuple[object, str]:
    try:
        return receiver.recv()
    except EOFError:
        return None, "it has ended without an answer"


def _run(
    make: Callable[[], AbstractAsyncContextManager[QueueDriver]],
    part: Part[object],
    number: int,
    barrier: Barrier,
    sender: Connection,
) -> None:
    async def with_driver() -> object:
        async with make() as driver:
            return await part(cast(AnyDriver, driver), number, lambda: barrier.wait(LONGEST_START))

    result, failure = None, ""
    try:
        result = asyncio.run(with_driver())
    except BrokenBarrierError:
        pass  # another one has failed, and says why
    except BaseException:
        failure = traceback.format_exc()
        barrier.abort()
    sender.send((result, failure))
