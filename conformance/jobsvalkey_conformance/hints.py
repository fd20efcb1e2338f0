"""Waking a worker: what a test does has to wake it, and not what its preparation left behind."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from jobsvalkey_conformance.context import PATIENCE, Worker

LONG = timedelta(seconds=PATIENCE * 2)
"""A timeout of `wait` that no test sits out: returning much earlier is a hint at work."""
MOST = 20
"""How many hints a preparation may leave."""
FEW = 4
"""How many of them may come late."""


async def take_old_hints(worker: Worker, *, work: bool = True) -> None:
    """Let a worker wait until no hint is left of what came before: else that would wake it, and not what is tested."""
    for _ in range(MOST):
        began = time.monotonic()
        await worker.driver.wait(worker.id, timedelta(milliseconds=60), work=work)
        if time.monotonic() - began >= 0.05:
            return
    raise AssertionError(f"a worker was woken {MOST} times, and nothing happened")


@asynccontextmanager
async def woken(worker: Worker, *, work: bool = True) -> AsyncGenerator[None]:
    """Let a worker wait. The block does what has to wake it, well before its timeout; nothing before that may."""
    for _ in range(FEW):
        await take_old_hints(worker, work=work)
        waiting = asyncio.ensure_future(worker.driver.wait(worker.id, LONG, work=work))
        await asyncio.sleep(0.05)
        if not waiting.done():
            break
        await waiting  # by an old hint, on a machine so busy that no wait before had heard of it
    else:
        raise AssertionError("woken before there was a reason")
    try:
        yield
        async with asyncio.timeout(PATIENCE):
            await waiting
    except TimeoutError as error:
        raise AssertionError(
            "the worker slept on: `wait` returns at a hint; if it only sleeps, say `has_hints = False` in the harness"
        ) from error
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
