"""Waiting for a hint, where the connection that would bring it is lost."""

import asyncio
import time
from collections.abc import Callable
from contextvars import Context
from datetime import timedelta

import pytest
from valkey.asyncio import Valkey

from jobsvalkey.valkey import ValkeyConfiguration, ValkeyJobQueue
from jobsvalkey.valkey.listening import LONGEST_BLOCK
from tests.support.drivers import HOUR, new_job
from tests.support.proxy import Proxy
from tests.support.waiting import PATIENCE, until


async def test_all_who_wait_look_when_the_connection_is_lost(proxy: Proxy, driver: ValkeyJobQueue) -> None:
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for worker in ("one", "another"):
            group.create_task(driver.wait(worker, HOUR))
        await until(lambda: any(command.name == "BLPOP" for command in proxy.commands))
        proxy.cut()


@pytest.mark.parametrize("work", [True, False])
async def test_a_wait_that_begins_without_a_connection_ends_with_the_next(
    work: bool, proxy: Proxy, queue_key: str
) -> None:
    """As soon as there is one: not when the first pop on it is over, four seconds later."""
    client = Valkey.from_url(proxy.url)  # pyright: ignore[reportUnknownMemberType]
    async with client, ValkeyJobQueue(client, ValkeyConfiguration(queue_key=queue_key)) as driver:
        async with asyncio.timeout(PATIENCE):
            first = asyncio.create_task(driver.wait("worker", HOUR, work=work))
            await until(lambda: any(command.name == "BLPOP" for command in proxy.commands))
            async with proxy.away():
                await first
                second = asyncio.create_task(driver.wait("worker", HOUR, work=work))
                await asyncio.sleep(0.05)
                assert not second.done()
            began = time.monotonic()
            await second
        assert time.monotonic() - began < LONGEST_BLOCK - 1


async def test_a_full_worker_leaves_hints_to_those_that_have_use_for_them(
    proxy: Proxy, driver: ValkeyJobQueue, direct: ValkeyJobQueue
) -> None:
    async with asyncio.timeout(PATIENCE):
        full = asyncio.create_task(driver.wait("full", HOUR, work=False))
        await until(lambda: any(command.name == "BLPOP" for command in proxy.commands))
        idle = asyncio.create_task(direct.wait("idle", HOUR))
        await direct.push([new_job()])
        await idle
        assert not full.done()
        # It listens to news of its own claims, and to nothing else.
        (pop,) = [command for command in proxy.commands if command.name == "BLPOP"]
        (key,) = pop.arguments[:-1]
        assert b"news" in key
        full.cancel()


async def test_a_worker_that_was_closed_is_forgotten(driver: ValkeyJobQueue) -> None:
    for worker in ("other", "closed"):
        await driver.open_worker(worker, HOUR)
    await driver.wait("closed", timedelta(milliseconds=1))
    job = new_job()
    await driver.push([job])
    assert len((await driver.exchange("other", 1, (), 1)).claims) == 1
    async with asyncio.timeout(PATIENCE):
        hears = asyncio.create_task(driver.wait("other", HOUR, work=False))
        await asyncio.sleep(0)
        await driver.abort(job.job_id)
        await hears
    await driver.close_worker("closed")
    # Else it would know that there were news since it waited last, and return at once.
    began = time.monotonic()
    await driver.wait("closed", timedelta(seconds=0.2), work=False)
    assert time.monotonic() - began > 0.19


async def test_waiting_that_is_given_up_is_over_at_once(driver: ValkeyJobQueue) -> None:
    for work in (True, False):
        waiting = asyncio.create_task(driver.wait("worker", HOUR, work=work))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting], timeout=PATIENCE)
        assert waiting.cancelled()


class Held(asyncio.Future[bool]):
    """Tells those who await it only when they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Callable[[asyncio.Future[bool]], object]] = []

    def add_done_callback(
        self, fn: Callable[[asyncio.Future[bool]], object], /, *, context: Context | None = None
    ) -> None:
        super().add_done_callback(lambda _: self.calls.append(fn))

    def let_go(self) -> None:
        for call in self.calls:
            self.get_loop().call_soon(call, self)


async def held_wait(driver: ValkeyJobQueue, monkeypatch: pytest.MonkeyPatch) -> tuple[Held, asyncio.Task[None]]:
    """A wait of a worker, begun, and its hint, which is held until it is let go."""
    await driver.open_worker("one", HOUR)
    hint = Held()
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "create_future", lambda: hint)
        waiting = asyncio.create_task(driver.wait("one", HOUR))
        await asyncio.sleep(0)
    return hint, waiting


@pytest.mark.parametrize("is_first", [True, False], ids=["after", "before"])
async def test_a_hint_that_comes_as_its_wait_is_given_up_is_left_to_others(
    is_first: bool, driver: ValkeyJobQueue, direct: ValkeyJobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes just after that, or just before."""
    hint, waiting = await held_wait(driver, monkeypatch)
    async with asyncio.timeout(PATIENCE):
        if is_first:
            waiting.cancel()
        await driver.push([new_job()])
        if not is_first:
            await until(lambda: bool(hint.calls))
            waiting.cancel()
            hint.let_go()
        await direct.wait("another", HOUR)
        if is_first:
            hint.let_go()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_hint_that_cannot_be_left_to_others_is_no_fault_of_the_driver(
    proxy: Proxy, driver: ValkeyJobQueue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server goes away in that moment: whoever polls finds the job."""
    hint, waiting = await held_wait(driver, monkeypatch)
    async with asyncio.timeout(PATIENCE):
        await driver.push([new_job()])
        await until(lambda: bool(hint.calls))
        async with proxy.away():
            waiting.cancel()
            hint.let_go()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await until(lambda: "leave_to_others" not in str(asyncio.all_tasks()))
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
