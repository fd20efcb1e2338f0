"""Waiting for what only the server can tell."""

import asyncio
from collections.abc import Awaitable, Callable


async def until_server(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something to become true, for ten seconds at the longest."""
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.005)
