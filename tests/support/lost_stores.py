"""A server that is lost right after it has done a step, whose reply is lost as well."""

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.support.proxy import Matches, Proxy
from tests.support.server_errors import TURNED_AWAY
from tests.support.waiting import until


@asynccontextmanager
async def lost_store(
    proxy: Proxy, matches: Matches, error: str | None
) -> AsyncGenerator[Callable[[], Awaitable[None]]]:
    """Lose the reply of the next command that matches, then refuse with `error` those that follow, or all connections.

    The block gets a function that waits until that was told.
    """
    lost = proxy.swallow_reply(matches)
    refused = proxy.refuse_command(error or "", matches, nth=2, times=0 if error is None else sys.maxsize)

    async def was_told() -> None:
        if error is not None:
            await refused.happened.wait()
            await until(lambda: proxy.has_closed(refused.hit[0].connection))
            return
        await lost.happened.wait()
        proxy.turns_away = TURNED_AWAY
        accepted = proxy.accepted
        await until(lambda: proxy.accepted >= accepted + 2)  # the first one has been told by then

    try:
        yield was_told
    finally:
        proxy.turns_away = None
        proxy.clear()
