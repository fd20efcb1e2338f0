"""A push that demands durability returns when replicas, or disks, have its jobs; else it says what is known."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jobsvalkey import (
    ConfigurationError,
    Durability,
    JobOptions,
    JobQueue,
    JobStatus,
    NotDurable,
    ProcessorOptions,
    Push,
    PushIncomplete,
    StoreUnavailable,
    ValkeyJobQueue,
    new_job_id,
)
from jobsvalkey.contract import Finish, NewJob, Operation, SettleOutcome, StoreOutcome
from tests.conftest import StartServer
from tests.support.drivers import all_completed, client_of, driver_at, open_worker
from tests.support.pages import blocks
from tests.support.processors import run_in_background
from tests.support.proxy import Proxy, named
from tests.support.servers import Server, ServerKind, ServerOptions, found_kinds
from tests.support.servers.group import ask, port_of, wait_for
from tests.support.waiting import until
from tests.support.work import Handler, Work, counting

ON_A_REPLICA = Durability(replicas=1, timeout=timedelta(milliseconds=300))
PATIENT = Durability(replicas=1, timeout=timedelta(seconds=30))
ON_DISK = Durability(append_only_file=True)
RIGHTS = Path(__file__).parents[2] / "docs" / "guide" / "the-queue-on-valkey.md"
KINDS = [kind for kind in found_kinds() if kind.id not in ("container", "url")]


class Pair:
    """A primary and a replica whose link can be cut."""

    def __init__(self, primary: Server, replica: Server) -> None:
        self.primary, self.replica = primary, replica

    def join(self) -> None:
        ask(self.replica, "CONFIG", "SET", "masterauth", "")
        ask(self.replica, "REPLICAOF", "127.0.0.1", port_of(self.primary))
        # That it is connected is not enough: it may not know yet that it has just been cut off.
        ask(self.primary, "SET", "joined", "1")
        written = ask(self.primary, "ROLE")[1]

        def has_all() -> bool:
            _, _, _, state, read = ask(self.replica, "ROLE")
            return state == b"connected" and read >= written and bool(ask(self.primary, "ROLE")[2])

        wait_for("it replicates", has_all)

    def cut(self) -> None:
        """The replica does not come back: it asks with a password where none is wanted."""
        ask(self.replica, "CONFIG", "SET", "masterauth", "wrong")
        ask(self.primary, "CLIENT", "KILL", "TYPE", "replica")


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.id)
def shared_pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    kind: ServerKind = request.param
    options = ServerOptions(settings={"repl-diskless-sync-delay": "0"})
    with kind.make(options) as primary, kind.make(options) as replica:
        yield Pair(primary, replica)


@pytest.fixture
def pair(shared_pair: Pair) -> Pair:
    shared_pair.join()
    return shared_pair


@pytest.fixture
async def driver(pair: Pair, queue_key: str) -> AsyncIterator[ValkeyJobQueue]:
    async with driver_at(pair.primary.url, queue_key) as driver:
        yield driver


async def calls_of(server: Server, command: str) -> int:
    async with client_of(server.url) as client:
        return (await client.info("commandstats")).get(f"cmdstat_{command}", {"calls": 0})["calls"]


async def test_a_push_that_a_replica_has_returns(pair: Pair, driver: ValkeyJobQueue, queue_key: str) -> None:
    queue = JobQueue(driver)
    for number in range(20):
        job_id = await queue.push(Work(number), options=JobOptions(durability=PATIENT))
        assert ask(pair.replica, "EXISTS", f"{queue_key}/{job_id}") == 1


async def test_an_unmet_demand_is_told_after_the_push(pair: Pair, driver: ValkeyJobQueue) -> None:
    queue = JobQueue(driver)
    job_id = new_job_id()
    options = JobOptions(durability=ON_A_REPLICA, job_id=job_id)
    pair.cut()
    for _ in range(2):  # the second one stores nothing, and is no better off
        with pytest.raises(
            NotDurable, match=r"is stored, but 0 of 1 replicas have it after 0\.3 s: push it again"
        ) as told:
            await queue.push(Work(1), options=options)
        assert told.value.job_ids == (job_id,)
        assert (told.value.replicas, told.value.append_only_file) == (0, False)
    pair.join()
    assert await queue.push(Work(1), options=options) == job_id
    ran = counting(queue)
    await _run(queue)
    assert ran == [1]


async def _is_stored(queue: JobQueue[ValkeyJobQueue]) -> bool:
    return sum((await queue.counts()).values()) > 0


async def _run(queue: JobQueue[ValkeyJobQueue]) -> None:
    await queue.processor(ProcessorOptions(burst=True)).run()


async def test_the_options_say_more_than_the_configuration(pair: Pair, queue_key: str) -> None:
    async with driver_at(pair.primary.url, queue_key, durability=ON_A_REPLICA) as driver:
        queue = JobQueue(driver)
        await queue.push(Work(1))
        pair.cut()
        with pytest.raises(NotDurable):
            await queue.push(Work(2))
        with pytest.raises(NotDurable):
            await driver.push([NewJob(new_job_id(), b"{}")], operation=Operation("me", 1))
        with pytest.raises(NotDurable):
            await driver.push_if(NewJob(new_job_id(), b"{}"), "key", None, b"value")
        # Nothing was stored that could be lost.
        assert (await driver.push_if(NewJob(new_job_id(), b"{}"), "key", None, b"v")).outcome is StoreOutcome.UNEXPECTED
        pair.join()
        patient = JobOptions(durability=PATIENT)
        await queue.push_many([Work(3), Push(Work(4), patient)])


async def test_the_default_counts_beside_a_weaker_demand(default_server: Server, queue_key: str) -> None:
    """A push of several jobs meets what the configuration demands of those that demand nothing themselves."""
    async with driver_at(default_server.url, queue_key, durability=ON_DISK) as driver:
        jobs = [NewJob(new_job_id(), b"{}", durability=ON_A_REPLICA), NewJob(new_job_id(), b"{}")]
        for items in (jobs, jobs[::-1]):
            with pytest.raises(ConfigurationError, match="nothing was stored"):
                await driver.push(items)
        assert sum((await driver.counts()).values()) == 0


async def test_concurrent_pushes_share_one_wait(pair: Pair, driver: ValkeyJobQueue) -> None:
    queue = JobQueue(driver)
    before = await calls_of(pair.primary, "wait")
    async with asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(queue.push(Work(number), options=JobOptions(durability=PATIENT)))
    assert await calls_of(pair.primary, "wait") - before <= 4  # of these one asks whether it may


async def test_pushes_without_a_demand_do_not_wait(pair: Pair, driver: ValkeyJobQueue) -> None:
    queue = JobQueue(driver)
    pair.cut()
    waiting = asyncio.create_task(queue.push(Work(1), options=JobOptions(durability=PATIENT)))
    await until(partial(_is_stored, queue))
    for number in range(5):
        await queue.push(Work(number))
    assert not waiting.done()
    await asyncio.to_thread(pair.join)
    await waiting


@pytest.mark.parametrize("lost", ["EVALSHA", "WAIT"])
async def test_a_lost_reply_is_asked_for_again_and_confirmed_anew(pair: Pair, queue_key: str, lost: str) -> None:
    """A fresh connection has written nothing, so that `WAIT` would be met at once; the repeat writes."""
    async with Proxy(pair.primary.url) as proxy, driver_at(proxy.url, queue_key) as driver:
        queue = JobQueue(driver)
        await queue.push(Work(0), options=JobOptions(durability=ON_A_REPLICA))
        pair.cut()
        fault = proxy.swallow_reply(named(lost))
        with pytest.raises(NotDurable):
            await queue.push(Work(1), options=JobOptions(durability=ON_A_REPLICA))
        assert fault.happened.is_set()
        assert sum((await queue.counts()).values()) == 2


async def test_a_push_in_chunks_says_which_jobs_are_stored(pair: Pair, queue_key: str) -> None:
    pair.cut()
    async with driver_at(pair.primary.url, queue_key, durability=ON_A_REPLICA, max_atomic_push=3) as driver:
        with pytest.raises(PushIncomplete) as broken_off:
            await JobQueue(driver).push_many([Work(number) for number in range(7)], atomic=False)
        assert len(broken_off.value.stored) == 3
        assert sum((await driver.counts()).values()) == 3


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
async def test_a_disk_is_believed_only_if_each_write_is_synced(
    start_server: StartServer, kind: ServerKind, queue_key: str
) -> None:
    server = start_server(ServerOptions(appendonly=True, settings={"appendfsync": "always"}), kind)
    async with driver_at(server.url, queue_key, durability=ON_DISK) as driver:
        queue = JobQueue(driver)
        if kind.id.startswith("redis-7.0"):
            with pytest.raises(ConfigurationError, match="unknown command 'WAITAOF'"):
                await queue.push(Work(1))
            assert sum((await queue.counts()).values()) == 0
            return
        ran = counting(queue)
        await queue.push(Work(1))
        await _run(queue)
        assert ran == [1]
        assert await all_completed(driver, 1)
    for name, value in (("appendfsync", "everysec"), ("appendonly", "no")):
        ask(server, "CONFIG", "SET", name, value)
        async with driver_at(server.url, queue_key, durability=ON_DISK) as driver:
            with pytest.raises(ConfigurationError, match=f"this one has .*{name} {value}.*: nothing was stored"):
                await JobQueue(driver).push(Work(2))
            assert await all_completed(driver, 1)


def test_what_demands_nothing_or_cannot_be_is_refused() -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "demands something"),
        ({"replicas": -1}, "replicas is a number from 0"),
        ({"replicas": 1, "timeout": timedelta(0)}, "timeout is a millisecond at least"),
    ]
    for settings, text in wrong:
        with pytest.raises(ValueError, match=text):
            Durability(**settings)


async def test_the_rights_of_the_guide_and_those_for_durability_are_enough(
    start_server: StartServer, queue_key: str
) -> None:
    (rules,) = (each.text for each in blocks(RIGHTS.read_text()) if each.text.startswith("~MyJobQueue"))
    rights = rules.replace("MyJobQueue", queue_key)
    for demand, more in ((ON_A_REPLICA, "+wait"), (ON_DISK, "+waitaof +config|get")):
        options = ServerOptions(
            users={"me": f"on >secret {rights} {more}"}, appendonly=True, settings={"appendfsync": "always"}
        )
        server = start_server(options)
        async with driver_at(server.url_for("me", "secret"), queue_key, durability=demand) as driver:
            if demand is ON_DISK:
                await JobQueue(driver).push(Work(1))
            else:
                with pytest.raises(NotDurable):
                    await JobQueue(driver).push(Work(1))


async def test_a_user_may_lack_the_rights(start_server: StartServer, queue_key: str) -> None:
    server = start_server(ServerOptions(users={"me": "on >secret ~* &* +@all -wait -config"}, appendonly=True))
    for demand in (ON_A_REPLICA, ON_DISK):
        async with driver_at(server.url_for("me", "secret"), queue_key, durability=demand) as driver:
            with pytest.raises(ConfigurationError, match="check password, user and rights"):
                await JobQueue(driver).push(Work(1))
            assert sum((await driver.counts()).values()) == 0


def _is_held_by(driver: ValkeyJobQueue) -> Any:
    async def is_held() -> bool:
        return (await driver.counts())[JobStatus.PROCESSING] == 1

    return is_held


async def test_a_job_starts_when_a_replica_has_its_claim_and_has_ended_when_it_has_its_end(
    pair: Pair, driver: ValkeyJobQueue, queue_key: str
) -> None:
    await JobQueue(driver).push(Work(1))
    pair.cut()
    async with driver_at(pair.primary.url, queue_key, exchange_durability=ON_A_REPLICA) as insisting:
        queue = JobQueue(insisting)
        handler = Handler(queue)
        async with run_in_background(queue.processor(ProcessorOptions())):
            await until(_is_held_by(driver))
            await asyncio.sleep(2 * ON_A_REPLICA.timeout.total_seconds())  # what must not happen has the time for it
            assert handler.running == []
            await asyncio.to_thread(pair.join)
            await until(lambda: handler.running == [1])
            handler.go_on.set()
            await until(partial(all_completed, driver, 1))
    assert handler.running == [1]
    assert await driver.validate() == []


@pytest.mark.parametrize("lost", ["EVALSHA", "WAIT"])
async def test_an_exchange_that_is_sent_again_is_confirmed_anew(
    pair: Pair, driver: ValkeyJobQueue, queue_key: str, lost: str
) -> None:
    """Over a fresh connection, which has written nothing: the repeat writes."""
    job_id = await JobQueue(driver).push(Work(1))
    settings: dict[str, Any] = {"exchange_durability": ON_A_REPLICA, "operation_timeout": timedelta(seconds=1)}
    async with Proxy(pair.primary.url) as proxy, driver_at(proxy.url, queue_key, **settings) as insisting:
        await open_worker(insisting)
        await insisting.exchange("worker", 1, (), 0)
        pair.replica.freeze()
        try:
            fault = proxy.swallow_reply(named(lost))
            with pytest.raises(StoreUnavailable, match=r"it is done, but 0 of 1 replicas have it after 0\.3 s") as told:
                await insisting.exchange("worker", 2, (), 1)
            assert fault.happened.is_set()
            assert told.value.outcome == "unknown"
        finally:
            pair.replica.thaw()
        (claim,) = (await insisting.exchange("worker", 2, (), 1)).claims
        assert claim.job_id == job_id
        settled = await insisting.exchange("worker", 3, [Finish(job_id, claim.token)])
        assert settled.outcomes == [SettleOutcome.SETTLED]


async def test_without_a_demand_no_exchange_waits(pair: Pair, driver: ValkeyJobQueue) -> None:
    before = await calls_of(pair.primary, "wait")
    queue = JobQueue(driver)
    ran = counting(queue)
    await queue.push(Work(1))
    await _run(queue)
    assert ran == [1]
    assert await calls_of(pair.primary, "wait") == before


async def test_a_worker_may_lack_the_right_to_wait(start_server: StartServer, queue_key: str) -> None:
    server = start_server(ServerOptions(users={"me": "on >secret ~* &* +@all -wait"}))
    async with driver_at(server.url_for("me", "secret"), queue_key, exchange_durability=ON_A_REPLICA) as driver:
        await open_worker(driver)
        with pytest.raises(ConfigurationError, match="check password, user and rights"):
            await driver.exchange("worker", 1, (), 1)


async def test_a_worker_may_demand_the_disk(start_server: StartServer, queue_key: str) -> None:
    server = start_server(ServerOptions(appendonly=True, settings={"appendfsync": "always"}))
    async with driver_at(server.url, queue_key, exchange_durability=ON_DISK) as driver:
        queue = JobQueue(driver)
        ran = counting(queue)
        await queue.push(Work(1))
        assert await calls_of(server, "waitaof") == 0
        await _run(queue)
        assert ran == [1]
        assert await all_completed(driver, 1)
        assert await calls_of(server, "waitaof") >= 2  # for the claim, and for the end
    ask(server, "CONFIG", "SET", "appendfsync", "everysec")
    async with driver_at(server.url, queue_key, exchange_durability=ON_DISK) as driver:
        queue = JobQueue(driver)
        await queue.push(Work(2))
        await open_worker(driver)
        with pytest.raises(ConfigurationError, match=r"this one has .*appendfsync everysec"):
            await driver.exchange("worker", 1, (), 1)
        assert (await queue.counts())[JobStatus.PENDING] == 1
