"""The weakness of keys that lie anywhere: 17."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any, cast

import pytest
from valkey.asyncio import Valkey
from valkey.crc import key_slot

from jobsvalkey import (
    ConfigurationError,
    JobCleanup,
    JobOptions,
    JobQueue,
    JobStatus,
    Push,
    ValkeyConfiguration,
    ValkeyJobQueue,
    new_job_id,
)
from jobsvalkey.contract import NewJob
from tests.support.processors import options
from tests.support.retention import KEEP_ALL
from tests.support.servers import Server, ServerOptions, found_kinds
from tests.support.waiting import until
from tests.support.work import Work, counting

MINUTE = timedelta(minutes=1)


CONTROLLED = [kind for kind in found_kinds() if kind.id != "url"]


@pytest.fixture(scope="module", params=CONTROLLED, ids=lambda kind: kind.id)
def node(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The only node of a cluster."""
    with request.param.make(ServerOptions(settings={"cluster-enabled": "yes"})) as server:
        yield server


@pytest.fixture
async def cluster(node: Server) -> AsyncIterator[Valkey]:
    """A client of that node, which has all slots."""
    async with cast(Any, Valkey).from_url(node.url) as client:

        async def is_up() -> bool:
            return b"cluster_state:ok" in await client.execute_command("CLUSTER", "INFO")

        if not await is_up():
            await client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            await until(is_up)
        await client.flushall()
        yield client


async def test_weakness_17_all_keys_of_a_queue_with_a_tag_lie_in_one_slot(cluster: Valkey) -> None:
    """The original's keys carry no hash tag, so that a cluster refuses its scripts.

    Here a queue key in braces works on a cluster, with every kind of step.
    """
    client = cast(Any, cluster)
    configuration = ValkeyConfiguration(queue_key="{mail}", retention_policy=KEEP_ALL)
    async with ValkeyJobQueue(cluster, configuration) as driver:
        queue = JobQueue(driver)
        ran = counting(queue)
        ids = await queue.push_many([Push(Work(n), options=JobOptions(job_id=new_job_id())) for n in range(5)])
        assert await queue.pause(ids[0])
        assert await queue.cancel(ids[1])
        await queue.processor(options(burst=True)).run()
        assert await queue.resume(ids[0])
        assert await queue.rerun(ids[2])
        assert await driver.acquire_lock("lock", b"holder", MINUTE)
        await queue.push_if(Work(5), key="date", expected=None, value=b"1")
        await driver.open_worker("worker", timedelta(microseconds=1))
        await queue.processor(options(burst=True)).run()
        assert sorted(ran) == [0, 2, 2, 3, 4, 5]
        await driver.push([NewJob(new_job_id(), b"{}", MINUTE)])
        await driver.open_worker("worker", MINUTE)
        assert await driver.validate() == []
        keys: list[bytes] = await client.keys("*")
        assert {key_slot(key) for key in keys} == {key_slot(b"{mail}")}
        assert len(keys) > 10
        cleaned = await driver.cleanup(completed_jobs=JobCleanup.remove(), cancelled_jobs=JobCleanup.remove())
        assert (cleaned[JobStatus.COMPLETED], cleaned[JobStatus.CANCELLED]) == (5, 1)


@pytest.mark.parametrize("queue_key", ["mail", "ma{il", "{}mail"])
async def test_weakness_17_a_queue_key_without_a_tag_is_refused_with_the_corrected_one(
    cluster: Valkey, queue_key: str
) -> None:
    """The same, for a queue key without a tag: the error shows the corrected key, and nothing is stored."""
    async with ValkeyJobQueue(cluster, ValkeyConfiguration(queue_key=queue_key)) as driver:
        for step in (driver.push([NewJob(new_job_id(), b"{}")]), driver.open_worker("worker", MINUTE), driver.counts()):
            with pytest.raises(ConfigurationError, match=r"queue_key='\{mail\}' instead of") as raised:
                await step
            assert repr(queue_key) in str(raised.value)
    assert await cast(Any, cluster).keys("*") == []
