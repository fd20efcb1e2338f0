from collections.abc import Iterator

import pytest

from jobsvalkey import BlockingJobQueue, ValkeyConfiguration, ValkeyJobQueue
from tests.support.retention import KEEP_ALL
from tests.support.servers import Server
from tests.unit.blocking.support import looking_at, named


@pytest.fixture
def url(default_server: Server, queue_key: str) -> Iterator[str]:
    """A server, connections to which have the queue's name."""
    yield named(default_server.url, queue_key)
    with looking_at(default_server.url) as client:
        keys = list(client.scan_iter(match=f"{queue_key}*", count=1000))
        if keys:
            client.unlink(*keys)


@pytest.fixture
def jobs(url: str, queue_key: str) -> Iterator[BlockingJobQueue[ValkeyJobQueue]]:
    """A queue that keeps what has ended."""
    configuration = ValkeyConfiguration(retention_policy=KEEP_ALL)
    with BlockingJobQueue.from_url(url, queue_key=queue_key, configuration=configuration) as jobs:
        yield jobs
