"""A request that the proxy holds back, so that others pass it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.support.proxy import After, Matches, Proxy


@asynccontextmanager
async def held_back(proxy: Proxy, matches: Matches, after: After) -> AsyncGenerator[Callable[[], Awaitable[object]]]:
    """Hold back, within the block, the next command that matches, and do to its connection what comes `after`.

    The block gets a function that waits until there was one. It ends when the server has answered that command.
    """
    held = proxy.hold(matches, after=after)
    try:
        yield held.happened.wait
        held.released.set()
        await held.answered.wait()
    finally:
        proxy.clear()
        held.released.set()
