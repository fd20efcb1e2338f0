"""Litestar's plugin, in the test's own event loop."""

from typing import Any

import pytest
from litestar import Litestar, get
from litestar.di import NamedDependency, Provide
from litestar.testing import AsyncTestClient

from jobsvalkey import ConfigurationError, JobQueue, JobService, JobStatus
from jobsvalkey.integrations.litestar import JobsPlugin
from jobsvalkey_memory import MemoryJobQueue
from tests.support.waiting import until


class Closing(MemoryJobQueue[Any]):
    """Tells whether it was closed."""

    closed = 0

    async def aclose(self) -> None:
        self.closed += 1
        await super().aclose()


async def test_a_service_runs_in_the_application() -> None:
    done = list[str]()
    service = JobService(MemoryJobQueue())

    @service.task
    async def note(word: str) -> None:
        done.append(word)

    @get("/")
    async def push(jobs: NamedDependency[JobService[Any]]) -> bool:
        await note.push("hello")
        return jobs is service

    app = Litestar([push], plugins=[JobsPlugin(service, run_jobs=True)])
    async with AsyncTestClient(app) as http:
        assert (await http.get("/")).json() is True
        await until(lambda: done == ["hello"])
        assert service.health().connected
    assert not service.health().connected


@pytest.mark.parametrize("kind", [JobQueue, JobService])
async def test_nothing_runs_unless_asked_for_and_connections_are_closed(kind: type[JobQueue[Any]]) -> None:
    driver = Closing()
    queue = kind(driver)

    @queue.task
    async def note(word: str) -> None: ...

    @get("/")
    async def push(work: NamedDependency[JobQueue[Closing]]) -> int:
        await note.push("hello")
        assert work is queue
        return (await work.counts())[JobStatus.PENDING]

    async with AsyncTestClient(Litestar([push], plugins=[JobsPlugin(queue, dependency="work")])) as http:
        assert (await http.get("/")).json() == 1
        assert driver.closed == 0
    assert driver.closed == 1


def test_what_cannot_work_is_refused() -> None:
    queue = JobQueue(MemoryJobQueue())
    with pytest.raises(ConfigurationError, match="use a JobService, or leave out run_jobs"):
        JobsPlugin(queue, run_jobs=True)
    with pytest.raises(TypeError, match="queue is a JobQueue, not"):
        JobsPlugin(queue.driver)  # pyright: ignore[reportArgumentType]
    taken = {"jobs": Provide(lambda: 1, sync_to_thread=False)}
    with pytest.raises(ConfigurationError, match="another name"):
        Litestar([], dependencies=taken, plugins=[JobsPlugin(queue)])
