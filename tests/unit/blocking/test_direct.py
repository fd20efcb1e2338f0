"""A push of a thread, which speaks with the server itself: what breaks, and what becomes of the job."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from valkey.asyncio import Valkey
from valkey.exceptions import ConnectionError as ConnectionLost

from jobsvalkey import (
    BlockingJobQueue,
    ConfigurationError,
    Durability,
    JobName,
    JobOptions,
    JobStatus,
    StoreFull,
    StoreUnavailable,
    ValkeyConfiguration,
    ValkeyJobQueue,
)
from jobsvalkey.blocking.process import running_loop
from jobsvalkey.contract import Finish, Pushed, StoreOutcome
from jobsvalkey.valkey.direct import Link
from jobsvalkey.valkey.scripting import PUSH
from tests.conftest import StartServer
from tests.support.proxy import Proxy, script
from tests.support.servers import Server, ServerOptions
from tests.support.waiting import PATIENCE
from tests.support.work import Work
from tests.unit.blocking.support import in_threads, wait_until

Jobs = BlockingJobQueue[ValkeyJobQueue]
PUSHES = script(PUSH.digest)
TEXT = JobName("text", str)
LATER = JobOptions(delay=timedelta(hours=1))


@pytest.fixture
async def proxy(default_server: Server) -> AsyncIterator[Proxy]:
    async with Proxy(default_server.url) as proxy:
        yield proxy


@pytest.fixture
def far(proxy: Proxy, queue_key: str) -> Iterator[Jobs]:
    """A queue behind the proxy, which runs in the loop of the test."""
    configuration = ValkeyConfiguration(queue_key=queue_key, operation_timeout=timedelta(seconds=5))
    url = f"{proxy.url}?socket_timeout=0.2"
    with BlockingJobQueue.from_url(url, configuration=configuration) as jobs:
        yield jobs


async def aside(call: Callable[[], Any]) -> Any:
    async with asyncio.timeout(PATIENCE):
        return await asyncio.to_thread(call)


def test_a_lone_push_needs_no_loop(jobs: Jobs) -> None:
    jobs.push(Work())
    background = running_loop()
    assert background is not None
    go_on, stands = threading.Event(), threading.Event()

    def stand_still() -> None:
        stands.set()
        go_on.wait(PATIENCE)

    background.loop.call_soon_threadsafe(stand_still)
    assert stands.wait(PATIENCE)
    in_threads(1, lambda _: [jobs.push(Work(), options=LATER) for _ in range(10)])
    go_on.set()
    assert jobs.counts()[JobStatus.PENDING] == 11


@pytest.mark.parametrize("fault", ["cut", "hang", "shorten"])
async def test_a_lost_reply_does_nothing_twice(
    fault: Any, far: Jobs, proxy: Proxy, queue_key: str, valkey_client: Any
) -> None:
    """What goes on in the loop is the same step, and has its answer, also if the job has run and is gone meanwhile."""
    await aside(lambda: far.push(Work(), options=LATER))
    async with ValkeyJobQueue(valkey_client, ValkeyConfiguration(queue_key=queue_key)) as here:
        await here.open_worker("worker", timedelta(hours=1))
        lost = proxy.shorten_reply(PUSHES) if fault == "shorten" else proxy.swallow_reply(PUSHES, after=fault)
        push = asyncio.create_task(aside(lambda: far.push_unless_held(Work())))
        async with asyncio.timeout(PATIENCE):
            await lost.happened.wait()
        (claim,) = (await here.exchange("worker", 1, (), 1)).claims
        await here.exchange("worker", 2, [Finish(claim.job_id, claim.token)])
        assert await push == Pushed(StoreOutcome.STORED, claim.job_id)
        assert (await here.counts())[JobStatus.PENDING] == 1


@pytest.mark.parametrize("fault", ["shorten_reply", "drop_request"])
async def test_half_a_reply_and_a_lost_request_are_as_if_nothing_had_happened(
    fault: str, far: Jobs, proxy: Proxy
) -> None:
    await aside(lambda: far.push(Work()))
    lost = getattr(proxy, fault)(PUSHES)
    ids = [await aside(lambda: far.push(Work())) for _ in range(2)]
    assert lost.hit
    assert (await aside(far.counts))[JobStatus.PENDING] == 3
    assert [await aside(lambda job_id=job_id: far.status(job_id)) for job_id in ids] == [JobStatus.PENDING] * 2


async def test_a_push_that_was_sent_in_vain_may_have_been_done(proxy: Proxy, queue_key: str) -> None:
    configuration = ValkeyConfiguration(queue_key=queue_key, operation_timeout=timedelta(seconds=0.5))
    with BlockingJobQueue.from_url(f"{proxy.url}?socket_timeout=0.2", configuration=configuration) as jobs:
        await aside(lambda: jobs.push(Work()))
        lost = proxy.swallow_reply(PUSHES)
        lost_too = asyncio.create_task(lost.happened.wait())
        lost_too.add_done_callback(lambda _: proxy.refuse())
        with pytest.raises(StoreUnavailable) as caught:
            await aside(lambda: jobs.push(Work()))
        assert caught.value.outcome == "unknown"
        with pytest.raises(StoreUnavailable) as caught:
            await aside(lambda: jobs.push(Work()))
        assert caught.value.outcome == "not_done"
        await proxy.accept()
        await aside(lambda: jobs.push(Work()))
        assert (await aside(jobs.counts))[JobStatus.PENDING] == 3


async def test_a_connection_that_was_closed_meanwhile_is_opened_again_before_anything_is_sent(
    far: Jobs, proxy: Proxy
) -> None:
    await aside(lambda: far.push(Work()))
    async with proxy.away():
        pass
    seen = len([command for command in proxy.commands if PUSHES(command)])
    await aside(lambda: far.push(Work()))
    assert len([command for command in proxy.commands if PUSHES(command)]) == seen + 1


async def test_a_server_that_has_forgotten_its_scripts(far: Jobs, valkey_client: Any) -> None:
    await aside(lambda: far.push(Work()))
    await valkey_client.script_flush()
    await aside(lambda: far.push(Work()))
    assert (await aside(far.counts))[JobStatus.PENDING] == 2


async def test_a_refusal_is_explained_and_the_next_push_goes_on(far: Jobs, queue_key: str, valkey_client: Any) -> None:
    await aside(lambda: far.push(Work()))
    await valkey_client.rename(f"{queue_key}.pending", f"{queue_key}.aside")
    await valkey_client.set(f"{queue_key}.pending", "odd")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="in use for something else"):
            await aside(lambda: far.push(Work()))
    await valkey_client.rename(f"{queue_key}.aside", f"{queue_key}.pending")
    await aside(lambda: far.push(Work()))
    assert (await aside(far.counts))[JobStatus.PENDING] == 2


async def test_a_server_that_starts_refuses_for_a_moment(far: Jobs, proxy: Proxy) -> None:
    await aside(lambda: far.push(Work()))
    refused = proxy.refuse_command("LOADING the dataset", PUSHES)
    await aside(lambda: far.push(Work()))
    assert refused.hit
    assert (await aside(far.counts))[JobStatus.PENDING] == 2


def test_a_full_server(start_server: StartServer) -> None:
    server = start_server(ServerOptions(maxmemory="6mb"))
    text = "x" * 30_000
    with BlockingJobQueue.from_url(server.url, queue_key="full") as jobs:

        def fill() -> None:
            while True:
                jobs.push(TEXT, text)

        for _ in range(2):
            with pytest.raises(StoreFull):
                fill()


async def test_a_push_that_was_interrupted_leaves_no_reply_to_the_next(far: Jobs, proxy: Proxy) -> None:
    """At whichever point between request and reply, and while its connection was given up."""
    await aside(lambda: far.push(Work()))
    link = _link(far)
    link._is_idle = False  # it has sent something
    job_id = await aside(lambda: far.push(Work()))
    assert _link(far) is not link
    assert await aside(lambda: far.status(job_id)) is JobStatus.PENDING


def test_a_connection_whose_closing_was_interrupted_is_closed_by_the_next(jobs: Jobs) -> None:
    jobs.push(Work())
    link = _link(jobs)
    close = link.close

    def interrupted() -> NoReturn:
        link.close = close
        raise KeyboardInterrupt

    link.close = interrupted
    link.shut()
    with pytest.raises(KeyboardInterrupt):
        jobs.push(Work())
    jobs.push(Work())
    assert link.descriptor == -1


def _link(jobs: Jobs) -> Any:
    return _direct(jobs)._link


def _direct(jobs: Jobs) -> Any:
    background = running_loop()
    assert background is not None
    queue: Any = background.direct[jobs._tenant]  # pyright: ignore[reportPrivateUsage]
    return queue._direct


async def test_a_push_that_waits_for_its_reply_ends_with_the_queue(proxy: Proxy, queue_key: str) -> None:
    jobs = BlockingJobQueue.from_url(proxy.url, queue_key=queue_key)
    await aside(lambda: jobs.push(Work()))
    held = proxy.hold(PUSHES)
    ended: list[BaseException] = []

    def push() -> None:
        try:
            jobs.push(Work())
        except StoreUnavailable as error:
            ended.append(error)

    thread = threading.Thread(target=push)
    thread.start()
    async with asyncio.timeout(PATIENCE):
        await held.happened.wait()
    await aside(jobs.close)
    await aside(thread.join)
    assert [error.outcome for error in ended if isinstance(error, StoreUnavailable)] == ["unknown"]
    held.released.set()


async def test_a_push_whose_reply_is_lost_while_the_queue_is_closed_may_have_been_done(far: Jobs, proxy: Proxy) -> None:
    """Before the connection is closed as well."""
    await aside(lambda: far.push(Work()))
    tenant: Any = far._tenant  # pyright: ignore[reportPrivateUsage]
    lost = proxy.swallow_reply(PUSHES, after="hang")
    push = asyncio.create_task(asyncio.to_thread(lambda: far.push(Work())))
    async with asyncio.timeout(PATIENCE):
        await lost.happened.wait()
        tenant.is_closed = True
        with pytest.raises(StoreUnavailable) as caught:
            await push
    tenant.is_closed = False
    assert caught.value.outcome == "unknown"
    assert (await aside(far.counts))[JobStatus.PENDING] == 2


async def test_who_comes_while_a_push_is_under_way_shares_a_step(far: Jobs, proxy: Proxy) -> None:
    await aside(lambda: far.push(Work()))
    held = proxy.hold(PUSHES)
    threads = [threading.Thread(target=lambda: far.push(Work())) for _ in range(9)]
    threads[0].start()
    async with asyncio.timeout(PATIENCE):
        await held.happened.wait()
    for thread in threads[1:]:
        thread.start()
    await aside(lambda: wait_until(lambda: sum(PUSHES(command) for command in proxy.commands) >= 3))
    held.released.set()
    for thread in threads:
        await aside(thread.join)
    assert (await aside(far.counts))[JobStatus.PENDING] == 10
    assert sum(PUSHES(command) for command in proxy.commands) < 8


async def test_who_comes_in_the_same_moment_waits_for_as_long_as_a_call_may_take(proxy: Proxy, queue_key: str) -> None:
    """Not for the step of the other, and then for its own."""
    configuration = ValkeyConfiguration(queue_key=queue_key, operation_timeout=timedelta(seconds=0.5))
    with BlockingJobQueue.from_url(proxy.url, configuration=configuration) as jobs:
        await aside(lambda: jobs.push(Work()))
        seen = sum(PUSHES(command) for command in proxy.commands)
        _direct(jobs)._lock = JustTaken()
        with pytest.raises(StoreUnavailable) as caught:
            await aside(lambda: jobs.push(Work()))
        assert caught.value.outcome == "not_done"
        assert sum(PUSHES(command) for command in proxy.commands) == seen


class JustTaken:
    """A lock that another thread takes when one has just seen that it is free."""

    def locked(self) -> bool:
        return False

    def __enter__(self) -> None:
        time.sleep(0.6)

    def __exit__(self, *_: object) -> None: ...


def test_what_does_not_leave_at_once_is_left_to_the_loop() -> None:
    here, there = socket.socketpair()
    with there:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        link = Link(here)
        with pytest.raises(ConnectionLost):
            link.ask(("x" * 60_000,), PATIENCE)
        assert not link.is_open
        link.close()


def test_a_driver_that_another_queue_has_closed_is_used_again(url: str, queue_key: str) -> None:
    driver = ValkeyJobQueue(Valkey.from_url(url), ValkeyConfiguration(queue_key=queue_key))
    with BlockingJobQueue(lambda: driver) as jobs:
        with BlockingJobQueue(lambda: driver) as other:
            jobs.push(Work())
            other.push(Work())
        for _ in range(2):
            jobs.push(Work())
        assert _link(jobs) is not None
        assert jobs.counts()[JobStatus.PENDING] == 4


def test_a_demand_is_met_by_the_loop(jobs: Jobs) -> None:
    with pytest.raises(ConfigurationError, match="appendonly"):
        jobs.push(Work(), options=JobOptions(durability=Durability(append_only_file=True)))
    jobs.push(Work())
    assert jobs.counts()[JobStatus.PENDING] == 1


def test_a_demand_of_the_configuration_is_met_by_the_loop(url: str, queue_key: str) -> None:
    configuration = ValkeyConfiguration(queue_key=queue_key, durability=Durability(append_only_file=True))
    with BlockingJobQueue.from_url(url, configuration=configuration) as jobs:
        for _ in range(2):
            with pytest.raises(ConfigurationError, match="appendonly"):
                jobs.push(Work())
        assert jobs.counts()[JobStatus.PENDING] == 0


def test_tls_is_left_to_the_loop(start_server: StartServer) -> None:
    server = start_server(ServerOptions(tls=True, password="secret"))
    with BlockingJobQueue.from_url(server.url, queue_key="tls") as jobs:
        in_threads(4, lambda _: [jobs.push(Work()) for _ in range(20)])
        assert jobs.counts()[JobStatus.PENDING] == 80


def test_a_unix_socket_is_used_by_the_thread(start_server: StartServer) -> None:
    server = start_server(ServerOptions(unix_socket=True))
    with BlockingJobQueue.from_url(server.url, queue_key="unix") as jobs:
        for _ in range(3):
            jobs.push(Work())
        assert _link(jobs) is not None
        assert jobs.counts()[JobStatus.PENDING] == 3
