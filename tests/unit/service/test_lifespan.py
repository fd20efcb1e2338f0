"""A lifespan surrounds the jobs of a service: entered before the first claim, left after the last handler."""

import asyncio
import contextvars
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from jobsvalkey import (
    GIVEN,
    JobContext,
    JobName,
    JobService,
    JobStatus,
    ProcessorOptions,
    Schedule,
)
from tests.support.waiting import PATIENCE
from tests.unit.service.lifespans import Images, Settings, State, World, make_driver


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    async with asyncio.timeout(PATIENCE):
        yield World()


async def test_it_surrounds_a_burst(world: World) -> None:
    world.go.set()
    await world.wait.push(1)
    await world.service.run(burst=True)
    assert world.events == ["enter", (1, True), "leave"]
    await world.wait.push(2)
    await world.service.run(burst=True)
    assert world.events[3:] == ["enter", (2, True), "leave"]


async def test_it_is_entered_when_the_block_begins_and_left_after_the_last_handler(world: World) -> None:
    async with world.service:
        assert world.events == ["enter"]
        await world.wait.push(1)
        await world.started.wait()
        asyncio.get_running_loop().call_later(0.01, world.go.set)
    assert world.events == ["enter", (1, True), "leave"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_the_handlers_end_before_it_is_left(world: World, number: signal.Signals) -> None:
    running = asyncio.create_task(world.service.run())
    await world.wait.push(1)
    await world.started.wait()
    os.kill(os.getpid(), number)
    await asyncio.sleep(0)
    assert world.events == ["enter"]
    world.go.set()
    await running
    assert world.events == ["enter", (1, True), "leave"]


async def test_a_cancelled_service_gives_its_jobs_back_and_leaves(world: World) -> None:
    running = asyncio.create_task(world.service.run())
    await world.wait.push(1)
    await world.started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert world.events == ["enter", "leave"]
    assert await world.statuses() == {JobStatus.PENDING: 1}


async def test_handlers_see_the_context_variables_that_it_sets() -> None:
    variable, seen = contextvars.ContextVar("variable", default=""), list[str]()

    @asynccontextmanager
    async def lifespan(service: JobService[Any]) -> AsyncGenerator[None]:
        variable.set("set")
        yield

    service = JobService(make_driver(), lifespan=lifespan)

    @service.task
    async def look() -> None:
        seen.append(variable.get())

    await look.push()
    await service.run(burst=True)
    assert seen == ["set"]


async def test_the_types_that_it_declares_are_given_without_a_mark() -> None:
    seen: list[Any] = []
    state = State(Images(), Settings("u"))

    @asynccontextmanager
    async def lifespan(service: JobService[Any]) -> AsyncGenerator[State]:
        yield state

    service = JobService(make_driver(), lifespan=lifespan)

    @service.task
    async def resize(path: str, retries: int, *, context: JobContext, images: Images, settings: Settings) -> None:
        seen.append((path, retries, context.attempt, images, settings))

    @service.task
    def shrink(state: State, settings: Settings | None = None, *, retries: int = GIVEN) -> None:
        seen.append((state, settings, retries))

    for each in (resize.with_parameters, shrink.with_parameters):
        untyped: Any = each
        await service.push(untyped("a", 5) if each == resize.with_parameters else untyped())
    await service.run(burst=True)
    assert seen == [("a", 5, 1, state.images, state.settings), (state, state.settings, 3)]


async def test_a_task_that_needs_no_arguments_is_scheduled_as_it_is() -> None:
    world = World()
    world.go.set()

    @world.service.task
    async def tidy(days: int = 30, *, images: Images = GIVEN) -> None:
        world.events.append((days, images.is_open))

    world.service.add_scheduled_job(tidy, Schedule.crontab("* * * * * *"))
    world.service.add_scheduled_job(tidy.with_parameters(5), Schedule.crontab("* * * * * *"), id="soon")
    assert [each.id for each in world.service.schedule] == ["tidy", "soon"]
    await world.service.run(burst=True)
    world.service.driver.clock.advance(timedelta(seconds=1))
    await world.service.run(burst=True)
    assert {(5, True), (30, True)} <= set(world.events)


async def test_class_style_handlers_ask_the_context(world: World) -> None:
    seen: list[Any] = []

    @world.service.job(JobName("enlarge", str))
    async def enlarge(parameters: str, context: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
        seen.append(context.state_of(Settings).url)

    await world.service.push(JobName("enlarge", str), "")
    await world.service.run(burst=True)
    assert seen == ["u"]


async def test_a_handler_that_is_left_behind_does_not_keep_it_open() -> None:
    world = World(processor=ProcessorOptions(num_workers=1))
    await world.wait.push(1)
    async with world.service:
        await world.started.wait()
        world.service.stop()
        world.service.stop()
    assert world.events == ["enter", "leave"]
    assert await world.statuses() == {JobStatus.PENDING: 1}
