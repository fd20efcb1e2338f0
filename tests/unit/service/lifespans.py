"""A service with a lifespan, and ways to run it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from jobsvalkey import (
    GIVEN,
    JobService,
    JobStatus,
    Lifespan,
)
from jobsvalkey.contract import DriverConfiguration
from jobsvalkey_memory import ManualClock, MemoryJobQueue
from tests.support.retention import KEEP_ALL

Service = JobService[MemoryJobQueue[ManualClock]]
Run = Callable[[Service], Awaitable[object]]


class Images:
    is_open = True


@dataclass
class Settings:
    url: str


@dataclass
class State:
    images: Images
    settings: Settings
    retries: int = 3


def make_driver() -> MemoryJobQueue[ManualClock]:
    """A driver on a clock of its own that keeps what has ended."""
    return MemoryJobQueue(DriverConfiguration(retention_policy=KEEP_ALL), clock=ManualClock())


class World:
    """A service with a lifespan that notes what happens, and a task that waits until it is let go."""

    def __init__(self, lifespan: Lifespan | None = None, **options: Any) -> None:
        self.events = list[Any]()
        self.started, self.go = asyncio.Event(), asyncio.Event()
        self.service = JobService(make_driver(), lifespan=lifespan or self.lifespan, **options)
        self.wait = self.service.task(name="wait")(self._wait)

    @asynccontextmanager
    async def lifespan(self, service: JobService[Any]) -> AsyncGenerator[State]:
        assert service is self.service
        self.events.append("enter")
        images = Images()
        try:
            yield State(images, Settings("u"))
        finally:
            images.is_open = False
            self.events.append("leave")

    async def _wait(self, number: int, *, images: Images = GIVEN) -> None:
        self.started.set()
        await self.go.wait()
        self.events.append((number, images.is_open))

    async def statuses(self) -> dict[JobStatus, int]:
        return {status: count for status, count in (await self.service.counts()).items() if count}


async def run_a_burst(service: Service) -> None:
    await service.run(burst=True)


async def run_beside(service: Service) -> None:
    async with service:
        pass


both_ways = pytest.mark.parametrize("run", [run_a_burst, run_beside])
