"""A cluster whose nodes speak TLS to everybody, and to each other. Of the servers here only Debian's Redis can."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from jobsvalkey import ActiveLock, JobQueue, StoreUnavailable, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.blocking import BlockingJobQueue
from jobsvalkey.valkey.clients import client_from_url
from tests.support.ports import HOST
from tests.support.processors import run_in_background
from tests.support.servers import Cluster, ServerKind
from tests.support.servers.encrypted import Authority, encrypted_kind
from tests.support.servers.group import port_of
from tests.support.waiting import until
from tests.support.work import Work, counting
from tests.topologies.drivers import worker_options

pytestmark = pytest.mark.slow  # the plain cluster and TLS on one server are tests of every day


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with TemporaryDirectory(prefix="jobsvalkey-") as directory:
        yield Path(directory)


@pytest.fixture(scope="module")
def authority(directory: Path) -> Authority:
    return Authority(directory)


@pytest.fixture(scope="module")
def encrypted_cluster(authority: Authority) -> Iterator[Cluster]:
    kind = encrypted_kind(authority)
    assert isinstance(kind, ServerKind), "install redis-server, built with TLS, as .ci/run does"
    with Cluster(kind) as cluster:
        yield cluster


def url_of(cluster: Cluster, certificates: Path) -> str:
    places = ",".join(f"{HOST}:{port_of(node)}" for node in cluster.nodes)
    return f"valkeys+cluster://{places}?ssl_ca_certs={certificates}&socket_timeout=5"


@asynccontextmanager
async def driver_at(url: str, queue_key: str, **settings: Any) -> AsyncGenerator[ValkeyJobQueue]:
    async with ValkeyJobQueue(client_from_url(url), ValkeyConfiguration(queue_key=queue_key, **settings)) as driver:
        yield driver


async def test_a_certificate_that_nobody_signed_whom_we_trust_is_refused(
    encrypted_cluster: Cluster, directory: Path, queue_key: str
) -> None:
    (directory / "other").mkdir()
    url = url_of(encrypted_cluster, Authority(directory / "other").certificate)
    async with driver_at(url, queue_key, operation_timeout=timedelta(seconds=3)) as driver:
        with pytest.raises(StoreUnavailable, match="CERTIFICATE_VERIFY_FAILED") as told:
            await JobQueue(driver).push(Work(1))
        assert told.value.outcome == "not_done"


def _kill_primary(cluster: Cluster, queue_key: str) -> None:
    cluster.primary_of(queue_key).kill()


async def test_jobs_run_and_a_failover_is_followed(
    encrypted_cluster: Cluster, authority: Authority, queue_key: str
) -> None:
    url = url_of(encrypted_cluster, authority.certificate)
    # Each connection reads the certificates anew, which takes a busy machine long.
    lock = ActiveLock(every=timedelta(seconds=1), hold_for=timedelta(seconds=30))
    async with driver_at(url, queue_key, operation_timeout=timedelta(seconds=60)) as driver:
        queue = JobQueue(driver)
        ran = counting(queue)
        async with run_in_background(queue.processor(worker_options(worker_active_lock=lock))):
            await queue.push(Work(1))
            await until(lambda: ran == [1])
            await asyncio.to_thread(_kill_primary, encrypted_cluster, queue_key)
            await queue.push(Work(2))
            await until(lambda: 2 in ran, within=90)

    def push() -> int:
        with BlockingJobQueue.from_url(url, queue_key=queue_key) as jobs:
            jobs.push(Work(3))
            return sum(jobs.counts().values())

    assert await asyncio.to_thread(push) == 1
