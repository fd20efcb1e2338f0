from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest

from jobsvalkey import JobContext, JobFail, JobName, JobQueue, NoRetry, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.dashboard import Authentication, dashboard
from tests.support.retention import KEEP_ALL

TEXT = JobName("Print String", str)
FAILING = JobName("<script>alert(1)</script>", dict[str, str])
BROWSER = ("127.0.0.1", 50000)

Open = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
async def queue(default_server: Any, queue_key: str, valkey_client: Any) -> AsyncIterator[JobQueue[ValkeyJobQueue]]:
    configuration = ValkeyConfiguration(queue_key=queue_key, retention_policy=KEEP_ALL)
    async with ValkeyJobQueue(valkey_client, configuration) as driver:
        queue = JobQueue(driver)

        @queue.job(TEXT)
        async def print_string(parameters: str, context: JobContext) -> None: ...

        @queue.job(FAILING, retry_strategy=NoRetry())
        async def fail(parameters: dict[str, str], context: JobContext) -> None:
            raise JobFail("</pre><img src=x onerror=alert(1)>")

        yield queue


@pytest.fixture
def browser(queue: JobQueue[ValkeyJobQueue]) -> Open:
    """A client of a dashboard of the queue; it is on this machine, unless another address is given."""

    @asynccontextmanager
    async def open_(
        auth: Authentication | None = None, *, client: tuple[str, int] = BROWSER, login: Any = None, **options: Any
    ) -> AsyncGenerator[httpx.AsyncClient]:
        app: Any = dashboard(queue, auth=auth, **options)
        transport = httpx.ASGITransport(app, client=client)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", auth=login) as http:
            yield http

    return open_
