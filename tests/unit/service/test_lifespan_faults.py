"""A lifespan that fails, that lacks something, or is stopped while it is entered."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jobsvalkey import (
    GIVEN,
    ConfigurationError,
    JobService,
    JobStatus,
    Schedule,
    StoreUnavailable,
)
from tests.support.waiting import PATIENCE, until
from tests.unit.service.lifespans import Images, Run, Settings, State, World, both_ways, make_driver


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    async with asyncio.timeout(PATIENCE):
        yield World()


@both_ways
async def test_one_that_fails_on_entering_stops_the_service_before_a_claim(run: Run) -> None:
    @asynccontextmanager
    async def lifespan(service: JobService[Any]) -> AsyncGenerator[State]:
        raise ConnectionError("no images today")
        yield

    world = World(lifespan)
    job_id = await world.wait.push(1)
    with pytest.raises(ConnectionError, match="no images today"):
        await run(world.service)
    assert not world.started.is_set()
    assert await world.service.status(job_id) is JobStatus.PENDING
    with pytest.raises(ConnectionError):  # it can be run again
        await run(world.service)


async def test_its_error_is_raised_before_the_block_begins() -> None:
    @asynccontextmanager
    async def lifespan(service: JobService[Any]) -> AsyncGenerator[State]:
        await asyncio.sleep(0)
        raise ConnectionError("no images today")
        yield

    begun = False
    with pytest.raises(ConnectionError):
        async with World(lifespan).service:
            begun = True
    assert not begun


@both_ways
async def test_one_that_lacks_what_a_task_is_given_stops_the_service(run: Run) -> None:
    left = asyncio.Event()

    @asynccontextmanager
    async def lifespan(service: JobService[Any]) -> AsyncGenerator[Settings]:
        yield Settings("u")
        left.set()

    @asynccontextmanager
    async def lenient(service: JobService[Any]) -> AsyncGenerator[Settings]:
        with contextlib.suppress(Exception):
            yield Settings("u")
        left.set()

    world = World(lenient)
    job_id = await world.wait.push(1)
    with pytest.raises(ConfigurationError, match="task 'wait' cannot be given 'images'"):
        await run(world.service)
    assert left.is_set()
    assert await world.service.status(job_id) is JobStatus.PENDING
    with pytest.raises(ConfigurationError, match="task 'wait' cannot be given 'images'"):
        await run(World(lifespan).service)


async def test_a_task_that_needs_the_state_of_no_lifespan_stops_the_service() -> None:
    service = JobService(make_driver())

    @service.task
    async def resize(*, images: Images = GIVEN) -> None: ...

    await resize.push()
    with pytest.raises(ConfigurationError, match="give the service a lifespan"):
        await service.run(burst=True)


async def ended(world: World) -> bool:
    return await world.statuses() == {JobStatus.COMPLETED: 1}


async def in_a_burst(world: World) -> None:
    await world.service.run(burst=True)


async def until_it_has_ended(world: World) -> None:
    async with world.service:
        await until(lambda: ended(world))


@pytest.mark.parametrize("run", [in_a_burst, until_it_has_ended])
async def test_one_that_fails_on_leaving_is_logged_and_raised_and_the_jobs_are_settled(
    run: Callable[[World], Awaitable[object]], caplog: pytest.LogCaptureFixture
) -> None:
    world = World()

    @asynccontextmanager
    async def lifespan(service: JobService[Any]) -> AsyncGenerator[State]:
        yield State(Images(), Settings("u"))
        assert await world.statuses() == {JobStatus.COMPLETED: 1}
        raise ConnectionError("cannot say goodbye")

    world = World(lifespan)
    world.go.set()
    await world.wait.push(1)
    with pytest.raises(ConnectionError, match="cannot say goodbye"):
        await run(world)
    assert await world.statuses() == {JobStatus.COMPLETED: 1}
    (record,) = [each for each in caplog.records if each.name == "jobsvalkey.service"]
    assert (record.levelname, "failed on leaving" in record.message) == ("ERROR", True)


async def test_it_cannot_suppress_that_the_service_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def lifespan(service: JobService[Any]) -> AsyncGenerator[State]:
        with contextlib.suppress(BaseException):
            yield State(Images(), Settings("u"))

    world = World(lifespan)
    world.service.add_scheduled_job(world.wait.with_parameters(1), Schedule.daily())

    async def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("the store is away", outcome="not_done")

    monkeypatch.setattr(world.service.driver, "get_metadata", away)
    with pytest.raises(StoreUnavailable):
        await world.service.run(burst=True)


@pytest.mark.parametrize("how", ["signal", "stop", "stop twice"])
async def test_a_stop_while_it_is_entered_does_not_wait(how: str) -> None:
    entering, cleared = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def lifespan(service: JobService[Any]) -> AsyncGenerator[State]:
        entering.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleared.set()
        yield State(Images(), Settings("u"))

    world = World(lifespan)
    await world.wait.push(1)
    running = asyncio.create_task(world.service.run())
    await entering.wait()
    if how == "signal":
        os.kill(os.getpid(), signal.SIGTERM)
    else:
        world.service.stop()
    if how == "stop twice":
        world.service.stop()
    async with asyncio.timeout(PATIENCE):
        assert await running is False
    assert cleared.is_set()
    assert not world.started.is_set()


async def test_a_timeout_of_its_own_is_an_error() -> None:
    @asynccontextmanager
    async def lifespan(service: JobService[Any]) -> AsyncGenerator[State]:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
        yield State(Images(), Settings("u"))

    with pytest.raises(TimeoutError):
        await World(lifespan).service.run(burst=True)


async def test_a_stop_before_it_is_entered_is_not_lost(world: World) -> None:
    running = asyncio.create_task(world.service.run())
    asyncio.get_running_loop().call_soon(world.service.stop)
    async with asyncio.timeout(PATIENCE):
        await running
    assert world.events in ([], ["enter", "leave"])


async def test_what_it_runs_beside_ends_the_service_when_it_fails() -> None:
    """A task group in the lifespan works, and its failure is the service's."""
    failing = asyncio.Event()

    async def beside() -> None:
        await failing.wait()
        raise ConnectionResetError("the images are gone")

    @asynccontextmanager
    async def lifespan(service: JobService[Any]) -> AsyncGenerator[State]:
        async with asyncio.TaskGroup() as group:
            group.create_task(beside())
            yield State(Images(), Settings("u"))

    world = World(lifespan)
    await world.wait.push(1)
    running = asyncio.create_task(world.service.run())
    await world.started.wait()
    failing.set()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ExceptionGroup) as raised:
            await running
    assert raised.group_contains(ConnectionResetError)
    assert await world.statuses() == {JobStatus.PENDING: 1}


@asynccontextmanager
async def takes_nothing() -> AsyncGenerator[None]:
    yield


async def no_manager(service: Any) -> AsyncGenerator[None]:
    yield


async def coroutine(service: Any) -> None: ...


@pytest.mark.parametrize(
    ("lifespan", "why"),
    [
        (takes_nothing, "called with the service"),
        (no_manager, "asynccontextmanager"),
        (coroutine, "asynccontextmanager"),
        (State(Images(), Settings("u")), "a lifespan is an async context manager"),
        (5, "a lifespan is an async context manager"),
    ],
)
def test_something_else_is_refused_at_once(lifespan: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        JobService(make_driver(), lifespan=lifespan)


async def test_one_that_makes_no_async_context_manager_is_refused_when_it_runs() -> None:
    def wrong(service: object) -> Any:
        return contextlib.nullcontext

    with pytest.raises(TypeError, match="no async context manager"):
        await JobService(make_driver(), lifespan=wrong).run(burst=True)
