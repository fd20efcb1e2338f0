"""Waiting for conditions."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

PATIENCE = 60.0
"""Seconds within which whatever should happen at once has happened, on a busy machine too."""


async def until(condition: Callable[[], Awaitable[Any] | Any], within: float = PATIENCE) -> None:
    """Wait for something to become true, for `within` seconds at the longest."""
    async with asyncio.timeout(within):
        while True:
            met = condition()
            if isinstance(met, Awaitable):
                met = await cast("Awaitable[Any]", met)
            if met:
                return
            await asyncio.sleep(0.002)
