"""A caller that dies at any instant: its connection is lost at its first command, its second, and so on."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Literal

from jobsvalkey import JobsError
from tests.support.proxy import Proxy
from tests.support.waiting import PATIENCE

Lost = Literal["request", "reply"]
MOST = 30
"""Commands that no step should need."""


async def cut_at_every_command(proxy: Proxy, lost: Lost, step: Callable[[], Awaitable[object]]) -> AsyncGenerator[int]:
    """Begin `step` again and again, cut off at the next command each time, until it comes to its end.

    Gives the number of the command each time; what is to hold after every one of them is for the caller to check.
    """
    for number in range(1, MOST):
        fault = (proxy.drop_request if lost == "request" else proxy.swallow_reply)(nth=number)
        running = asyncio.ensure_future(step())
        died = asyncio.ensure_future(fault.happened.wait())
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([running, died], return_when=asyncio.FIRST_COMPLETED)
        died.cancel()
        proxy.clear()
        if not fault.hit:
            await running
            yield number
            return
        running.cancel()
        with suppress(asyncio.CancelledError, JobsError):
            await running
        yield number
    raise AssertionError(f"the step takes more than {MOST} commands")
