"""Flows whose worker processes are killed: each job ends once, after its parents; what fails dooms what hangs on it."""

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest

from jobsvalkey import Flow, JobCleanup, JobID, JobOptions, JobQueue, JobStatus, Push
from jobsvalkey.valkey import ValkeyJobQueue
from tests.faults.test_killed_workers import Fleet
from tests.support.drivers import HOUR, driver_at, open_worker
from tests.support.observing import observed_keys
from tests.support.servers import Server
from tests.support.tasks import Gathering, Woven
from tests.support.waiting import until

SMALL, LARGE = (4, 8, 2), (10, 100, 12)
"""Layers of a flow, jobs of each, and how many workers are killed."""
sizes = pytest.mark.parametrize(
    ("layers", "width", "kills"), [SMALL, pytest.param(*LARGE, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)


def woven(layers: int, width: int, failing: int | None) -> Iterator[Woven]:
    """The jobs by number; each waits for up to three of the layer before."""
    for number in range(layers * width):
        layer, place = divmod(number, width)
        before = {(place * factor + shift) % width for factor, shift in ((1, 0), (1, 1), (7, 3))} if layer else ()
        yield Woven(number, tuple(sorted((layer - 1) * width + each for each in before)), number == failing)


def hanging_on(jobs: list[Woven], failing: int | None) -> set[int]:
    """Those that cannot run, since one of those that they wait for does not complete."""
    doomed = {failing}
    for job in jobs:
        if doomed.intersection(job.parents):
            doomed.add(job.number)
    return {each for each in doomed if each is not None and each != failing}


async def push(queue: JobQueue[ValkeyJobQueue], jobs: list[Woven]) -> tuple[list[JobID], JobID]:
    """The ids of the jobs, and of the one that runs when all have ended, however that was."""
    flow, kept = Flow(), JobOptions(keep_for=HOUR)
    nodes: list[Any] = []
    for job in jobs:
        nodes.append(flow.add(Push(job, kept), after=[nodes[parent] for parent in job.parents]))
    flow.add(Push(Gathering(), JobOptions(keep_for=HOUR, if_failed="run")), after=nodes)
    *ids, last = await queue.push_flow(flow)
    return ids, last


@sizes
@pytest.mark.parametrize("fails", [False, True], ids=["all complete", "the middle fails"])
async def test_a_flow_ends_once_and_in_order(
    default_server: Server, valkey_client: Any, queue_key: str, layers: int, width: int, kills: int, fails: bool
) -> None:
    failing = (layers // 2) * width + 3 if fails else None
    jobs = list(woven(layers, width, failing))
    doomed, chance = hanging_on(jobs, failing), random.Random(layers)
    settings: dict[str, Any] = {"activity": True, "max_atomic_push": 2000}
    fleet = Fleet(default_server.url, queue_key, max_recoveries=1000, num_workers=8)
    async with driver_at(default_server.url, queue_key, **settings) as driver:
        queue = JobQueue(driver)
        for job in (Woven, Gathering):
            queue.register_job(job, lambda parameters, context: None)
        await open_worker(driver)  # so that what is done is counted
        ids, last = await push(queue, jobs)
        async with fleet.running(3):
            for _ in range(kills):
                await asyncio.sleep(chance.uniform(0.1, 0.4))
                await fleet.kill_one(chance)
            await until(lambda: _has_ended(queue, last), 300)
        statuses = dict(enumerate(await asyncio.gather(*map(queue.status, ids))))
        assert {number for number, status in statuses.items() if status is JobStatus.CANCELLED} == doomed
        assert {number for number, status in statuses.items() if status is JobStatus.FAILED} == ({failing} - {None})
        number_completed = len(jobs) - len(doomed) - fails
        told = {"completed": number_completed, "failed": int(fails), "cancelled": len(doomed)}
        assert await queue.result(last, type=dict[str, int]) == {status: n for status, n in told.items() if n}
        minutes = await driver.activity()
        assert sum(each.completed for each in minutes) == number_completed + 1, "each once, and the last one once"
        assert sum(each.failed for each in minutes) == fails
        await driver.close_worker("worker")
        assert await driver.validate() == []
        await nothing_is_left(driver, valkey_client, queue_key)


async def _has_ended(queue: JobQueue[ValkeyJobQueue], job_id: JobID) -> bool:
    return await queue.status(job_id) is JobStatus.COMPLETED


async def nothing_is_left(driver: ValkeyJobQueue, client: Any, queue_key: str) -> None:
    """Remove what has ended; then nothing is there of any job, nor of what held it."""
    gone = JobCleanup.remove()
    await driver.cleanup(completed_jobs=gone, failed_jobs=gone, cancelled_jobs=gone)
    left = await observed_keys(client, queue_key)
    assert dict(left.jobs) == {}
    assert (left.waits, left.inputs, left.leftovers) == ({}, [], frozenset())
    kept = ("_layout", "_producer.", "_worker.", "_workers", "_activity", "_wake", "_news.", "_ended")
    names = [key.decode() async for key in client.scan_iter(match=f"{queue_key}*", count=1000)]
    assert [name for name in names if not name.removeprefix(f"{queue_key}.metadata.").startswith(kept)] == []
