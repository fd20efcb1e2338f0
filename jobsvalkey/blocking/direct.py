"""A queue whose pushes the calling thread does itself, without the background loop, if it can."""

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar, cast

from jobsvalkey.contract import NewJob, Operation, Pushed
from jobsvalkey.runtime import JobQueue
from jobsvalkey.valkey import ValkeyJobQueue
from jobsvalkey.valkey.direct import Home

R = TypeVar("R")


class DirectQueue:
    """A queue for one push of a thread after the other.

    Args:
        queue: pushes by `DirectDriver`; nothing else is asked of it.
    """

    def __init__(self, queue: JobQueue[Any], driver: "DirectDriver") -> None:
        self.queue = queue
        self._driver = driver

    @property
    def descriptor(self) -> int:
        """Of the socket that threads use; -1 if there is none."""
        return self._driver.descriptor


class DirectDriver:
    """As much of a driver as a push needs. Its `push` is not awaited for: it is done when it returns."""

    def __init__(self, driver: ValkeyJobQueue, home: Home) -> None:
        self._driver = driver
        self._direct = driver.direct_pushes()
        self._home = home
        self.clock = driver.clock
        self.configuration = driver.configuration
        self.capabilities = driver.capabilities

    @property
    def descriptor(self) -> int:
        """Of its socket; -1 if there is none."""
        return self._direct.descriptor

    async def push(self, items: Sequence[NewJob], *, operation: Operation | None = None) -> list[Pushed]:
        """Do what the driver's `push` does."""
        return self._driver.push_directly(self._direct, items, self._home)


def direct_queue(queue: JobQueue[Any], home: Home) -> DirectQueue | None:
    """Make one of a queue, in the loop; `None` if something has to happen in the loop when jobs are pushed."""
    driver: Any = queue.driver
    # Those of another class may do more.
    if type(queue) is not JobQueue or type(driver) is not ValkeyJobQueue:
        return None
    direct = DirectDriver(driver, home)
    pushing = queue.pushing_by(cast(Any, direct))
    return None if pushing is None else DirectQueue(pushing, direct)


def done(work: Coroutine[Any, Any, R]) -> R:
    """Return what a coroutine returns that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("a push by a thread waits for nothing of an event loop")
