"""A queue on each server in turn, and the means to see that a refused call has stored nothing."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import pytest
from valkey.asyncio import Valkey

from jobsvalkey import JobQueue, ValkeyConfiguration, ValkeyJobQueue
from tests.bad_input.contents import contents

QueueOnValkey: TypeAlias = JobQueue[ValkeyJobQueue]
Unchanged: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]


@pytest.fixture
async def queue(valkey_client: Valkey, queue_key: str) -> AsyncIterator[QueueOnValkey]:
    """A queue on the default server that has been used before, so that what only its first use writes is there."""
    async with ValkeyJobQueue(valkey_client, ValkeyConfiguration(queue_key=queue_key)) as driver:
        await driver.counts()
        yield JobQueue(driver)


@pytest.fixture
def unchanged(valkey_client: Valkey) -> Unchanged:
    """`async with unchanged():` fails where the block changes any key of the database."""

    @asynccontextmanager
    async def check() -> AsyncGenerator[None]:
        before = await contents(valkey_client)
        yield
        assert await contents(valkey_client) == before

    return check
