"""Stores of every driver, for the runtime over each of them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.conftest import Servers
from tests.support.every_driver import EVERY_DRIVER, Store, harness_of


@pytest.fixture(params=EVERY_DRIVER)
async def store(request: pytest.FixtureRequest, shared_servers: Servers, queue_key: str) -> AsyncIterator[Store]:
    """A store of each of our drivers in turn. Tests may choose some of them by an indirect parameter."""
    harness = harness_of(request.param, shared_servers)
    await harness.start()
    try:
        async with AsyncExitStack() as drivers:
            yield Store(harness, queue_key, drivers)
    finally:
        await harness.stop()
