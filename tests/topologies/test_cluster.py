"""A queue in a cluster: its connections lead to the primary of its slot, and follow when that is another."""

import asyncio
import itertools
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from valkey.asyncio import ValkeyCluster
from valkey.crc import key_slot

from jobsvalkey import ConfigurationError, JobQueue, StoreUnavailable, ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.blocking import BlockingJobQueue
from jobsvalkey.contract import NewJob, new_job_id
from tests.support.drivers import all_completed, client_of
from tests.support.pages import blocks
from tests.support.processors import run_in_background
from tests.support.servers import Cluster
from tests.support.servers.group import ask, port_of
from tests.support.waiting import until
from tests.support.work import Work, counting
from tests.topologies.drivers import driver_of, make_client, worker_options

RIGHTS = Path(__file__).parents[2] / "docs" / "guide" / "the-queue-on-valkey.md"


@pytest.mark.parametrize("number", range(3))
async def test_whichever_node_a_client_is_given(cluster: Cluster, queue_key: str, number: int) -> None:
    client: Any = cast(Any, ValkeyCluster).from_url(cluster.replicas[number].url)
    async with ValkeyJobQueue(client, ValkeyConfiguration(queue_key=queue_key)) as driver:
        queue = JobQueue(driver)
        ran = counting(queue)
        await queue.push(Work(1))
        await queue.processor(worker_options(burst=True)).run()
        assert ran == [1]
        assert await driver.validate() == []
        assert (await driver.server()).startswith("valkey 9.")
    assert client._initialize, "the user's client is left alone"


async def test_queues_spread_over_the_nodes_by_their_tags(cluster: Cluster) -> None:
    primaries = set[str]()
    for number in range(12):
        queue_key = f"{{spread-{number}}}"
        async with driver_of(cluster, queue_key) as driver:
            await driver.push([NewJob(new_job_id(), b"{}")])
        primary = cluster.primary_of(queue_key)
        assert ask(primary, "EXISTS", f"{queue_key}.pending") == 1
        primaries.add(primary.url)
    assert len(primaries) == 3


async def test_a_client_of_one_node_is_told_to_use_one_of_clusters(cluster: Cluster, queue_key: str) -> None:
    other = next(node for node in cluster.primaries if node is not cluster.primary_of(queue_key))
    async with (
        client_of(other.url) as client,
        ValkeyJobQueue(client, ValkeyConfiguration(queue_key=queue_key)) as driver,
    ):
        with pytest.raises(ConfigurationError, match=r"another node of the cluster .*give the driver a ValkeyCluster"):
            await driver.counts()


async def test_a_slot_that_moves_pauses_its_queue_and_founds_no_second_one(cluster: Cluster, queue_key: str) -> None:
    """`ASK` is not followed: the script's key never exists, so that every step would go to the target at once."""
    async with driver_of(cluster, queue_key, operation_timeout=timedelta(seconds=0.5)) as driver:
        queue = JobQueue(driver)
        for number in range(250):
            await queue.push(Work(number))
        source, target = await asyncio.to_thread(cluster.begin_move, queue_key)
        slot = key_slot(queue_key.encode())
        with pytest.raises(StoreUnavailable, match="ASK") as raised:
            await queue.push(Work(250))
        assert raised.value.outcome == "not_done"
        assert await asyncio.to_thread(cluster.move_keys, queue_key, 100) == 100
        with pytest.raises(StoreUnavailable, match=r"ASK|TRYAGAIN"):
            await queue.push(Work(250))
        assert ask(target, "CLUSTER", "COUNTKEYSINSLOT", slot) == 100
        pushing = asyncio.create_task(_until_done(queue, Work(250)))
        await asyncio.to_thread(cluster.move_keys, queue_key)
        assert ask(source, "CLUSTER", "COUNTKEYSINSLOT", slot) == 0
        assert not pushing.done()
        await asyncio.to_thread(cluster.end_move, queue_key, target)
        assert await pushing <= {"not_done"}
        ran = counting(queue)
        await queue.processor(worker_options(burst=True)).run()
        assert sorted(ran) == list(range(251))
        assert await driver.validate() == []
        assert cluster.primary_of(queue_key) is target


def _ran(ran: list[int], number: int) -> bool:
    return len(ran) >= number


async def _until_done(queue: JobQueue[Any], work: Work) -> set[str]:
    """Push until it is done; how it was not."""
    outcomes = set[str]()
    while True:
        try:
            await queue.push(work)
        except StoreUnavailable as error:
            outcomes.add(error.outcome)
        else:
            return outcomes


async def test_a_slot_that_has_moved_is_followed_at_once_even_by_a_call_that_is_made_once(
    cluster: Cluster, queue_key: str
) -> None:
    async with driver_of(cluster, queue_key, operation_timeout=timedelta(0)) as driver:
        await driver.push([NewJob(new_job_id(), b"{}")])
        await driver.counts()
        _, target = await asyncio.to_thread(cluster.begin_move, queue_key)
        await asyncio.to_thread(cluster.move_keys, queue_key)
        await asyncio.to_thread(cluster.end_move, queue_key, target)
        await driver.push([NewJob(new_job_id(), b"{}")])
        assert sum((await driver.counts()).values()) == 2


async def test_resharding_under_work_loses_nothing_and_doubles_nothing(cluster: Cluster, queue_key: str) -> None:
    async with driver_of(cluster, queue_key) as driver, driver_of(cluster, queue_key) as workers:
        queue = JobQueue(driver)
        ran = counting(running := JobQueue(workers), 0.001)
        moved = asyncio.Event()

        async def push() -> int:
            numbers = itertools.count()
            while not moved.is_set():
                await queue.push(Work(next(numbers)))
            return next(numbers)

        async with run_in_background(running.processor(worker_options())), asyncio.TaskGroup() as group:
            pushing = group.create_task(push())
            for part in (1, 2):
                await until(partial(_ran, ran, part * 100))
                _, target = await asyncio.to_thread(cluster.begin_move, queue_key)
                await asyncio.to_thread(cluster.move_keys, queue_key)
                await asyncio.to_thread(cluster.end_move, queue_key, target)
            moved.set()
            jobs = await pushing
            await until(lambda: len(ran) >= jobs)
        assert sorted(ran) == list(range(jobs))
        assert await all_completed(driver, jobs)
        assert await driver.validate() == []


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_workers_and_producers_go_on_with_the_promoted_replica(
    cluster: Cluster, queue_key: str, how: str
) -> None:
    async with driver_of(cluster, queue_key) as driver:
        queue = JobQueue(driver)
        ran = counting(queue)
        async with run_in_background(queue.processor(worker_options())):
            await queue.push(Work(1))
            await until(lambda: ran == [1])
            await asyncio.to_thread(getattr(cluster.primary_of(queue_key), how))
            await queue.push(Work(2))
            await until(lambda: 2 in ran)
    assert port_of(cluster.primary_of(queue_key)) in {port_of(node) for node in cluster.replicas} or how == "freeze"


async def test_a_primary_that_is_away_stops_only_its_own_queues(cluster: Cluster) -> None:
    """With `cluster-require-full-coverage no`, which the guide asks for."""
    keys = [f"{{away-{number}}}" for number in range(6)]
    victim = cluster.primary_of(keys[0])
    others = [key for key in keys if cluster.primary_of(key) is not victim]
    await asyncio.to_thread(victim.kill)
    for key in others:
        async with driver_of(cluster, key, operation_timeout=timedelta(0)) as driver:
            await driver.push([NewJob(new_job_id(), b"{}")])


async def test_the_rights_of_the_guide_and_one_more_are_enough(cluster: Cluster, queue_key: str) -> None:
    (rules,) = (each.text for each in blocks(RIGHTS.read_text()) if each.text.startswith("~MyJobQueue"))
    rights = rules.replace("MyJobQueue", queue_key).split()
    for node in cluster.nodes:
        ask(node, "ACL", "SETUSER", "me", "reset", "on", ">secret", *rights, "+cluster|slots")
    settings: dict[str, Any] = {"username": "me", "password": "secret"}
    async with ValkeyJobQueue(make_client(cluster, **settings), ValkeyConfiguration(queue_key=queue_key)) as driver:
        queue = JobQueue(driver)
        ran = counting(queue)
        await queue.push(Work(1))
        await queue.processor(worker_options(burst=True)).run()
        assert ran == [1]


async def test_event_loops_of_their_own_and_threads(cluster: Cluster, queue_key: str) -> None:
    """A client of clusters belongs to one event loop; the driver's connections do not need it."""
    async with driver_of(cluster, queue_key) as driver:
        queue = JobQueue(driver)
        await queue.push(Work(1))
        await asyncio.to_thread(asyncio.run, _push_and_close(queue))
        assert sum((await queue.counts()).values()) == 2
    url = cluster.url.replace("valkey://", "valkey+cluster://")

    def push() -> int:
        with BlockingJobQueue.from_url(url, queue_key=queue_key) as jobs:
            jobs.push(Work(3))
            return sum(jobs.counts().values())

    assert await asyncio.to_thread(push) == 3


async def _push_and_close(queue: JobQueue[ValkeyJobQueue]) -> None:
    await queue.push(Work(2))
    await queue.driver.aclose()
