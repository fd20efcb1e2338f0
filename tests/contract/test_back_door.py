"""The machine looks at the store itself: damage to what holds jobs together, which no answer shows yet, is found."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from jobsvalkey_conformance.machine.base import JOB_IDS
from jobsvalkey_conformance.machine.pair import Pair, PairedExchange, PairedSettlement

from jobsvalkey.contract import DriverConfiguration, JobID, NewJob
from jobsvalkey_memory import ManualClock
from tests.support.harnesses import MemoryHarness, ValkeyHarness
from tests.support.retention import KEEP_ALL
from tests.support.servers import Server

TOP, OTHER, CHILD, CALLBACK, MEMBER = JOB_IDS
NOBODY = JobID(int=1)
HOUR = timedelta(hours=1)
Damaging = Callable[[Any, str], Awaitable[object]]


async def with_family(pair: Pair) -> None:
    """A child waits for a second parent, and has the result of the first; a callback waits for a member that runs."""
    jobs = [
        NewJob(TOP, b"x", keep_for=HOUR),
        NewJob(OTHER, b"x", timedelta(hours=1), keep_for=HOUR),
        NewJob(CHILD, b"x", after=(TOP, OTHER)),
        NewJob(CALLBACK, b"x", batch=CALLBACK),
        NewJob(MEMBER, b"x", batch=CALLBACK),
    ]
    await pair.both("push", lambda driver: driver.push(jobs))
    await pair.both("open_worker", lambda driver: driver.open_worker("worker", HOUR))
    await pair.exchange("claim", PairedExchange("worker", 1, (), 9))
    (claim,) = (claim for claim in pair.claims if claim.job_id == TOP)
    await pair.exchange("finish", PairedExchange("worker", 2, [PairedSettlement("return", claim)], 0))


@pytest.fixture
async def pair(default_server: Server, queue_key: str) -> AsyncIterator[Pair]:
    class Harness(ValkeyHarness):
        server = default_server

    harness = Harness()
    await harness.start()
    pair = Pair(harness, DriverConfiguration(queue_key=queue_key, retention_policy=KEEP_ALL), ManualClock())
    await pair.open()
    try:
        await with_family(pair)
        await pair.compare(JOB_IDS, ())
        yield pair
    finally:
        await pair.aclose()
        await harness.stop()


async def _result(client: Any, meta: str) -> str:
    (key,) = [key.decode() async for key in client.scan_iter(match=f"{meta}._input.*")]
    return key


async def _lose_result(client: Any, meta: str) -> None:
    await client.delete(await _result(client, meta))


async def _change_result(client: Any, meta: str) -> None:
    await client.hset(await _result(client, meta), "result", "another")


async def _count_references(client: Any, meta: str) -> None:
    await client.hincrby(await _result(client, meta), "references", 1)


DAMAGE: dict[str, tuple[Damaging, str]] = {
    "the parent's edge is gone": (
        lambda client, meta: client.srem(f"{meta}._children.{OTHER}", str(CHILD)),
        "parents that hold job",
    ),
    "an edge to a job that does not wait": (
        lambda client, meta: client.sadd(f"{meta}._children.{OTHER}", str(MEMBER)),
        "jobs that wait",
    ),
    "an edge from a parent that has ended": (
        lambda client, meta: client.sadd(f"{meta}._children.{TOP}", str(CHILD)),
        "parents that hold job",
    ),
    "a hold too many": (
        lambda client, meta: client.hincrby(f"{meta}._job.{CHILD}", "holds", 1),
        "1 hold job .* counts 2",
    ),
    "a hold of a job that runs": (
        lambda client, meta: client.hset(f"{meta}._job.{MEMBER}", "holds", 1),
        "jobs that wait",
    ),
    "doomed by nobody": (
        lambda client, meta: client.hset(f"{meta}._job.{CHILD}", "doomed", "1"),
        "is doomed",
    ),
    "a batch that nobody closed": (
        lambda client, meta: client.hdel(f"{meta}._job.{CALLBACK}", "open"),
        "is open",
    ),
    "a member that has not ended": (
        lambda client, meta: client.hset(f"{meta}._members.{CALLBACK}", str(MEMBER), "completed"),
        "members of job",
    ),
    "a member that nobody pushed": (
        lambda client, meta: client.hset(f"{meta}._members.{CALLBACK}", str(NOBODY), "-"),
        "members of job",
    ),
    "a result that is gone": (_lose_result, "results that are not there"),
    "a result that is another": (_change_result, "results that job"),
    "a reference too many": (_count_references, "but counts 2"),
    "a result of nobody": (
        lambda client, meta: client.hset(f"{meta}._input.{NOBODY}.1", mapping={"result": "x", "references": 1}),
        "for nobody",
    ),
    "an envelope of nobody": (
        lambda client, meta: client.hset(f"{meta.removesuffix('.metadata')}/{NOBODY}.metadata", "stored", "1"),
        "jobs that are gone|unlisted",
    ),
    "fields of nobody": (
        lambda client, meta: client.hset(f"{meta}._job.{NOBODY}", "keep_for", "1"),
        "jobs that are gone",
    ),
}


@pytest.mark.parametrize(("damage", "found"), DAMAGE.values(), ids=DAMAGE)
async def test_damage_behind_the_drivers_back_is_found(
    pair: Pair, queue_key: str, damage: Damaging, found: str
) -> None:
    assert isinstance(pair.harness, ValkeyHarness)
    client: Any = pair.harness.client
    await damage(client, f"{queue_key}.metadata")
    with pytest.raises(AssertionError, match=found):
        await pair.compare(JOB_IDS, ())


TWINS_DAMAGE: dict[str, tuple[Callable[[Any], object], str]] = {
    "an edge": (lambda state: state.children[OTHER].clear(), "parents that hold job"),
    "a member": (lambda state: state.members[CALLBACK].clear(), "members of job"),
    "an open batch": (lambda state: state.open_batches.clear(), "is open"),
    "a result": (lambda state: state.inputs.clear(), "results that job"),
    "a state of nobody": (lambda state: state.saved.update({NOBODY: b"x"}), "jobs that are gone"),
}


@pytest.mark.parametrize(("damage", "found"), TWINS_DAMAGE.values(), ids=TWINS_DAMAGE)
async def test_damage_to_a_twins_store_is_found(damage: Callable[[Any], object], found: str) -> None:
    harness = MemoryHarness()
    pair = Pair(harness, DriverConfiguration(retention_policy=KEEP_ALL), ManualClock())
    await pair.open()
    try:
        await with_family(pair)
        await pair.compare(JOB_IDS, ())
        damage(harness.store.queues[pair.configuration.queue_key])
        with pytest.raises(AssertionError, match=re.compile(found)):
            await pair.compare(JOB_IDS, ())
    finally:
        await pair.aclose()
